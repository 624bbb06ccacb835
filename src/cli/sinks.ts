/**
 * What a stream's results go to, as the settings ask: standard output always, the others when they are configured. One that
 * cannot be opened or fails later is told as a notice and ends nothing.
 */
import { hostname } from 'node:os';
import { NOTICES } from '../analysis/degraded.js';
import type { ServiceManager } from '../kernel/service-manager.js';
import type { CtwatchError } from '../model/errors.js';
import type { Settings } from '../model/settings.js';
import { EvidenceKeeper } from '../sinks/evidence.js';
import { isJournal, journalPrefix } from '../sinks/journal.js';
import { NdjsonSink } from '../sinks/ndjson.js';
import { FanOut, type Sink } from '../sinks/sink.js';
import { SystemdSink } from '../sinks/systemd.js';
import { VERSION } from './version.js';

export interface SinkOptions {
  readonly settings: Settings;
  /** The service manager that started this process. */
  readonly manager?: ServiceManager | undefined;
  /** The reader of standard output has gone, or it failed. */
  readonly onClosed: (error?: CtwatchError) => void;
}

export async function openSinks({ settings, manager, onClosed }: SinkOptions): Promise<Sink> {
  const { netns, state_dir, flows } = settings;
  const toJournal = isJournal(process.stdout.fd, process.env['JOURNAL_STREAM']);
  const stdout = new NdjsonSink({
    ...{ stream: process.stdout, hostname: hostname(), netns, onClosed },
    ...(toJournal && { prefix: journalPrefix, flows: false }),
  });
  const sinks = new FanOut([stdout]);
  if (manager !== undefined) {
    const onFailure = ({ code, message }: NodeJS.ErrnoException) =>
      tellNotice(sinks, 'notify_failed', 'systemctl status ctwatch', code ?? message);
    sinks.add(new SystemdSink({ manager, onFailure }));
  }
  if (toJournal && flows) sinks.add(flowsLeftOut(sinks));
  if (state_dir !== undefined && state_dir !== '') sinks.add(openEvidence(state_dir, sinks));
  if (hasMetrics(settings)) {
    const { openMetrics } = await import('./metrics.js');
    const outputs = () => sinks.health();
    sinks.add(openMetrics({ settings, notices: sinks, outputs, hostname: hostname(), version: VERSION, netns }));
  }
  return sinks;
}

/** Tells once, after the start, that the journal gets no flows. */
function flowsLeftOut(notices: Pick<Sink, 'write'>): Sink {
  return {
    write: ({ type }) => {
      if (type === 'start') tellNotice(notices, 'flows_left_out', 'ctwatch stream --flows > FILE');
    },
    end: () => Promise.resolve(),
  };
}

function hasMetrics({ metrics, otlp }: Settings): boolean {
  return [metrics.listen, otlp.endpoint].some((address) => address !== undefined && address !== '');
}

/** Evidence of critical alerts in `directory`; a failure of it is a notice in `notices`. */
export function openEvidence(directory: string, notices: Pick<Sink, 'write'>): Sink {
  return new EvidenceKeeper({
    directory,
    onFailure: ({ code, message }) => {
      const remedy = code === 'ENOSPC' ? `df -h ${directory}` : `sudo install -d -m 0700 -o "$USER" ${directory}`;
      tellNotice(notices, 'evidence_failed', remedy, code ?? message);
    },
  });
}

/** Writes a notice of its own time; `detail` says what exactly. */
function tellNotice(to: Pick<Sink, 'write'>, code: keyof typeof NOTICES, remedy: string, detail?: string): void {
  const text = NOTICES[code];
  const msg = detail === undefined ? text : `${text} (${detail})`;
  to.write({ type: 'notice', level: 'warn', unixSeconds: Date.now() / 1000, msg, code, text, remedy });
}
