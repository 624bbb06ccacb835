/**
 * The largest value of the last minute or two, whoever asks and however often: a scraper and a collector do not disturb each other, and
 * neither misses a peak between two of its questions.
 *
 *   |── whole minute before ──|── present one ──|now        peak = the larger of both
 */

/** Longer than the usual times between two scrapes, seconds. */
const WINDOW_SECONDS = 60;

export class PeakWindow {
  #since = Number.NEGATIVE_INFINITY;
  #before: number | undefined;
  #present: number | undefined;

  observe(monotonicSeconds: number, value: number): void {
    this.#advance(monotonicSeconds);
    this.#present = Math.max(this.#present ?? value, value);
  }

  /** Undefined when nothing was observed for so long. */
  peak(monotonicSeconds: number): number | undefined {
    this.#advance(monotonicSeconds);
    if (this.#before === undefined || this.#present === undefined) return this.#present ?? this.#before;
    return Math.max(this.#before, this.#present);
  }

  #advance(monotonicSeconds: number): void {
    const age = monotonicSeconds - this.#since;
    if (age < WINDOW_SECONDS) return;
    this.#before = age < 2 * WINDOW_SECONDS ? this.#present : undefined;
    this.#present = undefined;
    this.#since = monotonicSeconds;
  }
}
