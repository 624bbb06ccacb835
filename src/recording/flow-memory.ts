/**
 * The most recent flows, so that a DESTROY is written as the number of its NEW. Writer and reader keep the same ones: each NEW
 * and each entry of the initial dump takes the place of the oldest. A DESTROY of a flow that was forgotten is written out.
 * A flow is remembered only if id, addresses and ports are all the same: an id alone is not unique.
 */
import type { EventColumns } from '../model/batch.js';
import { FLOWS_REMEMBERED } from '../model/limits.js';
import { copyAddress, sameAddress } from './address-words.js';
import { RecentIndex } from './recent-index.js';

/** The id, two words of ports around the flags, four addresses of four words. */
const ROW_WORDS = 20;

export class FlowMemory {
  /** eventSeconds of each NEW, by number: about what its DESTROY tells as startSeconds. */
  readonly eventSeconds = new Float64Array(FLOWS_REMEMBERED);
  readonly #rows = new Uint32Array(FLOWS_REMEMBERED * ROW_WORDS);
  readonly #index: RecentIndex | undefined;
  #next = 0;

  constructor(use: 'write' | 'read') {
    this.#index = use === 'write' ? new RecentIndex(FLOWS_REMEMBERED) : undefined;
  }

  /** `reply`: the flags that tell in what the reply tuple is not the original one turned round. */
  add(columns: EventColumns, row: number, reply: number): void {
    const number = this.#next;
    this.#next = (number + 1) % FLOWS_REMEMBERED;
    const rows = this.#rows;
    const at = number * ROW_WORDS;
    const id = columns.id[row] ?? 0;
    const ports = originalPorts(columns, row);
    rows[at] = id;
    rows[at + 1] = ports;
    rows[at + 2] = reply;
    copyAddress(columns.originalSource.words, row * 4, rows, at + 4);
    copyAddress(columns.originalDestination.words, row * 4, rows, at + 8);
    if (reply !== 0) {
      rows[at + 3] = replyPorts(columns, row);
      copyAddress(columns.replySource.words, row * 4, rows, at + 12);
      copyAddress(columns.replyDestination.words, row * 4, rows, at + 16);
    }
    this.#index?.put(hashFlow(id, ports), number);
  }

  /** eventSeconds of the flows that were added last: known only when a whole batch is read. */
  addTimes(eventSeconds: Float64Array, newCount: number): void {
    const first = this.#next + FLOWS_REMEMBERED - (newCount % FLOWS_REMEMBERED);
    for (let row = 0; row < newCount; row++) {
      this.eventSeconds[(first + row) % FLOWS_REMEMBERED] = eventSeconds[row] ?? 0;
    }
  }

  /** The number of the newest flow with the id and the tuples of this row, or -1. */
  find(columns: EventColumns, row: number, reply: number): number {
    const index = this.#index;
    if (index === undefined) return -1;
    const rows = this.#rows;
    const id = columns.id[row] ?? 0;
    const ports = originalPorts(columns, row);
    const hash = hashFlow(id, ports);
    for (let guess = index.next(hash, 0); guess >= 0; guess = index.next(hash, guess & 7)) {
      const number = guess >> 3;
      const at = number * ROW_WORDS;
      if (rows[at] !== id || rows[at + 1] !== ports || rows[at + 2] !== reply) continue;
      if (!sameAddress(columns.originalSource.words, row * 4, rows, at + 4)) continue;
      if (!sameAddress(columns.originalDestination.words, row * 4, rows, at + 8)) continue;
      if (reply === 0) return number;
      if (rows[at + 3] !== replyPorts(columns, row)) continue;
      if (!sameAddress(columns.replySource.words, row * 4, rows, at + 12)) continue;
      if (sameAddress(columns.replyDestination.words, row * 4, rows, at + 16)) return number;
    }
    return -1;
  }

  /** Writes the tuples and the id of flow `number` into a row. */
  copy(number: number, columns: EventColumns, row: number): void {
    const rows = this.#rows;
    const at = number * ROW_WORDS;
    const { originalSource, originalDestination, replySource, replyDestination } = columns;
    const mirrored = rows[at + 2] === 0;
    copyAddress(rows, at + 4, originalSource.words, row * 4);
    copyAddress(rows, at + 8, originalDestination.words, row * 4);
    copyAddress(rows, mirrored ? at + 8 : at + 12, replySource.words, row * 4);
    copyAddress(rows, mirrored ? at + 4 : at + 16, replyDestination.words, row * 4);
    const original = rows[at + 1] ?? 0;
    const reply = mirrored ? (original << 16) | (original >>> 16) : (rows[at + 3] ?? 0);
    columns.id[row] = rows[at] ?? 0;
    columns.originalSourcePort[row] = original >>> 16;
    columns.originalDestinationPort[row] = original;
    columns.replySourcePort[row] = reply >>> 16;
    columns.replyDestinationPort[row] = reply;
  }
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
