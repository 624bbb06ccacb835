/**
 * Sampled entries in the table by class and second of birth: what `lifetimes.ts` follows and a forecast starts from.
 *
 *   alive    one ring of seconds a class; a cell is a cohort        older    those that left the ring
 *   weights  how many flows a seen one of a second stands for, as others of it were lost
 *
 * Most classes of most hosts are empty, so each has a total that says so; most others have nobody older than the kernel's timeouts,
 * so ages are written and read up to the oldest one only. Does not know what has expired: see `hazards.ts`.
 */
import { CLASS_COUNT } from './flow-classes.js';
import { AGE_BINS, AGES_SECONDS } from './hazards.js';

/** The cohorts of all classes. Seconds are whole ones since the first event. */
export class Cohorts {
  readonly #alive = new Float64Array(CLASS_COUNT * AGES_SECONDS);
  readonly #older = new Float64Array(CLASS_COUNT);
  readonly #totals = new Float64Array(CLASS_COUNT);
  /** Whether the totals are the exact sums. */
  #isExact = true;
  readonly #weights = new Float64Array(AGES_SECONDS).fill(1);
  /** No cell of the class that is not 0 is of a second before this one. */
  readonly #oldest = new Float64Array(CLASS_COUNT).fill(Number.POSITIVE_INFINITY);
  /** The second after which every weight is 1 again. */
  #weighedUntil = Number.NEGATIVE_INFINITY;
  readonly #entriesByAge = new Float64Array(AGE_BINS);
  readonly #weightsByAge = new Float64Array(AGE_BINS).fill(1);

  /** One more entry, born now. */
  add(index: number, second: number): void {
    const cell = index * AGES_SECONDS + (second % AGES_SECONDS);
    this.#alive[cell] = (this.#alive[cell] ?? 0) + 1;
    this.#totals[index] = (this.#totals[index] ?? 0) + 1;
    if (second < (this.#oldest[index] ?? 0)) this.#oldest[index] = second;
  }

  /** Takes entries out that were born in a second; part of one when it stands for another that was lost. */
  withdraw(index: number, bornSecond: number, entries: number, second: number): void {
    this.#totals[index] = (this.#totals[index] ?? 0) - entries;
    if (entries !== 1) this.#isExact = false;
    if (second - bornSecond >= AGES_SECONDS) {
      this.#older[index] = (this.#older[index] ?? 0) - entries;
      return;
    }
    const cell = index * AGES_SECONDS + cellOf(bornSecond);
    this.#alive[cell] = (this.#alive[cell] ?? 0) - entries;
    if (bornSecond < (this.#oldest[index] ?? 0)) this.#oldest[index] = bornSecond;
  }

  /** Sampled entries of a class. */
  total(index: number): number {
    return this.#totals[index] ?? 0;
  }

  /** The first age in the ring, 0..512 s, from which on nobody of a class is. */
  agesEnd(index: number, second: number): number {
    const offset = index * AGES_SECONDS;
    let oldest = Math.max(this.#oldest[index] ?? 0, second - AGES_SECONDS + 1);
    while (oldest <= second && (this.#alive[offset + cellOf(oldest)] ?? 0) === 0) oldest += 1;
    if (oldest > second) oldest = Number.POSITIVE_INFINITY;
    this.#oldest[index] = oldest;
    return Math.max(0, second - oldest + 1);
  }

  /** Sampled entries of a class by age bin, never negative; valid until the next call. */
  entriesByAge(index: number, second: number): Float64Array {
    const entries = this.#entriesByAge;
    const end = this.agesEnd(index, second);
    writeByAge(entries, this.#alive, index * AGES_SECONDS, second, end);
    // A flow that is withdrawn for another one's lost end may leave less than nothing.
    for (let age = 0; age < end; age++) if ((entries[age] ?? 0) < 0) entries[age] = 0;
    entries.fill(0, end, AGES_SECONDS);
    entries[AGES_SECONDS] = Math.max(0, this.#older[index] ?? 0);
    return entries;
  }

  /**
   * Flows of a class by age bin that its sampled entries stand for. Bins are ages at the beginning of a second; `passed`, 0..1, is
   * the part of the second that is over, in which that part of each bin has gone on to the next. Valid until the next call.
   */
  entriesNow(index: number, second: number, passed: number): Float64Array {
    const entries = this.entriesByAge(index, second);
    const weights = this.#weightsByAge;
    if (second < this.#weighedUntil) writeByAge(weights, this.#weights, 0, second, AGES_SECONDS);
    else weights.fill(1);
    // One more than the oldest, who go on to the next bin; the pool of those that left the ring keeps what it has.
    const last = Math.min(AGES_SECONDS - 1, this.agesEnd(index, second));
    const oldest = (entries[AGES_SECONDS - 1] ?? 0) * (weights[AGES_SECONDS - 1] ?? 1);
    entries[AGES_SECONDS] = (entries[AGES_SECONDS] ?? 0) * (weights[AGES_SECONDS] ?? 1) + passed * oldest;
    let here = (entries[last] ?? 0) * (weights[last] ?? 1);
    for (let bin = last; bin >= 0; bin--) {
      const younger = bin === 0 ? 0 : (entries[bin - 1] ?? 0) * (weights[bin - 1] ?? 1);
      entries[bin] = (1 - passed) * here + passed * younger;
      here = younger;
    }
    return entries;
  }

  /** The seen flows of this second stand for lost ones too. Two lossy ticks of a second are averaged. */
  weigh(weight: number, second: number): void {
    const cell = second % AGES_SECONDS;
    const before = this.#weights[cell] ?? 1;
    this.#weights[cell] = before === 1 ? weight : (before + weight) / 2;
    this.#weighedUntil = second + AGES_SECONDS;
  }

  /** Ends a second: the oldest cohort joins those that are older, and its cell is free for the next second. */
  age(second: number): void {
    const cell = (second + 1) % AGES_SECONDS;
    const isExact = this.#isExact;
    this.#isExact = true;
    for (let index = 0; index < CLASS_COUNT; index++) {
      const leaving = index * AGES_SECONDS + cell;
      const older = (this.#older[index] ?? 0) + (this.#alive[leaving] ?? 0);
      this.#older[index] = Math.max(0, older);
      this.#alive[leaving] = 0;
      if (!isExact || older < 0) this.#sumUp(index);
    }
    this.#weights[cell] = 1;
  }

  /** The entries of one class join another. */
  reassign(fromClass: number, toClass: number): void {
    for (let cell = 0; cell < AGES_SECONDS; cell++) {
      const to = toClass * AGES_SECONDS + cell;
      this.#alive[to] = (this.#alive[to] ?? 0) + (this.#alive[fromClass * AGES_SECONDS + cell] ?? 0);
    }
    this.#older[toClass] = (this.#older[toClass] ?? 0) + (this.#older[fromClass] ?? 0);
    this.#older[fromClass] = 0;
    this.#oldest[toClass] = Math.min(this.#oldest[toClass] ?? 0, this.#oldest[fromClass] ?? 0);
    this.#oldest[fromClass] = Number.POSITIVE_INFINITY;
    this.#alive.fill(0, fromClass * AGES_SECONDS, (fromClass + 1) * AGES_SECONDS);
    this.#sumUp(fromClass);
    this.#sumUp(toClass);
  }

  /** Counts anew what additions of fractions have made inexact. */
  #sumUp(index: number): void {
    let sum = this.#older[index] ?? 0;
    const offset = index * AGES_SECONDS;
    for (let cell = offset; cell < offset + AGES_SECONDS; cell++) sum += this.#alive[cell] ?? 0;
    this.#totals[index] = sum;
  }
}

/** The cell of a second, which may be before the first event. */
function cellOf(second: number): number {
  return ((second % AGES_SECONDS) + AGES_SECONDS) % AGES_SECONDS;
}

/** Writes a ring of seconds, from `offset` on, as ages below `end`: the newest is `second`. */
function writeByAge(ages: Float64Array, ring: Float64Array, offset: number, second: number, end: number): void {
  const newest = offset + (second % AGES_SECONDS);
  const turn = Math.min(end, newest - offset + 1);
  for (let age = 0; age < turn; age++) ages[age] = ring[newest - age] ?? 0;
  for (let age = turn; age < end; age++) ages[age] = ring[newest - age + AGES_SECONDS] ?? 0;
}
