/** The last addresses that were written out, by number; writer and reader keep the same ones. */

import { copyAddress, sameAddress } from '../model/address-words.js';
import { ADDRESSES_REMEMBERED } from '../model/limits.js';
import { RecentIndex } from './recent-index.js';

export class AddressMemory {
  /** Four words an address. */
  readonly words = new Uint32Array(ADDRESSES_REMEMBERED * 4);
  readonly #index: RecentIndex | undefined;
  #next = 0;

  constructor(use: 'write' | 'read') {
    this.#index = use === 'write' ? new RecentIndex(ADDRESSES_REMEMBERED) : undefined;
  }

  /** The number of the address at `words[at]`, or -1. */
  find(words: Uint32Array, at: number): number {
    const index = this.#index;
    if (index === undefined) return -1;
    const hash = hashAddress(words, at);
    for (let guess = index.next(hash, 0); guess >= 0; guess = index.next(hash, guess & 7)) {
      const number = guess >> 3;
      if (sameAddress(this.words, number * 4, words, at)) return number;
    }
    return -1;
  }

  /** Remembers the address at `words[at]` in place of the oldest. */
  add(words: Uint32Array, at: number): void {
    const number = this.#next;
    this.#next = (number + 1) % ADDRESSES_REMEMBERED;
    copyAddress(words, at, this.words, number * 4);
    this.#index?.put(hashAddress(words, at), number);
  }
}

function hashAddress(words: Uint32Array, at: number): number {
  let hash = Math.imul(words[at] ?? 0, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15) ^ (words[at + 1] ?? 0), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13) ^ (words[at + 2] ?? 0), 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16) ^ (words[at + 3] ?? 0), 0x27d4eb2f);
  return hash ^ (hash >>> 16);
}
