/**
 * Traffic for kernel tests and benchmarks, inside a namespace of `namespace.ts` only. Exact numbers of distinct
 * entries come from bench/traffic.c (built when older than its source); TCP, ICMP, IPv6 and NAT are real packets of
 * small programs.
 *
 * traffic.c and these functions write to the table; the product never does.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Namespace } from './namespace.js';

/** test/kernel and build/bench, where the benchmarks' bundle of this file lies, are equally deep. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Only ends what hangs: a loaded machine is slow. */
const TIMEOUT_MS = 300_000;

export interface TrafficResult {
  /** New flows or entries made. */
  readonly flows: number;
  readonly seconds: number;
  readonly per_second: number;
  /** Packets refused (EPERM: the table is full) or entries not created. */
  readonly errors: number;
}

/** Compiles bench/<name>.c into build/bench/<name> when that is missing or older; returns its path. */
export function buildTool(name: 'traffic' | 'floor_reader'): string {
  const source = join(ROOT, 'bench', `${name}.c`);
  const binary = join(ROOT, 'build', 'bench', name);
  const built = statSync(binary, { throwIfNoEntry: false });
  if (built && built.mtimeMs > statSync(source).mtimeMs) return binary;
  mkdirSync(join(ROOT, 'build', 'bench'), { recursive: true });
  // Renamed into place, as another test worker may be about to run it.
  const fresh = `${binary}.${process.pid}`;
  execFileSync('gcc', ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', source, '-o', fresh], { stdio: 'inherit' });
  renameSync(fresh, binary);
  return binary;
}

async function runTraffic(namespace: Namespace, args: readonly (string | number)[]): Promise<TrafficResult> {
  const { stdout } = await namespace.exec(buildTool('traffic'), args.map(String), { timeoutMs: TIMEOUT_MS });
  return JSON.parse(stdout) as TrafficResult;
}

export interface UdpOptions {
  readonly count: number;
  /** Flows per second; default as fast as possible. */
  readonly rate?: number;
  /** First destination port. Default 20,000. */
  readonly dport?: number;
  /** Number of destination ports, used in turn. Default 1, at most 1,024. */
  readonly dports?: number;
  /** Flushes the table after this many flows, so that it never fills and DESTROY events keep coming. */
  readonly flushEvery?: number;
}

/** New, unreplied UDP flows 127.x.y.z -> 127.0.0.1 through the packet path, all distinct. */
export function udpFlows(namespace: Namespace, options: UdpOptions): Promise<TrafficResult> {
  const args: (string | number)[] = ['udp', options.count];
  if (options.rate !== undefined) args.push('--rate', options.rate);
  if (options.dport !== undefined) args.push('--dport', options.dport);
  if (options.dports !== undefined) args.push('--dports', options.dports);
  if (options.flushEvery !== undefined) args.push('--flush-every', options.flushEvery);
  return runTraffic(namespace, args);
}

/** Entries 10.x.y.z -> 192.0.2.1:53 through ctnetlink, without packets; an entry that exists counts as an error. */
export function createEntries(namespace: Namespace, count: number, timeoutSeconds = 600): Promise<TrafficResult> {
  return runTraffic(namespace, ['create', count, '--timeout', timeoutSeconds]);
}

/** Deletes every entry of the namespace; each that was born under a listener sends a DESTROY. */
export async function flushTable(namespace: Namespace): Promise<{ readonly seconds: number }> {
  const { stdout } = await namespace.exec(buildTool('traffic'), ['flush'], { timeoutMs: TIMEOUT_MS });
  return JSON.parse(stdout) as { seconds: number };
}

export interface BurstOptions {
  /** Flows per second before the burst. */
  readonly base: number;
  readonly factor: number;
  readonly beforeSeconds: number;
  readonly afterSeconds: number;
  readonly dport?: number;
}

export interface Burst {
  /** Resolves at the switch: the onset, ms since 1970 by CLOCK_REALTIME. */
  readonly onsetUnixMs: Promise<number>;
  /** Resolves at the end. */
  readonly result: Promise<TrafficResult>;
}

/** Paced UDP flows at `base` per second, then at `factor` times that. */
export function burstFlows(namespace: Namespace, options: BurstOptions): Burst {
  const { base, factor, beforeSeconds, afterSeconds, dport } = options;
  const args = ['--base', base, '--factor', factor, '--before', beforeSeconds, '--after', afterSeconds];
  if (dport !== undefined) args.push('--dport', dport);
  const child = namespace.spawn(buildTool('traffic'), ['burst', ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!child.stdout) throw new Error('the burst has no standard output');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done) throw new Error('the burst ended early');
    return line.value;
  };
  const onsetUnixMs = next().then((line) => (JSON.parse(line) as { onset_unix_ms: number }).onset_unix_ms);
  const result = onsetUnixMs.then(next).then((line) => JSON.parse(line) as TrafficResult);
  // Whoever awaits one of them sees the failure; the other must not end the process.
  onsetUnixMs.catch(() => undefined);
  result.catch(() => undefined);
  return { onsetUnixMs, result };
}

export interface TcpOptions {
  readonly count: number;
  readonly port: number;
  /** Connections per second; default one after the other as fast as they go. */
  readonly rate?: number;
  /** Address the client connects to, such as one with a NAT rule. Default 127.0.0.1; `::1` for IPv6. */
  readonly host?: string;
  /** Port the server listens on when a NAT rule changes it. Default `port`. */
  readonly serverPort?: number;
  /**
   * `fin`: closed by the client, leaves TIME_WAIT. `reset`: leaves CLOSE. `open`: all stay open until the last is
   * made.
   */
  readonly close?: 'fin' | 'reset' | 'open';
}

/** Serves and connects in one process, so that it needs nothing else in the namespace. */
const TCP_PROGRAM = `
const net = require('node:net');
const { count, port, rate, host, serverPort, close } = JSON.parse(process.argv[1]);
const server = net.createServer((socket) => socket.on('error', () => {}).resume());
const open = [];
const connect = () => new Promise((resolve, reject) => {
  const socket = net.connect({ port, host }).once('error', reject);
  socket.once('connect', () => {
    if (close === 'open') return resolve(open.push(socket));
    socket.once('close', resolve).resume();
    if (close === 'reset') socket.resetAndDestroy(); else socket.end();
  });
});
server.listen(serverPort ?? port, host.includes(':') ? '::' : '0.0.0.0', 65535, async () => {
  const start = performance.now();
  let errors = 0;
  for (let made = 0; made < count; made++) {
    const early = rate ? start + made * 1000 / rate - performance.now() : 0;
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
    await connect().catch(() => errors++);
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(JSON.stringify({ flows: count - errors, seconds, per_second: (count - errors) / seconds, errors }));
  for (const socket of open) socket.destroy();
  server.close(() => process.exit());
});
`;

/** Real TCP connections in the namespace, one entry each. */
export async function tcpConnections(namespace: Namespace, options: TcpOptions): Promise<TrafficResult> {
  const spec = JSON.stringify({ host: '127.0.0.1', close: 'fin', ...options });
  const { stdout } = await namespace.exec(process.execPath, ['-e', TCP_PROGRAM, spec], { timeoutMs: TIMEOUT_MS });
  return JSON.parse(stdout) as TrafficResult;
}

const UDP6_PROGRAM = `
const dgram = require('node:dgram');
const [count, port] = process.argv.slice(1).map(Number);
const receiver = dgram.createSocket('udp6').bind(port, '::1', async () => {
  const open = [];
  for (let made = 0; made < count; made++) {
    const socket = dgram.createSocket('udp6');
    open.push(socket);
    await new Promise((resolve, reject) => socket.send('x', port, '::1', (error) => (error ? reject(error) : resolve())));
  }
  // Not before: a port that is free again may be given to a later one, and be no new flow.
  for (const socket of open) socket.close();
  receiver.close();
});
`;

/** New UDP flows ::1 -> ::1, each from a fresh source port; for hundreds, not for thousands. */
export async function udp6Flows(namespace: Namespace, options: { count: number; port: number }): Promise<void> {
  const args = ['-e', UDP6_PROGRAM, String(options.count), String(options.port)];
  await namespace.exec(process.execPath, args, { timeoutMs: TIMEOUT_MS });
}

/** One echo request, answered by the kernel: one ICMP (to an IPv6 address ICMPv6) entry; returns its identifier. */
export async function ping(namespace: Namespace, address = '127.0.0.1'): Promise<number> {
  const { stdout } = await namespace.exec(buildTool('traffic'), ['ping', address]);
  return (JSON.parse(stdout) as { id: number }).id;
}

export interface DestinationNat {
  readonly transport: 'tcp' | 'udp';
  /** The address that clients use, in 127.0.0.0/8, which all leads to the loopback. Default 127.0.0.1. */
  readonly address?: string;
  readonly port: number;
  /** Where the packets go instead. */
  readonly to: { readonly address: string; readonly port: number };
}

/** Adds an nft `dnat` rule for locally made connections: the entry's reply tuple then shows `to`. */
export async function addDestinationNat(namespace: Namespace, nat: DestinationNat): Promise<void> {
  const { transport, address = '127.0.0.1', port, to } = nat;
  await namespace.exec('nft', ['-f', '-'], {
    input: `table ip ctwatch_test_nat {
      chain output { type nat hook output priority -100; ip daddr ${address} ${transport} dport ${port} dnat to ${to.address}:${to.port}; }
    }`,
  });
}

/** Adds an nft `snat` rule for connections to a port: the entry's reply tuple then shows `to` as its destination. */
export async function addSourceNat(
  namespace: Namespace,
  nat: { readonly transport: 'tcp' | 'udp'; readonly port: number; readonly to: string },
): Promise<void> {
  await namespace.exec('nft', ['-f', '-'], {
    input: `table ip ctwatch_test_nat {
      chain postrouting { type nat hook postrouting priority 100; ${nat.transport} dport ${nat.port} snat to ${nat.to}; }
    }`,
  });
}
