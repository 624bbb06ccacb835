/**
 * The hash slots by which a fixed number of counters is found: open addressing, linear probing, four slots a counter, so that a probe
 * ends after one or two steps. Counters change hands, so keys go as well as come. Keys stay with their owner, who compares them:
 *
 *   for (slot = hash & mask; entry = slots[slot]; slot = (slot + 1) & mask) is it counter entry - 1?      0 ends the search
 *
 * A call per comparison would cost more than the comparison, so the arrays are open to read.
 * Source of the removal: Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R.
 */

const SLOTS_PER_COUNTER = 4;

/** Slots of counters 0 to `counters` - 1. */
export class CounterSlots {
  /** Counter + 1, or 0 for a free slot. Read only. */
  readonly slots: Uint16Array;
  /** Takes a slot out of a hash. */
  readonly mask: number;
  readonly #hashes: Uint32Array;

  /** `counters`: a power of two, at most 16,384. */
  constructor(counters: number) {
    this.slots = new Uint16Array(counters * SLOTS_PER_COUNTER);
    this.mask = this.slots.length - 1;
    this.#hashes = new Uint32Array(counters);
  }

  /** Makes a counter that has no slot found under a hash. */
  link(counter: number, hash: number): void {
    const { slots, mask } = this;
    this.#hashes[counter] = hash;
    let slot = hash & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = counter + 1;
  }

  /** Frees the slot of `counter` and moves later ones of the same run back, so that no probe meets a hole. */
  unlink(counter: number): void {
    const { slots, mask } = this;
    let hole = (this.#hashes[counter] ?? 0) & mask;
    while (slots[hole] !== counter + 1) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = slots[slot] ?? 0;
      const home = (this.#hashes[entry - 1] ?? 0) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = entry;
      hole = slot;
    }
    slots[hole] = 0;
  }
}
