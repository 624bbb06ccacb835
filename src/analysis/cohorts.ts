/**
 * Sampled entries in the table by class and second of birth: what `lifetimes.ts` follows and a forecast starts from.
 *
 *   alive    one ring of seconds a class; a cell is a cohort        older    those that left the ring
 *   weights  how many flows a seen one of a second stands for, as others of it were lost
 *
 * Most classes of most hosts are empty, so each has a total that says so. Does not know what has expired: see `hazards.ts`.
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
  readonly #entriesByAge = new Float64Array(AGE_BINS);
  readonly #weightsByAge = new Float64Array(AGE_BINS).fill(1);

  /** One more entry, born now. */
  add(index: number, second: number): void {
    const cell = index * AGES_SECONDS + (second % AGES_SECONDS);
    this.#alive[cell] = (this.#alive[cell] ?? 0) + 1;
    this.#totals[index] = (this.#totals[index] ?? 0) + 1;
  }

  /** Takes entries out that were born in a second; part of one when it stands for another that was lost. */
  withdraw(index: number, bornSecond: number, entries: number, second: number): void {
    this.#totals[index] = (this.#totals[index] ?? 0) - entries;
    if (entries !== 1) this.#isExact = false;
    if (second - bornSecond >= AGES_SECONDS) {
      this.#older[index] = (this.#older[index] ?? 0) - entries;
      return;
    }
    const cell = index * AGES_SECONDS + (((bornSecond % AGES_SECONDS) + AGES_SECONDS) % AGES_SECONDS);
    this.#alive[cell] = (this.#alive[cell] ?? 0) - entries;
  }

  /** Sampled entries of a class. */
  total(index: number): number {
    return this.#totals[index] ?? 0;
  }

  /** Sampled entries of a class by age bin, never negative; valid until the next call. */
  entriesByAge(index: number, second: number): Float64Array {
    const entries = this.#entriesByAge;
    writeByAge(entries, this.#alive, index * AGES_SECONDS, second);
    // A flow that is withdrawn for another one's lost end may leave less than nothing.
    for (let age = 0; age < AGES_SECONDS; age++) if ((entries[age] ?? 0) < 0) entries[age] = 0;
    entries[AGES_SECONDS] = Math.max(0, this.#older[index] ?? 0);
    return entries;
  }

  /**
   * Flows of a class by age bin that its sampled entries stand for. Bins are ages at the beginning of a second; `passed`, 0..1, is
   * the part of the second that is over, in which that part of each bin has gone on to the next. Valid until the next call.
   */
  entriesNow(index: number, second: number, passed: number): Float64Array {
    const entries = this.entriesByAge(index, second);
    writeByAge(this.#weightsByAge, this.#weights, 0, second);
    let here = (entries[AGES_SECONDS] ?? 0) * (this.#weightsByAge[AGES_SECONDS] ?? 1);
    for (let bin = AGES_SECONDS; bin >= 0; bin--) {
      const younger = bin === 0 ? 0 : (entries[bin - 1] ?? 0) * (this.#weightsByAge[bin - 1] ?? 1);
      entries[bin] = (bin === AGES_SECONDS ? here : (1 - passed) * here) + passed * younger;
      here = younger;
    }
    return entries;
  }

  /** The seen flows of this second stand for lost ones too. Two lossy ticks of a second are averaged. */
  weigh(weight: number, second: number): void {
    const cell = second % AGES_SECONDS;
    const before = this.#weights[cell] ?? 1;
    this.#weights[cell] = before === 1 ? weight : (before + weight) / 2;
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

/** Writes a ring of seconds, from `offset` on, as ages: the newest is `second`. */
function writeByAge(ages: Float64Array, ring: Float64Array, offset: number, second: number): void {
  const newest = second % AGES_SECONDS;
  for (let age = 0; age <= newest; age++) ages[age] = ring[offset + newest - age] ?? 0;
  for (let age = newest + 1; age < AGES_SECONDS; age++) ages[age] = ring[offset + newest - age + AGES_SECONDS] ?? 0;
}
