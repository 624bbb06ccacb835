/**
 * How much burstier than Poisson the ordinary traffic is, on six time scales.
 *
 * phi is variance over mean: 1 for independent arrivals, more when they come in clumps. Clumps of a second are invisible in ticks
 * of an eighth of a second, so a window of w seconds is judged by the largest phi of the scales up to w. Each block is compared
 * with the mean of the half minute before it, which a slow drift does not inflate; outliers are cut so that one burst cannot.
 * Source of the estimator: Pearson's chi-square over its degrees of freedom (McCullagh and Nelder 1989, section 4.5).
 */

/** Scales in seconds; 0 stands for a single tick, or half of one. */
const SCALES_SECONDS = [0, 0.25, 1, 2, 4, 8] as const;

/** Time constant of the average, seconds: a half-life of 30 min, since an error of a tenth in phi is a factor of five in false alarms. */
const MEMORY_SECONDS = 1800 / Math.LN2;

/** What is taken as known at first counts as this many blocks. */
const PRIOR_BLOCKS = 8;

/** A squared residual counts at most this many times phi. */
const OUTLIER_FACTOR = 16;

/**
 * Means below this many events a block say nothing about clumps. A block lasts until it has them, or as long as the longest: were
 * short ones passed over instead, at 3/s only those after a chance rise of the mean would count, and phi would stay what a few say.
 */
const MEAN_MIN = 0.5;
const BLOCK_MAX_SECONDS = 8;

interface Scale {
  readonly spanSeconds: number;
  seconds: number;
  events: number;
  expected: number;
  weight: number;
  phi: number;
  /** The decay of a block of `decayedSeconds`: blocks are nearly always of one length. */
  decay: number;
  decayedSeconds: number;
}

/** Multi-scale dispersion of counts about a moving mean. */
export class Dispersion {
  readonly #scales: readonly Scale[];

  /** `priorPhi` is taken as true until blocks say otherwise. */
  constructor(priorPhi: number) {
    this.#scales = SCALES_SECONDS.map((spanSeconds) => ({
      spanSeconds,
      seconds: 0,
      events: 0,
      expected: 0,
      weight: PRIOR_BLOCKS,
      phi: priorPhi,
      decay: 1,
      decayedSeconds: 0,
    }));
  }

  /**
   * Takes one ordinary tick and the rate that was expected of it, learned from `baselineSeconds` of traffic. A finished block of
   * one scale is handed to the next.
   */
  observe(seconds: number, events: number, expectedPerSecond: number, baselineSeconds: number): void {
    let blockSeconds = seconds;
    let blockEvents = events;
    let blockExpected = expectedPerSecond * seconds;
    for (const scale of this.#scales) {
      scale.seconds += blockSeconds;
      scale.events += blockEvents;
      scale.expected += blockExpected;
      const spanSeconds = scale.expected < MEAN_MIN ? BLOCK_MAX_SECONDS : scale.spanSeconds;
      if (scale.seconds < spanSeconds * 0.98) return;
      blockSeconds = scale.seconds;
      blockEvents = scale.events;
      blockExpected = scale.expected;
      finishBlock(scale, baselineSeconds);
    }
  }

  /**
   * Variance over mean of counts in windows of `windowSeconds`, at least 1: the largest phi of the scales up to that, or what the
   * clumps of a longer scale can put into so short a window.
   */
  phi(windowSeconds: number): number {
    let largest = 1;
    for (const { spanSeconds, phi } of this.#scales) {
      const part = spanSeconds <= windowSeconds ? 1 : windowSeconds / spanSeconds;
      const here = 1 + (phi - 1) * part;
      if (here > largest) largest = here;
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
    if (scale.seconds !== scale.decayedSeconds) {
      scale.decayedSeconds = scale.seconds;
      scale.decay = Math.exp(-scale.seconds / MEMORY_SECONDS);
    }
    const kept = scale.weight * scale.decay;
    scale.phi = (kept * scale.phi + bounded) / (kept + 1);
    scale.weight = kept + 1;
  }
  startBlock(scale);
}
