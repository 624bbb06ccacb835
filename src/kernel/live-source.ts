/**
 * The live kernel as a source of records.
 *
 * Adaptive polling: idle, it waits until a socket is readable; after the first event it drains every `DRAIN_INTERVAL_MS`
 * until `EMPTY_DRAINS_BEFORE_IDLE` drains come back empty. A wake-up per event costs twice the CPU of a timed drain.
 * Ticks come four times a second, once a second while idle.
 * One batch is enough: it is leased to the subscribers while `next` runs and filled again afterwards.
 * Requests that take the kernel's ctnetlink mutex run on libuv workers; a late answer leaves its tick without a reading.
 */
import { stat } from 'node:fs/promises';
import { hostname, release } from 'node:os';
import { performance } from 'node:perf_hooks';
import { createBatch, type EventBatch } from '../model/batch.js';
import { CtwatchError } from '../model/errors.js';
import {
  BATCH_ROWS,
  BATCHES_PER_TURN,
  DRAIN_INTERVAL_MS,
  EMPTY_DRAINS_BEFORE_IDLE,
  IDLE_TICK_SECONDS,
  KERNEL_COUNTERS_SECONDS,
  TABLE_STATS_SECONDS,
  TICK_SECONDS,
} from '../model/limits.js';
import {
  type BatchSource,
  type HostFacts,
  type Instant,
  type KernelCounters,
  type ProtocolTimeouts,
  type SourceObserver,
  type TableStats,
  TCP_TIMEOUT_NAMES,
} from '../model/record.js';
import {
  type ConntrackSocket,
  DRAIN_STATUS,
  effectiveCapabilities,
  netnsPath,
  openConntrackSocket,
  toCtwatchError,
} from './addon.js';

export interface LiveSourceOptions {
  /** Receive buffer asked for each event socket, bytes. */
  readonly recvBufferBytes: number;
  /** Name under /run/netns; the process's own namespace when absent. */
  readonly netns?: string | undefined;
  /** Overwrite each batch when its lease ends, so that a late read shows. For tests. */
  readonly poisonReleased?: boolean;
}

/**
 * The source of a live namespace. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN while it opens another namespace.
 * Fails with `ERR_CAP_NET_ADMIN`, `ERR_CAP_SYS_ADMIN`, `ERR_NETNS_NOT_FOUND`, `ERR_CONNTRACK_UNAVAILABLE`, `ERR_ADDON_*`
 * before its `open` record, with `ERR_NETNS_GONE` or `ERR_KERNEL_SOURCE` in its `close` record.
 */
export function liveSource(options: LiveSourceOptions): BatchSource {
  return (observer, signal) => void new LiveReader(options, observer, signal).run();
}

class LiveReader {
  readonly #options: LiveSourceOptions;
  readonly #observer: SourceObserver;
  readonly #signal: AbortSignal;
  readonly #batch: EventBatch = createBatch(BATCH_ROWS);
  readonly #status = new Float64Array(DRAIN_STATUS.length);
  readonly #onAbort = () => this.#stop();
  #socket: ConntrackSocket | undefined;
  #drainTimer: NodeJS.Timeout | undefined;
  #tickTimer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #emptyDrains = 0;
  #idle = false;
  #closed = false;
  #table: Reading<TableStats> | undefined;
  #counters: Reading<KernelCounters> | undefined;
  #netns: Reading<void> | undefined;

  constructor(options: LiveSourceOptions, observer: SourceObserver, signal: AbortSignal) {
    this.#options = options;
    this.#observer = observer;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    // A turn later, so that every subscriber of a shared source is there for the first record.
    await Promise.resolve();
    try {
      const socket = openConntrackSocket(this.#options);
      this.#socket = socket;
      this.#table = new Reading(TABLE_STATS_SECONDS, () => socket.tableStats());
      this.#counters = new Reading(KERNEL_COUNTERS_SECONDS, () => socket.cpuStats());
      if (this.#options.netns !== undefined) this.#netns = await watchNetns(this.#options.netns);
      const host = await this.#readHost(socket);
      this.#observer.next({ type: 'open', at: readClocks(), host });
    } catch (error) {
      this.#close();
      this.#observer.error(toCtwatchError(error, 'ERR_KERNEL_SOURCE'));
      return;
    }
    await this.#read(this.#socket);
  }

  async #read(socket: ConntrackSocket): Promise<void> {
    if (this.#signal.aborted) return this.#stop();
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    socket.onReadable(() => this.#guard(() => this.#wake()));
    this.#guard(() => this.#turn());
    this.#guard(() => this.#tick());
    try {
      await this.#dump(socket);
    } catch (error) {
      this.#end(error);
    }
  }

  /** The signal aborted: what the kernel has queued so far still counts. */
  #stop(): void {
    if (this.#closed) return;
    this.#guard(() => {
      for (let i = 0; i < BATCHES_PER_TURN && this.#drain(); i++);
      this.#emitTick(readClocks());
      this.#end();
    });
  }

  #close(): void {
    this.#closed = true;
    this.#signal.removeEventListener('abort', this.#onAbort);
    clearTimeout(this.#drainTimer);
    clearTimeout(this.#tickTimer);
    clearImmediate(this.#immediate);
    this.#socket?.close();
  }

  /** The last record: with the error that ended the source, or the reason of the signal. */
  #end(cause?: unknown): void {
    if (this.#closed) return;
    this.#close();
    const at = readClocks();
    if (cause === undefined) this.#observer.next({ type: 'close', at, reason: String(this.#signal.reason) });
    else {
      const error = toCtwatchError(cause, 'ERR_KERNEL_SOURCE');
      this.#observer.next({ type: 'close', at, reason: error.message, error });
    }
    this.#observer.complete();
  }

  async #readHost(socket: ConntrackSocket): Promise<HostFacts> {
    const requests = [socket.tableStats(), socket.cpuStats(), readTimeouts(socket)] as const;
    const [table, counters, timeouts] = await Promise.all(requests);
    return {
      hostname: hostname(),
      kernelRelease: release(),
      ...(this.#options.netns !== undefined && { netns: this.#options.netns }),
      capabilities: effectiveCapabilities(),
      sysctls: socket.info.sysctls,
      timeouts,
      table,
      counters,
      recvBufferBytes: socket.info.recvBufferBytes,
      recvBufferForced: socket.info.recvBufferForced,
    };
  }

  /** The entries that were there before us, with the time each has left. The kernel collects expired ones on the way. */
  async #dump(socket: ConntrackSocket): Promise<void> {
    const batch = createBatch(BATCH_ROWS);
    await socket.dumpStart();
    for (;;) {
      const rows = await socket.dumpRead(batch.buffer, batch.capacity);
      if (rows === 0 || this.#closed) return;
      batch.newCount = rows;
      this.#lease('entries', batch);
    }
  }

  /** Drains until the queues are empty, then decides when to look again. */
  #turn(): void {
    if (this.#closed) return;
    this.#idle = false;
    let more = true;
    for (let i = 0; more && i < BATCHES_PER_TURN; i++) more = this.#drain();
    if (more) this.#immediate = setImmediate(() => this.#guard(() => this.#turn()));
    else if (this.#emptyDrains >= EMPTY_DRAINS_BEFORE_IDLE) {
      this.#idle = true;
      this.#socket?.arm();
    } else if (this.#drainTimer === undefined) {
      this.#drainTimer = setTimeout(() => this.#guard(() => this.#turn()), DRAIN_INTERVAL_MS);
    } else this.#drainTimer.refresh();
  }

  /** One batch. Returns whether events are left. */
  #drain(): boolean {
    const batch = this.#batch;
    this.#socket?.drain(batch.buffer, batch.capacity, this.#status);
    batch.newCount = this.#status[DRAIN_STATUS.newCount] ?? 0;
    batch.destroyCount = this.#status[DRAIN_STATUS.destroyCount] ?? 0;
    const empty = batch.newCount + batch.destroyCount === 0;
    this.#emptyDrains = empty ? this.#emptyDrains + 1 : 0;
    if (!empty) this.#lease('batch', batch);
    return this.#status[DRAIN_STATUS.more] === 1 && !this.#closed;
  }

  #lease(type: 'batch' | 'entries', batch: EventBatch): void {
    this.#observer.next({ type, at: readClocks(), batch });
    if (this.#options.poisonReleased === true) new Uint8Array(batch.buffer).fill(0xa5);
  }

  /** The first event after a quiet time: a tick ends that time, so that the event falls into a short one. */
  #wake(): void {
    if (this.#closed) return;
    this.#idle = false;
    this.#beat();
    this.#turn();
  }

  #tick(): void {
    if (this.#closed) return;
    // While idle nothing can be queued: the poll would have fired.
    if (!this.#idle) this.#drain();
    this.#beat();
  }

  #beat(): void {
    clearTimeout(this.#tickTimer);
    const seconds = this.#idle ? IDLE_TICK_SECONDS : TICK_SECONDS;
    this.#tickTimer = setTimeout(() => this.#guard(() => this.#tick()), seconds * 1000);
    const at = readClocks();
    this.#emitTick(at);
    if (this.#closed) return;
    const fail = (error: unknown) => this.#end(error);
    this.#table?.ask(at.monotonicSeconds, fail);
    this.#counters?.ask(at.monotonicSeconds, fail);
    this.#netns?.ask(at.monotonicSeconds, fail);
  }

  #emitTick(at: Instant): void {
    const table = this.#table?.take();
    const counters = this.#counters?.take();
    this.#observer.next({
      type: 'tick',
      at,
      loss: {
        lostNew: this.#status[DRAIN_STATUS.lostNew] ?? 0,
        lostDestroy: this.#status[DRAIN_STATUS.lostDestroy] ?? 0,
        malformed: this.#status[DRAIN_STATUS.malformed] ?? 0,
        unknownLosses: this.#status[DRAIN_STATUS.unknownLosses] ?? 0,
      },
      ...(table !== undefined && { table }),
      ...(counters !== undefined && { counters }),
    });
  }

  /** The socket failed, or an observer threw: either ends the source. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#end(error);
    }
  }
}

/** A request repeated every `seconds`, one at a time, whose answer is taken by the next tick. */
class Reading<T> {
  readonly #seconds: number;
  readonly #request: () => Promise<T>;
  #answer: T | undefined;
  #askedAt: number;
  #pending = false;

  /** Asked one tick before each multiple of `seconds`, so that the answer is fresh on the whole second. */
  constructor(seconds: number, request: () => Promise<T>) {
    this.#seconds = seconds;
    this.#request = request;
    this.#askedAt = readClocks().monotonicSeconds - TICK_SECONDS;
  }

  take(): T | undefined {
    const answer = this.#answer;
    this.#answer = undefined;
    return answer;
  }

  /** An answer that does not come in time is no failure: the next one may. */
  ask(monotonicSeconds: number, fail: (error: unknown) => void): void {
    // A quarter tick early counts as due: timers jitter.
    if (this.#pending || monotonicSeconds - this.#askedAt < this.#seconds - TICK_SECONDS / 4) return;
    this.#pending = true;
    this.#askedAt = monotonicSeconds;
    this.#request()
      .then(
        (answer) => {
          this.#answer = answer;
        },
        (error: unknown) => {
          if (toCtwatchError(error, 'ERR_KERNEL_SOURCE').code !== 'ERR_REQUEST_TIMEOUT') fail(error);
        },
      )
      .finally(() => {
        this.#pending = false;
      });
  }
}

/** Our sockets keep a deleted namespace alive and silent: only its name tells. */
async function watchNetns(name: string): Promise<Reading<void>> {
  const { ino: inode } = await stat(netnsPath(name));
  return new Reading(TABLE_STATS_SECONDS, async () => {
    const now = await stat(netnsPath(name)).catch(() => undefined);
    if (now?.ino !== inode) throw new CtwatchError({ code: 'ERR_NETNS_GONE', operation: `watch ${name}` });
  });
}

async function readTimeouts(socket: ConntrackSocket): Promise<ProtocolTimeouts> {
  const { tcp, udp, icmp } = await socket.protocolTimeouts();
  return {
    ...(tcp?.length === TCP_TIMEOUT_NAMES.length && {
      tcp: Object.fromEntries(TCP_TIMEOUT_NAMES.map((name, i) => [name, tcp[i]])) as Required<ProtocolTimeouts>['tcp'],
    }),
    ...(udp?.[0] !== undefined && udp[1] !== undefined && { udp: { unreplied: udp[0], stream: udp[1] } }),
    ...(icmp !== undefined && { icmp }),
  };
}

function readClocks(): Instant {
  return { monotonicSeconds: performance.now() / 1000, unixSeconds: Date.now() / 1000 };
}
