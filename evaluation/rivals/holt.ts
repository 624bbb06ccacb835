/**
 * Holt's double exponential smoothing: a level and a trend, each an exponential average. Weights 0.3 and 0.05 a second, the
 * best of those tried on a step in the count; Prometheus has it as `double_exponential_smoothing`.
 * Source: Holt (1957), as in Hyndman and Athanasopoulos, "Forecasting: principles and practice", section 8.2.
 */
import type { Rival } from './rival.js';

const LEVEL_WEIGHT = 0.3;
const TREND_WEIGHT = 0.05;

export class Holt implements Rival {
  #level: number | undefined;
  #trend = 0;

  observe(_second: number, count: number): void {
    if (this.#level === undefined) {
      this.#level = count;
      return;
    }
    const before = this.#level;
    this.#level = LEVEL_WEIGHT * count + (1 - LEVEL_WEIGHT) * (before + this.#trend);
    this.#trend = TREND_WEIGHT * (this.#level - before) + (1 - TREND_WEIGHT) * this.#trend;
  }

  secondsToFull(max: number): number | undefined {
    if (this.#level === undefined || this.#trend <= 0) return undefined;
    return Math.max(0, (max - this.#level) / this.#trend);
  }
}
