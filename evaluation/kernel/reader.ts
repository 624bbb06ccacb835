/** The built command line as a user runs it, in JSON, a sample a second; keeps what the score needs of its lines. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EventLine } from '../../src/model/events.js';

/** The bundle of this file lies in build/evaluation, as deep as this folder. */
const CLI = join(fileURLToPath(new URL('../../', import.meta.url)), 'dist', 'ctwatch.js');

type Line<T extends EventLine['type']> = Extract<EventLine, { readonly type: T }>;
export type Sample = Line<'sample'> & { readonly atSeconds: number };
export type Alert = Line<'alert'> & { readonly atSeconds: number };

/** What one ctwatch has said. `atSeconds` are Unix seconds of the lines' own time. */
export interface Reader {
  readonly samples: readonly Sample[];
  /** Of `time_to_full`. */
  readonly alerts: readonly Alert[];
  /** Ends it; rejects when it ended by itself. */
  stop(): Promise<void>;
}

/** Starts `ctwatch stream` on a namespace; resolves when it has subscribed. */
export async function startReader(netns: string, assumeMax: number): Promise<Reader> {
  const args = [CLI, 'stream', '--netns', netns, '--assume-max', String(assumeMax), '--interval', '1s'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const samples: Sample[] = [];
  const alerts: Alert[] = [];
  await new Promise<void>((resolve, reject) => {
    child.once('close', (status) => reject(new Error(`ctwatch ended with ${status} before it began`)));
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as EventLine;
      const atSeconds = Date.parse(line.time) / 1000;
      if (line.type === 'start') resolve();
      if (line.type === 'sample') samples.push({ ...line, atSeconds });
      if (line.type === 'alert' && line.name === 'time_to_full') alerts.push({ ...line, atSeconds });
    });
  });
  return {
    samples,
    alerts,
    async stop() {
      child.kill('SIGTERM');
      const status = await ended;
      if (status !== 0) throw new Error(`ctwatch ended with ${status}`);
    },
  };
}
