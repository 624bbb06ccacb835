/**
 * The most recent flows, so that a DESTROY is written as the number of its NEW. Writer and reader keep the same ones: each NEW
 * and each entry of the initial dump takes the place of the oldest. A DESTROY of a flow that was forgotten is written out.
 * A flow is remembered only if id, addresses and ports are all the same: an id alone is not unique.
 */

import { sameAddress } from '../model/address-words.js';
import type { EventColumns } from '../model/batch.js';
import { FLOWS_REMEMBERED } from '../model/limits.js';
import { FLAG } from './layout.js';
import { RecentIndex } from './recent-index.js';

/**
 * Most flows are IPv4 without NAT: id, ports and the first words of both addresses tell all of them, 16 bytes of which one memory
 * line holds four. Of the others stand the same of the reply, and of IPv6 ones the other words, in tables of their own.
 */
const HEAD_WORDS = 4;
const REPLY_WORDS = 3;
const REST_WORDS = 12;
/** Beside the flags of the reply: some word of an address but the first is set. */
const WIDE = 16;

export class FlowMemory {
  /** eventSeconds of each NEW, by number: about what its DESTROY tells as startSeconds. */
  readonly eventSeconds = new Float64Array(FLOWS_REMEMBERED);
  readonly #heads = new Uint32Array(FLOWS_REMEMBERED * HEAD_WORDS);
  readonly #replies = new Uint32Array(FLOWS_REMEMBERED * REPLY_WORDS);
  readonly #rests = new Uint32Array(FLOWS_REMEMBERED * REST_WORDS);
  readonly #kinds = new Uint8Array(FLOWS_REMEMBERED);
  /** See `RecentIndex`. */
  fetched = 0;
  readonly #index: RecentIndex | undefined;
  #next = 0;

  constructor(use: 'write' | 'read') {
    this.#index = use === 'write' ? new RecentIndex(FLOWS_REMEMBERED) : undefined;
  }

  /** `reply`: the flags that tell in what the reply tuple is not the original one turned round. For the reader. */
  add(columns: EventColumns, row: number, reply: number): void {
    const number = this.#next;
    this.#next = (number + 1) % FLOWS_REMEMBERED;
    const { originalSource: a, originalDestination: b, replySource: c, replyDestination: d } = columns;
    this.#put(number, columns, row, kindOf(a.words, b.words, c.words, d.words, row * 4, reply));
  }

  /**
   * Adds rows [0, newCount), for the writer; `kinds` and `hashes` as `readKinds` and `hashFlows` tell them. Nearly every step into
   * the index waits for memory: in a short loop of their own many wait at once.
   */
  addAll(columns: EventColumns, newCount: number, kinds: Uint8Array, hashes: Int32Array): void {
    const index = this.#index;
    const first = this.#next;
    for (let row = 0; row < newCount; row++) {
      this.#put((first + row) % FLOWS_REMEMBERED, columns, row, kinds[row] ?? 0);
    }
    this.#next = (first + newCount) % FLOWS_REMEMBERED;
    if (index === undefined) return;
    index.fetch(hashes, 0, newCount);
    for (let row = 0; row < newCount; row++) index.put(hashes[row] ?? 0, (first + row) % FLOWS_REMEMBERED);
  }

  /** eventSeconds of the flows that were added last: known only when a whole batch is read. Undefined: 0. */
  addTimes(eventSeconds: Float64Array | undefined, newCount: number): void {
    const first = this.#next + FLOWS_REMEMBERED - (newCount % FLOWS_REMEMBERED);
    for (let row = 0; row < newCount; row++) {
      this.eventSeconds[(first + row) % FLOWS_REMEMBERED] = eventSeconds?.[row] ?? 0;
    }
  }

  /** Writes for rows [from, to) the number of the newest flow with the id and the tuples of the row, or -1; see `addAll`. */
  findAll(
    columns: EventColumns,
    from: number,
    to: number,
    kinds: Uint8Array,
    hashes: Int32Array,
    numbers: Int32Array,
  ): void {
    const index = this.#index;
    if (index === undefined) return;
    index.fetch(hashes, from, to);
    for (let row = from; row < to; row++) numbers[row] = index.next(hashes[row] ?? 0, 0);
    this.#fetchHeads(numbers, from, to);
    for (let row = from; row < to; row++) {
      for (let guess = numbers[row] ?? -1; guess >= 0; guess = index.next(hashes[row] ?? 0, guess & 7)) {
        numbers[row] = guess >> 3;
        if (this.#holds(guess >> 3, columns, row, kinds[row] ?? 0)) break;
        numbers[row] = -1;
      }
    }
  }

  /** Writes the tuples and the id of flow `number` into a row. */
  copy(number: number, columns: EventColumns, row: number): void {
    const heads = this.#heads;
    const head = number * HEAD_WORDS;
    const kind = this.#kinds[number] ?? 0;
    const original = heads[head + 1] ?? 0;
    const source = heads[head + 2] ?? 0;
    const destination = heads[head + 3] ?? 0;
    let reply = (original << 16) | (original >>> 16);
    let replySource = destination;
    let replyDestination = source;
    if (kind !== 0) {
      const replies = this.#replies;
      const at = number * REPLY_WORDS;
      reply = replies[at] ?? 0;
      replySource = replies[at + 1] ?? 0;
      replyDestination = replies[at + 2] ?? 0;
    }
    const rest = (kind & WIDE) === 0 ? -1 : number * REST_WORDS;
    this.#writeAddress(columns.originalSource.words, row, source, rest);
    this.#writeAddress(columns.originalDestination.words, row, destination, rest < 0 ? -1 : rest + 3);
    this.#writeAddress(columns.replySource.words, row, replySource, rest < 0 ? -1 : rest + 6);
    this.#writeAddress(columns.replyDestination.words, row, replyDestination, rest < 0 ? -1 : rest + 9);
    columns.id[row] = heads[head] ?? 0;
    columns.originalSourcePort[row] = original >>> 16;
    columns.originalDestinationPort[row] = original;
    columns.replySourcePort[row] = reply >>> 16;
    columns.replyDestinationPort[row] = reply;
  }

  #writeAddress(words: Uint32Array, row: number, first: number, rest: number): void {
    const rests = this.#rests;
    const at = row * 4;
    words[at] = first;
    words[at + 1] = rest < 0 ? 0 : (rests[rest] ?? 0);
    words[at + 2] = rest < 0 ? 0 : (rests[rest + 1] ?? 0);
    words[at + 3] = rest < 0 ? 0 : (rests[rest + 2] ?? 0);
  }

  /** As `RecentIndex.fetch`, of the flows that are guessed. */
  #fetchHeads(guesses: Int32Array, from: number, to: number): void {
    const heads = this.#heads;
    let read = 0;
    for (let row = from; row < to; row++) read ^= heads[Math.max(0, (guesses[row] ?? 0) >> 3) * HEAD_WORDS] ?? 0;
    this.fetched = read;
  }

  #put(number: number, columns: EventColumns, row: number, kind: number): void {
    const heads = this.#heads;
    const head = number * HEAD_WORDS;
    heads[head] = columns.id[row] ?? 0;
    heads[head + 1] = originalPorts(columns, row);
    heads[head + 2] = columns.originalSource.words[row * 4] ?? 0;
    heads[head + 3] = columns.originalDestination.words[row * 4] ?? 0;
    this.#kinds[number] = kind;
    if (kind !== 0) this.#putReply(number, columns, row, kind);
  }

  #holds(number: number, columns: EventColumns, row: number, kind: number): boolean {
    const heads = this.#heads;
    const head = number * HEAD_WORDS;
    return (
      heads[head] === columns.id[row] &&
      heads[head + 1] === originalPorts(columns, row) &&
      heads[head + 2] === columns.originalSource.words[row * 4] &&
      heads[head + 3] === columns.originalDestination.words[row * 4] &&
      this.#kinds[number] === kind &&
      (kind === 0 || this.#holdsReply(number, columns, row, kind))
    );
  }

  #putReply(number: number, columns: EventColumns, row: number, kind: number): void {
    const { originalSource, originalDestination, replySource, replyDestination } = columns;
    const at = number * REPLY_WORDS;
    this.#replies[at] = replyPorts(columns, row);
    this.#replies[at + 1] = replySource.words[row * 4] ?? 0;
    this.#replies[at + 2] = replyDestination.words[row * 4] ?? 0;
    if ((kind & WIDE) === 0) return;
    const rest = number * REST_WORDS;
    const rests = this.#rests;
    copyRest(originalSource.words, row, rests, rest);
    copyRest(originalDestination.words, row, rests, rest + 3);
    copyRest(replySource.words, row, rests, rest + 6);
    copyRest(replyDestination.words, row, rests, rest + 9);
  }

  #holdsReply(number: number, columns: EventColumns, row: number, kind: number): boolean {
    const { originalSource, originalDestination, replySource, replyDestination } = columns;
    const replies = this.#replies;
    const at = number * REPLY_WORDS;
    if (replies[at] !== replyPorts(columns, row)) return false;
    if (replies[at + 1] !== replySource.words[row * 4]) return false;
    if (replies[at + 2] !== replyDestination.words[row * 4]) return false;
    if ((kind & WIDE) === 0) return true;
    const rest = number * REST_WORDS;
    const rests = this.#rests;
    return (
      sameRest(originalSource.words, row, rests, rest) &&
      sameRest(originalDestination.words, row, rests, rest + 3) &&
      sameRest(replySource.words, row, rests, rest + 6) &&
      sameRest(replyDestination.words, row, rests, rest + 9)
    );
  }
}

function copyRest(words: Uint32Array, row: number, rests: Uint32Array, rest: number): void {
  const at = row * 4;
  rests[rest] = words[at + 1] ?? 0;
  rests[rest + 1] = words[at + 2] ?? 0;
  rests[rest + 2] = words[at + 3] ?? 0;
}

function sameRest(words: Uint32Array, row: number, rests: Uint32Array, rest: number): boolean {
  const at = row * 4;
  return rests[rest] === words[at + 1] && rests[rest + 1] === words[at + 2] && rests[rest + 2] === words[at + 3];
}

/** Writes the kind of each row: the flags of its reply, and `WIDE`; 0 for a flow that its head tells all of. */
export function readKinds(columns: EventColumns, rows: number, kinds: Uint8Array): void {
  const { originalSourcePort, originalDestinationPort, replySourcePort, replyDestinationPort } = columns;
  const { originalSource, originalDestination, replySource, replyDestination } = columns;
  const [a, b, c, d] = [originalSource.words, originalDestination.words, replySource.words, replyDestination.words];
  for (let row = 0, at = 0; row < rows; row++, at += 4) {
    let reply = 0;
    if (!sameAddress(c, at, b, at)) reply |= FLAG.replySource;
    if (!sameAddress(d, at, a, at)) reply |= FLAG.replyDestination;
    if (replySourcePort[row] !== originalDestinationPort[row]) reply |= FLAG.replySourcePort;
    if (replyDestinationPort[row] !== originalSourcePort[row]) reply |= FLAG.replyDestinationPort;
    kinds[row] = kindOf(a, b, c, d, at, reply);
  }
}

/** Writes the hash of each row by which its flow is found. */
export function hashFlows(
  { id, originalSourcePort, originalDestinationPort }: EventColumns,
  rows: number,
  hashes: Int32Array,
) {
  for (let row = 0; row < rows; row++) {
    const ports = ((originalSourcePort[row] ?? 0) << 16) | (originalDestinationPort[row] ?? 0);
    const hash = Math.imul((id[row] ?? 0) ^ ports, 0x9e3779b1);
    hashes[row] = hash ^ (hash >>> 16);
  }
}

/** Of the addresses at `at` in their columns. */
function kindOf(
  source: Uint32Array,
  destination: Uint32Array,
  replySource: Uint32Array,
  replyDestination: Uint32Array,
  at: number,
  reply: number,
): number {
  const isWide =
    hasRest(source, at) ||
    hasRest(destination, at) ||
    (reply !== 0 && (hasRest(replySource, at) || hasRest(replyDestination, at)));
  return isWide ? reply | WIDE : reply;
}

/** Whether an address has more than its first word. */
function hasRest(words: Uint32Array, at: number): boolean {
  return ((words[at + 1] ?? 0) | (words[at + 2] ?? 0) | (words[at + 3] ?? 0)) !== 0;
}

function originalPorts(columns: EventColumns, row: number): number {
  return (((columns.originalSourcePort[row] ?? 0) << 16) | (columns.originalDestinationPort[row] ?? 0)) >>> 0;
}

function replyPorts(columns: EventColumns, row: number): number {
  return (((columns.replySourcePort[row] ?? 0) << 16) | (columns.replyDestinationPort[row] ?? 0)) >>> 0;
}
