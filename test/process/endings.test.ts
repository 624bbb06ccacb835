import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { udpFlows } from '../kernel/traffic.js';
import { CLI, parseLines, runCli } from './cli.js';

afterEach(removeNamespaces);
const run = promisify(execFile);

describe('a stream', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('ends on %s with a stop line and status 0', async (signal) => {
    const namespace = await createNamespace();
    const { status, stdout, stderr } = await runCli({
      args: ['stream', '--netns', namespace.name],
      onLine: (line, child) => {
        if (line.includes('"type":"start"')) child.kill(signal);
      },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = parseLines(stdout);
    expect(lines.map(({ type }) => type)).toEqual(['start', 'stop']);
    expect(lines.at(-1)).toMatchObject({ reason: signal, netns: namespace.name });
  });

  it('ends with status 1, a stop line and one line on standard error when its namespace is deleted', async () => {
    const namespace = await createNamespace();
    const { status, stdout, stderr } = await runCli({
      args: ['stream', '--netns', namespace.name],
      onLine: (line) => {
        if (line.includes('"type":"start"')) void namespace.remove();
      },
    });
    expect(status).toBe(1);
    expect(parseLines(stdout).at(-1)).toMatchObject({
      type: 'stop',
      level: 'error',
      error: { code: 'ERR_NETNS_GONE' },
    });
    expect(stderr).toMatch(/^ctwatch: watch ctw-.*\[ERR_NETNS_GONE\].*\n$/);
  });

  it('ends after one sample with --once', async () => {
    const namespace = await createNamespace();
    const { status, stdout } = await runCli({ args: ['--once', '--netns', namespace.name] });
    expect(status).toBe(0);
    expect(parseLines(stdout).map(({ type }) => type)).toEqual(['start', 'sample', 'stop']);
  });

  it('ends quietly when its reader goes away', async () => {
    const namespace = await createNamespace();
    const command = `"${process.execPath}" "${CLI}" stream --flows --netns ${namespace.name} | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const shell = run('bash', ['-c', command]);
    await udpFlows(namespace, { count: 2000, rate: 1000 });
    const { stdout, stderr } = await shell;
    const [line, status] = stdout.trim().split('\n');
    expect(JSON.parse(line ?? '')).toMatchObject({ type: 'start' });
    expect({ status, stderr }).toEqual({ status: '0', stderr: '' });
  });

  it('fails with one line when standard output cannot be written', async () => {
    const namespace = await createNamespace();
    const full = openSync('/dev/full', 'w');
    try {
      const child = spawn(process.execPath, [CLI, 'stream', '--netns', namespace.name], {
        stdio: ['ignore', full, 'pipe'],
      });
      let stderr = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      const status = await new Promise((resolve) => child.once('close', resolve));
      expect(status).toBe(1);
      expect(stderr).toMatch(/^ctwatch: write standard output: .*\(ENOSPC\) \[ERR_OUTPUT\].*\n$/);
    } finally {
      closeSync(full);
    }
  });

  it('loses lines, not events, when its reader stands still, and tells both counts', async () => {
    const namespace = await createNamespace();
    const child = spawn(process.execPath, [CLI, 'stream', '--flows', '--netns', namespace.name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    child.stdout.setEncoding('utf8');
    await new Promise<void>((resolve) =>
      child.stdout.on('data', function onStart(text: string) {
        stdout += text;
        if (stdout.includes('\n')) {
          child.stdout.off('data', onStart).pause();
          resolve();
        }
      }),
    );
    await udpFlows(namespace, { count: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.stdout.on('data', (text: string) => {
      stdout += text;
    });
    child.stdout.resume();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill('SIGINT');
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect(status).toBe(0);
    const lines = parseLines(stdout);
    const flows = lines.filter(({ type }) => type === 'flow').length;
    const dropped = lines.flatMap((line) =>
      line.type === 'loss' && line.cause === 'output' && line.phase === 'end' ? [line.lost_lines ?? 0] : [],
    );
    expect(dropped.length).toBeGreaterThan(0);
    const lost = dropped.reduce((sum, count) => sum + count, 0);
    expect(lost).toBeGreaterThan(0);
    expect(flows + lost).toBe(60_000);
    expect(lines.at(-1)).toMatchObject({ type: 'stop', totals: { new: 60_000, lost_new: 0 } });
  });
});
