/**
 * What a stream's results go to, as the settings ask: its lines always somewhere, the others when they are configured. One that
 * cannot be opened or fails later is told as a notice and ends nothing.
 */
import { hostname } from 'node:os';
import type { ServiceManager } from '../kernel/service-manager.js';
import type { CtwatchError } from '../model/errors.js';
import type { Settings } from '../model/settings.js';
import { EvidenceKeeper } from '../sinks/evidence.js';
import { FanOut, type Sink } from '../sinks/sink.js';
import { SystemdSink } from '../sinks/systemd.js';
import { openControl } from './control.js';
import type { MetricsOptions } from './metrics.js';
import { EarlyNotices, tellNotice } from './notices.js';
import { openOutput } from './output.js';
import { VERSION } from './version.js';

export interface SinkOptions {
  readonly settings: Settings;
  /** Those that hold now: a reload may have changed some. */
  readonly current: () => Settings;
  /** The service manager that started this process. */
  readonly manager?: ServiceManager | undefined;
  /** The reader of standard output has gone, or lines could not be written. */
  readonly onClosed: (error?: CtwatchError) => void;
}

/** Throws what `openOutput` throws: without its lines a stream does not begin. */
export async function openSinks({ settings, current, manager, onClosed }: SinkOptions): Promise<Sink> {
  const { netns, state_dir } = settings;
  const sinks = new FanOut();
  const early = new EarlyNotices(sinks);
  sinks.add(openOutput({ settings, onClosed, notices: early, losses: sinks }));
  if (manager !== undefined) {
    const onFailure = ({ code, message }: NodeJS.ErrnoException) =>
      tellNotice(sinks, 'notify_failed', { remedy: 'systemctl status ctwatch', detail: code ?? message });
    sinks.add(new SystemdSink({ manager, onFailure }));
  }
  if (state_dir !== undefined && state_dir !== '') sinks.add(openEvidence(state_dir, sinks));
  if (hasMetrics(settings)) {
    const outputs = () => sinks.health();
    const options = { settings, notices: early, outputs, hostname: hostname(), version: VERSION, netns };
    const metrics = await openMetrics(options);
    if (metrics !== undefined) sinks.add(metrics);
  }
  const { socket: path, mode } = settings.control;
  if (path !== undefined && path !== '') {
    const subject = { settings: current, hostname: hostname(), version: VERSION };
    sinks.add(openControl({ ...subject, path, mode, notices: early }));
  }
  sinks.add(early);
  return sinks;
}

/** Undefined when the file beside the program that they are in cannot be loaded. */
async function openMetrics(options: MetricsOptions): Promise<Sink | undefined> {
  try {
    return (await import('./metrics.js')).openMetrics(options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    options.notices.tell('metrics_unavailable', { detail: code ?? message, remedy: 'install ctwatch anew' });
    return undefined;
  }
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
      tellNotice(notices, 'evidence_failed', { remedy, detail: code ?? message });
    },
  });
}
