/**
 * The live kernel as a source of records.
 *
 * Adaptive polling: idle, it waits until a socket is readable; after the first event it drains on a timer, until
 * `EMPTY_DRAINS_BEFORE_IDLE` drains come back empty. A wake-up per event costs twice the CPU of a timed drain.
 * Ticks come four times a second, once a second while idle.
 * One batch is enough: it is leased to the subscribers while `next` runs and filled again afterwards.
 * Requests that take the kernel's ctnetlink mutex run on libuv workers; a late answer leaves its tick without a reading.
 */
import { statSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { createBatch, type EventBatch } from '../model/batch.js';
import { CtwatchError } from '../model/errors.js';
import {
  BATCH_ROWS,
  DRAIN_EVENTS_PER_SECOND,
  DRAIN_INTERVAL_MAX_MS,
  DRAIN_INTERVAL_MIN_MS,
  DRAIN_TURN_MS,
  EMPTY_DRAINS_BEFORE_IDLE,
  EVENT_TRUESIZE_BYTES,
  IDLE_TICK_SECONDS,
  STATS_SECONDS,
  TICK_SECONDS,
} from '../model/limits.js';
import type {
  BatchSource,
  CensusRecord,
  EntriesRecord,
  Instant,
  SourceAsks,
  SourceObserver,
  SourceRecord,
} from '../model/record.js';
import {
  type ConntrackSocket,
  DRAIN_STATUS,
  netnsPath,
  openConntrackSocket,
  type Stats,
  toCtwatchError,
} from './addon.js';
import { DrainMeter } from './drain-meter.js';
import { TableDumps } from './dumps.js';
import { readHost } from './host-facts.js';
import { Lookups } from './lookups.js';
import { type OwnerLookups, type OwnerSettings, openOwnerLookups } from './owner-lookups.js';
import { isTimeout, Reading } from './reading.js';
import type { SocketKeeper } from './service-manager.js';

export interface LiveSourceOptions {
  /** Receive buffer asked for each event socket, bytes. */
  readonly recvBufferBytes: number;
  /** Name under /run/netns; the process's own namespace when absent. */
  readonly netns?: string | undefined;
  /** Ask whose the new flows are. Default: not. */
  readonly owners?: OwnerSettings | undefined;
  /** Rows of a batch. Default `BATCH_ROWS`. */
  readonly batchRows?: number;
  /** Overwrite each batch when its lease ends, so that a late read shows. For tests. */
  readonly poisonReleased?: boolean;
  /** Lets the event sockets outlive this process, and has those of the one before. Default: they end with it. */
  readonly keeper?: SocketKeeper | undefined;
}

/**
 * The source of a live namespace. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN while it opens another namespace.
 * Fails with `ERR_CAP_NET_ADMIN`, `ERR_CAP_SYS_ADMIN`, `ERR_NETNS_NOT_FOUND`, `ERR_CONNTRACK_UNAVAILABLE`, `ERR_ADDON_*`
 * before its `open` record, with `ERR_NETNS_GONE` or `ERR_KERNEL_SOURCE` in its `close` record.
 */
export function liveSource(options: LiveSourceOptions): BatchSource {
  return (observer, signal, asks) => void new LiveReader(options, observer, signal, asks).run();
}

class LiveReader {
  readonly #options: LiveSourceOptions;
  readonly #observer: SourceObserver;
  readonly #signal: AbortSignal;
  readonly #asks: SourceAsks | undefined;
  readonly #batch: EventBatch;
  readonly #status = new Float64Array(DRAIN_STATUS.length);
  // Not at once: whoever aborts may be reading the leased batch.
  readonly #onAbort = () => queueMicrotask(() => this.#stop());
  #socket: ConntrackSocket | undefined;
  #drainTimer: NodeJS.Timeout | undefined;
  #tickTimer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  readonly #meter = new DrainMeter();
  #drainIntervalMs = DRAIN_INTERVAL_MIN_MS;
  #beatAt = Number.NEGATIVE_INFINITY;
  #emptyDrains = 0;
  #idle = false;
  /** What is drained now has only just been queued. */
  #fresh = false;
  #closed = false;
  #stats: Reading<Stats> | undefined;
  #dumps: TableDumps | undefined;
  #lookups: Lookups | undefined;
  #netnsInode: number | undefined;
  #owners: OwnerLookups | undefined;

  constructor(options: LiveSourceOptions, observer: SourceObserver, signal: AbortSignal, asks?: SourceAsks) {
    this.#options = options;
    this.#batch = createBatch(options.batchRows ?? BATCH_ROWS);
    this.#observer = observer;
    this.#signal = signal;
    this.#asks = asks;
  }

  async run(): Promise<void> {
    // A microtask later, so that every subscriber of a shared source is there for the first record.
    await Promise.resolve();
    if (this.#signal.aborted) return this.#observer.complete();
    try {
      const socket = this.#openSocket();
      // From here on events are queued: they belong to the time since now.
      const at = readClocks();
      this.#socket = socket;
      const { owners } = this.#options;
      this.#owners = owners && openOwnerLookups(socket, owners);
      this.#drainIntervalMs = drainIntervalMs(socket.info.recvBufferBytes);
      this.#stats = new Reading(STATS_SECONDS, at.monotonicSeconds, () => socket.stats());
      this.#lookups = new Lookups(socket);
      this.#dumps = new TableDumps({
        socket,
        readClocks,
        emit: (record) => this.#emitDumped(record),
        isClosed: () => this.#closed,
      });
      this.#netnsInode = this.#readNetnsInode();
      const { netns } = this.#options;
      const host = await readHost(socket, { netns, owners: owners !== undefined });
      // Or since an earlier process read the last ones.
      const monotonicSeconds = at.monotonicSeconds - (host.resumed?.seconds ?? 0);
      this.#observer.next({ type: 'open', at: { ...at, monotonicSeconds }, host });
    } catch (error) {
      this.#close();
      this.#observer.error(toCtwatchError(error, 'ERR_KERNEL_SOURCE'));
      return;
    }
    await this.#read(this.#socket, this.#dumps);
  }

  #openSocket(): ConntrackSocket {
    const { keeper } = this.#options;
    const socket = openConntrackSocket({ ...this.#options, keep: keeper !== undefined, kept: keeper?.takeKept() });
    keeper?.release();
    keeper?.keep(socket);
    return socket;
  }

  async #read(socket: ConntrackSocket, dumps: TableDumps): Promise<void> {
    if (this.#signal.aborted) return this.#stop();
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    socket.onReadable(() => this.#guard(() => this.#wake()));
    this.#guard(() => this.#turn());
    this.#guard(() => this.#tick());
    try {
      await dumps.listInitial();
    } catch (error) {
      this.#end(error);
    }
  }

  /** The signal aborted: what the kernel has queued so far still counts. */
  #stop(): void {
    if (this.#closed) return;
    this.#guard(() => {
      const batches = this.#batchesQueuedMax();
      for (let i = 0; i < batches && this.#drain(); i++);
      this.#emitTick(readClocks(), true);
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

  /** Drains until the queues are empty or the turn is over, then decides when to look again. */
  #turn(): void {
    if (this.#closed) return;
    this.#idle = false;
    let more = true;
    this.#meter.begin();
    for (const endMs = performance.now() + DRAIN_TURN_MS; more && performance.now() < endMs; ) more = this.#drain();
    this.#meter.end();
    if (more) {
      this.#immediate = setImmediate(() => this.#guard(() => this.#turn()));
      return;
    }
    this.#idle = this.#emptyDrains >= EMPTY_DRAINS_BEFORE_IDLE;
    // The next event wakes us beside the timer when its flow is to be asked for: its socket is open then, and not for long.
    if (this.#idle || this.#owners?.probe(readClocks().monotonicSeconds) === true) this.#socket?.arm();
    if (this.#idle) return;
    if (this.#drainTimer === undefined) {
      this.#drainTimer = setTimeout(() => this.#guard(() => this.#turn()), this.#drainIntervalMs);
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
    const at = readClocks();
    this.#owners?.observe(batch, at.monotonicSeconds, this.#fresh);
    if (!empty) {
      this.#lookups?.observe(batch, at.monotonicSeconds);
      this.#lease({ type: 'batch', at, batch });
    }
    return this.#status[DRAIN_STATUS.more] === 1 && !this.#closed;
  }

  #lease(record: Extract<SourceRecord, { readonly batch: EventBatch }>): void {
    this.#observer.next(record);
    if (this.#options.poisonReleased === true) new Uint8Array(record.batch.buffer).fill(0xa5);
  }

  #emitDumped(record: EntriesRecord | CensusRecord): void {
    if ('batch' in record) this.#lease(record);
    else this.#observer.next(record);
  }

  /** The first event after a quiet time: a tick ends that time, so that the event falls into a short one. */
  #wake(): void {
    if (this.#closed) return;
    if (this.#idle) {
      this.#idle = false;
      const age = readClocks().monotonicSeconds - this.#beatAt;
      if (age >= TICK_SECONDS) this.#beat();
      else this.#beatIn(TICK_SECONDS - age);
    }
    this.#fresh = true;
    this.#turn();
    this.#fresh = false;
  }

  #tick(): void {
    if (this.#closed) return;
    // While idle nothing can be queued: the poll would have fired.
    if (!this.#idle) this.#drain();
    this.#beat();
  }

  #beatIn(seconds: number): void {
    clearTimeout(this.#tickTimer);
    this.#tickTimer = setTimeout(() => this.#guard(() => this.#tick()), seconds * 1000);
  }

  #beat(): void {
    this.#beatIn(this.#idle ? (this.#asks?.idleTickSeconds?.() ?? IDLE_TICK_SECONDS) : TICK_SECONDS);
    const at = readClocks();
    this.#beatAt = at.monotonicSeconds;
    this.#emitTick(at);
    if (this.#closed) return;
    this.#dumps?.ask(this.#asks, at.monotonicSeconds);
    if (this.#stats?.ask(at.monotonicSeconds, (error) => this.#end(error)) !== true) return;
    this.#lookups?.ask(
      at.monotonicSeconds,
      (answer) => !this.#closed && this.#lease({ type: 'lookups', at: readClocks(), ...answer }),
      (error) => !isTimeout(error) && this.#end(error),
    );
    // At the same pace. Our sockets keep a deleted namespace alive and silent: only its name tells.
    if (this.#readNetnsInode() === this.#netnsInode) return;
    this.#end(new CtwatchError({ code: 'ERR_NETNS_GONE', operation: `watch ${this.#options.netns}` }));
  }

  #readNetnsInode(): number | undefined {
    const { netns } = this.#options;
    return netns === undefined ? undefined : statSync(netnsPath(netns), { throwIfNoEntry: false })?.ino;
  }

  #emitTick(at: Instant, end = false): void {
    const owners = this.#owners?.takeRecord(at, end);
    if (owners !== undefined) this.#observer.next(owners);
    const stats = this.#stats?.take();
    this.#observer.next({
      type: 'tick',
      at,
      loss: {
        lostNew: this.#status[DRAIN_STATUS.lostNew] ?? 0,
        lostDestroy: this.#status[DRAIN_STATUS.lostDestroy] ?? 0,
        malformed: this.#status[DRAIN_STATUS.malformed] ?? 0,
        unknownLosses: this.#status[DRAIN_STATUS.unknownLosses] ?? 0,
      },
      drains: this.#meter.take(),
      ...stats,
    });
    const blind = this.#options.keeper && this.#asks?.blindEntries?.();
    if (blind !== undefined && !this.#closed) this.#socket?.remember(blind);
  }

  /** A full queue of either kind in as many batches; DESTROY gets a quarter of each at least. */
  #batchesQueuedMax(): number {
    const events = (this.#socket?.info.recvBufferBytes ?? 0) / EVENT_TRUESIZE_BYTES;
    return 1 + Math.ceil(events / (this.#batch.capacity / 4));
  }

  /** A failing socket ends the source. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#end(error);
    }
  }
}

/** As long as `DRAIN_EVENTS_PER_SECOND` cannot fill more than half of the buffer. */
function drainIntervalMs(recvBufferBytes: number): number {
  const halfFullMs = (recvBufferBytes / EVENT_TRUESIZE_BYTES / 2 / DRAIN_EVENTS_PER_SECOND) * 1000;
  return Math.min(DRAIN_INTERVAL_MAX_MS, Math.max(DRAIN_INTERVAL_MIN_MS, Math.floor(halfFullMs)));
}

function readClocks(): Instant {
  return { monotonicSeconds: performance.now() / 1000, unixSeconds: Date.now() / 1000 };
}
