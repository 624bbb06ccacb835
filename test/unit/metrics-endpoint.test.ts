import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { SCRAPE_CONNECTIONS_MAX, SCRAPES_PER_SECOND_MAX } from '../../src/model/limits.js';
import type { TickObservation } from '../../src/pipeline/observed.js';
import { MetricsEndpoint } from '../../src/sinks/metrics/metrics-endpoint.js';
import { MetricsState } from '../../src/sinks/metrics/metrics-state.js';
import { watchedState } from '../support/metrics.js';

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-metrics-'));
const path = join(directory, 'metrics.sock');
const open: { close(): unknown }[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const each of open.splice(0)) await each.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

async function serve(state: MetricsState, timeoutMs?: number): Promise<MetricsEndpoint> {
  const endpoint = new MetricsEndpoint(state, timeoutMs);
  open.push(endpoint);
  await endpoint.open({ kind: 'unix', path });
  return endpoint;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function ask(url: string, { method = 'GET', accept }: { method?: string; accept?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: path, path: url, method, agent: false, headers: { ...(accept && { accept }) } };
    const asking = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    asking.on('error', reject).end();
  });
}

function dial(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    open.push({ close: () => socket.destroy() });
    socket.once('connect', () => resolve(socket)).once('error', reject);
  });
}

const closed = (socket: Socket) =>
  new Promise((resolve) => socket.on('error', () => {}).once('close', () => resolve(true)));

describe('what it answers', () => {
  it('serves metrics in the format that is asked for', async () => {
    await serve(await watchedState());
    const plain = await ask('/metrics?x=1');
    expect(plain).toMatchObject({ status: 200, headers: { 'content-type': expect.stringContaining('version=0.0.4') } });
    expect(plain.text).toContain('\nctwatch_new_flows_total 800\n');
    const open = await ask('/metrics', { accept: 'application/openmetrics-text' });
    expect(open.headers['content-type']).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
    const head = await ask('/metrics', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(Number(head.headers['content-length'])).toBeGreaterThan(1000);
  });

  it.each([
    ['/', 'GET', 404],
    ['/metrics/', 'GET', 404],
    ['/../metrics', 'GET', 404],
    ['/metrics', 'POST', 405],
    ['/healthz', 'DELETE', 405],
  ])('%s %s: %i', async (url, method, status) => {
    await serve(new MetricsState());
    const answer = await ask(url, { method });
    expect(answer.status).toBe(status);
    if (status === 405) expect(answer.headers['allow']).toBe('GET, HEAD');
  });

  it('is healthy while ticks come', async () => {
    const state = new MetricsState();
    await serve(state);
    expect((await ask('/healthz')).status).toBe(200);
    vi.spyOn(state, 'tickAgeSeconds').mockReturnValue(11);
    expect(await ask('/healthz')).toMatchObject({ status: 503, text: 'no tick for 11 s\n' });
  });

  it('is ready when the kernel is listened to and the table is known', async () => {
    const state = new MetricsState();
    await serve(state);
    expect(await ask('/readyz')).toMatchObject({ status: 503, text: 'not listening to the kernel yet\n' });
    const watched = await watchedState({ seconds: 2 });
    const tick = watched.tick as TickObservation;
    state.write(watched.start as NonNullable<typeof watched.start>);
    state.observe({ ...tick, table: { blind: 0 } });
    expect((await ask('/readyz')).text).toBe('the size of the table is not known\n');
    state.observe(tick);
    expect((await ask('/readyz')).status).toBe(200);
  });

  it('makes the text once per tick', async () => {
    const state = await watchedState({ seconds: 2 });
    await serve(state);
    const metric = vi.spyOn(state, 'lines', 'get');
    await ask('/metrics');
    await ask('/metrics');
    expect(metric).toHaveBeenCalledTimes(1);
    state.observe({ ...(state.tick as TickObservation) });
    await ask('/metrics');
    expect(metric).toHaveBeenCalledTimes(2);
  });
});

describe('clients that ask for too much', () => {
  it('are too many: idle ones keep nobody out', async () => {
    await serve(await watchedState({ seconds: 2 }));
    const [oldest] = await Promise.all(Array.from({ length: SCRAPE_CONNECTIONS_MAX }, dial));
    const gone = closed(oldest as Socket);
    expect((await ask('/metrics')).text).toContain('\nctwatch_scrape_connections_refused_total 1\n');
    expect(await gone).toBe(true);
  });

  it('are too many that ask: what is over the limit is refused, and counted', async () => {
    const state = await watchedState({ seconds: 2 });
    await serve(state);
    // A second's worth is answered at once; then answers wait.
    await Promise.all(Array.from({ length: SCRAPES_PER_SECOND_MAX }, () => ask('/healthz').catch(() => {})));
    const before = state.served?.refusedConnections ?? 0;
    const count = SCRAPE_CONNECTIONS_MAX + 4;
    const asked = await Promise.allSettled(Array.from({ length: count }, () => ask('/healthz')));
    const refused = (state.served?.refusedConnections ?? 0) - before;
    expect(refused).toBeGreaterThan(0);
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(count - refused);
  });

  it('are a storm: its answers keep their distance', async () => {
    await serve(await watchedState({ seconds: 2 }));
    let answers = 0;
    const until = performance.now() + 1500;
    const storm = async () => {
      while (performance.now() < until) {
        await ask('/metrics');
        answers++;
      }
    };
    await Promise.all(Array.from({ length: 8 }, storm));
    // A second's worth at once, then so many a second; the last ones of each may end after the time.
    expect(answers).toBeLessThanOrEqual(SCRAPES_PER_SECOND_MAX * 2.5 + 8);
    expect(answers).toBeGreaterThan(SCRAPES_PER_SECOND_MAX);
  });

  it('ask before they have an answer: they are cut off', async () => {
    await serve(await watchedState({ seconds: 2 }));
    const socket = await dial();
    socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(200));
    expect(await closed(socket)).toBe(true);
    expect((await ask('/healthz')).status).toBe(200);
  });

  it.each([
    ['no HTTP', '\x16\x03\x01\x02\x00'],
    ['a head without end', `GET /metrics HTTP/1.1\r\nx: ${'y'.repeat(20_000)}`],
  ])('send %s: they are cut off', async (_, text) => {
    await serve(new MetricsState());
    const socket = await dial();
    socket.write(text);
    expect(await closed(socket)).toBe(true);
  });

  it('are slow to ask: others are answered meanwhile, and they are cut off', async () => {
    await serve(await watchedState({ seconds: 2 }), 500);
    const socket = await dial();
    socket.write('GET /metrics HTTP/1.1\r\n');
    const timer = setInterval(() => socket.write('a: b\r\n'), 50);
    expect((await ask('/metrics')).status).toBe(200);
    expect(await closed(socket)).toBe(true);
    clearInterval(timer);
  });
});

describe('a unix socket', () => {
  it('may be used by its owner and group, and goes at the end', async () => {
    const endpoint = await serve(new MetricsState());
    expect(statSync(path).mode & 0o777).toBe(0o660);
    await endpoint.close();
    expect(existsSync(path)).toBe(false);
  });

  it('that a killed process left is replaced', async () => {
    const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', code]);
    expect(statSync(path).isSocket()).toBe(true);
    await serve(new MetricsState());
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('of another process is left alone', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    open.push(other);
    await expect(serve(new MetricsState())).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(statSync(path).isSocket()).toBe(true);
  });

  it('is not made in place of a file', async () => {
    writeFileSync(path, 'mine');
    await expect(serve(new MetricsState())).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(path, 'utf8')).toBe('mine');
    rmSync(path);
  });
});
