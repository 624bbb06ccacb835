import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamespace, type Namespace, removeNamespaces } from '../kernel/namespace.js';
import { flushTable, udpFlows } from '../kernel/traffic.js';
import { CLI, parseLines, runCli } from './cli.js';
import { createSmallDisk, removeSmallDisks } from './small-disk.js';

let directory: string;
const children = new Set<ChildProcess>();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ctwatch-files-'));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await removeNamespaces();
  await removeSmallDisks();
  rmSync(directory, { recursive: true, force: true });
});

interface Stream {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  stdout(): string;
  /** Resolves when the text is in what it printed, or in the file. */
  until(text: string, path?: string): Promise<void>;
  /** Ends it by a signal; resolves to its exit status. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/** `ctwatch stream` in a namespace, its input no terminal. */
function startStream(namespace: Namespace, args: readonly string[], through: readonly string[] = []): Stream {
  const program = [process.execPath, CLI, 'stream', '--netns', namespace.name, ...args];
  const [command = '', ...rest] = [...through, ...program];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const ended = once(child, 'close');
  return {
    child,
    stdout: () => stdout,
    async until(text, path) {
      for (let tries = 0; tries < 1500; tries++) {
        if ((path === undefined ? stdout : existsSync(path) ? readFileSync(path, 'utf8') : '').includes(text)) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`${text} was not written`);
    },
    async end(signal = 'SIGTERM') {
      child.kill(signal);
      const [status] = await ended;
      return status;
    },
  };
}

const countLines = (text: string) => text.split('\n').length - 1;
/** Texts of a file and those it was rotated to, the newest first. */
const partsOf = (folder: string, name: string) =>
  readdirSync(folder)
    .filter((each) => each === name || each.startsWith(`${name}.`))
    .sort((a, b) => (Number(a.slice(name.length + 1)) || 0) - (Number(b.slice(name.length + 1)) || 0))
    .map((each) => readFileSync(join(folder, each), 'utf8'));

describe('a stream into files', () => {
  it('puts flows and the others where they belong, readable for the group, and appends', async () => {
    const namespace = await createNamespace();
    const all = join(directory, 'ctwatch.ndjson');
    const flows = join(directory, 'flows.ndjson');
    const stream = startStream(namespace, ['--output', all, '--flows', flows]);
    await stream.until('"type":"start"', all);
    await udpFlows(namespace, { count: 300, rate: 3000 });
    await stream.until('"type":"sample"', all);
    expect(await stream.end('SIGINT')).toBe(0);
    expect(stream.stdout()).toBe('');
    const types = () => parseLines(readFileSync(all, 'utf8')).map(({ type }) => type);
    expect([types()[0], types().at(-1), types().includes('flow')]).toEqual(['start', 'stop', false]);
    const lines = parseLines(readFileSync(flows, 'utf8'));
    expect(lines.length).toBe(300);
    expect(lines.every(({ type, netns }) => type === 'flow' && netns === namespace.name)).toBe(true);
    expect([all, flows].map((path) => statSync(path).mode & 0o777)).toEqual([0o640, 0o640]);
    await runCli({ args: ['stream', '--once', '--netns', namespace.name, '--output', all] });
    expect(types().filter((type) => type === 'start').length).toBe(2);
  });

  it('rotates by size under load: each event is one whole line in one file', async () => {
    const namespace = await createNamespace();
    const flows = join(directory, 'flows.ndjson');
    const stream = startStream(namespace, [
      '--flows',
      flows,
      '--rotate-bytes',
      '1MB',
      '--keep',
      '100',
      '--interval',
      '1s',
    ]);
    await stream.until('"type":"start"');
    await udpFlows(namespace, { count: 40_000 });
    await flushTable(namespace);
    await stream.until('"destroy":40000,');
    expect(await stream.end()).toBe(0);
    const parts = partsOf(directory, 'flows.ndjson');
    expect(parts.length).toBeGreaterThan(10);
    for (const part of parts) {
      expect(part.length).toBeLessThanOrEqual(1_000_000);
      expect(part.startsWith('{"level"') && part.endsWith('}\n')).toBe(true);
    }
    expect(parts.reduce((sum, part) => sum + countLines(part), 0)).toBe(80_000);
    expect(parseLines(stream.stdout()).at(-1)).toMatchObject({ totals: { new: 40_000, destroy: 40_000, lost_new: 0 } });
  });

  it('goes on in a new file after SIGHUP when the old one was renamed, and loses no line', async () => {
    const namespace = await createNamespace();
    const flows = join(directory, 'flows.ndjson');
    const stream = startStream(namespace, ['--flows', flows, '--interval', '1s']);
    await stream.until('"type":"start"');
    const traffic = udpFlows(namespace, { count: 20_000, rate: 10_000 });
    for (const age of [3, 2, 1]) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      renameSync(flows, `${flows}.${age}`);
      stream.child.kill('SIGHUP');
      await stream.until('"type":"flow"', flows);
    }
    await traffic;
    await stream.until('"new":20000,');
    expect(await stream.end()).toBe(0);
    const parts = partsOf(directory, 'flows.ndjson');
    expect(parts.map((part) => part.endsWith('}\n'))).toEqual([true, true, true, true]);
    expect(parts.reduce((sum, part) => sum + countLines(part), 0)).toBe(20_000);
  });

  it('leaves whole lines but for the last when it is killed, and glues nothing to that one', async () => {
    const namespace = await createNamespace();
    const flows = join(directory, 'flows.ndjson');
    const first = startStream(namespace, ['--flows', flows]);
    await first.until('"type":"start"');
    const traffic = udpFlows(namespace, { count: 20_000, rate: 20_000 });
    await first.until('"type":"flow"', flows);
    await first.end('SIGKILL');
    await traffic;
    // What a kill may leave, and a loss of power: half a line.
    truncateSync(flows, statSync(flows).size - 20);
    const before = countLines(readFileSync(flows, 'utf8'));
    const second = startStream(namespace, ['--flows', flows, '--interval', '1s']);
    await second.until('"type":"start"');
    await udpFlows(namespace, { count: 100, dport: 30_000 });
    await second.until('"new":100,');
    expect(await second.end()).toBe(0);
    const lines = readFileSync(flows, 'utf8').trimEnd().split('\n');
    expect(lines.length).toBe(before + 1 + 100);
    const broken = lines.flatMap((line, at) => (line.endsWith('}') ? [] : [at]));
    expect(broken).toEqual([before]);
    expect(parseLines(lines.slice(before + 1).join('\n')).length).toBe(100);
  });

  it.each([
    [['--output', '.'], 2, /ERR_OUTPUT_FILE/],
    [['--flows', '.'], 2, /ERR_OUTPUT_FILE/],
    [['--output', './none/a.ndjson'], 1, /open .*none\/a\.ndjson: .*\(ENOENT\) \[ERR_OUTPUT\]; remedy: sudo install/],
    [['--rotate-bytes', 'big'], 2, /--rotate-bytes.*a size is expected, such as 64KiB/],
  ])('refuses %j', async (args, status, message) => {
    const namespace = await createNamespace();
    const result = await runCli({ args: ['stream', '--netns', namespace.name, ...args] });
    expect(result.status).toBe(status);
    expect(result.stdout).toBe('');
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trim().split('\n').length).toBe(1);
  });
});

describe('a full disk', () => {
  it('costs lines of the flows that are counted and told, and ends when there is room', async () => {
    const namespace = await createNamespace();
    const disk = await createSmallDisk('1m');
    const args = ['--flows', join(disk.path, 'flows.ndjson'), '--interval', '1s'];
    const stream = startStream(namespace, args, disk.through);
    await stream.until('"type":"start"');
    await udpFlows(namespace, { count: 60_000 });
    await stream.until('"cause":"output"');
    expect(stream.stdout()).toContain('"code":"output_failed"');
    disk.resize('64m');
    await stream.until('"code":"output_restored"');
    await udpFlows(namespace, { count: 500, dport: 30_000 });
    await stream.until('"new":60500,');
    expect(await stream.end()).toBe(0);
    const lines = parseLines(stream.stdout());
    const file = { path: join(disk.path, 'flows.ndjson') };
    expect(lines.filter((line) => line.type === 'notice' && line.file !== undefined)).toMatchObject([
      { code: 'output_failed', level: 'warn', file, remedy: `df -h ${disk.path}` },
      { code: 'output_restored', level: 'info', file },
    ]);
    const losses = lines.flatMap((line) => (line.type === 'loss' && line.cause === 'output' ? [line] : []));
    const lost = losses.reduce((sum, line) => sum + (line.phase === 'end' ? (line.lost_flow_lines ?? 0) : 0), 0);
    expect(lost).toBeGreaterThan(0);
    expect(losses.every((line) => line.file?.path === file.path)).toBe(true);
    const written = readFileSync(join(disk.seen, 'flows.ndjson'), 'utf8');
    expect(written.endsWith('}\n')).toBe(true);
    // To parse all of them would take a while; none is empty or in two pieces.
    expect(
      written.split('\n').every((line) => line === '' || (line.startsWith('{"level"') && line.endsWith('}'))),
    ).toBe(true);
    expect(countLines(written) + lost).toBe(60_500);
  });

  it('under all lines is told in them as soon as there is room', async () => {
    const namespace = await createNamespace();
    const disk = await createSmallDisk('64k');
    const path = join(disk.path, 'ctwatch.ndjson');
    const seen = join(disk.seen, 'ctwatch.ndjson');
    const stream = startStream(namespace, ['--flows', '--output', path], disk.through);
    await stream.until('"type":"start"', seen);
    await udpFlows(namespace, { count: 1000 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(statSync(seen).size).toBeLessThanOrEqual(65_536);
    disk.resize('8m');
    await stream.until('"code":"output_restored"', seen);
    expect(await stream.end()).toBe(0);
    const lines = parseLines(readFileSync(seen, 'utf8'));
    const codes = lines.flatMap((line) => (line.type === 'notice' && line.file !== undefined ? [line.code] : []));
    expect(codes).toEqual(['output_failed', 'output_restored']);
    expect(lines.filter(({ type }) => type === 'flow').length).toBe(1000);
    expect([lines[0]?.type, lines.at(-1)?.type]).toEqual(['start', 'stop']);
  });

  it('to the end is status 1 and one line', async () => {
    const namespace = await createNamespace();
    const disk = await createSmallDisk('64k');
    writeFileSync(join(disk.seen, 'others'), Buffer.alloc(65_536));
    const args = ['stream', '--once', '--netns', namespace.name, '--output', join(disk.path, 'ctwatch.ndjson')];
    const { status, stderr } = await runCli({ args, through: disk.through });
    expect(stderr).toMatch(/^ctwatch: write .*ctwatch\.ndjson: .*\(ENOSPC\) \[ERR_OUTPUT\]; remedy: df -h .*\n$/);
    expect(status).toBe(1);
  });

  it('leaves no half of a piece of evidence behind, and the stream goes on', async () => {
    const namespace = await createNamespace();
    const disk = await createSmallDisk('16k');
    const state = join(disk.path, 'state');
    mkdirSync(join(disk.seen, 'state'));
    const args = ['--state-dir', state, '--assume-max', '1000', '--interval', '1s'];
    const stream = startStream(namespace, args, disk.through);
    await stream.until('"type":"start"');
    await udpFlows(namespace, { count: 3000, rate: 1000 });
    await stream.until('"code":"evidence_failed"');
    await stream.until('"type":"sample"');
    expect(await stream.end()).toBe(0);
    const lines = parseLines(stream.stdout());
    const failed = lines.filter((line) => line.type === 'notice' && line.code === 'evidence_failed');
    expect(failed).toMatchObject([{ remedy: `df -h ${state}`, msg: expect.stringContaining('(ENOSPC)') }]);
    expect(readdirSync(join(disk.seen, 'state')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(lines.at(-1)?.type).toBe('stop');
  });
});
