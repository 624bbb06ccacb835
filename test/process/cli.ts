/** The built command line as a child process. */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { type EventLine, eventSchema } from '../../src/model/events.js';

export const CLI = fileURLToPath(new URL('../../dist/ctwatch.js', import.meta.url));

/**
 * A copy of what the command line needs that any user may read: a checkout may lie where only root can look.
 * Returns its path; the folder is removed at the end of the process.
 */
export function publicCli(): string {
  const root = mkdtempSync(join(tmpdir(), 'ctwatch-public-'));
  process.once('exit', () => rmSync(root, { recursive: true, force: true }));
  for (const file of ['dist/ctwatch.js', 'build/Release/ctwatch.node', 'package.json']) {
    const copy = join(root, file);
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), copy);
  }
  spawnSync('chmod', ['-R', 'a+rX', root]);
  return join(root, 'dist/ctwatch.js');
}

export interface Run {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly args: readonly string[];
  /** Command that runs the program instead of this node, e.g. `['ip', 'netns', 'exec', NAME]`. */
  readonly through?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The program. Default `CLI`. */
  readonly cli?: string;
  /** Called with each whole line of standard output. */
  readonly onLine?: (line: string, child: ChildProcessByStdio<null, Readable, Readable>) => void;
}

/** Runs it to its end. */
export function runCli({ args, through = [], environment = {}, cli = CLI, onLine }: RunOptions): Promise<Run> {
  const [command = process.execPath, ...rest] = [...through, process.execPath, cli, ...args];
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let stdout = '';
  let stderr = '';
  let told = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (let end = stdout.indexOf('\n', told); end >= 0; end = stdout.indexOf('\n', told)) {
      onLine?.(stdout.slice(told, end), child);
      told = end + 1;
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/** Every line parsed and held against the contract. */
export function parseLines(stdout: string): EventLine[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => v.parse(eventSchema, JSON.parse(line)));
}
