/** A stream with all its outputs that is killed under load, and the one that takes its place: nothing that was left is in its way. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { createNamespace, type Namespace, removeNamespaces } from '../kernel/namespace.js';
import { udpFlows } from '../kernel/traffic.js';
import { CLI, parseLines, runCli } from './cli.js';

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-killed-'));
const pathOf = (name: string) => join(directory, name);
const children = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await removeNamespaces();
  rmSync(directory, { recursive: true, force: true });
});

const read = (name: string) => (existsSync(pathOf(name)) ? readFileSync(pathOf(name), 'utf8') : '');
const startsIn = (text: string) => text.split('"type":"start"').length - 1;

/** Starts it and waits for its first line, which is the `starts`th of its kind in the file. */
async function start(namespace: Namespace, starts: number): Promise<ChildProcess> {
  const args = [CLI, 'stream', '--netns', namespace.name, '--config', pathOf('ctwatch.toml')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  children.add(child);
  while (startsIn(read('lines')) < starts) await sleep(20);
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const ended = once(child, 'close');
  child.kill(signal);
  const [status] = await ended;
  return status;
}

it('is replaced after a SIGKILL by one that has the same files and sockets, and counts on from the table', async () => {
  const namespace = await createNamespace();
  writeFileSync(
    pathOf('ctwatch.toml'),
    `state_dir = "${pathOf('state')}"
interval = "1s"
assume_max = 4000
[output]
file = "${pathOf('lines')}"
flows_file = "${pathOf('flows')}"
[metrics]
listen = "unix:${pathOf('metrics.sock')}"
[control]
socket = "${pathOf('ctwatch.sock')}"
[alert.usage]
hold_seconds = "250ms"
`,
  );
  const first = await start(namespace, 1);
  const traffic = udpFlows(namespace, { count: 20_000, rate: 10_000 });
  // Evidence is being kept, flows are being written.
  while (!read('lines').includes('"type":"alert"')) await sleep(10);
  await end(first, 'SIGKILL');
  await traffic;
  const sockets = ['ctwatch.sock', 'metrics.sock'];
  expect(sockets.every((name) => existsSync(pathOf(name)))).toBe(true);

  const second = await start(namespace, 2);
  const made = await udpFlows(namespace, { count: 300, dport: 30_000 });
  const check = ['check', '--netns', namespace.name, '--control', pathOf('ctwatch.sock')];
  // Full by the assumed limit, once that has held; with a rate, which only the daemon knows.
  let checked = await runCli({ args: check });
  for (let tries = 0; tries < 50 && checked.status !== 2; tries++) checked = await runCli({ args: check });
  expect(checked).toMatchObject({ status: 2, stderr: '' });
  expect(checked.stdout).toMatch(/^CONNTRACK CRITICAL.*'new_per_second'=\d/);
  while (!read('lines').includes('"new":300,')) await sleep(50);
  expect(await end(second, 'SIGTERM')).toBe(0);
  expect(sockets.filter((name) => existsSync(pathOf(name)))).toEqual([]);

  // A last line that the kill cut short is all that does not parse.
  const whole = (name: string) =>
    read(name)
      .split('\n')
      .filter((line) => line.endsWith('}'));
  expect(whole('lines').length).toBeGreaterThanOrEqual(read('lines').trimEnd().split('\n').length - 1);
  const lines = parseLines(whole('lines').join('\n'));
  const again = lines.slice(lines.findLastIndex(({ type }) => type === 'start'));
  // What came while nobody listened has no end that would be told.
  expect(again[0]).toMatchObject({ type: 'start', table: { count: 20_000 } });
  expect(again[0]?.type === 'start' ? again[0].table.blind : 0).toBeGreaterThan(0);
  expect(again.filter(({ type }) => type === 'notice')).toEqual([]);
  expect(again.at(-1)).toMatchObject({ type: 'stop', reason: 'SIGTERM', totals: { new: made.flows, lost_new: 0 } });
  expect(parseLines(whole('flows').slice(-300).join('\n'))).toHaveLength(300);
  for (const file of readdirSync(pathOf('state')))
    expect(JSON.parse(read(join('state', file)))).toHaveProperty('alert');
});
