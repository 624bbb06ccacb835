/**
 * Prometheus' `predict_linear(entries[W], ...)`: the least-squares line through the samples of the last W seconds, read at the
 * present moment. Source: linearRegression() in prometheus/promql/functions.go, which takes its intercept at the time of
 * evaluation. With one sample a second instead of one every 15 s this flatters it.
 */
import type { Rival } from './rival.js';
import { Window } from './window.js';

export class PredictLinear implements Rival {
  readonly #counts: Window;
  /** Sum of k * count over the samples, k = 0 for the oldest. */
  #weightedSum = 0;

  /** `windowSeconds` is also the number of samples. */
  constructor(windowSeconds: number) {
    this.#counts = new Window(windowSeconds);
  }

  observe(_second: number, count: number): void {
    const before = this.#counts.sum;
    const left = this.#counts.push(count);
    // When the oldest leaves, each of the others moves one place down.
    if (left !== undefined) this.#weightedSum -= before - left;
    this.#weightedSum += (this.#counts.length - 1) * count;
  }

  secondsToFull(max: number): number | undefined {
    const n = this.#counts.length;
    if (n < 2) return undefined;
    const meanPlace = (n - 1) / 2;
    const covariance = this.#weightedSum - meanPlace * this.#counts.sum;
    const slope = covariance / ((n * (n * n - 1)) / 12);
    if (slope <= 0) return undefined;
    const now = this.#counts.mean + slope * meanPlace;
    return Math.max(0, (max - now) / slope);
  }
}
