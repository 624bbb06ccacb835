/**
 * When a table whose count is expected to take one of several courses first reaches max.
 *
 * The count of a course is taken as normal about its mean, and as strongly correlated in time: what makes it higher than expected
 * now does so later. So it has reached max by a time with the largest probability that it is above max at any moment before.
 */
import { normalCdf } from './normal.js';
import type { Path } from './projection.js';

/** A course and how likely it is. */
export interface WeightedPath extends Path {
  /** 0..1; the weights of all courses sum to 1. */
  readonly weight: number;
}

/** Halvings of the interval between two horizons, of 30 s at most. */
const BISECTIONS = 12;

/** First passage through `max`. All paths have the same horizons. */
export class FirstPassage {
  readonly #paths: readonly WeightedPath[];
  readonly #max: number;
  /** By path, then horizon. */
  readonly #reached: readonly Float64Array[];
  /** Seconds from now, rising from 0. */
  readonly horizons: readonly number[];
  /** Probability that max was reached by each horizon, 0..1, never falling. */
  readonly reached: Float64Array;

  constructor(paths: readonly WeightedPath[], max: number) {
    this.#paths = paths;
    this.#max = max;
    this.horizons = paths[0]?.horizons ?? [];
    this.#reached = paths.map((path) => {
      let most = 0;
      return path.mean.map((_, i) => {
        if (i > 0) most = Math.max(most, this.#above(path, i, 1));
        return most;
      });
    });
    this.reached = Float64Array.from(this.horizons, (_, i) =>
      Math.min(
        1,
        paths.reduce((sum, { weight }, k) => sum + weight * (this.#reached[k]?.[i] ?? 0), 0),
      ),
    );
  }

  /** Seconds until max is reached with this probability; undefined when that is beyond the last horizon. */
  quantile(probability: number): number | undefined {
    const index = this.reached.findIndex((reached) => reached >= probability);
    if (index < 0) return undefined;
    if (index === 0) return 0;
    let low = 0;
    let high = 1;
    for (let i = 0; i < BISECTIONS; i++) {
      const middle = (low + high) / 2;
      if (this.#reachedWithin(index, middle) >= probability) high = middle;
      else low = middle;
    }
    const from = this.horizons[index - 1] ?? 0;
    return from + ((this.horizons[index] ?? 0) - from) * high;
  }

  #reachedWithin(index: number, part: number): number {
    return this.#paths.reduce(
      (sum, path, k) =>
        sum + path.weight * Math.max(this.#reached[k]?.[index - 1] ?? 0, this.#above(path, index, part)),
      0,
    );
  }

  /** Probability to be above max at a part, 0..1, of the way to a horizon. */
  #above({ mean, variance }: Path, index: number, part: number): number {
    const at = (column: Float64Array) => (column[index - 1] ?? 0) * (1 - part) + (column[index] ?? 0) * part;
    return normalCdf((at(mean) - this.#max) / Math.sqrt(Math.max(at(variance), 1)));
  }
}
