/** The last addresses that were written out, by number; writer and reader keep the same ones. */

import { copyAddress, sameAddress } from '../model/address-words.js';
import { ADDRESSES_REMEMBERED } from '../model/limits.js';
import { RecentIndex } from './recent-index.js';

export class AddressMemory {
  /** Four words an address. */
  readonly words = new Uint32Array(ADDRESSES_REMEMBERED * 4);
  readonly #index: RecentIndex | undefined;
  #next = 0;
  /** Of the address that was last looked for. */
  #hash = 0;
  /** See `RecentIndex`. */
  fetched = 0;

  constructor(use: 'write' | 'read') {
    this.#index = use === 'write' ? new RecentIndex(ADDRESSES_REMEMBERED) : undefined;
  }

  /** Hashes of the addresses of the first `count` rows of a list, for `find`. Reads ahead what it will; see `RecentIndex.fetch`. */
  hashAll(words: Uint32Array, rows: Int32Array, count: number, hashes: Int32Array): void {
    const index = this.#index;
    if (index === undefined) return;
    for (let i = 0; i < count; i++) hashes[i] = hashAddress(words, (rows[i] ?? 0) * 4);
    index.fetch(hashes, 0, count);
    let read = 0;
    for (let i = 0; i < count; i++) read ^= this.words[Math.max(0, index.next(hashes[i] ?? 0, 0) >> 3) * 4] ?? 0;
    this.fetched = read;
  }

  /** The number of the address at `words[at]`, or -1. */
  find(words: Uint32Array, at: number, hash = hashAddress(words, at)): number {
    const index = this.#index;
    if (index === undefined) return -1;
    this.#hash = hash;
    for (let guess = index.next(hash, 0); guess >= 0; guess = index.next(hash, guess & 7)) {
      const number = guess >> 3;
      if (sameAddress(this.words, number * 4, words, at)) return number;
    }
    return -1;
  }

  /** Remembers the address at `words[at]` in place of the oldest; for the writer, the one that the last `find` did not know. */
  add(words: Uint32Array, at: number): void {
    const number = this.#next;
    this.#next = (number + 1) % ADDRESSES_REMEMBERED;
    copyAddress(words, at, this.words, number * 4);
    this.#index?.put(this.#hash, number);
  }
}

/** Of few steps that wait for each other; then the finalizer of MurmurHash3 (Appleby, public domain). */
function hashAddress(words: Uint32Array, at: number): number {
  let hash =
    (words[at] ?? 0) ^
    Math.imul(words[at + 1] ?? 0, 0x9e3779b1) ^
    Math.imul(words[at + 2] ?? 0, 0x85ebca77) ^
    Math.imul(words[at + 3] ?? 0, 0xc2b2ae3d);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
