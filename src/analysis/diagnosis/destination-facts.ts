/**
 * What is known of each destination that `talkers.ts` watches, by the same counters: its entries in the table, how it grows, what is
 * usual for it, and what its flows have in common.
 *
 *   entries += NEW - DESTROY, each weighing what the lost ones of its tick make of it
 *   usual    = mean while nothing is unusual: of all that time up to an hour, then of about the last hour
 *
 * A destination that lost its counter for a time starts anew, and entries from before the daemon are not known until a census sets
 * them: `entries` is then too low, never too high by more than what blind ends hide.
 */

import { AF_INET6 } from '../../model/address.js';
import type { EventColumns } from '../../model/batch.js';
import { TALKERS_MAX } from '../../model/limits.js';
import type { Talkers } from '../talkers.js';
import { FlowTraits, NO_TRAITS, type Traits } from './flow-traits.js';
import { addressHash } from './source-facts.js';

/** Time constant of the growth, seconds: as long as the collector's longest pause. */
const GROWTH_SECONDS = 60;
/** Time constant of the present rate, seconds. */
export const PRESENT_SECONDS = 2;
/** Nothing is called usual before it was seen so long, seconds; and what is usual is forgotten in about an hour. */
const USUAL_SECONDS_MIN = 30;
const USUAL_SECONDS = 3600;
/** Several times the usual rate is not learned as usual, unless it has lasted so long, seconds. */
const UNUSUAL_FACTOR = 2;
const UNUSUAL_SECONDS_MAX = 600;

/** What a destination usually has. */
export interface Usual {
  readonly entries: number;
  readonly newPerSecond: number;
  /** How long that was learned. */
  readonly seconds: number;
}

export interface DestinationFacts {
  /** Its entries in the table, expired ones included. */
  readonly entries: number;
  /** New minus destroyed entries per second over about the last minute. */
  readonly growthPerSecond: number;
  /** New entries per second over about the last two seconds. */
  readonly presentPerSecond: number;
  readonly usual?: Usual;
  /** Its partners are sources. */
  readonly traits: Traits;
}

/** Of a destination that gets no new entries. */
export const NO_FACTS: DestinationFacts = { entries: 0, growthPerSecond: 0, presentPerSecond: 0, traits: NO_TRAITS };

/** What a tick brought that the rows did not tell. */
export interface DestinationTick {
  readonly seconds: number;
  /** Flows that one seen NEW, or DESTROY, of this tick stands for: 1 unless events were lost. */
  readonly newWeight: number;
  readonly destroyWeight: number;
  /** Nothing is unusual: what is there may be learned as usual. */
  readonly isUsual: boolean;
}

/** Facts by the counters of a `Talkers`. */
export class DestinationFactsTable {
  readonly #talkers: Talkers;
  readonly #owners = new Uint32Array(TALKERS_MAX);
  readonly #entries = new Float64Array(TALKERS_MAX);
  readonly #tickNew = new Uint32Array(TALKERS_MAX);
  readonly #tickDestroyed = new Uint32Array(TALKERS_MAX);
  /** New minus destroyed entries, decayed with `GROWTH_SECONDS`. */
  readonly #growth = new Float64Array(TALKERS_MAX);
  readonly #presentPerSecond = new Float64Array(TALKERS_MAX);
  readonly #usualEntries = new Float64Array(TALKERS_MAX);
  readonly #usualPerSecond = new Float64Array(TALKERS_MAX);
  readonly #usualSeconds = new Float64Array(TALKERS_MAX);
  readonly #unusualSeconds = new Float64Array(TALKERS_MAX);
  readonly #columns = [
    ...[this.#entries, this.#growth, this.#presentPerSecond, this.#unusualSeconds],
    ...[this.#usualEntries, this.#usualPerSecond, this.#usualSeconds],
  ];
  readonly #traits = new FlowTraits(TALKERS_MAX);
  /** As `GROWTH_SECONDS` would be after the time observed. */
  #growthSeconds = 0;

  constructor(talkers: Talkers) {
    this.#talkers = talkers;
  }

  /** Counts the NEW event in `row`, whose destination has this counter. */
  observeNew(counter: number, columns: EventColumns, row: number): void {
    const owner = this.#talkers.ownerOf(counter);
    if (this.#owners[counter] !== owner) this.#reset(counter, owner);
    this.#tickNew[counter] = (this.#tickNew[counter] ?? 0) + 1;
    this.#traits.observeNew(counter, addressHash(columns.originalSource.words, row, columns.family[row] === AF_INET6));
  }

  observeDestroy(columns: EventColumns, row: number): void {
    const counter = this.#talkers.find(columns, row);
    if (counter < 0) return;
    this.#tickDestroyed[counter] = (this.#tickDestroyed[counter] ?? 0) + 1;
    this.#traits.observeEnd(counter, columns, row);
  }

  /** A sampled young flow as the kernel has it now. */
  observeYoung(columns: EventColumns, row: number, ageSeconds: number): void {
    const counter = this.#talkers.find(columns, row);
    if (counter >= 0) this.#traits.observeYoung(counter, columns, row, ageSeconds);
  }

  /** Ends a tick. */
  advance({ seconds, newWeight, destroyWeight, isUsual }: DestinationTick): void {
    const factor = Math.exp(-Math.max(0, seconds) / GROWTH_SECONDS);
    const presentWeight = -Math.expm1(-Math.max(0, seconds) / PRESENT_SECONDS);
    this.#growthSeconds = this.#growthSeconds * factor + Math.max(0, seconds);
    for (let counter = 0; counter < this.#talkers.used; counter++) {
      const made = (this.#tickNew[counter] ?? 0) * newWeight;
      const gone = (this.#tickDestroyed[counter] ?? 0) * destroyWeight;
      const entries = Math.max(0, (this.#entries[counter] ?? 0) + made - gone);
      this.#entries[counter] = entries;
      this.#growth[counter] = (this.#growth[counter] ?? 0) * factor + made - gone;
      if (!(seconds > 0)) continue;
      this.#presentPerSecond[counter] = mixed(this.#presentPerSecond[counter], made / seconds, presentWeight);
      if (isUsual) this.#learn(counter, seconds, entries, made / seconds);
    }
    this.#tickNew.fill(0);
    this.#tickDestroyed.fill(0);
    this.#traits.advance(seconds);
  }

  /** A census counted this destination's entries. */
  setEntries(counter: number, entries: number): void {
    this.#entries[counter] = entries;
  }

  /** Entries in the table. */
  entriesOf(counter: number): number {
    return this.#entries[counter] ?? 0;
  }

  growthPerSecond(counter: number): number {
    return this.#growthSeconds > 0 ? (this.#growth[counter] ?? 0) / this.#growthSeconds : 0;
  }

  presentPerSecond(counter: number): number {
    return this.#presentPerSecond[counter] ?? 0;
  }

  /** Undefined before it was seen for long enough. */
  usualOf(counter: number): Usual | undefined {
    const seconds = this.#usualSeconds[counter] ?? 0;
    if (seconds < USUAL_SECONDS_MIN) return undefined;
    return {
      entries: this.#usualEntries[counter] ?? 0,
      newPerSecond: this.#usualPerSecond[counter] ?? 0,
      seconds,
    };
  }

  describe(counter: number): DestinationFacts {
    const usual = this.usualOf(counter);
    return {
      entries: this.entriesOf(counter),
      growthPerSecond: this.growthPerSecond(counter),
      presentPerSecond: this.presentPerSecond(counter),
      ...(usual !== undefined && { usual }),
      traits: this.#traits.describe(counter),
    };
  }

  #learn(counter: number, seconds: number, entries: number, newPerSecond: number): void {
    const usual = this.#usualPerSecond[counter] ?? 0;
    const isLearned = (this.#usualSeconds[counter] ?? 0) >= USUAL_SECONDS_MIN;
    if (isLearned && (this.#presentPerSecond[counter] ?? 0) > UNUSUAL_FACTOR * usual) {
      this.#unusualSeconds[counter] = (this.#unusualSeconds[counter] ?? 0) + seconds;
      if ((this.#unusualSeconds[counter] ?? 0) < UNUSUAL_SECONDS_MAX) return;
    } else this.#unusualSeconds[counter] = 0;
    const known = Math.min((this.#usualSeconds[counter] ?? 0) + seconds, USUAL_SECONDS);
    const weight = seconds / known;
    this.#usualSeconds[counter] = known;
    this.#usualEntries[counter] = mixed(this.#usualEntries[counter], entries, weight);
    this.#usualPerSecond[counter] = mixed(this.#usualPerSecond[counter], newPerSecond, weight);
  }

  #reset(counter: number, owner: number): void {
    this.#owners[counter] = owner;
    for (const column of this.#columns) column[counter] = 0;
    this.#tickNew[counter] = 0;
    this.#tickDestroyed[counter] = 0;
    this.#traits.reset(counter);
  }
}

function mixed(before: number | undefined, now: number, weight: number): number {
  return (before ?? 0) + weight * (now - (before ?? 0));
}
