/**
 * The last half minute or so of ordinary ticks, with the sum over any stretch of it in O(1).
 *
 * A ring of running totals: `total[i]` counts everything up to the end of tick i, so a stretch is the difference of two. Ticks
 * of a burst are cut out again (`truncate`), so that what is left joins up and is what "usual" means.
 * It does not know about wall time: gaps close.
 */

/** Ticks kept. 38 s of them are needed; ticks are at least `MIN_TICK_SECONDS` (0.1 s) long. A power of two. */
const RING_TICKS = 512;
const RING_MASK = RING_TICKS - 1;

/** A ring of ticks, newest last; positions count back from the newest, which is 0. */
export class QuietHistory {
  readonly #totalSeconds = new Float64Array(RING_TICKS);
  readonly #totalEvents = new Float64Array(RING_TICKS);
  #head = 0;
  #size = 0;

  /** Ticks that can be summed. */
  get size(): number {
    return this.#size;
  }

  /** Running totals since ever, of which only differences mean something. */
  get totalSeconds(): number {
    return this.#totalSeconds[this.#head] ?? 0;
  }

  get totalEvents(): number {
    return this.#totalEvents[this.#head] ?? 0;
  }

  /** Appends a tick. */
  push(seconds: number, events: number): void {
    const last = this.#head;
    const head = (last + 1) & RING_MASK;
    this.#head = head;
    this.#totalSeconds[head] = (this.#totalSeconds[last] ?? 0) + seconds;
    this.#totalEvents[head] = (this.#totalEvents[last] ?? 0) + events;
    if (this.#size < RING_TICKS - 1) this.#size += 1;
  }

  /** Seconds covered by the newest `ticks` ticks. */
  seconds(ticks: number): number {
    return (this.#totalSeconds[this.#head] ?? 0) - (this.#totalSeconds[this.#index(ticks)] ?? 0);
  }

  /** Events in the newest `ticks` ticks. */
  events(ticks: number): number {
    return (this.#totalEvents[this.#head] ?? 0) - (this.#totalEvents[this.#index(ticks)] ?? 0);
  }

  /** The most ticks that cover at most `seconds`: a walk from the answer of the tick before. */
  ticksWithin(seconds: number, from: number): number {
    let ticks = Math.min(from, this.#size);
    while (ticks < this.#size && this.seconds(ticks + 1) <= seconds) ticks += 1;
    while (ticks > 0 && this.seconds(ticks) > seconds) ticks -= 1;
    return ticks;
  }

  /** Mean rate over about `seconds` that end `skipTicks` ticks ago, less when there is less; undefined when there is nothing. */
  ratePerSecond(skipTicks: number, seconds: number): number | undefined {
    const skippedSeconds = this.seconds(skipTicks);
    let low = Math.min(skipTicks, this.#size);
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.seconds(middle) - skippedSeconds < seconds * 0.98) low = middle + 1;
      else high = middle;
    }
    const covered = this.seconds(low) - skippedSeconds;
    return covered > 0 ? (this.events(low) - this.events(skipTicks)) / covered : undefined;
  }

  /** Forgets the newest `ticks` ticks. */
  truncate(ticks: number): void {
    const dropped = Math.min(ticks, this.#size);
    this.#head = this.#index(dropped);
    this.#size -= dropped;
  }

  /** Forgets everything. */
  clear(): void {
    this.#size = 0;
  }

  #index(ticks: number): number {
    return (this.#head - Math.min(ticks, this.#size)) & RING_MASK;
  }
}
