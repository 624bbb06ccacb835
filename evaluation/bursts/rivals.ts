/**
 * The burst detectors that are in use elsewhere, written from their papers, on samples of one second as monitoring agents take.
 *
 * All but BOCPD compare with an exponential average of 5 min that everything enters. After an alarm the cumulative ones begin anew.
 * Thresholds that have no customary value are those that give one false alarm in about 10 days on clumpy traffic of 100/s
 * (negative binomial, phi 2). Sources: Roberts (1959) for EWMA, Page (1954) for CUSUM, Hinkley (1971), Adams and MacKay (2007) for
 * BOCPD with a gamma-Poisson model, Ward et al. (JASA 2023) for Poisson-FOCuS.
 */

/** Takes the count of one second; says whether it alarms. */
export type Rival = (events: number) => boolean;

/** A detector and the thresholds at which it is shown; `usual` is one of them. */
export interface RivalKind {
  readonly name: string;
  readonly usual: number;
  readonly thresholds: readonly number[];
  readonly create: (threshold: number) => Rival;
}

const AVERAGE_SECONDS = 300;

/** Mean and variance over about 5 min; the plain mean of what there is before. */
class Average {
  mean = 0;
  variance = 0;
  #weight = 0;

  observe(events: number): void {
    this.#weight = Math.min(this.#weight + 1, AVERAGE_SECONDS);
    const difference = events - this.mean;
    this.mean += difference / this.#weight;
    this.variance += (difference * (events - this.mean) - this.variance) / this.#weight;
  }

  get isReady(): boolean {
    return this.#weight >= 30;
  }
}

/** Judges a sample by the average before it. */
function againstAverage(judge: (events: number, average: Average) => boolean): Rival {
  const average = new Average();
  return (events) => {
    const alarms = average.isReady && judge(events, average);
    average.observe(events);
    return alarms;
  };
}

function createRatio(threshold: number): Rival {
  return againstAverage((events, { mean }) => events > threshold * mean);
}

function createZScore(threshold: number): Rival {
  return againstAverage((events, { mean, variance }) => events - mean > threshold * Math.sqrt(variance));
}

/** Poisson CUSUM against a rise to `factor` times the mean. */
function createCusum(factor: number): (threshold: number) => Rival {
  return (threshold) => {
    let sum = 0;
    return againstAverage((events, { mean }) => {
      sum = Math.max(0, sum + events * Math.log(factor) - mean * (factor - 1));
      if (sum <= threshold) return false;
      sum = 0;
      return true;
    });
  };
}

/** Page-Hinkley, its drift and threshold in standard deviations. */
function createPageHinkley(threshold: number): Rival {
  const drift = 0.1;
  let sum = 0;
  return againstAverage((events, { mean, variance }) => {
    sum = Math.max(0, sum + (events - mean) / Math.sqrt(Math.max(variance, 1e-9)) - drift);
    if (sum <= threshold) return false;
    sum = 0;
    return true;
  });
}

/**
 * Poisson-FOCuS: the best likelihood ratio over all windows that end now. Windows that can never be the best are pruned: what is
 * left are segments with rising means.
 */
function createFocus(threshold: number): Rival {
  let counts: number[] = [];
  let expected: number[] = [];
  return againstAverage((events, { mean }) => {
    let count = events;
    let base = Math.max(mean, 1e-9);
    while (counts.length > 0 && count / base <= (counts.at(-1) ?? 0) / (expected.at(-1) ?? 1)) {
      count += counts.pop() ?? 0;
      base += expected.pop() ?? 0;
    }
    if (count <= base) return false;
    counts.push(count);
    expected.push(base);
    let best = 0;
    let [n, b] = [0, 0];
    for (let i = counts.length - 1; i >= 0; i--) {
      n += counts[i] ?? 0;
      b += expected[i] ?? 0;
      best = Math.max(best, n * Math.log(n / b) - (n - b));
    }
    if (best <= threshold) return false;
    counts = [];
    expected = [];
    return true;
  });
}

const RUN_LENGTHS = 300;
const HAZARD = 1 / 3600;
const YOUNG_SECONDS = 5;
/** Run lengths less likely than this are dropped. */
const WEIGHT_MIN = 1e-8;

/** Bayesian online change point detection with 300 run lengths: alarms when the run is young and its rate well above the old. */
function createBocpd(threshold: number): Rival {
  const average = new Average();
  let weights = new Float64Array(RUN_LENGTHS);
  let next = new Float64Array(RUN_LENGTHS);
  const sums = new Float64Array(RUN_LENGTHS);
  weights[0] = 1;
  return (events) => {
    const mean = Math.max(average.mean, 0.1);
    let born = 0;
    let total = 0;
    const constant = logGamma(events + 1);
    next.fill(0);
    for (let run = RUN_LENGTHS - 1; run >= 0; run--) {
      const before = weights[run] ?? 0;
      if (before < WEIGHT_MIN) continue;
      // Prior of a new run: a gamma with the weight of one second at the usual rate.
      const weight = before * Math.exp(logPredictive(events, mean + (sums[run] ?? 0), 1 + run) - constant);
      born += weight * HAZARD;
      const aged = Math.min(run + 1, RUN_LENGTHS - 1);
      next[aged] = (next[aged] ?? 0) + weight * (1 - HAZARD);
      total += weight;
    }
    next[0] = born;
    for (let run = RUN_LENGTHS - 1; run > 0; run--) sums[run] = (sums[run - 1] ?? 0) + events;
    sums[0] = 0;
    if (total > 0) for (let run = 0; run < RUN_LENGTHS; run++) next[run] = (next[run] ?? 0) / total;
    [weights, next] = [next, weights];
    let young = 0;
    for (let run = 1; run <= YOUNG_SECONDS; run++) {
      if ((sums[run] ?? 0) > 1.5 * run * average.mean) young += weights[run] ?? 0;
    }
    const alarms = average.isReady && young > threshold;
    average.observe(events);
    return alarms;
  };
}

/** Log probability of a count under a gamma rate, up to the factorial of the count, which all runs share. */
function logPredictive(events: number, shape: number, seconds: number): number {
  const gain = logGamma(shape + events) - logGamma(shape);
  return gain - shape * Math.log1p(1 / seconds) - events * Math.log1p(seconds);
}

/** Stirling's series, shifted up for small arguments. */
function logGamma(x: number): number {
  let shifted = x;
  let correction = 0;
  while (shifted < 8) {
    correction -= Math.log(shifted);
    shifted += 1;
  }
  return correction + (shifted - 0.5) * Math.log(shifted) - shifted + 0.9189385332046727 + 1 / (12 * shifted);
}

export const RIVALS: readonly RivalKind[] = [
  { name: 'ratio > 3x EWMA 5 min', usual: 3, thresholds: [2, 2.5, 3, 4], create: createRatio },
  { name: 'EWMA z > 3', usual: 3, thresholds: [3, 4], create: createZScore },
  { name: 'EWMA z > 5.6', usual: 5.6, thresholds: [5.6, 7, 9], create: createZScore },
  { name: 'CUSUM x2', usual: 23, thresholds: [8, 14, 23, 40], create: createCusum(2) },
  { name: 'CUSUM x4', usual: 3, thresholds: [3, 8, 20, 40], create: createCusum(4) },
  { name: 'Page-Hinkley', usual: 33, thresholds: [20, 33, 80], create: createPageHinkley },
  { name: 'BOCPD', usual: 0.9, thresholds: [0.5, 0.9, 0.99], create: createBocpd },
  { name: 'Poisson-FOCuS', usual: 28, thresholds: [14, 20, 28, 40], create: createFocus },
];
