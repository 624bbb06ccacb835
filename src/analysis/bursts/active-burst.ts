/**
 * A burst from its onset to its end: how high, how much, whether it outgrew its kind, and when it is over.
 *
 * It is over when the rate stays below half as much again as usual for 3 s; what has lasted 10 min is the usual rate. Time is
 * counted in the ticks' own lengths, so a clock that jumps neither ends a burst nor stretches it.
 */
import { QuietHistory } from './quiet-history.js';
import type { ExpectedBurst } from './recurrence.js';

/** What is known when it begins. */
export interface BurstOnset {
  readonly onsetSeconds: number;
  /** From the onset until now. */
  readonly seconds: number;
  readonly events: number;
  readonly baselinePerSecond: number;
  /** What the rate is compared with: the baseline, but never below the floor. */
  readonly referencePerSecond: number;
  /** Below this rate it is over. */
  readonly endPerSecond: number;
  readonly falseAlarmsPerYear: number;
  readonly expected?: ExpectedBurst;
}

/** In what an expected burst is more than others of its kind. */
export type Outgrowth = 'larger' | 'longer';

/** `over`: the rate fell back. `usual`: it has been high for so long that it is the usual rate now. */
export type BurstEndReason = 'over' | 'usual';

export const END_SECONDS = 3;
/** After this long the new level is the usual one. */
const USUAL_SECONDS = 600;
/** An expected burst is news again from this many times what is usual for its kind, and a little. */
const OUTGROWN_FACTOR = 2;
const OUTGROWN_ENTRIES = 50;
const OUTGROWN_SECONDS = 5;

/** The burst that is on. */
export class ActiveBurst {
  readonly onset: BurstOnset;
  readonly #recent = new QuietHistory();
  #peakPerSecond: number;
  #seconds: number;
  #events: number;
  #belowSeconds = 0;
  #belowEvents = 0;
  #outgrown: Outgrowth | undefined;

  constructor(onset: BurstOnset) {
    this.onset = onset;
    this.#recent.push(onset.seconds, onset.events);
    this.#seconds = onset.seconds;
    this.#events = onset.events;
    this.#peakPerSecond = onset.events / onset.seconds;
    this.#outgrown = this.#outgrowth();
  }

  /** Set as soon as it is more than its kind. */
  get outgrown(): Outgrowth | undefined {
    return this.#outgrown;
  }

  get peakPerSecond(): number {
    return this.#peakPerSecond;
  }

  /** New entries beyond the usual number, until the rate fell below the end's. */
  get entriesAdded(): number {
    return Math.max(0, this.#events - this.#belowEvents - this.onset.baselinePerSecond * this.durationSeconds);
  }

  /** Until the rate fell below the end's. */
  get durationSeconds(): number {
    return this.#seconds - this.#belowSeconds;
  }

  /** Mean rate since the onset. */
  get meanPerSecond(): number {
    return this.#events / this.#seconds;
  }

  /** Over the last `seconds`. */
  ratePerSecond(seconds: number): number {
    return this.#recent.ratePerSecond(0, seconds) ?? 0;
  }

  /** Takes a tick; tells why the burst has ended with it. */
  observe(seconds: number, events: number): BurstEndReason | undefined {
    this.#recent.push(seconds, events);
    this.#seconds += seconds;
    this.#events += events;
    this.#peakPerSecond = Math.max(this.#peakPerSecond, this.ratePerSecond(1));
    if ((this.#belowEvents + events) / (this.#belowSeconds + seconds) <= this.onset.endPerSecond) {
      this.#belowSeconds += seconds;
      this.#belowEvents += events;
    } else {
      this.#belowSeconds = 0;
      this.#belowEvents = 0;
    }
    if (this.#belowSeconds >= END_SECONDS) return 'over';
    this.#outgrown ??= this.#outgrowth();
    return this.#seconds >= USUAL_SECONDS ? 'usual' : undefined;
  }

  #outgrowth(): Outgrowth | undefined {
    const { expected } = this.onset;
    if (expected === undefined) return undefined;
    const { usualPeakPerSecond, usualEntriesAdded, usualDurationSeconds } = expected;
    if (this.#peakPerSecond > OUTGROWN_FACTOR * usualPeakPerSecond + OUTGROWN_ENTRIES) return 'larger';
    const isLonger =
      this.entriesAdded > OUTGROWN_FACTOR * usualEntriesAdded + OUTGROWN_ENTRIES ||
      this.durationSeconds > OUTGROWN_FACTOR * usualDurationSeconds + OUTGROWN_SECONDS;
    return isLonger ? 'longer' : undefined;
  }
}
