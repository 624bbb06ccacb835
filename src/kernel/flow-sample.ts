/**
 * Which of the new flows to ask about: a few a second, at once, from every kind of traffic.
 *
 * Half of the picks are every k-th new flow, so that their shares are those of the traffic. The other half go to kinds in turn: the
 * first flow of a kind is picked, then the 2nd after it, the 4th after that, ...; every two seconds a kind becomes twice as likely
 * again, unless there were more kinds than picks. So a new kind is seen at once and often, and each gets a pick in two seconds or as
 * many as there is room for, whatever its rate.
 *
 *   row -> hash of its kind -> cell: flows still to pass until the next pick        rank: log2 of the distance between two
 *
 * Picks are copies. No pick depends on a random number. Not counted: what was lost.
 */
import { AF_INET6 } from '../model/address.js';
import type { EventBatch, EventColumns } from '../model/batch.js';

/** One direction of a flow. Addresses are 16 bytes in network order, IPv4 in the first four. */
export interface FlowTuple {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** ICMP: the echo id. */
  readonly sourcePort: number;
  /** ICMP: type << 8 | code. */
  readonly destinationPort: number;
}

/** A new flow that was picked. */
export interface SampledFlow {
  /** When its NEW was read, monotonic seconds. */
  readonly atSeconds: number;
  /** AF_INET 2 or AF_INET6 10. */
  readonly family: number;
  /** IPPROTO_* number. */
  readonly protocol: number;
  readonly zone: number;
  /** CTA_ID, 0 if it was not told. */
  readonly id: number;
  readonly original: FlowTuple;
  /** Differs from the original turned round where there is NAT. */
  readonly reply: FlowTuple;
}

export interface FlowSampleOptions {
  /** Most picks in a second, at least 2. */
  readonly perSecond: number;
  /** What makes a kind: protocol and destination port, or the destination address as well. */
  readonly kinds: 'port' | 'destination';
}

/** Cells of kinds, a power of two: with more kinds than that some share their turns. */
const CELLS = 1024;
/** Largest distance between two picks of a kind: that of the flows looked at in two minutes. */
const RANK_MAX = 21;
const RANK_SECONDS = 2;
/** Flows whose kind is looked at in a second, 10 ns each: of more, every third, fifth, ... */
const LOOKED_AT_PER_SECOND = 16_384;
const NONE: readonly SampledFlow[] = [];

/** Picks new flows of batches. */
export class FlowSample {
  readonly #quota: number;
  readonly #byAddress: boolean;
  /** Flows of the cell to pass before its next pick; below 1 it is due. */
  readonly #toPass = new Int32Array(CELLS).fill(1);
  readonly #ranks = new Uint8Array(CELLS);
  /** Picks left in this second: every k-th flow, and in turn. */
  #evenLeft: number;
  #turnsLeft: number;
  #stride = 1;
  /** New flows to pass before the next even pick. */
  #evenToPass = 0;
  /** The same of those whose kind is looked at. */
  #lookStride = 1;
  #lookToPass = 0;
  #flowsInSecond = 0;
  #second = Number.NEGATIVE_INFINITY;
  #rankedAt = Number.NEGATIVE_INFINITY;

  constructor({ perSecond, kinds }: FlowSampleOptions) {
    this.#quota = Math.max(1, Math.floor(perSecond / 2));
    this.#byAddress = kinds === 'destination';
    this.#evenLeft = this.#quota;
    this.#turnsLeft = this.#quota;
  }

  /** Looks at the NEW rows of a batch that was read at `monotonicSeconds` and returns those picked, copied. */
  observe(batch: EventBatch, monotonicSeconds: number): readonly SampledFlow[] {
    const { columns, newCount } = batch;
    if (newCount === 0) return NONE;
    this.#advance(monotonicSeconds);
    this.#flowsInSecond += newCount;
    const rows = this.#pickInTurn(columns, newCount);
    this.#pickEvenly(newCount, rows);
    return rows.length === 0 ? NONE : rows.map((row) => copyFlow(columns, row, monotonicSeconds));
  }

  #pickInTurn(columns: EventColumns, newCount: number): number[] {
    const picked: number[] = [];
    const { protocol, originalDestinationPort, family, originalDestination } = columns;
    const { words } = originalDestination;
    const toPass = this.#toPass;
    const byAddress = this.#byAddress;
    let row = this.#lookToPass;
    for (; row < newCount && this.#turnsLeft > 0; row += this.#lookStride) {
      let kind = ((protocol[row] ?? 0) << 16) | (originalDestinationPort[row] ?? 0);
      if (byAddress) {
        kind ^= Math.imul(words[row * 4] ?? 0, 0x85ebca6b);
        // The last 12 bytes of an IPv4 address are not part of it.
        if (family[row] === AF_INET6) kind ^= hashTail(words, row * 4 + 1);
        kind ^= kind >>> 15;
      }
      const cell = Math.imul(kind, 0x9e3779b1) >>> 22;
      const left = (toPass[cell] ?? 0) - 1;
      toPass[cell] = left;
      if (left > 0) continue;
      this.#turnsLeft -= 1;
      const rank = Math.min(RANK_MAX, (this.#ranks[cell] ?? 0) + 1);
      this.#ranks[cell] = rank;
      toPass[cell] = 1 << rank;
      picked.push(row);
    }
    this.#lookToPass = Math.max(0, row - newCount);
    return picked;
  }

  #pickEvenly(newCount: number, picked: number[]): void {
    let row = this.#evenToPass;
    for (; row < newCount && this.#evenLeft > 0; row += this.#stride) {
      this.#evenLeft -= 1;
      if (!picked.includes(row)) picked.push(row);
    }
    this.#evenToPass = Math.max(0, row - newCount);
  }

  /** Begins a new second when one is over: its picks, and a stride as the last second would have needed. */
  #advance(monotonicSeconds: number): void {
    if (monotonicSeconds - this.#second < 1) return;
    const seconds = Math.max(1, monotonicSeconds - this.#second);
    const perSecond = this.#flowsInSecond / seconds;
    this.#stride = Math.max(1, Math.ceil(perSecond / this.#quota));
    this.#evenToPass = Math.min(this.#evenToPass, this.#stride - 1);
    // Odd, so that traffic that alternates is seen whole.
    this.#lookStride = Math.floor(perSecond / LOOKED_AT_PER_SECOND) | 1;
    this.#lookToPass = Math.min(this.#lookToPass, this.#lookStride - 1);
    // With too little room for the kinds that there are, lower ranks would only favour whoever comes first in a second.
    if (this.#turnsLeft > 0) this.#lowerRanks(monotonicSeconds);
    else this.#rankedAt = monotonicSeconds;
    this.#second = monotonicSeconds;
    this.#flowsInSecond = 0;
    this.#evenLeft = this.#quota;
    this.#turnsLeft = this.#quota;
  }

  #lowerRanks(monotonicSeconds: number): void {
    const steps = Math.floor((monotonicSeconds - this.#rankedAt) / RANK_SECONDS);
    if (steps < 1) return;
    this.#rankedAt = monotonicSeconds;
    for (let cell = 0; cell < CELLS; cell++) {
      const rank = this.#ranks[cell] ?? 0;
      if (rank === 0) continue;
      const lower = Math.max(0, rank - steps);
      this.#ranks[cell] = lower;
      this.#toPass[cell] = Math.min(this.#toPass[cell] ?? 0, 1 << lower);
    }
  }
}

function hashTail(words: Uint32Array, at: number): number {
  const hash = Math.imul((words[at] ?? 0) ^ Math.imul((words[at + 1] ?? 0) ^ 0x9e3779b9, 0xcc9e2d51), 0x1b873593);
  return Math.imul((hash ^ (hash >>> 13)) + (words[at + 2] ?? 0), 0xc2b2ae35);
}

/** A row of a leased batch that outlives the lease. */
export function copyFlow(columns: EventColumns, row: number, atSeconds: number): SampledFlow {
  return {
    atSeconds,
    family: columns.family[row] ?? 0,
    protocol: columns.protocol[row] ?? 0,
    zone: columns.zone[row] ?? 0,
    id: columns.id[row] ?? 0,
    original: {
      source: columns.originalSource.bytes.slice(row * 16, row * 16 + 16),
      destination: columns.originalDestination.bytes.slice(row * 16, row * 16 + 16),
      sourcePort: columns.originalSourcePort[row] ?? 0,
      destinationPort: columns.originalDestinationPort[row] ?? 0,
    },
    reply: {
      source: columns.replySource.bytes.slice(row * 16, row * 16 + 16),
      destination: columns.replyDestination.bytes.slice(row * 16, row * 16 + 16),
      sourcePort: columns.replySourcePort[row] ?? 0,
      destinationPort: columns.replyDestinationPort[row] ?? 0,
    },
  };
}
