/**
 * What a source hands to the pipeline, and the port between the two.
 *
 * A source is live (the kernel), recorded, or synthetic; the pipeline cannot tell. It takes time only from these records,
 * so the same records give the same events, to the byte.
 */
import type { EventBatch } from './batch.js';
import type { CtwatchError } from './errors.js';
import type { OwnerSighting } from './owner.js';

/** A moment on both clocks. Intervals are taken from the first, the `time` of a line from the second. */
export interface Instant {
  /** CLOCK_MONOTONIC, seconds; only differences mean anything. */
  readonly monotonicSeconds: number;
  /** CLOCK_REALTIME, seconds since 1970; may step. */
  readonly unixSeconds: number;
}

/** Reply of IPCTNL_MSG_CT_GET_STATS. */
export interface TableStats {
  /** Entries in this namespace, expired ones included: what the kernel compares with `max`. */
  readonly count: number;
  /** net.netfilter.nf_conntrack_max, global. Absent before Linux 4.18. */
  readonly max?: number;
}

/** Reply of IPCTNL_MSG_CT_GET_STATS_CPU, summed over CPUs. 32-bit counters of the kernel: they wrap. */
export interface KernelCounters {
  readonly found: number;
  readonly invalid: number;
  readonly insert: number;
  readonly insert_failed: number;
  readonly drop: number;
  readonly early_drop: number;
  readonly error: number;
  readonly search_restart: number;
  readonly clash_resolve: number;
  readonly chain_toolong: number;
}

/** Events the source did not see, since it was opened. All only grow. */
export interface LossTotals {
  /** NEW / DESTROY events the kernel dropped because the receive buffer was full (SK_MEMINFO_DROPS). */
  readonly lostNew: number;
  readonly lostDestroy: number;
  /** Messages that were not usable as an event: truncated, malformed, of another type. */
  readonly malformed: number;
  /** ENOBUFS answers: a loss whose size the kernel did not tell. */
  readonly unknownLosses: number;
  /** Of the lost NEW and DESTROY events, those that a recording left out: its disk was too slow. Absent when live. */
  readonly unrecorded?: number;
}

/** Sysctls without a netlink getter, read once when the source opens. Absent: not readable. */
export interface Sysctls {
  readonly buckets?: number;
  /** nf_conntrack_events: 0 none, 1 always, 2 only for entries born while somebody listens. */
  readonly events?: number;
  readonly acct?: number;
  readonly timestamp?: number;
}

/** Protocol timeouts in seconds, by the kernel's names (IPCTNL_MSG_TIMEOUT_DEFAULT_GET). Absent: not readable. */
export interface ProtocolTimeouts {
  readonly tcp?: Readonly<Record<TcpTimeoutName, number>>;
  readonly udp?: { readonly unreplied: number; readonly stream: number };
  readonly icmp?: number;
}

/** nf_conntrack_tcp_timeout_*, in the order of enum ctattr_timeout_tcp. */
export const TCP_TIMEOUT_NAMES = [
  'syn_sent',
  'syn_recv',
  'established',
  'fin_wait',
  'close_wait',
  'last_ack',
  'time_wait',
  'close',
  'syn_sent2',
  'max_retrans',
  'unacknowledged',
] as const;
export type TcpTimeoutName = (typeof TCP_TIMEOUT_NAMES)[number];

/** What the source learned about its host when it opened. */
export interface HostFacts {
  readonly hostname: string;
  readonly kernelRelease: string;
  /** Name of the watched network namespace; absent for the process's own. */
  readonly netns?: string;
  /** Effective capabilities that matter here, by name, e.g. `CAP_NET_ADMIN`. */
  readonly capabilities: readonly string[];
  readonly sysctls: Sysctls;
  readonly timeouts: ProtocolTimeouts;
  /** The table when the sockets had joined their groups: entries that may never send a DESTROY. */
  readonly table: TableStats;
  /** The per-CPU counters at the same time. */
  readonly counters: KernelCounters;
  /** Addresses of the watched namespace, in text, by which a flow's direction is told. Absent: not readable. */
  readonly addresses?: readonly string[];
  /** Owners are asked for, but processes of other users may not be looked at. Absent: they may, or nobody asks. */
  readonly ownersLimited?: true;
  /** Receive buffer granted to each event socket, bytes. */
  readonly recvBufferBytes: number;
  /** The buffer could be forced above net.core.rmem_max. */
  readonly recvBufferForced: boolean;
  /**
   * The event sockets are those of an earlier process, which had read everything `seconds` before `at`: nothing was missed since. At
   * most `blind` entries send no DESTROY. Absent parts are not known.
   */
  readonly resumed?: { readonly seconds?: number; readonly blind?: number };
  /** Event sockets of an earlier process were there and did not fit; why. */
  readonly socketsRefused?: string;
  /** The table is a model's, which begins empty whatever the traffic. */
  readonly isModelled?: true;
}

/** Reading the event sockets until nothing is left, what the pipeline did with it included. All only grow but the last. */
export interface DrainTotals {
  readonly count: number;
  readonly seconds: number;
  /** Since the tick before. */
  readonly longestSeconds: number;
}

export interface OpenRecord {
  readonly type: 'open';
  readonly at: Instant;
  readonly host: HostFacts;
}

/** A chunk of the entries that existed when the source opened: rows [0, newCount). */
export interface EntriesRecord {
  readonly type: 'entries';
  readonly at: Instant;
  readonly batch: EventBatch;
}

export interface BatchRecord {
  readonly type: 'batch';
  readonly at: Instant;
  readonly batch: EventBatch;
}

/** What a dump was taken for: its rows, or only that the kernel collects expired entries on the way. */
export type DumpPurpose = 'census' | 'reap';

/** A dump begins. One at a time; events go on meanwhile. */
export interface CensusBeginRecord {
  readonly type: 'census';
  readonly at: Instant;
  readonly phase: 'begin';
  readonly purpose: DumpPurpose;
  /** Read just before it; absent when the kernel did not answer in time. */
  readonly table?: TableStats;
  /** As in `HostFacts`, read again. */
  readonly addresses?: readonly string[];
}

/** A chunk of what is in the table: rows [0, newCount). Only with the purpose `census`. */
export interface CensusRowsRecord {
  readonly type: 'census';
  readonly at: Instant;
  readonly phase: 'rows';
  readonly batch: EventBatch;
}

/** The dump is over. With `error` it failed, which ends nothing else. */
export interface CensusEndRecord {
  readonly type: 'census';
  readonly at: Instant;
  readonly phase: 'end';
  /** All rows that were read. Fewer came: a recording left some out. */
  readonly rows: number;
  /** Read just after it; what it collected is missing from the count. */
  readonly table?: TableStats;
  readonly error?: CtwatchError;
}

/**
 * A dump on demand. The kernel collects every expired entry of every namespace on the way, so the count falls and DESTROY events
 * come in a burst between `begin` and a moment after `end`.
 */
export type CensusRecord = CensusBeginRecord | CensusRowsRecord | CensusEndRecord;

/**
 * Young flows that were looked up: rows [0, newCount) as the kernel has them, with state, status and the timeout that is left; rows
 * [newCount, newCount + destroyCount) are those it has no more, tuples and id alone. An expired entry is gone.
 */
export interface LookupsRecord {
  readonly type: 'lookups';
  readonly at: Instant;
  readonly batch: EventBatch;
  /** Age of the flows when they were asked for, seconds, to a tenth. */
  readonly ageSeconds: number;
}

/** The beat of the pipeline, about every `TICK_SECONDS`. */
export interface TickRecord {
  readonly type: 'tick';
  readonly at: Instant;
  readonly loss: LossTotals;
  /** Present when a reading arrived since the tick before. */
  readonly table?: TableStats;
  /** Present when a reading arrived since the tick before. */
  readonly counters?: KernelCounters;
  /** Of a live source only: what it costs to read says nothing about the table, so nothing is concluded from it. */
  readonly drains?: DrainTotals;
}

/** New flows whose owners were asked for, a few a second. */
export interface OwnersRecord {
  readonly type: 'owners';
  readonly at: Instant;
  readonly sightings: readonly OwnerSighting[];
  /** A question failed: the next is asked a minute later. */
  readonly error?: CtwatchError;
}

/** The last record of a source. With `error` it failed. */
export interface CloseRecord {
  readonly type: 'close';
  readonly at: Instant;
  readonly reason: string;
  readonly error?: CtwatchError;
}

export type SourceRecord =
  | OpenRecord
  | EntriesRecord
  | BatchRecord
  | CensusRecord
  | LookupsRecord
  | TickRecord
  | OwnersRecord
  | CloseRecord;

/** Receives the records of a source, then either `error` or `complete`. */
export interface SourceObserver {
  next(record: SourceRecord): void;
  /** The source could not be opened: no record came before. */
  error(error: CtwatchError): void;
  complete(): void;
}

/** What the pipeline wants of a source: left here by `cli/`, taken by the source at its ticks. Recorded ones have no use for it. */
export interface SourceAsks {
  /** The dump that is wanted now; undefined when none is. A wish is taken once, and only when it can be granted. */
  takeDump(): DumpPurpose | undefined;
  /** Beat while no event comes, seconds. Default `IDLE_TICK_SECONDS`. */
  idleTickSeconds?(): number;
  /** Most entries that will send no DESTROY, for whoever goes on with the sockets; undefined before it is known. */
  blindEntries?(): number | undefined;
}

/**
 * Starts a source. When `signal` aborts, what waits is delivered, then a last `tick`, a `close` record with the signal's
 * reason, and `complete`. A failure while running is a `close` record with the error.
 */
export type BatchSource = (observer: SourceObserver, signal: AbortSignal, asks?: SourceAsks) => void;
