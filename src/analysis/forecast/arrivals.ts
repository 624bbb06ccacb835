/**
 * New flows by class over the last seventeen minutes, second by second, and what trend each class is on.
 *
 * Ticks are kept for 16 s, whole seconds for 1,024 s, both as running sums, so any stretch is a difference of two. Totals come
 * from the tick and include lost events; classes share them as the seen events do. A tick that is longer than a second is spread
 * evenly. Which stretch is the present is decided in `trend.ts`.
 */
import { CLASS_COUNT } from './flow-classes.js';
import { type BinnedCounts, fitTrend, TREND_BINS, TREND_WINDOWS, type Trend } from './trend.js';

/** Ticks and seconds kept; powers of two. */
const TICKS = 64;
const SECONDS = 1024;
/** Shorter ticks are joined: a rate needs time. */
const MIN_TICK_SECONDS = 0.01;
/** Timers jitter: a window may be so much longer or shorter than it is called. */
const JITTER_RATIO = 0.02;
/** Windows up to this are made of ticks, longer ones of seconds. */
const TICK_WINDOW_SECONDS = 8;
/** Dispersion is read from neighbouring seconds of this long. */
const DISPERSION_SECONDS = 60;
/** Before anything is known, with the weight of so many pairs of seconds. */
const PRIOR_DISPERSION = 1.3;
const PRIOR_PAIRS = 5;

/** Running sums of the last bins: rows of time, total, and one column a class. */
class RunningSums {
  readonly #size: number;
  readonly #times: Float64Array;
  readonly #sums: Float64Array;
  #head = 0;
  #filled = 0;

  constructor(size: number) {
    this.#size = size;
    this.#times = new Float64Array(size);
    this.#sums = new Float64Array(size * CLASS_COUNT);
  }

  /** Bins that can be summed. */
  get bins(): number {
    return this.#filled;
  }

  push(seconds: number, counts: Float64Array): void {
    const last = this.#head;
    this.#head = (this.#head + 1) % this.#size;
    this.#times[this.#head] = (this.#times[last] ?? 0) + seconds;
    for (let index = 0; index < CLASS_COUNT; index++) {
      this.#sums[this.#head * CLASS_COUNT + index] =
        (this.#sums[last * CLASS_COUNT + index] ?? 0) + (counts[index] ?? 0);
    }
    this.#filled = Math.min(this.#filled + 1, this.#size - 1);
  }

  /** Seconds of the newest `bins` bins. */
  seconds(bins: number): number {
    return (this.#times[this.#head] ?? 0) - (this.#times[this.#slot(bins)] ?? 0);
  }

  /** The row of sums that ends `back` bins ago, for `between`. */
  rowAt(back: number): number {
    return this.#slot(back) * CLASS_COUNT;
  }

  /** Flows of a class between two rows, of `rowAt`. */
  between(index: number, olderRow: number, newerRow: number): number {
    return (this.#sums[newerRow + index] ?? 0) - (this.#sums[olderRow + index] ?? 0);
  }

  /** Flows of a class between the newest `from` and `to` bins, `from` <= `to`. */
  count(index: number, from: number, to: number): number {
    return this.between(index, this.rowAt(to), this.rowAt(from));
  }

  /** The past of one class goes over to another. */
  reassign(fromClass: number, toClass: number): void {
    for (let slot = 0; slot < this.#size; slot++) {
      const from = slot * CLASS_COUNT + fromClass;
      const to = slot * CLASS_COUNT + toClass;
      this.#sums[to] = (this.#sums[to] ?? 0) + (this.#sums[from] ?? 0);
      this.#sums[from] = 0;
    }
  }

  #slot(back: number): number {
    return (this.#head - Math.min(back, this.#filled) + this.#size) % this.#size;
  }
}

/** A window that ends now, the same for all classes: which rows its bins lie between, and one class's counts in them. */
interface Window extends BinnedCounts {
  readonly source: RunningSums;
  /** One more than bins, oldest first. */
  readonly rows: readonly number[];
  readonly counts: number[];
}

/** The arrivals of all classes. */
export class Arrivals {
  readonly #ticks = new RunningSums(TICKS);
  readonly #seconds = new RunningSums(SECONDS);
  /** Seen in the tick that is being filled. */
  readonly #seen = new Float64Array(CLASS_COUNT);
  #seenTotal = 0;
  #seenBefore = 0;
  #pendingSeconds = 0;
  #pendingEvents = 0;
  readonly #counts = new Float64Array(CLASS_COUNT);
  /** Of the second that is being filled. */
  readonly #second = new Float64Array(CLASS_COUNT);
  #secondFilled = 0;
  #observedSeconds = 0;
  /** Made when they are asked for, good until the next tick. */
  #windows: readonly Window[] | undefined;
  #windowsLimitSeconds = 0;

  /** Counts one seen new flow of a class. Allocates nothing. */
  observe(flowClass: number): void {
    this.#seen[flowClass] = (this.#seen[flowClass] ?? 0) + 1;
    this.#seenTotal += 1;
  }

  /** Ends a tick; `newEvents` is received plus lost. Returns how many flows each seen one stands for. */
  advance(seconds: number, newEvents?: number): number {
    this.#pendingSeconds += Math.max(0, seconds);
    this.#pendingEvents += Math.max(0, newEvents ?? this.#seenTotal - this.#seenBefore);
    this.#seenBefore = this.#seenTotal;
    if (this.#pendingSeconds < MIN_TICK_SECONDS) return 1;
    const weight = this.#seenTotal > 0 ? Math.max(1, this.#pendingEvents / this.#seenTotal) : 1;
    for (let index = 0; index < CLASS_COUNT; index++) this.#counts[index] = (this.#seen[index] ?? 0) * weight;
    // With every event lost nothing tells the classes apart: the rest of the unusual protocols takes them.
    if (this.#seenTotal === 0) this.#counts[CLASS_COUNT - 1] = this.#pendingEvents;
    this.#ticks.push(this.#pendingSeconds, this.#counts);
    this.#fillSeconds(this.#pendingSeconds);
    this.#windows = undefined;
    this.#observedSeconds += this.#pendingSeconds;
    this.#seen.fill(0);
    this.#seenTotal = 0;
    this.#seenBefore = 0;
    this.#pendingSeconds = 0;
    this.#pendingEvents = 0;
    return weight;
  }

  /** The past of one class goes over to another. */
  reassign(fromClass: number, toClass: number): void {
    this.#ticks.reassign(fromClass, toClass);
    this.#seconds.reassign(fromClass, toClass);
    this.#second[toClass] = (this.#second[toClass] ?? 0) + (this.#second[fromClass] ?? 0);
    this.#second[fromClass] = 0;
  }

  /** How long arrivals have been observed, seconds. */
  get observedSeconds(): number {
    return this.#observedSeconds;
  }

  /** Mean rate of a class over the last seconds, for what needs no trend. */
  ratePerSecond(flowClass: number, windowSeconds: number): number {
    const bins = Math.min(Math.round(windowSeconds), this.#seconds.bins);
    if (bins === 0) return this.#observedSeconds > 0 ? (this.#second[flowClass] ?? 0) / this.#observedSeconds : 0;
    return this.#seconds.count(flowClass, 0, bins) / this.#seconds.seconds(bins);
  }

  /** Where a class is going; `sinceSeconds` limits it to what came after a known change. */
  trend(flowClass: number, dispersion: number, sinceSeconds = Number.POSITIVE_INFINITY): Trend | undefined {
    const limitSeconds = Math.min(sinceSeconds, this.#observedSeconds);
    if (this.#windows === undefined || this.#windowsLimitSeconds !== limitSeconds) {
      this.#windows = this.#makeWindows(limitSeconds);
      this.#windowsLimitSeconds = limitSeconds;
    }
    for (const { source, rows, counts } of this.#windows) {
      for (let bin = 0; bin < counts.length; bin++) {
        counts[bin] = source.between(flowClass, rows[bin] ?? 0, rows[bin + 1] ?? 0);
      }
    }
    return fitTrend(this.#windows, dispersion);
  }

  /** Nothing of a class came for longer than the longest window: it has no rate. */
  isIdle(flowClass: number): boolean {
    const { bins } = this.#seconds;
    return (
      this.#ticks.count(flowClass, 0, this.#ticks.bins) <= 0 &&
      this.#seconds.count(flowClass, 0, bins) <= 0 &&
      (this.#second[flowClass] ?? 0) <= 0
    );
  }

  /** Variance over mean of the total in a second, at least 1; from neighbouring seconds, which a change touches once. */
  dispersion(): number {
    const bins = Math.min(DISPERSION_SECONDS, this.#seconds.bins);
    let squares = PRIOR_DISPERSION * PRIOR_PAIRS;
    let pairs = PRIOR_PAIRS;
    for (let index = 0; index < CLASS_COUNT; index++) {
      if (this.#seconds.count(index, 0, bins) < 2 * bins) continue;
      let before = this.#seconds.count(index, 0, 1);
      for (let bin = 0; bin + 1 < bins; bin++) {
        const now = before;
        before = this.#seconds.count(index, bin + 1, bin + 2);
        if (now + before <= 0) continue;
        squares += Math.min((now - before) ** 2 / (now + before), 16);
        pairs += 1;
      }
    }
    return Math.max(1, squares / pairs);
  }

  #fillSeconds(seconds: number): void {
    let left = seconds;
    for (let n = 0; left > 1e-9 && n < SECONDS; n++) {
      const part = Math.min(left, 1 - this.#secondFilled);
      for (let index = 0; index < CLASS_COUNT; index++) {
        this.#second[index] = (this.#second[index] ?? 0) + ((this.#counts[index] ?? 0) * part) / seconds;
      }
      this.#secondFilled += part;
      left -= part;
      // Timers jitter: nearly a second is one.
      if (this.#secondFilled < 0.98) continue;
      this.#seconds.push(this.#secondFilled, this.#second);
      this.#second.fill(0);
      this.#secondFilled = 0;
    }
  }

  /** The windows that end now, from short to long. */
  #makeWindows(limitSeconds: number): Window[] {
    const windows: Window[] = [];
    for (const windowSeconds of TREND_WINDOWS) {
      const isAny = windows.length > 0;
      if (isAny && windowSeconds > limitSeconds * (1 + JITTER_RATIO)) break;
      const source = windowSeconds <= TICK_WINDOW_SECONDS ? this.#ticks : this.#seconds;
      const all = binsWithin(source, Math.min(windowSeconds, Math.max(limitSeconds, 0.2)));
      // Not kept so long, or ticks so long that none of them ends near its beginning.
      if (isAny && source.seconds(all) < windowSeconds * 0.9) continue;
      if (all > 0) windows.push(divide(source, all));
    }
    return windows;
  }
}

function binsWithin(source: RunningSums, seconds: number): number {
  let low = 0;
  let high = source.bins;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (source.seconds(middle) <= seconds * (1 + JITTER_RATIO)) low = middle;
    else high = middle - 1;
  }
  return Math.max(low, Math.min(1, source.bins));
}

/** The newest `all` bins as at most `TREND_BINS` of the same number each, oldest first; the few that jitter let in may be left out. */
function divide(source: RunningSums, all: number): Window {
  const size = Math.ceil((all * (1 - JITTER_RATIO)) / TREND_BINS);
  const bins = Math.floor(all / size);
  const rows = Array.from({ length: bins + 1 }, (_, i) => source.rowAt((bins - i) * size));
  const counts = Array.from({ length: bins }, () => 0);
  return { source, rows, counts, binSeconds: source.seconds(bins * size) / bins };
}
