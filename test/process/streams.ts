/** The built `ctwatch stream` running in the background, with a control socket of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace } from '../kernel/namespace.js';
import { CLI } from './cli.js';

/** What is kept of the output, characters: a million lines of flows are not what is looked at. */
const STDOUT_CHARS_MAX = 1_000_000;

/** Others may look into it, as into /run/ctwatch. */
const root = mkdtempSync(join(tmpdir(), 'ctwatch-streams-'));
chmodSync(root, 0o755);
process.once('exit', () => rmSync(root, { recursive: true, force: true }));
const streams: Stream[] = [];
let sockets = 0;

export interface Stream {
  readonly child: ChildProcess;
  readonly path: string;
  /** All that it has printed. */
  stdout(): string;
  /** Ends it; resolves to its exit status. */
  stop(): Promise<number | null>;
}

export interface StreamOptions {
  readonly path?: string;
  /** Command that runs it. */
  readonly through?: readonly string[];
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What must be in its output before it counts as running. */
  readonly until?: string;
}

/** A stream that has its first sample, so that its socket answers. */
export async function startStream(namespace: Namespace, options: StreamOptions = {}): Promise<Stream> {
  const path = options.path ?? join(root, `${++sockets}.sock`);
  const args = ['stream', '--netns', namespace.name, '--control', path, '--assume-max', '1000'];
  const { through = [] } = options;
  const [command = process.execPath, ...rest] = [...through, process.execPath, CLI, ...args, ...(options.args ?? [])];
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...options.environment },
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < STDOUT_CHARS_MAX) stdout += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const stop = () => {
    child.kill('SIGTERM');
    return ended;
  };
  const stream: Stream = { child, path, stdout: () => stdout, stop };
  streams.push(stream);
  await until(() => stdout.includes(options.until ?? '"type":"sample"'));
  return stream;
}

export async function until(condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 20_000; !condition(); await sleep(10)) {
    if (performance.now() > deadline) throw new Error('waited in vain');
  }
}

/** Ends those that still run, by force. */
export function killStreams(): void {
  for (const { child } of streams.splice(0)) child.kill('SIGKILL');
}
