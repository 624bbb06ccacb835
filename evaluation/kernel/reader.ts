/** The built command line as a user runs it, in JSON, a sample a second; keeps what the score needs of its lines. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EventLine } from '../../src/model/events.js';

/** The bundle of this file lies in build/evaluation, as deep as this folder. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CLI = join(ROOT, 'dist', 'ctwatch.js');
const CONFIG = join(ROOT, 'evaluation', 'kernel', 'reader.toml');

type Line<T extends EventLine['type']> = Extract<EventLine, { readonly type: T }>;
export type Sample = Line<'sample'> & { readonly atSeconds: number };
export type Alert = Line<'alert'> & { readonly atSeconds: number };

/** What one ctwatch has said. `atSeconds` are Unix seconds of the lines' own time. */
export interface Told {
  readonly samples: readonly Sample[];
  /** Of `time_to_full`. */
  readonly alerts: readonly Alert[];
}

export interface Reader extends Told {
  /** Ends it; rejects when it ended by itself. */
  stop(): Promise<void>;
}

/** Starts `ctwatch stream` on a namespace, recorded into a file if one is given; resolves when it has subscribed. */
export async function startReader(netns: string, assumeMax: number, recording?: string): Promise<Reader> {
  const record = recording === undefined ? [] : ['--record', recording];
  const child = run(['stream', '--netns', netns, ...record], assumeMax);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let told: Told | undefined;
  await new Promise<void>((resolve, reject) => {
    child.once('close', (status) => reject(new Error(`ctwatch ended with ${status} before it began`)));
    told = listen(child, resolve);
  });
  return {
    ...(told as Told),
    async stop() {
      child.kill('SIGTERM');
      const status = await ended;
      if (status !== 0) throw new Error(`ctwatch ended with ${status}`);
    },
  };
}

/** What `ctwatch replay` says of a recording now. Rejects when it fails. */
export async function replayRecording(recording: string, assumeMax: number): Promise<Told> {
  const child = run(['replay', recording], assumeMax);
  const told = listen(child);
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (status !== 0) throw new Error(`the replay of ${recording} ended with ${status}`);
  return told;
}

function run(command: readonly string[], assumeMax: number): ChildProcess {
  const args = [CLI, ...command, '--config', CONFIG, '--assume-max', String(assumeMax), '--interval', '1s'];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Fills as lines come. */
function listen({ stdout }: ChildProcess, onStart?: () => void): Told {
  const samples: Sample[] = [];
  const alerts: Alert[] = [];
  if (!stdout) throw new Error('ctwatch has no standard output');
  createInterface({ input: stdout }).on('line', (text) => {
    const line = JSON.parse(text) as EventLine;
    const atSeconds = Date.parse(line.time) / 1000;
    if (line.type === 'start') onStart?.();
    if (line.type === 'sample') samples.push({ ...line, atSeconds });
    if (line.type === 'alert' && line.name === 'time_to_full') alerts.push({ ...line, atSeconds });
  });
  return { samples, alerts };
}
