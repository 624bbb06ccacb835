/**
 * How fast new entries come now, in total and by class, and since when it has been like that.
 *
 * A minute of ticks is kept. "Now" is the mean since the last change of level: the split of the minute whose two parts differ most
 * by likelihood, if they differ by more than chance and by a factor that matters; or since the onset of a burst when that is
 * known. The totals come from the tick and include lost events; classes share them as the seen events do.
 * It does not extrapolate growth. Source: Worsley, "Confidence regions and tests for a change-point" (Biometrika 1986).
 */
import { CLASS_COUNT } from './flow-classes.js';

/** Ticks kept: 64 s of quarter seconds. */
const RING_TICKS = 256;
/** A change needs at least this likelihood over dispersion, nats. */
const CHANGE_LIKELIHOOD = 10;
/** ... and a rate that is this many times the one before, or one over it. */
const CHANGE_FACTOR = 1.4;
/** Shortest stretch that a level is read from without being told, seconds. */
const LEVEL_SECONDS_MIN = 1;

/** The present level of arrivals. */
export interface ArrivalLevel {
  /** How long the level has been observed, at most about a minute. */
  readonly seconds: number;
  /** New entries per second, lost events included. */
  readonly newPerSecond: number;
  /** By class, same order and sum as the classes. */
  readonly classNewPerSecond: Float64Array;
  /** Variance over mean of the counts, at least 1. */
  readonly dispersion: number;
}

/** Ring of the last minute of arrivals. */
export class Arrivals {
  readonly #seconds = new Float64Array(RING_TICKS);
  readonly #totals = new Float64Array(RING_TICKS);
  readonly #classes = new Float64Array(RING_TICKS * CLASS_COUNT);
  #head = 0;
  #current = 0;
  #currentSeen = 0;

  /** Counts one seen new entry of a class. Allocates nothing. */
  observe(flowClass: number): void {
    const cell = this.#current + flowClass;
    this.#classes[cell] = (this.#classes[cell] ?? 0) + 1;
    this.#currentSeen += 1;
  }

  /** Ends a tick; `newEvents` is received plus lost, by default what was seen. */
  advance(seconds: number, newEvents: number = this.#currentSeen): void {
    if (!(seconds > 0)) return;
    const slot = this.#head % RING_TICKS;
    this.#seconds[slot] = seconds;
    this.#totals[slot] = Math.max(newEvents, 0);
    this.#head += 1;
    this.#currentSeen = 0;
    this.#current = (this.#head % RING_TICKS) * CLASS_COUNT;
    this.#classes.fill(0, this.#current, this.#current + CLASS_COUNT);
  }

  /** A class's past goes over to another. */
  reassign(fromClass: number, toClass: number): void {
    for (let slot = 0; slot < RING_TICKS; slot++) {
      const from = slot * CLASS_COUNT + fromClass;
      const to = slot * CLASS_COUNT + toClass;
      this.#classes[to] = (this.#classes[to] ?? 0) + (this.#classes[from] ?? 0);
      this.#classes[from] = 0;
    }
  }

  /** The level since its last change, or over the last `sinceSeconds` when a change that long ago is known. */
  level(sinceSeconds?: number): ArrivalLevel {
    const size = Math.min(this.#head, RING_TICKS - 1);
    const dispersion = this.#dispersion(size);
    let ticks = this.#lastChange(size, dispersion);
    if (sinceSeconds !== undefined) ticks = Math.min(size, this.#ticksWithin(sinceSeconds));
    const seen = new Float64Array(CLASS_COUNT);
    let seconds = 0;
    let total = 0;
    let seenTotal = 0;
    for (let back = 1; back <= ticks; back++) {
      const slot = this.#slot(back);
      seconds += this.#seconds[slot] ?? 0;
      total += this.#totals[slot] ?? 0;
      for (let index = 0; index < CLASS_COUNT; index++) {
        const events = this.#classes[slot * CLASS_COUNT + index] ?? 0;
        seen[index] = (seen[index] ?? 0) + events;
        seenTotal += events;
      }
    }
    const newPerSecond = seconds > 0 ? total / seconds : 0;
    // With every event lost nothing tells the classes apart: the rest of the unusual protocols takes them.
    if (seenTotal === 0) seen[CLASS_COUNT - 1] = 1;
    const scale = newPerSecond / (seenTotal === 0 ? 1 : seenTotal);
    return { seconds, newPerSecond, classNewPerSecond: seen.map((events) => events * scale), dispersion };
  }

  #slot(back: number): number {
    return (this.#head - back + RING_TICKS) % RING_TICKS;
  }

  #ticksWithin(limitSeconds: number): number {
    let ticks = 0;
    let seconds = 0;
    do {
      ticks += 1;
      seconds += this.#seconds[this.#slot(ticks)] ?? 0;
    } while (ticks < RING_TICKS - 1 && seconds + 0.05 < limitSeconds);
    return ticks;
  }

  /** From differences of neighbours, which a change of level touches once. */
  #dispersion(size: number): number {
    let squares = 0;
    let expected = 0;
    for (let back = 1; back < size; back++) {
      const seconds = this.#seconds[this.#slot(back)] ?? 1;
      const beforeSeconds = this.#seconds[this.#slot(back + 1)] ?? 1;
      const events = this.#totals[this.#slot(back)] ?? 0;
      const before = this.#totals[this.#slot(back + 1)] ?? 0;
      const difference = events - (before * seconds) / beforeSeconds;
      const rate = (events + before) / (seconds + beforeSeconds);
      const variance = rate * seconds * (1 + seconds / beforeSeconds);
      squares += Math.min(difference * difference, 16 * variance);
      expected += variance;
    }
    return expected > 0 ? Math.max(1, squares / expected) : 1;
  }

  /** Ticks since the most likely change of level; all of them when there is none. */
  #lastChange(size: number, dispersion: number): number {
    let allSeconds = 0;
    let allEvents = 0;
    for (let back = 1; back <= size; back++) {
      allSeconds += this.#seconds[this.#slot(back)] ?? 0;
      allEvents += this.#totals[this.#slot(back)] ?? 0;
    }
    let best = size;
    let bestLikelihood = CHANGE_LIKELIHOOD * dispersion;
    let seconds = 0;
    let events = 0;
    for (let back = 1; back < size; back++) {
      seconds += this.#seconds[this.#slot(back)] ?? 0;
      events += this.#totals[this.#slot(back)] ?? 0;
      const oldSeconds = allSeconds - seconds;
      if (seconds < LEVEL_SECONDS_MIN || oldSeconds < LEVEL_SECONDS_MIN) continue;
      const rate = events / seconds;
      const oldRate = (allEvents - events) / oldSeconds;
      if (rate < oldRate * CHANGE_FACTOR && oldRate < rate * CHANGE_FACTOR) continue;
      const mean = allEvents / allSeconds;
      const likelihood = gain(events, rate, mean) + gain(allEvents - events, oldRate, mean);
      if (likelihood > bestLikelihood) {
        best = back;
        bestLikelihood = likelihood;
      }
    }
    return best;
  }
}

function gain(events: number, rate: number, mean: number): number {
  return events > 0 ? events * Math.log(rate / mean) : 0;
}
