/**
 * Finds the number of a thing by its hash, among the most recent. Only the writer of a recording searches; the reader is told
 * the numbers. A number it returns is a guess: the thing may have been replaced, so the finder compares. One that is
 * pushed out is not found any more, which costs bytes and nothing else.
 *
 *   hash -> bucket of four, newest first: tag 16 bits | number 16 bits        one cache line to search, one to add
 */
const WAYS = 4;

export class RecentIndex {
  readonly #slots: Uint32Array;
  readonly #mask: number;
  /** Of what `fetch` read: without a trace of it V8 would leave the reading out. */
  fetched = 0;

  /** For numbers below `capacity`, at most 65,536. */
  constructor(capacity: number) {
    const buckets = 2 ** Math.ceil(Math.log2(capacity / 2));
    this.#slots = new Uint32Array(buckets * WAYS);
    this.#mask = buckets - 1;
  }

  /**
   * Reads the buckets of hashes [from, to) ahead of `next` and `put`. A search waits for memory at nearly every step; here no step
   * waits for another, so the processor reads many at once.
   */
  fetch(hashes: Int32Array, from: number, to: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let read = 0;
    for (let i = from; i < to; i++) read ^= slots[((hashes[i] ?? 0) & mask) * WAYS] ?? 0;
    this.fetched = read;
  }

  /** The next number after way `way` that may have this hash as `number << 3 | way`, or -1. Begin with way 0. */
  next(hash: number, way: number): number {
    const bucket = (hash & this.#mask) * WAYS;
    const tag = hash >>> 16;
    for (let i = way; i < WAYS; i++) {
      const slot = this.#slots[bucket + i] ?? 0;
      if (slot >>> 16 === tag) return ((slot & 0xffff) << 3) | (i + 1);
    }
    return -1;
  }

  /** Makes `number` the newest of its bucket. */
  put(hash: number, number: number): void {
    const slots = this.#slots;
    const bucket = (hash & this.#mask) * WAYS;
    slots[bucket + 3] = slots[bucket + 2] ?? 0;
    slots[bucket + 2] = slots[bucket + 1] ?? 0;
    slots[bucket + 1] = slots[bucket] ?? 0;
    slots[bucket] = (hash & 0xffff0000) | number;
  }
}
