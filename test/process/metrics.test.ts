import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { udpFlows } from '../kernel/traffic.js';
import { parseLines, publicCli, runCli } from './cli.js';

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-listen-'));
const socketPath = join(directory, 'metrics.sock');
afterEach(removeNamespaces);
afterAll(() => rmSync(directory, { recursive: true }));

/** The answer, or undefined when there is none. */
function ask(path: string): Promise<{ status: number; text: string } | undefined> {
  return new Promise((resolve) => {
    const asking = request({ socketPath, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asking.on('error', () => resolve(undefined)).end();
  });
}

const valueIn = (text: string, series: string) => Number(new RegExp(`^${series} (\\S+)$`, 'm').exec(text)?.[1]);

/** A port of the host's loopback that is taken. */
async function takenPort() {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, free: () => server.close() };
}

describe('stream --listen', () => {
  it('serves exact counts while it is flooded and stormed with scrapes, and tells the last line as ever', async () => {
    const namespace = await createNamespace();
    const flows = 30_000;
    let isOver = false;
    let answers = 0;
    let last = '';
    const storm = async () => {
      for (; !isOver; answers++) last = (await ask('/metrics'))?.text ?? last;
    };
    const play = async (end: () => void) => {
      const storms = Array.from({ length: 40 }, storm);
      await udpFlows(namespace, { count: flows, rate: 10_000 });
      for (let ready = false; !ready; ) {
        const text = (await ask('/metrics'))?.text ?? '';
        ready = valueIn(text, 'ctwatch_new_flows_total') >= flows;
      }
      isOver = true;
      await Promise.all(storms);
      end();
    };
    const { status, stdout, stderr } = await runCli({
      args: ['stream', '--netns', namespace.name, '--listen', `unix:${socketPath}`],
      onLine: (line, child) => {
        if (line.includes('"type":"start"')) void play(() => child.kill('SIGTERM'));
      },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const stop = parseLines(stdout).at(-1);
    expect(stop).toMatchObject({ type: 'stop', reason: 'SIGTERM', totals: { new: flows, lost_new: 0 } });
    expect(answers).toBeGreaterThan(20);
    expect(valueIn(last, 'ctwatch_received_events_total\\{kind="new"\\}')).toBe(flows);
    expect(valueIn(last, 'ctwatch_drains_total')).toBeGreaterThan(0);
    expect(valueIn(last, 'ctwatch_lines_total\\{type="start"\\}')).toBe(1);
  });

  it('goes on when its address is in use, tells it once, and serves when it is free', async () => {
    const namespace = await createNamespace();
    const { port, free } = await takenPort();
    const { status, stdout } = await runCli({
      args: ['stream', '--netns', namespace.name, '--interval', '250ms', '--listen', `127.0.0.1:${port}`],
      onLine: (line, child) => {
        if (line.includes('metrics_unavailable')) free();
        if (line.includes('metrics_served')) child.kill('SIGINT');
      },
    });
    expect(status).toBe(0);
    const lines = parseLines(stdout);
    expect(lines[0]?.type).toBe('start');
    const notices = lines.filter((line) => line.type === 'notice');
    expect(notices).toMatchObject([
      { level: 'warn', code: 'metrics_unavailable', remedy: `ss -ltnp 'sport = :${port}'` },
      { level: 'info', code: 'metrics_served' },
    ]);
    expect(notices[0]?.msg).toMatch(/EADDRINUSE/);
    expect(lines.filter(({ type }) => type === 'sample').length).toBeGreaterThan(1);
  });

  it('leaves a file alone that stands where its socket should be', async () => {
    const namespace = await createNamespace();
    const path = join(directory, 'mine');
    writeFileSync(path, 'mine');
    const { status, stdout } = await runCli({
      args: ['stream', '--netns', namespace.name, '--once', '--listen', `unix:${path}`],
    });
    expect(status).toBe(0);
    expect(parseLines(stdout).map(({ type }) => type)).toEqual(['start', 'notice', 'sample', 'stop']);
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  it('goes on without the file of the metrics', async () => {
    const namespace = await createNamespace();
    const args = ['stream', '--netns', namespace.name, '--once', '--listen', `unix:${socketPath}`];
    // A copy of the command line alone.
    const { status, stdout } = await runCli({ args, cli: publicCli() });
    expect(status).toBe(0);
    const notices = parseLines(stdout).filter((line) => line.type === 'notice');
    expect(notices).toMatchObject([{ code: 'metrics_unavailable', remedy: 'install ctwatch anew' }]);
  });

  it('refuses an address that others could reach', async () => {
    const { status, stdout, stderr } = await runCli({ args: ['stream', '--listen', '0.0.0.0:9751'] });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^ctwatch: --listen: 0\.0\.0\.0 is no loopback address.*\[ERR_BAD_OPTION\].*\n$/);
  });
});

describe('[otlp]', () => {
  it('tells a collector that is not there once, and goes on', async () => {
    const namespace = await createNamespace();
    const { port, free } = await takenPort();
    free();
    let samples = 0;
    const endpoint = `http://127.0.0.1:${port}`;
    const { status, stdout } = await runCli({
      args: ['stream', '--netns', namespace.name, '--interval', '500ms'],
      environment: { CTWATCH_OTLP_ENDPOINT: endpoint, CTWATCH_OTLP_INTERVAL: '1s', CTWATCH_OTLP_TIMEOUT: '100ms' },
      onLine: (line, child) => {
        // The second push comes after two seconds.
        if (line.includes('"type":"sample"') && ++samples === 6) child.kill('SIGINT');
      },
    });
    expect(status).toBe(0);
    const notices = parseLines(stdout).filter((line) => line.type === 'notice');
    expect(notices).toMatchObject([
      { code: 'otlp_failing', msg: expect.stringContaining(`${endpoint}/v1/metrics: ECONNREFUSED`) },
    ]);
  });
});
