/**
 * The most recent flows, so that a DESTROY is written as the number of its NEW. Writer and reader keep the same ones: each NEW
 * and each entry of the initial dump takes the place of the oldest. A DESTROY of a flow that was forgotten is written out.
 * A flow is remembered only if id, addresses and ports are all the same: an id alone is not unique.
 */

import { copyAddress, sameAddress } from '../model/address-words.js';
import type { EventColumns } from '../model/batch.js';
import { FLOWS_REMEMBERED } from '../model/limits.js';
import { RecentIndex } from './recent-index.js';

/**
 * Most flows are IPv4 without NAT: id, ports and the first words of both addresses tell all of them, 16 bytes of which one memory
 * line holds four. Only of the others stand the reply's ports and four whole addresses in a table of its own.
 */
const HEAD_WORDS = 4;
const TAIL_WORDS = 17;
/** Beside the flags of the reply: some word of an address but the first is set. */
const WIDE = 16;

export class FlowMemory {
  /** eventSeconds of each NEW, by number: about what its DESTROY tells as startSeconds. */
  readonly eventSeconds = new Float64Array(FLOWS_REMEMBERED);
  readonly #heads = new Uint32Array(FLOWS_REMEMBERED * HEAD_WORDS);
  readonly #tails = new Uint32Array(FLOWS_REMEMBERED * TAIL_WORDS);
  readonly #kinds = new Uint8Array(FLOWS_REMEMBERED);
  readonly #index: RecentIndex | undefined;
  #next = 0;

  constructor(use: 'write' | 'read') {
    this.#index = use === 'write' ? new RecentIndex(FLOWS_REMEMBERED) : undefined;
  }

  /** `reply`: the flags that tell in what the reply tuple is not the original one turned round. For the reader. */
  add(columns: EventColumns, row: number, reply: number): void {
    const number = this.#next;
    this.#next = (number + 1) % FLOWS_REMEMBERED;
    const { originalSource, originalDestination } = columns;
    const heads = this.#heads;
    const head = number * HEAD_WORDS;
    heads[head] = columns.id[row] ?? 0;
    heads[head + 1] = originalPorts(columns, row);
    heads[head + 2] = originalSource.words[row * 4] ?? 0;
    heads[head + 3] = originalDestination.words[row * 4] ?? 0;
    const kind = kindOf(columns, row, reply);
    this.#kinds[number] = kind;
    if (kind !== 0) this.#addTail(number * TAIL_WORDS, columns, row);
  }

  /**
   * Adds rows [0, newCount) with their flags, for the writer. Nearly every step into the index waits for memory: in a short loop of
   * their own many wait at once.
   */
  addAll(columns: EventColumns, newCount: number, replies: Uint8Array): void {
    const index = this.#index;
    const first = this.#next;
    for (let row = 0; row < newCount; row++) this.add(columns, row, replies[row] ?? 0);
    if (index === undefined) return;
    for (let row = 0; row < newCount; row++) {
      const hash = hashFlow(columns.id[row] ?? 0, originalPorts(columns, row));
      index.put(hash, (first + row) % FLOWS_REMEMBERED);
    }
  }

  /** eventSeconds of the flows that were added last: known only when a whole batch is read. */
  addTimes(eventSeconds: Float64Array, newCount: number): void {
    const first = this.#next + FLOWS_REMEMBERED - (newCount % FLOWS_REMEMBERED);
    for (let row = 0; row < newCount; row++) {
      this.eventSeconds[(first + row) % FLOWS_REMEMBERED] = eventSeconds[row] ?? 0;
    }
  }

  /** Writes for rows [from, to) the number of the newest flow with the id and the tuples of the row, or -1; see `addAll`. */
  findAll(columns: EventColumns, from: number, to: number, replies: Uint8Array, numbers: Int32Array): void {
    const index = this.#index;
    if (index === undefined) return;
    for (let row = from; row < to; row++) {
      numbers[row] = index.next(hashFlow(columns.id[row] ?? 0, originalPorts(columns, row)), 0);
    }
    for (let row = from; row < to; row++) {
      const guess = numbers[row] ?? -1;
      if (guess >= 0) numbers[row] = this.#find(index, guess, columns, row, replies[row] ?? 0);
    }
  }

  /** The first of the guesses that is the flow of the row. */
  #find(index: RecentIndex, firstGuess: number, columns: EventColumns, row: number, reply: number): number {
    const [heads, kinds] = [this.#heads, this.#kinds];
    const id = columns.id[row] ?? 0;
    const ports = originalPorts(columns, row);
    const source = columns.originalSource.words[row * 4];
    const destination = columns.originalDestination.words[row * 4];
    const kind = kindOf(columns, row, reply);
    const hash = hashFlow(id, ports);
    for (let guess = firstGuess; guess >= 0; guess = index.next(hash, guess & 7)) {
      const number = guess >> 3;
      const head = number * HEAD_WORDS;
      if (heads[head] !== id || heads[head + 1] !== ports || kinds[number] !== kind) continue;
      if (heads[head + 2] !== source || heads[head + 3] !== destination) continue;
      if (kind === 0 || this.#holdsTail(number * TAIL_WORDS, columns, row)) return number;
    }
    return -1;
  }

  /** Writes the tuples and the id of flow `number` into a row. */
  copy(number: number, columns: EventColumns, row: number): void {
    const { originalSource, originalDestination, replySource, replyDestination } = columns;
    const head = number * HEAD_WORDS;
    const original = this.#heads[head + 1] ?? 0;
    let reply = (original << 16) | (original >>> 16);
    if (this.#kinds[number] === 0) {
      const source = this.#heads[head + 2] ?? 0;
      const destination = this.#heads[head + 3] ?? 0;
      writeShort(originalSource.words, row * 4, source);
      writeShort(originalDestination.words, row * 4, destination);
      writeShort(replySource.words, row * 4, destination);
      writeShort(replyDestination.words, row * 4, source);
    } else {
      const tail = number * TAIL_WORDS;
      copyAddress(this.#tails, tail, originalSource.words, row * 4);
      copyAddress(this.#tails, tail + 4, originalDestination.words, row * 4);
      copyAddress(this.#tails, tail + 8, replySource.words, row * 4);
      copyAddress(this.#tails, tail + 12, replyDestination.words, row * 4);
      reply = this.#tails[tail + 16] ?? 0;
    }
    columns.id[row] = this.#heads[head] ?? 0;
    columns.originalSourcePort[row] = original >>> 16;
    columns.originalDestinationPort[row] = original;
    columns.replySourcePort[row] = reply >>> 16;
    columns.replyDestinationPort[row] = reply;
  }

  #addTail(tail: number, columns: EventColumns, row: number): void {
    copyAddress(columns.originalSource.words, row * 4, this.#tails, tail);
    copyAddress(columns.originalDestination.words, row * 4, this.#tails, tail + 4);
    copyAddress(columns.replySource.words, row * 4, this.#tails, tail + 8);
    copyAddress(columns.replyDestination.words, row * 4, this.#tails, tail + 12);
    this.#tails[tail + 16] = replyPorts(columns, row);
  }

  #holdsTail(tail: number, columns: EventColumns, row: number): boolean {
    const tails = this.#tails;
    return (
      tails[tail + 16] === replyPorts(columns, row) &&
      sameAddress(columns.originalSource.words, row * 4, tails, tail) &&
      sameAddress(columns.originalDestination.words, row * 4, tails, tail + 4) &&
      sameAddress(columns.replySource.words, row * 4, tails, tail + 8) &&
      sameAddress(columns.replyDestination.words, row * 4, tails, tail + 12)
    );
  }
}

/** 0 for a flow that its head tells all of. */
function kindOf({ originalSource, originalDestination }: EventColumns, row: number, reply: number): number {
  const at = row * 4;
  const [a, b] = [originalSource.words, originalDestination.words];
  const rest =
    (a[at + 1] ?? 0) | (a[at + 2] ?? 0) | (a[at + 3] ?? 0) | (b[at + 1] ?? 0) | (b[at + 2] ?? 0) | (b[at + 3] ?? 0);
  return rest === 0 ? reply : reply | WIDE;
}

function writeShort(words: Uint32Array, at: number, first: number): void {
  words[at] = first;
  words[at + 1] = 0;
  words[at + 2] = 0;
  words[at + 3] = 0;
}

function originalPorts(columns: EventColumns, row: number): number {
  return (((columns.originalSourcePort[row] ?? 0) << 16) | (columns.originalDestinationPort[row] ?? 0)) >>> 0;
}

function replyPorts(columns: EventColumns, row: number): number {
  return (((columns.replySourcePort[row] ?? 0) << 16) | (columns.replyDestinationPort[row] ?? 0)) >>> 0;
}

function hashFlow(id: number, ports: number): number {
  const hash = Math.imul(id ^ ports, 0x9e3779b1);
  return hash ^ (hash >>> 16);
}
