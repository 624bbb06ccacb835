/**
 * What a stream's results go to, as the settings ask: standard output always, the others when they are configured. One that
 * cannot be opened or fails later is told as a notice and ends nothing.
 */
import { hostname } from 'node:os';
import { NOTICES } from '../analysis/degraded.js';
import type { CtwatchError } from '../model/errors.js';
import type { Settings } from '../model/settings.js';
import { EvidenceKeeper } from '../sinks/evidence.js';
import { NdjsonSink } from '../sinks/ndjson.js';
import { FanOut, type Sink } from '../sinks/sink.js';

export interface SinkOptions {
  readonly settings: Settings;
  /** The reader of standard output has gone, or it failed. */
  readonly onClosed: (error?: CtwatchError) => void;
}

export function openSinks({ settings, onClosed }: SinkOptions): Sink {
  const { netns, state_dir } = settings;
  const sinks = new FanOut([new NdjsonSink({ stream: process.stdout, hostname: hostname(), netns, onClosed })]);
  if (state_dir !== undefined && state_dir !== '') sinks.add(openEvidence(state_dir, sinks));
  return sinks;
}

/** Evidence of critical alerts in `directory`; a failure of it is a notice in `notices`. */
export function openEvidence(directory: string, notices: Pick<Sink, 'write'>): Sink {
  return new EvidenceKeeper({
    directory,
    onFailure: ({ code, message }) => {
      const text = NOTICES.evidence_failed;
      const remedy = code === 'ENOSPC' ? `df -h ${directory}` : `sudo install -d -m 0700 -o "$USER" ${directory}`;
      const msg = `${text} (${code ?? message})`;
      const unixSeconds = Date.now() / 1000;
      notices.write({ type: 'notice', level: 'warn', unixSeconds, msg, code: 'evidence_failed', text, remedy });
    },
  });
}
