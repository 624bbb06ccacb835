import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OTLP_ALERTS_MAX } from '../../src/model/limits.js';
import { OtlpPush } from '../../src/sinks/metrics/otlp-push.js';
import { alertOf, watchedState } from '../support/metrics.js';

interface Value {
  readonly stringValue?: string;
  readonly kvlistValue?: { readonly values: readonly { readonly key: string; readonly value: Value }[] };
}
interface Point {
  readonly attributes: readonly { readonly key: string; readonly value: Value }[];
  readonly asDouble: number;
}
interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: {
    readonly isMonotonic: boolean;
    readonly aggregationTemporality: number;
    readonly dataPoints: readonly Point[];
  };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
}
interface Log {
  readonly severityNumber: number;
  readonly eventName: string;
  readonly body: Value;
  readonly attributes: Point['attributes'];
}

/** What a collector does with a push. Default: takes it. */
type Manner = (response: ServerResponse, url: string) => void;

class Collector {
  readonly metrics: Metric[][] = [];
  readonly logs: Log[] = [];
  readonly resources: unknown[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  manner: Manner | undefined;
  server: Server | undefined;

  take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      this.headers.push(request.headers);
      if (this.manner !== undefined) return this.manner(response, request.url ?? '');
      const body = JSON.parse(Buffer.concat(chunks).toString());
      for (const { resource, scopeMetrics } of body.resourceMetrics ?? []) {
        this.resources.push(resource);
        this.metrics.push(scopeMetrics[0].metrics);
      }
      for (const { scopeLogs } of body.resourceLogs ?? []) this.logs.push(...scopeLogs[0].logRecords);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }

  async listen(server: Server, port = 0): Promise<number> {
    this.server = server;
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }
}

const servers: Server[] = [];
const pushes: OtlpPush[] = [];
afterEach(async () => {
  for (const push of pushes.splice(0)) await push.end();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function start(
  port: number,
  fields: {
    scheme?: string;
    headers?: Record<string, string>;
    ca_file?: string;
    timeout?: number;
    logs?: boolean;
  } = {},
) {
  const { scheme = 'http', ...settings } = fields;
  const state = await watchedState({ seconds: 3 });
  const changes: (string | undefined)[] = [];
  const push = new OtlpPush({
    settings: { endpoint: `${scheme}://127.0.0.1:${port}`, interval: 0.1, timeout: 0.3, logs: true, ...settings },
    ...{ state, hostname: 'web-1', version: '1.2.3', netns: 'blue' },
    onChange: (failure) => changes.push(failure),
  });
  pushes.push(push);
  return { push, state, changes };
}

async function collect(port = 0): Promise<{ collector: Collector; port: number }> {
  const collector = new Collector();
  return {
    collector,
    port: await collector.listen(
      createServer((...both) => collector.take(...both)),
      port,
    ),
  };
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const { collector, port } = await collect();
  await new Promise((resolve) => collector.server?.close(resolve));
  return port;
}

describe('a collector', () => {
  it('gets what the catalogue has, with kinds, units and labels', async () => {
    const { collector, port } = await collect();
    await start(port, { headers: { authorization: 'Bearer x' } });
    await vi.waitFor(() => expect(collector.metrics.length).toBeGreaterThan(1));
    const metrics = new Map((collector.metrics[0] ?? []).map((metric) => [metric.name, metric]));
    expect(metrics.get('ctwatch_new_flows_total')).toMatchObject({
      unit: '{flow}',
      sum: { isMonotonic: true, aggregationTemporality: 2, dataPoints: [{ asDouble: 120 }] },
    });
    const windows = metrics.get('ctwatch_new_flows_per_second')?.gauge?.dataPoints ?? [];
    expect(windows.map(({ attributes }) => attributes)).toContainEqual([
      { key: 'window', value: { stringValue: '10s' } },
    ]);
    expect(metrics.has('ctwatch_burst_ratio')).toBe(false);
    expect(collector.headers[0]).toMatchObject({ authorization: 'Bearer x', 'content-type': 'application/json' });
    expect(JSON.stringify(collector.resources[0])).toContain(
      '{"key":"service.instance.id","value":{"stringValue":"web-1/blue"}}',
    );
  });

  it('gets each alert once, as a log with its sentence and fields', async () => {
    const { collector, port } = await collect();
    const { push, state } = await start(port);
    push.write(alertOf());
    push.write(alertOf({ severity: 'warning', level: 'warn', msg: 'second' }));
    await vi.waitFor(() => expect(collector.logs.length).toBe(2));
    await vi.waitFor(() => expect(state.pushed?.waitingAlerts).toBe(0));
    const [first, second] = collector.logs;
    expect(first).toMatchObject({
      severityNumber: 17,
      eventName: 'ctwatch.alert',
      body: { stringValue: 'conntrack table 41 % full' },
    });
    expect(second).toMatchObject({ severityNumber: 13, body: { stringValue: 'second' } });
    const attributes = JSON.stringify(first?.attributes);
    expect(attributes).toContain('{"key":"severity","value":{"stringValue":"critical"}}');
    expect(attributes).toContain('{"key":"ip","value":{"stringValue":"10.0.0.5"}}');
  });

  it('gets what is there at the end', async () => {
    const { collector, port } = await collect();
    const { push } = await start(port);
    push.write(alertOf());
    await push.end();
    expect(collector.logs.length).toBe(1);
  });
});

describe('a collector that fails', () => {
  const trickle: Manner = (response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 50);
    response.on('close', () => clearInterval(timer));
  };
  it.each<[string, Manner, RegExp]>([
    ['refuses', (response) => response.writeHead(403).end('no'), /^\/v1\/metrics: HTTP 403 Forbidden$/],
    ['is overloaded', (response) => response.writeHead(503).end(), /retryable/],
    ['hangs', () => {}, /timed out/],
    ['trickles its answer', trickle, /^\/v1\/metrics: no whole answer in time$/],
    ['hangs up', (response) => response.destroy(), /: ECONNRESET$/],
    ['answers without end', (response) => response.writeHead(200).end('x'.repeat(5_000_000)), /exceeded size limit/],
  ])('%s: told once, and once when it is over; its alerts wait', async (_, manner, reason) => {
    const { collector, port } = await collect();
    collector.manner = manner;
    const { push, state, changes } = await start(port);
    push.write(alertOf());
    await vi.waitFor(() => expect(state.pushed?.failedPushes).toBeGreaterThan(1), { timeout: 5000 });
    expect(changes).toEqual([expect.stringMatching(reason)]);
    expect(state.pushed).toMatchObject({ waitingAlerts: 1, lostAlerts: 0 });
    collector.manner = undefined;
    await vi.waitFor(() => expect(changes).toHaveLength(2), { timeout: 5000 });
    expect(changes[1]).toBeUndefined();
    expect(collector.logs.map(({ body }) => body.stringValue)).toEqual(['conntrack table 41 % full']);
  });

  it('takes metrics only: alerts wait, or are not pushed at all', async () => {
    const { collector, port } = await collect();
    collector.manner = (response, url) => response.writeHead(url === '/v1/logs' ? 404 : 200).end();
    const { push, changes } = await start(port);
    push.write(alertOf());
    await vi.waitFor(() => expect(changes).toEqual(['/v1/logs: HTTP 404 Not Found']), { timeout: 5000 });
    const { push: other, state } = await start(port, { logs: false });
    other.write(alertOf());
    await vi.waitFor(() => expect(state.pushed?.pushes).toBeGreaterThan(1), { timeout: 5000 });
    expect(state.pushed).toMatchObject({ failedPushes: 0, waitingAlerts: 0 });
  });

  it('is not there, and comes later', async () => {
    const port = await freePort();
    const { push, changes } = await start(port);
    push.write(alertOf());
    await vi.waitFor(() => expect(changes).toEqual(['/v1/metrics: ECONNREFUSED']), { timeout: 5000 });
    const { collector } = await collect(port);
    await vi.waitFor(() => expect(collector.logs.length).toBe(1), { timeout: 5000 });
    expect(changes).toEqual(['/v1/metrics: ECONNREFUSED', undefined]);
  });

  it('costs the oldest alerts when there are too many, and they are counted', async () => {
    const { push, state } = await start(await freePort());
    for (let i = 0; i < OTLP_ALERTS_MAX + 7; i++) push.write(alertOf({ key: String(i) }));
    expect(state.pushed).toMatchObject({ waitingAlerts: OTLP_ALERTS_MAX, lostAlerts: 7 });
  });
});

describe('a certificate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ctwatch-otlp-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-subj', '/CN=collector', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      ...subject,
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  );
  const pair = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(key);

  async function collectTls() {
    const collector = new Collector();
    const server = createTlsServer(pair, (...both) => collector.take(...both)) as unknown as Server;
    return { collector, port: await collector.listen(server) };
  }

  it('that nobody vouches for is told', async () => {
    const { collector, port } = await collectTls();
    const { changes } = await start(port, { scheme: 'https' });
    await vi.waitFor(() => expect(changes).toEqual(['/v1/metrics: DEPTH_ZERO_SELF_SIGNED_CERT']), { timeout: 5000 });
    expect(collector.headers).toEqual([]);
  });

  it('that ca_file vouches for is taken', async () => {
    const { collector, port } = await collectTls();
    await start(port, { scheme: 'https', ca_file: cert, timeout: 2 });
    await vi.waitFor(() => expect(collector.metrics.length).toBeGreaterThan(0), { timeout: 5000 });
  });

  it('whose file is not there cannot be used', async () => {
    await expect(start(1, { scheme: 'https', ca_file: '/nowhere.pem' })).rejects.toThrow(/ENOENT/);
  });
});
