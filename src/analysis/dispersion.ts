/**
 * How much burstier than Poisson the ordinary traffic is, on five time scales.
 *
 * phi is variance over mean: 1 for independent arrivals, more when they come in clumps. Clumps of a second are invisible in ticks
 * of a quarter second, so a window of w seconds is judged by the largest phi of the scales up to w. Each block is compared with
 * the mean of the half minute before it, which a slow drift does not inflate; outliers are cut so that one burst cannot.
 * Source of the estimator: Pearson's chi-square over its degrees of freedom (McCullagh and Nelder 1989, section 4.5).
 */

/** Scales in seconds; 0 stands for a single tick. */
const SCALES_SECONDS = [0, 1, 2, 4, 8] as const;

/** Time constant of the average, seconds (a half-life of 10 min). */
const MEMORY_SECONDS = 600 / Math.LN2;

/** Before anything is known: traffic is taken as a little clumpier than Poisson, with the weight of this many blocks. */
const PRIOR_PHI = 1.5;
const PRIOR_BLOCKS = 8;

/** A squared residual counts at most this many times phi. */
const OUTLIER_FACTOR = 16;

/** Means below this many events a block say nothing about clumps. */
const MEAN_MIN = 0.5;

interface Scale {
  readonly spanSeconds: number;
  seconds: number;
  events: number;
  expected: number;
  weight: number;
  phi: number;
}

/** Multi-scale dispersion of counts about a moving mean. */
export class Dispersion {
  readonly #scales: readonly Scale[] = SCALES_SECONDS.map((spanSeconds) => ({
    spanSeconds,
    seconds: 0,
    events: 0,
    expected: 0,
    weight: PRIOR_BLOCKS,
    phi: PRIOR_PHI,
  }));

  /**
   * Takes one ordinary tick and the rate that was expected of it, learned from `baselineSeconds` of traffic.
   */
  observe(seconds: number, events: number, expectedPerSecond: number, baselineSeconds: number): void {
    for (const scale of this.#scales) {
      scale.seconds += seconds;
      scale.events += events;
      scale.expected += expectedPerSecond * seconds;
      if (scale.seconds < scale.spanSeconds * 0.98) continue;
      finishBlock(scale, baselineSeconds);
    }
  }

  /** Variance over mean of counts in windows of `windowSeconds`, at least 1. */
  phi(windowSeconds: number): number {
    let largest = 1;
    for (const scale of this.#scales) {
      if (scale.spanSeconds <= windowSeconds * 1.02 && scale.phi > largest) largest = scale.phi;
    }
    return largest;
  }

  /** Drops the unfinished blocks: what comes next does not join what came before. */
  interrupt(): void {
    for (const scale of this.#scales) startBlock(scale);
  }
}

function startBlock(scale: Scale): void {
  scale.seconds = 0;
  scale.events = 0;
  scale.expected = 0;
}

function finishBlock(scale: Scale, baselineSeconds: number): void {
  if (scale.expected >= MEAN_MIN && baselineSeconds > 0) {
    const residual = scale.events - scale.expected;
    // The expectation is itself an average over the baseline, whose own noise adds to the residual.
    const ratio = (residual * residual) / (scale.expected * (1 + scale.seconds / baselineSeconds));
    const bounded = Math.min(ratio, OUTLIER_FACTOR * Math.max(1, scale.phi));
    const kept = scale.weight * Math.exp(-scale.seconds / MEMORY_SECONDS);
    scale.phi = (kept * scale.phi + bounded) / (kept + 1);
    scale.weight = kept + 1;
  }
  startBlock(scale);
}
