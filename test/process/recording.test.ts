import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createNamespace, type Namespace, removeNamespaces } from '../kernel/namespace.js';
import { flushTable, tcpConnections, udpFlows } from '../kernel/traffic.js';
import { busyRecords } from '../support/busy-records.js';
import { recordToMemory } from '../support/recordings.js';
import { CLI, parseLines, runCli } from './cli.js';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'ctwatch-recording-'));
const recording = join(directory, 'made.ctrec');

beforeAll(async () => {
  const { files } = await recordToMemory(busyRecords({ seconds: 60, newPerSecond: 300 }));
  writeFileSync(recording, files[0] ?? '');
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(removeNamespaces);

let made = 0;
const freshPath = () => join(directory, `${made++}.ctrec`);

/** Some of everything: UDP that stays, TCP that ends, a flush. */
async function traffic(namespace: Namespace): Promise<void> {
  await udpFlows(namespace, { count: 1500, rate: 1000 });
  await tcpConnections(namespace, { count: 20, port: 7000, rate: 100 });
  await flushTable(namespace);
}

describe('a stream that is recorded', () => {
  it('is replayed to the byte: the same lines, times and names', async () => {
    const namespace = await createNamespace();
    const path = freshPath();
    const live = await runCli({
      args: ['stream', '--flows', '--interval', '500ms', '--netns', namespace.name, '--record', path],
      onLine: (line, child) => {
        if (line.includes('"type":"start"')) void traffic(namespace).then(() => child.kill('SIGINT'));
      },
    });
    expect({ status: live.status, stderr: live.stderr }).toEqual({ status: 0, stderr: '' });
    expect(parseLines(live.stdout).filter(({ type }) => type === 'flow').length).toBeGreaterThan(3000);
    const replayed = await runCli({ args: ['replay', '--flows', '--interval', '500ms', path] });
    expect({ status: replayed.status, stderr: replayed.stderr }).toEqual({ status: 0, stderr: '' });
    expect(replayed.stdout).toBe(live.stdout);
  });

  it('goes on when its disk is full, says so at once and at the end', async () => {
    const namespace = await createNamespace();
    const { status, stdout, stderr } = await runCli({
      args: ['stream', '--interval', '1s', '--netns', namespace.name, '--record', '/dev/full'],
      onLine: (line, child) => {
        if (line.includes('"type":"sample"')) child.kill('SIGINT');
      },
    });
    expect(status).toBe(1);
    const lines = parseLines(stdout);
    expect(lines.map(({ type }) => type)).toEqual(['start', 'notice', 'sample', 'stop']);
    expect(lines[1]).toMatchObject({ code: 'recording_failed', level: 'error' });
    expect(stderr).toMatch(/^ctwatch: write \/dev\/full: .*\(ENOSPC\) \[ERR_RECORDING_WRITE\].*\n$/);
  });
});

describe('record', () => {
  it('ends on Ctrl-C and says what it wrote', async () => {
    const namespace = await createNamespace();
    const path = freshPath();
    const recorder = run(process.execPath, [CLI, 'record', path, '--netns', namespace.name]);
    await untilRecording(path);
    await traffic(namespace);
    recorder.child.kill('SIGINT');
    const { stdout, stderr } = await recorder;
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^recorded 3,\d{3} events in [\d,]+ bytes \(.*\.ctrec\), [\d.]+ bytes an event, 0 left out\n$/,
    );
    const replayed = await runCli({ args: ['replay', path] });
    expect(replayed.status).toBe(0);
    const lines = parseLines(replayed.stdout);
    expect(lines[0]).toMatchObject({ type: 'start', netns: namespace.name });
    expect(lines.at(-1)).toMatchObject({ type: 'stop', reason: 'SIGINT', totals: { lost_new: 0 } });
  });

  it('ends by itself after --seconds', async () => {
    const namespace = await createNamespace();
    const path = freshPath();
    const { status, stderr } = await runCli({ args: ['record', path, '--netns', namespace.name, '--seconds', '0.5'] });
    expect(status).toBe(0);
    expect(stderr).toMatch(/^recorded 0 events in [\d,]+ bytes \(.*\.ctrec\), 0 left out\n$/);
    expect(parseLines((await runCli({ args: ['replay', path] })).stdout).at(-1)).toMatchObject({
      reason: 'time is over',
    });
  });

  it('fails with one line on a full disk, and what fitted can be replayed', async () => {
    const namespace = await createNamespace();
    // A file system of 128 KiB in a mount namespace of its own: it ends with the program.
    const copy = freshPath();
    const script = `mount -t tmpfs -o size=128k none "$1" && "$2" "$3" record "$1/full.ctrec" --netns "$4"; status=$?; cp "$1/full.ctrec" "$5"; exit $status`;
    const place = mkdtempSync(join(directory, 'mount-'));
    const shell = run('unshare', [
      '--mount',
      'bash',
      '-c',
      script,
      'bash',
      place,
      process.execPath,
      CLI,
      namespace.name,
      copy,
    ]);
    const ended = shell.then(
      () => ({ code: 0, stderr: '' }),
      (error: { code: number; stderr: string }) => error,
    );
    let over = false;
    void ended.then(() => {
      over = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    for (let dport = 20_000; !over && dport < 20_020; dport++)
      await udpFlows(namespace, { count: 15_000, rate: 15_000, dport });
    const { code, stderr } = await ended;
    expect(stderr).toMatch(
      /^ctwatch: write .*full\.ctrec: the recording cannot be written \(ENOSPC\) \[ERR_RECORDING_WRITE\].*\n$/,
    );
    expect(code).toBe(1);
    const replayed = await runCli({ args: ['replay', copy] });
    expect(replayed.status).toBe(1);
    expect(parseLines(replayed.stdout)[0]).toMatchObject({ type: 'start' });
    expect(parseLines(replayed.stdout).at(-1)).toMatchObject({
      type: 'stop',
      error: { code: 'ERR_RECORDING_DAMAGED' },
    });
  });

  it('never overwrites a file', async () => {
    const before = statSync(recording).mtimeMs;
    const { status, stderr } = await runCli({ args: ['record', recording] });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^ctwatch: write .*made\.ctrec: .*\[ERR_RECORDING_EXISTS\].*\n$/);
    expect(statSync(recording).mtimeMs).toBe(before);
  });

  it('leaves no file behind when the namespace is not there', async () => {
    const path = freshPath();
    const { status, stderr } = await runCli({ args: ['record', path, '--netns', 'ctw-none'] });
    expect(status).toBe(3);
    expect(stderr).toContain('[ERR_NETNS_NOT_FOUND]');
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    [['record'], "missing required argument 'file'"],
    [['record', 'a', '--seconds', '0'], 'a number above 0'],
    [['record', 'a', '--rotate-bytes', '1k'], 'a size is expected, such as 64KiB'],
    [['replay'], "missing required argument 'files'"],
    [['replay', 'a', '--speed', 'fast'], 'a number above 0'],
  ])('%j is bad usage', async (args, says) => {
    const { status, stderr } = await runCli({ args });
    expect(status).toBe(2);
    expect(stderr).toContain(says);
    expect(stderr.trim().split('\n').length).toBe(1);
  });
});

describe('replay', () => {
  it('reads a recording from standard input', async () => {
    const { stdout } = await runCli({ args: ['replay', recording] });
    const piped = spawnSync(process.execPath, [CLI, 'replay', '-'], {
      input: readFileSync(recording),
      encoding: 'utf8',
    });
    expect(piped).toMatchObject({ status: 0, stderr: '' });
    expect(piped.stdout).toBe(stdout);
    expect(parseLines(stdout).at(-1)).toMatchObject({ type: 'stop', host: 'web-1', reason: 'end of the recording' });
  });

  it('asks what another limit would have told', async () => {
    const { stdout } = await runCli({ args: ['replay', recording, '--assume-max', '5000'] });
    const alerts = parseLines(stdout).filter((line) => line.type === 'alert');
    expect(alerts.map(({ name }) => name)).toContain('usage');
  });

  it('loses no line when its reader is slow', async () => {
    const command = `"${process.execPath}" "${CLI}" replay --flows "${recording}" | (sleep 3; cat)`;
    const { stdout } = await run('bash', ['-c', command], { maxBuffer: 2 ** 30 });
    const lines = stdout.trimEnd().split('\n');
    const types = lines.map((line) => /"type":"(\w+)"/.exec(line)?.[1]);
    expect(types.filter((type) => type === 'loss')).toEqual([]);
    const { totals } = JSON.parse(lines.at(-1) ?? '');
    expect(types.filter((type) => type === 'flow').length).toBe(totals.new + totals.destroy);
  });

  it('ends quietly when its reader goes away', async () => {
    const command = `"${process.execPath}" "${CLI}" replay --flows "${recording}" | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await run('bash', ['-c', command]);
    const [line, status] = stdout.trim().split('\n');
    expect(JSON.parse(line ?? '')).toMatchObject({ type: 'start', host: 'web-1' });
    expect({ status, stderr }).toEqual({ status: '0', stderr: '' });
  });

  it('goes as fast as it can unless a pace is asked for, and when that is asked for by name', async () => {
    const [silent, named] = await Promise.all([
      runCli({ args: ['replay', recording] }),
      runCli({ args: ['replay', recording, '--speed', 'max'] }),
    ]);
    expect({ status: named.status, stderr: named.stderr }).toEqual({ status: 0, stderr: '' });
    expect(named.stdout).toBe(silent.stdout);
  });

  it('ends on Ctrl-C with a stop line and status 0', async () => {
    const { status, stdout, stderr } = await runCli({
      args: ['replay', recording, '--speed', '1'],
      onLine: (line, child) => {
        if (line.includes('"type":"start"')) child.kill('SIGINT');
      },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(parseLines(stdout).at(-1)).toMatchObject({ type: 'stop', reason: 'SIGINT' });
  });

  it('of a file cut short gives what is whole, a stop line with the error, and status 1', async () => {
    const path = freshPath();
    writeFileSync(path, readFileSync(recording));
    truncateSync(path, Math.floor(statSync(path).size * 0.9));
    const { status, stdout, stderr } = await runCli({ args: ['replay', path] });
    expect(status).toBe(1);
    const lines = parseLines(stdout);
    const last = lines.at(-1);
    expect(last).toMatchObject({ type: 'stop', level: 'error', error: { code: 'ERR_RECORDING_DAMAGED' } });
    expect(last?.type === 'stop' && last.totals.new).toBeGreaterThan(10_000);
    expect(stderr).toMatch(
      /^ctwatch: read .*: the recording is damaged or cut short: .* \[ERR_RECORDING_DAMAGED\].*\n$/,
    );
  });

  it.each([
    ['/nowhere/none.ctrec', 'ERR_RECORDING_READ', '(ENOENT)'],
    ['/etc/passwd', 'ERR_NOT_A_RECORDING', '/etc/passwd'],
    ['/dev/null', 'ERR_NOT_A_RECORDING', '/dev/null'],
    ['/', 'ERR_RECORDING_READ', '(EISDIR)'],
  ])('of %s is refused with one line and status 2', async (path, code, says) => {
    const { status, stdout, stderr } = await runCli({ args: ['replay', path] });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(`[${code}]`);
    expect(stderr).toContain(says);
    expect(stderr.trim().split('\n').length).toBe(1);
  });
});

describe('replay of a conn.log', () => {
  const log = fileURLToPath(new URL('../fixtures/conn.log', import.meta.url));

  it('prints lines of the log, told by its name, with what could not be used', async () => {
    const { status, stdout, stderr } = await runCli({ args: ['replay', '--flows', log] });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = parseLines(stdout);
    expect(lines[0]).toMatchObject({ type: 'start', host: 'conn.log', table: { max: 262_144 } });
    expect(lines.filter(({ type }) => type === 'flow')).toHaveLength(11);
    expect(lines.at(-1)).toMatchObject({ type: 'stop', totals: { new: 11, malformed: 2 } });
  });

  it('takes --assume-max for the size of the table, and other timeouts', async () => {
    const { stdout } = await runCli({
      args: ['replay', log, '--assume-max', '8', '--assume-timeout', 'tcp_time_wait=30'],
    });
    const sample = parseLines(stdout).findLast(({ type }) => type === 'sample');
    expect(sample).toMatchObject({ table: { count: 8, max: 8 } });
  });

  it.each([
    [[log, '--assume-timeout', 'tcp_lunch=30'], 'no such key'],
    [[log, recording], 'not parts of one recording'],
  ])('%j is bad usage', async (args, says) => {
    const { status, stdout, stderr } = await runCli({ args: ['replay', ...args] });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(says);
  });
});

/** Resolves when the file exists and its recorder listens. */
async function untilRecording(path: string): Promise<void> {
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 500));
}
