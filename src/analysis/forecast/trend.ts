/**
 * The rate of arrivals now and where it is going, from a series of counts.
 *
 * Windows that end now are tried from short to long, each with a straight line, and with exponential growth where a line does not
 * fit. The longest window whose counts agree with its model and with all shorter windows is used: after a step it reaches back to
 * the step, on a ramp it spans the ramp, in even traffic it is as long as the memory. So no change needs to be detected first.
 * A slope counts as far as it is significant; how long it goes on is the forecast's question.
 *
 * Sources: Lepskii, "On a problem of adaptive estimation in Gaussian white noise" (1991) for the choice of the window; Pearson's
 * chi-square; James and Stein (1961) for the shrinking of the slope.
 */

/** Counts in consecutive bins, oldest first, that end now. */
export interface BinnedCounts {
  readonly counts: readonly number[];
  /** Length of each bin, seconds. */
  readonly binSeconds: number;
}

/** A rate of arrivals with its growth. */
export interface Trend {
  /** New flows per second now. */
  readonly ratePerSecond: number;
  /** Growth of the rate, per second squared, drawn to 0 as far as it is not significant. */
  readonly slope: number;
  /** Relative growth per second; used with `exponentialWeight`. */
  readonly growth: number;
  /** Probability that growth is exponential and not linear, 0..1. */
  readonly exponentialWeight: number;
  /** How far growth is to be believed, 0..1: the part of the slope that was left when chance was taken off. */
  readonly believedRatio: number;
  /** The window it was read from. */
  readonly windowSeconds: number;
  /** Standard errors of the mean rate in the window and of the slope. */
  readonly rateError: number;
  readonly slopeError: number;
}

/** Lengths of the windows that are tried, seconds. */
export const TREND_WINDOWS: readonly number[] = [
  1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1020,
];
/** Bins a window is divided into, at most. */
export const TREND_BINS = 12;

/** A misfit this many standard deviations large is none by chance. */
const MISFIT_SIGMAS = 3;
const HOPELESS_SIGMAS = 6;
/** Windows in a row that fail: one or two may by chance, after a change all longer ones do. A hopeless one counts twice. */
const MISFITS = 3;
/** A slope of so many standard errors squared is taken for chance, from so many on for all that it is. */
const SLOPE_NOISE = 9;
const SLOPE_SURE = 36;
/** Growth over less than this is not told from a step. */
const GROWTH_SECONDS_MIN = 20;
const EXPONENTIAL_SECONDS_MIN = 45;
/** Growth and a step are told apart by this much of chi-square. */
const STEP_DIFFERENCE = 2;
/** What the best of all splits gains by chance: the 5 % points of sup-Wald (Andrews 1993, trimmed by 15 %) and of one chi-square. */
const STEP_CHANCE = 8.85 - 3.84;
/** What doubles within three seconds is a step. */
const GROWTH_MAX = 0.25;
/** Arrivals in a bin below which its variance is not taken as smaller. */
const VARIANCE_MIN = 0.5;

/** One window with its model: an even rate, a line or exponential growth. */
interface Fit {
  trend: Trend;
  /** What the models that may be true say of the present rate, the least and the most. */
  rates: readonly [least: number, most: number];
  isGood: boolean;
  /** Far beyond chance. */
  isHopeless: boolean;
  /** Its growth is no step. */
  isSure: boolean;
  /** Pearson's chi-square over dispersion. */
  misfit: number;
}

/** The trend of the longest window that fits. `windows` from short to long; `dispersion` is variance over mean, >= 1. */
export function fitTrend(windows: Iterable<BinnedCounts>, dispersion: number): Trend | undefined {
  let chosen: Trend | undefined;
  let low = Number.NEGATIVE_INFINITY;
  let high = Number.POSITIVE_INFINITY;
  let misfits = 0;
  for (const window of windows) {
    const fit = fitWindow(window, dispersion);
    const { ratePerSecond, rateError, slopeError, windowSeconds } = fit.trend;
    const nowError = Math.hypot(rateError, (slopeError * windowSeconds) / 2);
    const agrees = ratePerSecond >= low && ratePerSecond <= high;
    if (chosen !== undefined && !(fit.isGood && agrees)) {
      misfits += fit.isHopeless ? 2 : 1;
      if (misfits >= MISFITS) break;
      continue;
    }
    misfits = 0;
    if (chosen !== undefined && !fit.isSure) continue;
    chosen = fit.trend;
    low = Math.max(low, fit.rates[0] - MISFIT_SIGMAS * nowError);
    high = Math.min(high, fit.rates[1] + MISFIT_SIGMAS * nowError);
  }
  return chosen;
}

function fitWindow(window: BinnedCounts, dispersion: number): Fit {
  const fit = fitCourse(window, dispersion);
  if (!fit.isGood || fit.trend.slope === 0) return fit;
  // What one step explains better, by more than the choice among all splits does, is a step, and this window reaches back beyond it;
  // what both explain tells nothing.
  const advantage = misfitOfStep(window, dispersion) - fit.misfit;
  fit.isGood = advantage > -STEP_DIFFERENCE - STEP_CHANCE;
  fit.isSure = advantage > STEP_DIFFERENCE;
  return fit;
}

function fitCourse(window: BinnedCounts, dispersion: number): Fit {
  const line = fitLine(window, dispersion);
  if (line.trend.slope <= 0 || line.trend.windowSeconds < EXPONENTIAL_SECONDS_MIN) return line;
  const growth = fitGrowth(window, dispersion, line.trend);
  if (growth === undefined) return line;
  const difference = Math.max(-60, Math.min(60, line.misfit - growth.misfit));
  const exponentialWeight = 1 / (1 + Math.exp(-difference / 2));
  const best = growth.misfit < line.misfit ? growth : line;
  const { trend } = line;
  const { ratePerSecond } = trend;
  return {
    isGood: best.isGood,
    isHopeless: best.isHopeless,
    isSure: true,
    misfit: best.misfit,
    // A line through exponential growth ends too low, exponential growth through a line too high.
    rates: [Math.min(line.rates[0], growth.trend.ratePerSecond), Math.max(line.rates[1], growth.trend.ratePerSecond)],
    trend: {
      ...trend,
      ratePerSecond: ratePerSecond + (growth.trend.ratePerSecond - ratePerSecond) * exponentialWeight,
      growth: growth.trend.growth,
      exponentialWeight,
    },
  };
}

function fitLine({ counts, binSeconds }: BinnedCounts, dispersion: number): Fit {
  const bins = counts.length;
  const windowSeconds = bins * binSeconds;
  let total = 0;
  let moment = 0;
  let square = 0;
  for (let i = 0; i < bins; i++) {
    const x = (i + 0.5) * binSeconds - windowSeconds / 2;
    total += counts[i] ?? 0;
    moment += (counts[i] ?? 0) * x;
    square += x * x;
  }
  const mean = total / windowSeconds;
  // One more arrival is always possible.
  const variancePerSecond = dispersion * Math.max(mean, 1 / windowSeconds);
  const rateError = Math.sqrt(variancePerSecond / windowSeconds);
  const measured = square > 0 ? moment / binSeconds / square : 0;
  const slopeError = square > 0 ? Math.sqrt(variancePerSecond / binSeconds / square) : 0;
  const significance = slopeError > 0 ? (measured / slopeError) ** 2 : 0;
  const isLong = windowSeconds >= GROWTH_SECONDS_MIN;
  const believed = (significance - SLOPE_NOISE) / (SLOPE_SURE - SLOPE_NOISE);
  const believedRatio = isLong ? Math.max(0, Math.min(1, believed)) : 0;
  const slope = measured * believedRatio;
  let misfit = 0;
  for (let i = 0; i < bins; i++) {
    const rate = mean + measured * ((i + 0.5) * binSeconds - windowSeconds / 2);
    misfit += misfitOf(counts[i] ?? 0, rate * binSeconds, dispersion);
  }
  const ratePerSecond = Math.max(0, mean + (slope * windowSeconds) / 2);
  const fit = judge(misfit, bins - 2, {
    ...{ ratePerSecond, slope, growth: 0, exponentialWeight: 0, believedRatio, windowSeconds, rateError, slopeError },
  });
  // The slope that was drawn to nothing may be there.
  const measuredRate = mean + (measured * windowSeconds) / 2;
  return { ...fit, rates: [Math.min(ratePerSecond, measuredRate), Math.max(ratePerSecond, measuredRate)] };
}

/** The least misfit of two levels with a step between them, somewhere within a bin. */
function misfitOfStep({ counts }: BinnedCounts, dispersion: number): number {
  let after = 0;
  for (const count of counts) after += count;
  let before = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let at = 1; at < counts.length - 1; at++) {
    before += counts[at - 1] ?? 0;
    const within = counts[at] ?? 0;
    const low = before / at;
    const high = (after - before - within) / (counts.length - at - 1);
    // The step is where it explains what is in its bin.
    let misfit = misfitOf(within, Math.max(Math.min(low, high), Math.min(Math.max(low, high), within)), dispersion);
    for (let i = 0; i < counts.length; i++) {
      if (i !== at) misfit += misfitOf(counts[i] ?? 0, i < at ? low : high, dispersion);
    }
    least = Math.min(least, misfit);
  }
  return least;
}

/** Poisson regression with a logarithmic link, by Newton's method from the line. */
function fitGrowth({ counts, binSeconds }: BinnedCounts, dispersion: number, line: Trend): Fit | undefined {
  const { windowSeconds } = line;
  const middleRate = line.ratePerSecond - (line.slope * windowSeconds) / 2;
  if (middleRate <= 0) return undefined;
  let level = Math.log(middleRate);
  let growth = line.slope / middleRate;
  for (let step = 0; step < 4; step++) {
    let [g0, g1, h00, h01, h11] = [0, 0, 0, 0, 0];
    for (let i = 0; i < counts.length; i++) {
      const x = (i + 0.5) * binSeconds - windowSeconds / 2;
      const expected = Math.exp(Math.min(40, level + growth * x)) * binSeconds;
      const residual = (counts[i] ?? 0) - expected;
      g0 += residual;
      g1 += residual * x;
      h00 += expected;
      h01 += expected * x;
      h11 += expected * x * x;
    }
    const determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 0)) return undefined;
    level += (g0 * h11 - g1 * h01) / determinant;
    growth += (g1 * h00 - g0 * h01) / determinant;
  }
  if (!(growth > 0 && growth < GROWTH_MAX) || !Number.isFinite(level)) return undefined;
  let misfit = 0;
  for (let i = 0; i < counts.length; i++) {
    const x = (i + 0.5) * binSeconds - windowSeconds / 2;
    misfit += misfitOf(counts[i] ?? 0, Math.exp(Math.min(40, level + growth * x)) * binSeconds, dispersion);
  }
  const ratePerSecond = Math.exp(Math.min(40, level + (growth * windowSeconds) / 2));
  return judge(misfit, counts.length - 2, { ...line, ratePerSecond, growth });
}

/** What one bin adds to Pearson's chi-square. */
function misfitOf(count: number, expected: number, dispersion: number): number {
  const residual = count - expected;
  return (residual * residual) / (dispersion * Math.max(expected, VARIANCE_MIN));
}

/** Chi-square by the cube root of Wilson and Hilferty (1931). */
function judge(misfit: number, degrees: number, trend: Trend): Fit {
  const rates = [trend.ratePerSecond, trend.ratePerSecond] as const;
  if (degrees < 1) return { trend, rates, isGood: true, isHopeless: false, isSure: true, misfit };
  const spread = 2 / (9 * degrees);
  const sigmas = (Math.cbrt(misfit / degrees) - (1 - spread)) / Math.sqrt(spread);
  return { trend, rates, isGood: sigmas < MISFIT_SIGMAS, isHopeless: sigmas > HOPELESS_SIGMAS, isSure: true, misfit };
}
