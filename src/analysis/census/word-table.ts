/**
 * A hash table from keys of a few 32-bit words to small numbers: 0 for the first key, 1 for the next. No objects, no text.
 *
 *   key words ──hash──> slots (number + 1, 0 while free) ──> number ──> words of the key, compared in full
 *
 * Open addressing, linear probing, at most half full; it doubles up to its limit. Nothing is ever removed.
 */

/** Numbers of the keys that were placed. */
export class WordTable {
  /** The key that `place` and `find` look at: write its words first. */
  readonly key: Uint32Array;
  readonly #width: number;
  #words: Uint32Array;
  #slots: Uint32Array;
  #size = 0;

  /** Keys of `width` words. */
  constructor(width: number) {
    this.#width = width;
    this.key = new Uint32Array(width);
    this.#words = new Uint32Array(FIRST_KEYS * width);
    this.#slots = new Uint32Array(FIRST_KEYS * 2);
  }

  /** Keys that were placed. */
  get size(): number {
    return this.#size;
  }

  /** Word `i` of key `number`. */
  word(number: number, i: number): number {
    return this.#words[number * this.#width + i] ?? 0;
  }

  /** The number of `key`, which is placed when it is new; -1 when there are `keysMax` already. */
  place(keysMax: number): number {
    const slot = this.#slotOf();
    const found = (this.#slots[slot] ?? 0) - 1;
    if (found >= 0 || this.#size >= keysMax) return found;
    const number = this.#size;
    this.#size += 1;
    this.#words.set(this.key, number * this.#width);
    this.#slots[slot] = number + 1;
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    return number;
  }

  /** The number of `key`, -1 when it was never placed. */
  find(): number {
    return (this.#slots[this.#slotOf()] ?? 0) - 1;
  }

  /** The slot of `key`, or the free one where it would be. */
  #slotOf(): number {
    const { key } = this;
    const width = this.#width;
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(key, 0, width) & mask; ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0) return slot;
      const at = number * width;
      let word = 0;
      while (word < width && this.#words[at + word] === key[word]) word++;
      if (word === width) return slot;
    }
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let number = 0; number < this.#size; number++) {
      let slot = hashOf(words, number * this.#width, this.#width) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = number + 1;
    }
    this.#slots = slots;
  }
}

/** Room of an empty table; a power of two. */
const FIRST_KEYS = 1024;

/** Murmur3's mixing of each word, with its final avalanche. */
function hashOf(words: Uint32Array, at: number, width: number): number {
  let hash = width;
  for (let i = at; i < at + width; i++) {
    let word = Math.imul(words[i] ?? 0, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash ^= word;
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
