/** The control socket of a stream, as the settings ask. That it cannot be opened, or fails, is a notice. */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Status, type StatusOptions } from '../pipeline/status.js';
import { type ControlFailure, ControlSink } from '../sinks/control.js';
import type { Sink } from '../sinks/sink.js';
import type { EarlyNotices } from './notices.js';

export interface ControlSocketOptions extends StatusOptions {
  readonly path: string;
  /** Octal. */
  readonly mode: string;
  readonly notices: Pick<EarlyNotices, 'tell'>;
}

export function openControl({ path, mode, notices, ...subject }: ControlSocketOptions): Sink {
  return new ControlSink({
    path,
    mode: Number.parseInt(mode, 8),
    status: new Status(subject),
    monotonicSeconds: () => performance.now() / 1000,
    onFailure: (failure) => {
      const detail = `${path}: ${failure.code ?? failure.message}`;
      notices.tell('control_failed', { remedy: remedyFor(path, failure), detail });
    },
  });
}

function remedyFor(path: string, { code }: ControlFailure): string {
  switch (code) {
    case 'EADDRINUSE':
      return `sudo ss -lxp src ${path}`;
    case 'EEXIST':
      return `ls -l ${path}`;
    default:
      return `sudo install -d -m 0750 -o "$USER" ${dirname(path)}`;
  }
}
