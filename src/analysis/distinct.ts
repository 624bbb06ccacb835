/**
 * How many different values were added lately, for many counters at once, 128 bytes each: HyperLogLog over two panes.
 *
 *   hash -> low 6 bits: register | the rest: position of its first one      register = largest position seen
 *
 * A pane is filled for some seconds, then the older one is emptied and takes its place; an estimate is of the union of both. With
 * 64 registers the standard error is 13 %; up to 160 values the empty registers are counted instead, which is exact for a few.
 * Whoever adds brings a good hash. Values are not kept and cannot be listed.
 * Sources: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (AofA 2007); Whang et al., linear counting (ACM TODS 1990).
 */

const REGISTER_BITS = 6;
const REGISTERS = 1 << REGISTER_BITS;
const REGISTER_MASK = REGISTERS - 1;
/** Bias correction for 64 registers (Flajolet et al., section 4). */
const ALPHA = 0.709;
/** Up to this estimate the empty registers tell it better. */
const LINEAR_MAX = 2.5 * REGISTERS;

/** Distinct counters 0 to `counters` - 1. */
export class DistinctCounts {
  readonly #fresh: Uint8Array;
  readonly #older: Uint8Array;

  constructor(counters: number) {
    this.#fresh = new Uint8Array(counters * REGISTERS);
    this.#older = new Uint8Array(counters * REGISTERS);
  }

  /** Adds the value with this 32-bit hash. */
  add(counter: number, hash: number): void {
    const register = counter * REGISTERS + (hash & REGISTER_MASK);
    const rank = Math.clz32(hash | REGISTER_MASK) + 1;
    if (rank > (this.#fresh[register] ?? 0)) this.#fresh[register] = rank;
  }

  /** Different values of the last one to two panes. */
  estimate(counter: number): number {
    let sum = 0;
    let empty = 0;
    for (let register = counter * REGISTERS; register < (counter + 1) * REGISTERS; register++) {
      const rank = Math.max(this.#fresh[register] ?? 0, this.#older[register] ?? 0);
      if (rank === 0) empty += 1;
      sum += 2 ** -rank;
    }
    const estimate = (ALPHA * REGISTERS * REGISTERS) / sum;
    return estimate <= LINEAR_MAX && empty > 0 ? REGISTERS * Math.log(REGISTERS / empty) : estimate;
  }

  /** Forgets a counter's values. */
  reset(counter: number): void {
    const from = counter * REGISTERS;
    this.#fresh.fill(0, from, from + REGISTERS);
    this.#older.fill(0, from, from + REGISTERS);
  }

  /** Begins a pane: what was added before the present one is forgotten. */
  roll(): void {
    this.#older.set(this.#fresh);
    this.#fresh.fill(0);
  }
}

/** The finalizer of MurmurHash3 (Appleby, public domain): every bit of the input moves every bit of the hash. */
export function mixHash(word: number): number {
  let hash = word ^ (word >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
