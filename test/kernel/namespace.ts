/**
 * Network namespaces to throw away: each kernel test and each benchmark gets a fresh table of its own and never sees,
 * or disturbs, the host's. Conntrack starts in a namespace only when a rule asks for it, so an nft rule with `ct` is
 * added.
 *
 * A namespace goes in `afterEach(removeNamespaces)`, at the exit of the process, or, after a kill -9, when the next
 * process that uses this file starts: the name holds the pid of its owner. The independent witness is Debian's
 * `conntrack`. The benchmarks use this file too, so it imports `node:` only. Needs root, iproute2, nftables and
 * conntrack-tools.
 */
import { type ChildProcess, execFile, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const NAMESPACE_DIRECTORY = '/run/netns';
const NAMESPACE_NAME = /^ctw-(\d+)-\d+$/;
const CONNTRACK_MAX = '/proc/sys/net/netfilter/nf_conntrack_max';
const CONNTRACK_MAX_LOCK = '/run/lock/ctwatch-test-conntrack-max';

const WITNESS_OVERRUN = 'conntrack -E lost events (ENOBUFS): pace the traffic at 1,000/s or less';

/** Any rule with `ct` turns conntrack on for its family; one in an inet table does so for IPv4 and IPv6. */
const CONNTRACK_RULES = `table inet ctwatch_test {
  chain prerouting { type filter hook prerouting priority 0; ct state new accept; }
  chain output { type filter hook output priority 0; ct state new accept; }
}
`;

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  /** Text for standard input. */
  readonly input?: string;
  /** The command is killed after this many ms. Default 60,000. */
  readonly timeoutMs?: number;
}

export interface NamespaceOptions {
  /** Turns conntrack on by a rule that uses it. Default true; false is what a host without a firewall looks like. */
  readonly conntrack?: boolean;
  /** IPv6 on the loopback. Default true. */
  readonly ipv6?: boolean;
}

export interface Namespace {
  /** As `ip netns list` and `ctwatch --netns` know it. */
  readonly name: string;
  /** The file to setns() to. */
  readonly path: string;
  /** Runs a command inside to its end; rejects with its standard error when it fails. */
  exec(command: string, args?: readonly string[], options?: ExecOptions): Promise<Output>;
  /** Starts a command inside; it is killed when the namespace is removed. The pid is that of the command itself. */
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Sets a sysctl of this namespace, such as `net.netfilter.nf_conntrack_events`. */
  sysctl(key: string, value: number): Promise<void>;
  /**
   * Kills what runs inside and deletes the namespace. May be called again. The kernel sends no DESTROY for its
   * entries.
   */
  remove(): Promise<void>;
}

const namespaces = new Map<string, Namespace>();
let counter = 0;
let prepared = false;

/** Why namespaces cannot be made here, with what helps; undefined when they can. The text of a skipped kernel test. */
export function namespaceObstacle(): string | undefined {
  if (process.getuid?.() !== 0)
    return 'CAP_SYS_ADMIN and CAP_NET_ADMIN are missing: run the tests as root (sudo npm test)';
  const missing = ['ip', 'nft', 'conntrack'].filter((command) => !isInstalled(command));
  if (missing.length > 0) return `${missing.join(', ')} missing: apt-get install iproute2 nftables conntrack`;
  return undefined;
}

/** Makes a namespace `ctw-<pid>-<counter>` with its loopback up and conntrack running. */
export async function createNamespace(options: NamespaceOptions = {}): Promise<Namespace> {
  prepareOnce();
  const name = await addNamespace();
  const namespace = new LiveNamespace(name);
  namespaces.set(name, namespace);
  await namespace.exec('ip', ['link', 'set', 'lo', 'up']);
  if (options.ipv6 === false) await namespace.sysctl('net.ipv6.conf.all.disable_ipv6', 1);
  if (options.conntrack !== false) await namespace.exec('nft', ['-f', '-'], { input: CONNTRACK_RULES });
  return namespace;
}

/** Removes every namespace this process has made: `afterEach(removeNamespaces)`. */
export async function removeNamespaces(): Promise<void> {
  await Promise.all([...namespaces.values()].map((namespace) => namespace.remove()));
}

class LiveNamespace implements Namespace {
  readonly name: string;
  readonly path: string;
  readonly #children = new Set<ChildProcess>();

  constructor(name: string) {
    this.name = name;
    this.path = join(NAMESPACE_DIRECTORY, name);
  }

  exec(command: string, args: readonly string[] = [], options: ExecOptions = {}): Promise<Output> {
    return run('ip', ['netns', 'exec', this.name, command, ...args], options);
  }

  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, command, ...args], options);
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  async sysctl(key: string, value: number): Promise<void> {
    await this.exec('sysctl', ['-qw', `${key}=${value}`]);
  }

  async remove(): Promise<void> {
    if (!namespaces.delete(this.name)) return;
    const exits = [...this.#children].map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(exits);
    deleteNamespace(this.name);
  }
}

/** Runs a command on the host to its end; rejects with its standard error when it fails. */
function run(command: string, args: readonly string[], options: ExecOptions = {}): Promise<Output> {
  return new Promise((resolve, reject) => {
    const limits = { encoding: 'utf8', timeout: options.timeoutMs ?? 60_000, maxBuffer: 256 * 1024 * 1024 } as const;
    const child = execFile(command, args, limits, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }));
      else resolve({ stdout, stderr });
    });
    // A command that ends without reading its input is not an error of ours.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

async function addNamespace(): Promise<string> {
  for (;;) {
    const name = `ctw-${process.pid}-${++counter}`;
    if (existsSync(join(NAMESPACE_DIRECTORY, name))) continue;
    try {
      await run('ip', ['netns', 'add', name]);
      return name;
    } catch (error) {
      // Two worker threads share a pid and have a counter each.
      if (!existsSync(join(NAMESPACE_DIRECTORY, name))) throw error;
    }
  }
}

/** Synchronous, as the hook at the exit of a process needs it. */
function deleteNamespace(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of (stdout ?? '').split('\n').map(Number)) {
    if (pid > 1 && pid !== process.pid) endProcess(pid);
  }
  spawnSync('ip', ['netns', 'del', name]);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function prepareOnce(): void {
  if (prepared) return;
  prepared = true;
  process.on('exit', () => {
    for (const name of namespaces.keys()) deleteNamespace(name);
  });
  for (const name of existsSync(NAMESPACE_DIRECTORY) ? readdirSync(NAMESPACE_DIRECTORY) : []) {
    const pid = NAMESPACE_NAME.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) deleteNamespace(name);
  }
}

function isInstalled(command: string): boolean {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Lowers nf_conntrack_max of the host while `body` runs, then restores it, whatever happens. There is one maximum for
 * all namespaces, writable in the initial one only, compared with each namespace's own count: so one caller at a time,
 * across processes. A holder that was killed leaves the old value in the lock file; the next one restores that first.
 */
export async function withConntrackMax<T>(value: number, body: () => Promise<T> | T): Promise<T> {
  const unlock = await lockConntrackMax();
  let restore: (() => void) | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    restore?.();
    process.kill(process.pid, signal);
  };
  try {
    const left = readFileSync(CONNTRACK_MAX_LOCK, 'utf8').trim();
    if (left !== '') writeFileSync(CONNTRACK_MAX, left);
    const before = Number(readFileSync(CONNTRACK_MAX, 'utf8'));
    if (value > before)
      throw new RangeError(`nf_conntrack_max is ${before}: it can be lowered here, not raised to ${value}`);
    writeFileSync(CONNTRACK_MAX_LOCK, String(before));
    restore = () => {
      writeFileSync(CONNTRACK_MAX, String(before));
      writeFileSync(CONNTRACK_MAX_LOCK, '');
    };
    process.on('exit', restore).once('SIGINT', onSignal).once('SIGTERM', onSignal);
    writeFileSync(CONNTRACK_MAX, String(value));
    return await body();
  } finally {
    if (restore) {
      restore();
      process.off('exit', restore);
    }
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    unlock();
  }
}

/** Nobody who asks `withConntrackMax` changes nf_conntrack_max while `body` runs: a lowered one drops the packets of every table. */
export async function holdConntrackMax<T>(body: () => Promise<T>): Promise<T> {
  const unlock = await lockConntrackMax();
  try {
    return await body();
  } finally {
    unlock();
  }
}

/** The kernel's own lock, held by a `flock` that ends with its standard input: it cannot outlive us, nor go stale. */
async function lockConntrackMax(): Promise<() => void> {
  closeSync(openSync(CONNTRACK_MAX_LOCK, 'a'));
  const holder = spawn('flock', ['--exclusive', CONNTRACK_MAX_LOCK, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', () => resolve());
    holder.once('error', reject);
    holder.once('exit', (status) => reject(new Error(`flock ${CONNTRACK_MAX_LOCK} ended with ${status}`)));
  });
  return () => holder.stdin.end();
}

/** Entries of the namespace's table by `conntrack -C`: the kernel's counter, expired ones included. */
export async function countEntries(namespace: Namespace): Promise<number> {
  const { stdout } = await namespace.exec('conntrack', ['-C']);
  return Number(stdout.trim());
}

/**
 * Lines of `conntrack -L -o id,extended` with further arguments (`['-p', 'tcp']`). Reaps the expired entries on its
 * way.
 */
export async function listEntries(namespace: Namespace, args: readonly string[] = []): Promise<string[]> {
  const { stdout } = await namespace.exec('conntrack', ['-L', '-o', 'id,extended', ...args]);
  return stdout.split('\n').filter((line) => line !== '');
}

export interface WitnessedEvent {
  readonly type: 'NEW' | 'UPDATE' | 'DESTROY';
  /** The line as conntrack prints it, with the id. */
  readonly line: string;
}

/**
 * Its socket holds only 166 events: conntrack 1.4.7 applies --buffer-size to another of its sockets. So bursts of at
 * most 150 or paced traffic (1,000/s); `waitFor` and `stop` reject when it has lost any, as a witness must not guess.
 */
export interface EventWitness {
  /** What `conntrack -E` has printed so far. */
  readonly events: readonly WitnessedEvent[];
  /** Resolves once this many events are in; rejects after `timeoutMs` (default 10,000). */
  waitFor(count: number, timeoutMs?: number): Promise<readonly WitnessedEvent[]>;
  /** Ends it and returns all events. */
  stop(): Promise<readonly WitnessedEvent[]>;
}

/** Starts `conntrack -E` as an independent reader of the same events; resolves when it is subscribed. */
export async function witnessEvents(namespace: Namespace, events = 'NEW,DESTROY'): Promise<EventWitness> {
  const subscribedBefore = await countSubscribers(namespace);
  // conntrack fills a block before it writes into a pipe.
  const args = ['-oL', 'conntrack', '-E', '-e', events, '-o', 'id', '--buffer-size', '33554432'];
  const child = namespace.spawn('stdbuf', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const seen: WitnessedEvent[] = [];
  let overrun = false;
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes('ENOBUFS')) overrun = true;
  });
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const type = /\[(NEW|UPDATE|DESTROY)\]/.exec(line)?.[1];
      if (type !== undefined) seen.push({ type: type as WitnessedEvent['type'], line: line.trim() });
    }
  });
  await untilSubscribed(child, namespace, subscribedBefore + 1);
  return {
    events: seen,
    async waitFor(count, timeoutMs = 10_000) {
      const deadline = performance.now() + timeoutMs;
      while (seen.length < count) {
        if (overrun) throw new Error(WITNESS_OVERRUN);
        if (performance.now() > deadline) throw new Error(`conntrack -E saw ${seen.length} of ${count} events`);
        await sleep(5);
      }
      return seen;
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      if (overrun) throw new Error(WITNESS_OVERRUN);
      return seen;
    },
  };
}

/** Resolves when `count` sockets of the namespace are members of conntrack groups: for readers that do not say so. */
export async function untilSubscribed(child: ChildProcess, namespace: Namespace, count = 1): Promise<void> {
  const deadline = performance.now() + 10_000;
  while ((await countSubscribers(namespace)) < count) {
    if (child.exitCode !== null) throw new Error(`the reader ended with ${child.exitCode} before it subscribed`);
    if (performance.now() > deadline) throw new Error('the reader did not subscribe within 10 s');
    await sleep(10);
  }
}

/** Sockets with groups of the protocol NETLINK_NETFILTER (12) in the namespace's /proc/net/netlink. */
async function countSubscribers(namespace: Namespace): Promise<number> {
  const { stdout } = await namespace.exec('cat', ['/proc/net/netlink']);
  const rows = stdout.split('\n').map((row) => row.trim().split(/\s+/));
  return rows.filter(([, protocol, , groups]) => protocol === '12' && Number.parseInt(groups ?? '0', 16) > 0).length;
}
