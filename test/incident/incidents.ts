/**
 * The incidents that a diagnosis must tell apart, each with real sockets in a namespace of its own, beside the ordinary visitors of
 * a web service:
 *
 *   start: services and ordinary traffic ──(WARM_UP_SECONDS)──> onset: the incident's traffic ──> until it is told, or full
 *
 * nf_conntrack_max is left alone: the limit is what `--assume-max` says, such that the table would fill within about a minute.
 * The programs are worker.rb (Sidekiq, with a real Redis) and traffic.py.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DiagnosisCode } from '../../src/model/events.js';
import { countEntries, createNamespace, type Namespace } from '../kernel/namespace.js';

const PROGRAMS = fileURLToPath(new URL('../../test/incident/', import.meta.url));
export const REDIS_PORT = 6379;
const WEB_PORT = 8080;
const VISITORS_PER_SECOND = 15;
/** Jobs a second before the incident; four times as many in it. */
const JOBS_PER_SECOND = 25;
export const WORKER_THREADS = 25;

/** What is running in a namespace, and what to do at the onset. */
export interface Scene {
  /** Begins the incident. */
  begin(): Promise<void> | void;
  /** The process that is to blame, where there is one. */
  readonly culpritPid?: number;
}

export interface Incident {
  readonly name: string;
  readonly description: string;
  /** What it must be called; undefined: no alert may come. */
  readonly expected: DiagnosisCode | undefined;
  /** Port of the culprit's destination; absent where there is none, or several. */
  readonly port?: number;
  readonly assumeMax: number;
  /** Watched until an alert is critical as well: that leaves evidence. */
  readonly untilCritical?: true;
  /** How long it is watched when no answer comes. */
  readonly seconds: number;
  prepare(namespace: Namespace): Promise<Scene>;
}

/** Why the worker cannot run here, with what helps; undefined when it can. */
export function workerObstacle(): string | undefined {
  const missing = ['redis-server', 'sidekiq', 'ruby'].filter((name) => !existsSync(join('/usr/bin', name)));
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} missing: node scripts/bootstrap.mjs --test`;
}

/** A paced program; `rate` sets its connections a second. */
class Traffic {
  readonly child: ChildProcess;

  constructor(namespace: Namespace, kind: string, port?: number) {
    const args = [join(PROGRAMS, 'traffic.py'), kind, ...(port === undefined ? [] : [String(port)])];
    this.child = namespace.spawn('python3', args, { stdio: ['pipe', 'ignore', 'inherit'] });
  }

  rate(perSecond: number): void {
    this.child.stdin?.write(`${perSecond}\n`);
  }
}

/** Answers on these ports. */
async function serve(namespace: Namespace, ...ports: number[]): Promise<ChildProcess> {
  const args = [join(PROGRAMS, 'traffic.py'), 'serve', ...ports.map(String)];
  const child = namespace.spawn('python3', args, { stdio: ['pipe', 'ignore', 'inherit'] });
  await untilListening(namespace, ports[0] ?? 0);
  return child;
}

async function untilListening(namespace: Namespace, port: number): Promise<void> {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; await sleep(100)) {
    const { stdout } = await namespace.exec('cat', ['/proc/net/tcp', '/proc/net/tcp6']);
    if (stdout.split('\n').some((row) => row.includes(`${hex} `) && / 0A /.test(row))) return;
  }
  throw new Error(`nobody listens on port ${port}`);
}

/** Visitors of the web service, and whoever else is served. */
async function ordinaryTraffic(namespace: Namespace, ...ports: number[]): Promise<void> {
  await serve(namespace, WEB_PORT, ...ports);
  new Traffic(namespace, 'visit', WEB_PORT).rate(VISITORS_PER_SECOND);
}

/** Traffic that begins with the incident. */
function sudden(kind: string, perSecond: number, port?: number, served: readonly number[] = []) {
  return async (namespace: Namespace): Promise<Scene> => {
    await ordinaryTraffic(namespace, ...served);
    const traffic = new Traffic(namespace, kind, port);
    return { begin: () => traffic.rate(perSecond), ...(traffic.child.pid && { culpritPid: traffic.child.pid }) };
  };
}

/** Drops packets behind conntrack, so that they leave an entry. */
async function drop(namespace: Namespace, hook: 'input' | 'output', match: string, priority = 100): Promise<void> {
  const rule = `table inet ctwatch_silent { chain ${hook} { type filter hook ${hook} priority ${priority}; ${match} drop; }; }`;
  await namespace.exec('nft', ['-f', '-'], { input: rule });
}

/** Redis, Sidekiq and who asks for jobs; four times as many from the onset on. */
async function playJobs(namespace: Namespace, pool: boolean): Promise<Scene> {
  await ordinaryTraffic(namespace);
  const directory = mkdtempSync(join(tmpdir(), 'ctwatch-redis-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const redisArgs = ['--port', String(REDIS_PORT), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  namespace.spawn('redis-server', redisArgs, { stdio: 'ignore' });
  await untilListening(namespace, REDIS_PORT);
  const environment = { ...process.env, POOL: pool ? '1' : '0' };
  const sidekiqArgs = ['-r', join(PROGRAMS, 'worker.rb'), '-c', String(WORKER_THREADS)];
  const worker = namespace.spawn('sidekiq', sidekiqArgs, { stdio: 'ignore', env: environment, cwd: directory });
  const producer = namespace.spawn('ruby', [join(PROGRAMS, 'producer.rb')], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: environment,
  });
  producer.stdin?.write(`${JOBS_PER_SECOND}\n`);
  return {
    begin: () => void producer.stdin?.write(`${4 * JOBS_PER_SECOND}\n`),
    ...(worker.pid !== undefined && { culpritPid: worker.pid }),
  };
}

const IDLE_PORT = 5432;
const IDLE_CONNECTIONS = 2000;
const ESTABLISHED_SYSCTL = 'net.netfilter.nf_conntrack_tcp_timeout_established';
/** Two days of five have passed. */
const IDLE_TIMEOUT_SECONDS = 259_200;

/** NF_IP_PRI_RAW: conntrack does not see what is dropped there. */
const BEFORE_CONNTRACK = -300;

/** Connections whose both ends vanish without a FIN. Their timeout is what is left of it two days later. */
async function playIdle(namespace: Namespace): Promise<Scene> {
  await serve(namespace, WEB_PORT);
  new Traffic(namespace, 'visit', WEB_PORT).rate(1);
  await namespace.sysctl(ESTABLISHED_SYSCTL, IDLE_TIMEOUT_SECONDS);
  const server = await serve(namespace, IDLE_PORT);
  const clients = new Traffic(namespace, 'leak', IDLE_PORT);
  clients.rate(500);
  while ((await countEntries(namespace)) < IDLE_CONNECTIONS) await sleep(100);
  clients.rate(0);
  await sleep(1000);
  await drop(namespace, 'output', `tcp dport ${IDLE_PORT}`, BEFORE_CONNTRACK);
  await drop(namespace, 'output', `tcp sport ${IDLE_PORT}`, BEFORE_CONNTRACK);
  for (const child of [server, clients.child]) child.kill('SIGKILL');
  await namespace.sysctl(ESTABLISHED_SYSCTL, 432_000);
  return { begin: () => undefined };
}

/** Clients of another host: a namespace with addresses of its own behind a pair of interfaces. */
async function connectNeighbour(namespace: Namespace): Promise<Namespace> {
  const neighbour = await createNamespace({ conntrack: false, ipv6: false });
  const [here, there] = ['crowd0', 'crowd1'];
  await namespace.exec('ip', ['link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', neighbour.name]);
  await namespace.exec('ip', ['address', 'add', '10.77.255.1/16', 'dev', here]);
  await namespace.exec('ip', ['link', 'set', here, 'up']);
  await neighbour.exec('ip', ['address', 'add', '10.77.255.2/16', 'dev', there]);
  await neighbour.exec('ip', ['link', 'set', there, 'up']);
  // Every address of the range is its own, and it answers for each.
  await neighbour.exec('ip', ['route', 'add', 'local', '10.77.0.0/17', 'dev', 'lo']);
  await namespace.exec('ip', ['route', 'add', '10.77.0.0/17', 'via', '10.77.255.2']);
  return neighbour;
}

const CROWD_PORT = 8443;

async function playCrowd(namespace: Namespace): Promise<Scene> {
  await ordinaryTraffic(namespace, CROWD_PORT);
  const traffic = new Traffic(await connectNeighbour(namespace), 'crowd', CROWD_PORT);
  return { begin: () => traffic.rate(130) };
}

/** Three things at once, none of them most of the growth. */
async function playMixed(namespace: Namespace): Promise<Scene> {
  await ordinaryTraffic(namespace, 9001);
  await drop(namespace, 'input', 'tcp dport 9002');
  const parts = [
    new Traffic(namespace, 'visit', 9001),
    new Traffic(namespace, 'churn', 9002),
    new Traffic(namespace, 'datagrams', 8125),
  ];
  return {
    begin: () => {
      for (const traffic of parts) traffic.rate(45);
    },
  };
}

const DEAD_PORT = 9000;

/** A service that is asked in earnest, until its packets are dropped. */
async function playDeadBackend(namespace: Namespace): Promise<Scene> {
  await ordinaryTraffic(namespace, DEAD_PORT);
  const traffic = new Traffic(namespace, 'retry', DEAD_PORT);
  traffic.rate(JOBS_PER_SECOND);
  return {
    begin: () => drop(namespace, 'input', `tcp dport ${DEAD_PORT}`),
    ...(traffic.child.pid && { culpritPid: traffic.child.pid }),
  };
}

export const incidents: readonly Incident[] = [
  {
    name: 'sidekiq_without_pool',
    description: 'Sidekiq, 25 threads: each job opens its own connection to Redis; four times the jobs at once',
    expected: 'connection_churn',
    ...{ port: REDIS_PORT, assumeMax: 7000, seconds: 70, untilCritical: true },
    prepare: (namespace) => playJobs(namespace, false),
  },
  {
    name: 'sidekiq_with_pool',
    description: 'the same with a pool of connections: no alert may come',
    expected: undefined,
    ...{ assumeMax: 7000, seconds: 50 },
    prepare: (namespace) => playJobs(namespace, true),
  },
  {
    name: 'leak',
    description: 'a client that never closes a connection, 70/s',
    expected: 'connection_leak',
    ...{ port: 5433, assumeMax: 5000, seconds: 70 },
    prepare: sudden('leak', 70, 5433, [5433]),
  },
  {
    name: 'crowd',
    description: 'a thousand clients of one service, 130/s',
    expected: 'traffic_spike',
    ...{ port: 8443, assumeMax: 8500, seconds: 70 },
    prepare: playCrowd,
  },
  {
    name: 'syn_flood',
    description: 'SYNs from invented addresses over a raw socket, 200/s; the answers get lost',
    expected: 'syn_flood',
    ...{ port: 8443, assumeMax: 8000, seconds: 70 },
    prepare: async (namespace) => {
      await drop(namespace, 'output', 'tcp sport 8443 tcp flags & (syn | ack) == (syn | ack)');
      return sudden('flood', 200, 8443, [8443])(namespace);
    },
  },
  {
    name: 'scan',
    description: 'SYNs from one address to many addresses that do not answer, 150/s',
    expected: 'scan',
    ...{ assumeMax: 8000, seconds: 70 },
    prepare: async (namespace) => {
      await drop(namespace, 'input', 'ip daddr 127.7.0.0/16');
      return sudden('scan', 150)(namespace);
    },
  },
  {
    name: 'dead_backend',
    description: 'a service whose packets are dropped; its clients try four times',
    expected: 'dead_backend',
    ...{ port: DEAD_PORT, assumeMax: 7000, seconds: 70 },
    prepare: playDeadBackend,
  },
  {
    name: 'dns_storm',
    description: 'questions to a name server, 180/s, each from a socket of its own',
    expected: 'dns_storm',
    ...{ port: 53, assumeMax: 5500, seconds: 70 },
    prepare: sudden('datagrams', 180, 53, [53]),
  },
  {
    name: 'udp_storm',
    description: 'datagrams to statsd, 180/s, each from a socket of its own',
    expected: 'udp_storm',
    ...{ port: 8125, assumeMax: 5500, seconds: 70 },
    prepare: sudden('datagrams', 180, 8125, [8125]),
  },
  {
    name: 'idle_connections',
    description: '2,000 connections whose ends vanished two days ago',
    expected: 'timeout_artefact',
    ...{ port: IDLE_PORT, assumeMax: 2500, seconds: 40 },
    prepare: playIdle,
  },
  {
    name: 'mixed',
    description: 'visitors, a dead service and datagrams at once, 45/s each',
    expected: 'unclear',
    ...{ assumeMax: 8500, seconds: 45 },
    prepare: playMixed,
  },
];
