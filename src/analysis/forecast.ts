/**
 * Whether and when the table gets full: what is in it now, as it leaves, plus what will come, as it stays.
 *
 *   N(t+h) = sum over ages alive(a) S(a+h)/S(a)  +  rate * integral of S over 0..h  +  initial entries left  +  expired peak
 *
 * A rate whose plateau (rate * mean stay, Little's law) is below the limit therefore never fills, however steep the count is.
 * The sum is anchored on the kernel's count. It is run in three worlds that differ in what is not learned yet; the probability of
 * having been full by then mixes them, and its 5, 50 and 95 % points are the answer. While the answer rests on the guess, and no
 * burst says that something changed, it is withheld. Growth is not extrapolated: "at the present rate".
 * Source: Eick, Massey and Whitt, "The physics of the Mt/G/infinity queue" (Operations Research 1993).
 */
import type { BurstSnapshot } from './burst.js';
import type { ClassLifetimes, LifetimesView } from './lifetimes.js';
import { normalCdf } from './normal.js';
import { CURVE_SECONDS, HORIZON_SECONDS, learnedRatioOf, nextTimeout, type World, writeSurvival } from './survival.js';
import { SWEEP_SECONDS, type TableSnapshot } from './table.js';

/** What a forecast is made from; everything at the same moment. */
export interface ForecastInput {
  /** `max` with an assumed one already applied. */
  readonly table: TableSnapshot;
  /** `Lifetimes.view`; during a burst with its onset, so that rates are those since. */
  readonly lifetimes: LifetimesView;
  /** Seconds since the source opened. */
  readonly uptimeSeconds: number;
  /** While a burst is on the present rate is news, not the level that the table has long settled to. */
  readonly burst: BurstSnapshot;
  /** Part of the recent events that was lost, 0..1. */
  readonly lostRatio: number;
  /** Part of the entries that early drop may evict (not ASSURED), 0..1; absent when no census told. */
  readonly unassuredRatio?: number;
  /** nf_conntrack_buckets, when readable. */
  readonly buckets?: number;
}

/** Why a verdict is withheld. */
export type ForecastReason = 'no_table' | 'no_max' | 'no_events' | 'learning' | 'loss';

/** The answer. Times are seconds from now, at the present rate; a value that is not known or beyond 600 s is absent. */
export interface Forecast {
  readonly verdict: 'fills' | 'plateaus' | 'drains' | 'unknown';
  /** Only with `unknown`. */
  readonly reason?: ForecastReason;
  /**
   * Median time until count reaches max, and its 5 % and 95 % points. Only with `fills`. The last one is of the cases in which
   * the table fills at all; that it may not is in `probabilityFull10m`.
   */
  readonly secondsToFull?: number;
  readonly secondsToFullLow?: number;
  readonly secondsToFullHigh?: number;
  /** When packets are dropped: no entry is left to evict either. Needs `unassuredRatio`. */
  readonly secondsToDrop?: number;
  /** Entries the table settles at (`drains`: in 600 s), the peak of the expired ones included when known. */
  readonly plateauCount?: number;
  /** `plateauCount` over max; may exceed 1. */
  readonly plateauRatio?: number;
  /** Probability of a full table within 600 s, 0..1. */
  readonly probabilityFull10m?: number;
  /** How much of the arriving traffic's residence times has been observed rather than taken from the kernel's timeouts, 0..1. */
  readonly learnedRatio?: number;
}

/** Worlds with the weight each has while nothing is learned. Fewer than half stay, so the guess of that alone is no alarm. */
const WORLDS: readonly (readonly [World, number])[] = [
  ['expected', 0.55],
  ['stays', 0.25],
  ['short', 0.2],
];
/** From here on the learned part carries a verdict by itself. */
const LEARNED_RATIO_MIN = 0.8;
/** Before this nothing has a rate. */
const UPTIME_MIN_SECONDS = 3;
/** With more of the recent events lost, residence times and classes are no sample any more. */
const LOST_RATIO_MAX = 0.2;
/** A table that falls below this part of its count drains. */
const DRAIN_RATIO = 0.9;
/** CONFIG_HZ of the usual kernels. */
const KERNEL_HZ = 250;
/** Error of the model itself, relative to the change it predicts. */
const MODEL_ERROR_RATIO = 0.02;
/** Ages are taken one by one to here and then in groups: the first ones are where a burst is. */
const FINE_AGES_SECONDS = 32;
const AGE_GROUP_SECONDS = 4;
/** Initial entries without a dump: time constant of their leaving, by world. */
const INITIAL_SECONDS: Readonly<Record<World, number>> = { expected: 180, stays: Number.POSITIVE_INFINITY, short: 60 };
/** Part of a bucket pair's evictable entries below which early drop finds none (Poisson, probability one half). */
const EVICTION_MEAN = Math.LN2 / 16;

const HORIZONS = [
  ...range(0, 30, 1),
  ...range(32, 60, 2),
  ...range(65, 120, 5),
  ...range(130, 300, 10),
  ...range(330, HORIZON_SECONDS, 30),
];

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
}

/** Mean and variance of the count at each horizon. */
interface Path {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** Tells whether the table fills, settles or drains at the present rate. Pure. */
export function forecast(input: ForecastInput): Forecast {
  const { count, max } = input.table;
  if (count === undefined) return { verdict: 'unknown', reason: 'no_table' };
  if (max === undefined || !(max > 0)) return { verdict: 'unknown', reason: 'no_max' };
  if (count >= max) return full(input, max);
  if (input.lostRatio > LOST_RATIO_MAX) return { verdict: 'unknown', reason: 'loss' };
  if (input.uptimeSeconds < UPTIME_MIN_SECONDS || input.lifetimes.arrivals.seconds <= 0) {
    return { verdict: 'unknown', reason: 'learning' };
  }
  const learnedRatio = learnedRatioIn(input.lifetimes);
  const paths = WORLDS.map(([world]) => predict(input, count, world));
  const passages = paths.map((path) => firstPassage(path, max));
  const mixed = HORIZONS.map((_, i) =>
    WORLDS.reduce((sum, [, weight], k) => sum + weight * (passages[k]?.[i] ?? 0), 0),
  );
  const probabilityFull10m = Math.min(1, mixed.at(-1) ?? 0);
  const known = { probabilityFull10m, learnedRatio };
  if (probabilityFull10m >= 0.5) {
    const isRobust = (passages[2]?.at(-1) ?? 0) >= 0.5;
    if (input.burst.active === undefined && !isRobust && learnedRatio < LEARNED_RATIO_MIN) {
      return { verdict: 'unknown', reason: 'learning', ...known };
    }
    return { verdict: 'fills', ...timesToFull(input, mixed, max), ...plateau(paths[0]?.mean, max), ...known };
  }
  const mean = paths[0]?.mean ?? new Float64Array();
  const later = mean.at(-1) ?? count;
  const { plateauCount } = plateau(mean, max);
  // What rises first is no table that drains, wherever it ends.
  if (later < DRAIN_RATIO * count && plateauCount < count / DRAIN_RATIO) {
    return { verdict: 'drains', plateauCount: later, plateauRatio: later / max, ...known };
  }
  return { verdict: 'plateaus', ...plateau(mean, max), ...known };
}

function full(input: ForecastInput, max: number): Forecast {
  const drop = secondsToDrop(input, 0, max);
  return {
    verdict: 'fills',
    secondsToFull: 0,
    secondsToFullLow: 0,
    secondsToFullHigh: 0,
    ...(drop === undefined ? {} : { secondsToDrop: drop }),
    probabilityFull10m: 1,
  };
}

function plateau(
  mean: Float64Array | undefined,
  max: number,
): Required<Pick<Forecast, 'plateauCount' | 'plateauRatio'>> {
  const plateauCount = mean?.reduce((most, value) => Math.max(most, value), 0) ?? 0;
  return { plateauCount, plateauRatio: plateauCount / max };
}

function timesToFull(input: ForecastInput, passage: readonly number[], max: number) {
  const low = quantile(passage, 0.05);
  const middle = quantile(passage, 0.5);
  const high = quantile(passage, Math.max(0.5, 0.95 * (passage.at(-1) ?? 1)));
  const drop = middle === undefined ? undefined : secondsToDrop(input, middle, max);
  return {
    ...(middle === undefined ? {} : { secondsToFull: middle }),
    ...(low === undefined ? {} : { secondsToFullLow: low }),
    ...(high === undefined ? {} : { secondsToFullHigh: high }),
    ...(drop === undefined ? {} : { secondsToDrop: drop }),
  };
}

/** When a rising probability passes `level`, linear between horizons. */
function quantile(passage: readonly number[], level: number): number | undefined {
  const index = passage.findIndex((probability) => probability >= level);
  if (index < 0) return undefined;
  const before = passage[index - 1];
  if (index === 0 || before === undefined) return 0;
  const from = HORIZONS[index - 1] ?? 0;
  const to = HORIZONS[index] ?? 0;
  return from + ((to - from) * (level - before)) / ((passage[index] ?? 1) - before);
}

/** A full table gives an unassured entry for each new one until too few are left to be found in the buckets searched. */
function secondsToDrop(input: ForecastInput, fullSeconds: number, max: number): number | undefined {
  const { unassuredRatio, buckets, lifetimes } = input;
  if (unassuredRatio === undefined) return undefined;
  const needed = buckets === undefined ? 0.05 : Math.min(1, (EVICTION_MEAN * buckets) / max);
  const rate = lifetimes.arrivals.newPerSecond;
  const evictable = Math.max(0, unassuredRatio - needed) * max;
  if (evictable === 0) return fullSeconds;
  return rate > 0 ? fullSeconds + evictable / rate : undefined;
}

/** Weighted by what arrives. */
function learnedRatioIn({ classes, arrivals }: LifetimesView): number {
  let sum = 0;
  let weight = 0;
  for (const learned of classes) {
    const rate = arrivals.classNewPerSecond[learned.index] ?? 0;
    if (rate <= 0) continue;
    sum += rate * learnedRatioOf(learned);
    weight += rate;
  }
  return weight > 0 ? sum / weight : 0;
}

/** Probability that the count has reached max by each horizon; never falls. */
function firstPassage({ mean, variance }: Path, max: number): Float64Array {
  let most = 0;
  return mean.map((value, i) => {
    if (i === 0) return 0;
    most = Math.max(most, normalCdf((value - max) / Math.sqrt(variance[i] ?? 1)));
    return most;
  });
}

/** The course of the count in one world. */
function predict(input: ForecastInput, count: number, world: World): Path {
  const { lifetimes, table } = input;
  const { arrivals } = lifetimes;
  const collectionSeconds = collectionWait(input);
  const survivors = new Float64Array(HORIZONS.length);
  const leavingVariance = new Float64Array(HORIZONS.length);
  const arriving = new Float64Array(HORIZONS.length);
  const curve = new Float64Array(CURVE_SECONDS);
  let tracked = 0;
  for (const learned of lifetimes.classes) {
    const rate = arrivals.classNewPerSecond[learned.index] ?? 0;
    const alive = learned.aliveOlder + learned.aliveByAge.reduce((sum, flows) => sum + flows, 0);
    if (rate <= 0 && alive <= 0) continue;
    writeSurvival(curve, learned, lifetimes.pooled.get(learned.protocol), world, lifetimes.timeouts, collectionSeconds);
    addSurvivors(curve, learned, survivors, leavingVariance);
    addArrivals(curve, rate, arriving);
    tracked += alive;
  }
  // Entries that no NEW was seen of are the initial ones, at most the blind bound; a larger gap is sampling error and loss.
  const estimated = tracked * lifetimes.factor;
  const initial = Math.min(table.blind, Math.max(0, count - estimated));
  const scale = estimated > 0 ? (count - initial) / estimated : 0;
  const others = estimated > 0 ? initial : count;
  const rateError = Math.sqrt(arrivals.dispersion / Math.max(arrivals.newPerSecond * arrivals.seconds, 1));
  const mean = new Float64Array(HORIZONS.length);
  const variance = new Float64Array(HORIZONS.length);
  for (let i = 0; i < HORIZONS.length; i++) {
    const ahead = HORIZONS[i] ?? 0;
    const came = arriving[i] ?? 0;
    const stayed = (survivors[i] ?? 0) * lifetimes.factor * scale;
    mean[i] =
      stayed +
      others * initialRatio(lifetimes, Math.max(0, ahead - collectionSeconds), world) +
      came +
      expiredExcess(table, ahead);
    variance[i] =
      1 +
      (leavingVariance[i] ?? 0) * lifetimes.factor * scale * scale * lifetimes.factor +
      arrivals.dispersion * came +
      (rateError * came) ** 2 +
      (MODEL_ERROR_RATIO * ((mean[i] ?? 0) - count)) ** 2;
  }
  return { mean, variance };
}

/**
 * How long an expired entry still counts, at the peak of a cycle: what expires in the interval of the collector and is not
 * met by a lookup before, (1 - e^(-hG)) / h.
 */
function collectionWait(input: ForecastInput): number {
  const interval = input.table.sweepIntervalSeconds ?? collectorInterval(input);
  const hazard = input.buckets === undefined ? 0 : (2 * input.lifetimes.arrivals.newPerSecond) / input.buckets;
  return hazard * interval < 1e-6 ? interval : -Math.expm1(-hazard * interval) / hazard;
}

/**
 * The collector's interval before a sweep was seen: gc_worker() takes the mean m of the timeouts left, which its integer
 * arithmetic stops approaching at m + sqrt(100 (60 - m) / HZ), at most 60 s. A table of short timeouts is swept often.
 */
function collectorInterval({ table, lifetimes }: ForecastInput): number {
  // Initial entries may be anything, so they count as long ones.
  let entries = table.blind;
  let timeLeft = table.blind * SWEEP_SECONDS;
  for (const learned of lifetimes.classes) {
    const rate = lifetimes.arrivals.classNewPerSecond[learned.index] ?? 0;
    const timeout = nextTimeout(learned, lifetimes.timeouts);
    entries += rate * timeout;
    timeLeft += (rate * timeout * timeout) / 2;
  }
  const mean = entries > 0 ? timeLeft / entries : SWEEP_SECONDS;
  if (mean >= SWEEP_SECONDS) return SWEEP_SECONDS;
  return Math.min(SWEEP_SECONDS, mean + Math.sqrt((100 * (SWEEP_SECONDS - mean)) / KERNEL_HZ));
}

/** What expired entries add to the mean at their peak, within a collection cycle. */
function expiredExcess(table: TableSnapshot, aheadSeconds: number): number {
  const { expiredPeak, expiredMean, sweepIntervalSeconds } = table;
  if (expiredPeak === undefined || expiredMean === undefined || sweepIntervalSeconds === undefined) return 0;
  return Math.max(0, expiredPeak - expiredMean) * Math.min(1, aheadSeconds / sweepIntervalSeconds);
}

function initialRatio(lifetimes: LifetimesView, aheadSeconds: number, world: World): number {
  if (lifetimes.initialRemaining) return lifetimes.initialRemaining(aheadSeconds);
  return Math.exp(-aheadSeconds / INITIAL_SECONDS[world]);
}

/** Adds the class's entries that are still there at each horizon, and the variance of how many leave. */
function addSurvivors(curve: Float64Array, learned: ClassLifetimes, sum: Float64Array, variance: Float64Array): void {
  const ages = learned.aliveByAge.length;
  for (let age = 0; age < ages; ) {
    const group = age < FINE_AGES_SECONDS ? 1 : AGE_GROUP_SECONDS;
    let flows = 0;
    for (let i = 0; i < group; i++) flows += learned.aliveByAge[age + i] ?? 0;
    if (flows > 0) addCohort(curve, age + (group >> 1), flows, sum, variance);
    age += group;
  }
  if (learned.aliveOlder > 0) addCohort(curve, ages, learned.aliveOlder, sum, variance);
}

function addCohort(curve: Float64Array, age: number, flows: number, sum: Float64Array, variance: Float64Array): void {
  // Whoever is counted at this age has not left at it.
  const now = curve[age + 1] ?? 0;
  // A curve that says none of this age exist: those that do leave at once.
  const inverse = now > 1e-200 ? 1 / now : 0;
  for (let i = 0; i < HORIZONS.length; i++) {
    const horizon = HORIZONS[i] ?? 0;
    const stays = horizon === 0 ? 1 : (curve[age + 1 + horizon] ?? 0) * inverse;
    sum[i] = (sum[i] ?? 0) + flows * stays;
    variance[i] = (variance[i] ?? 0) + flows * stays * (1 - stays);
  }
}

/** Adds `rate` times the integral of the survival curve; ages are differences of whole seconds, so a stay of k s is age k. */
function addArrivals(curve: Float64Array, ratePerSecond: number, sum: Float64Array): void {
  if (ratePerSecond <= 0) return;
  let integral = 0;
  let age = 0;
  for (let i = 0; i < HORIZONS.length; i++) {
    const horizon = HORIZONS[i] ?? 0;
    for (; age < horizon; age++) integral += curve[age + 1] ?? 0;
    sum[i] = (sum[i] ?? 0) + ratePerSecond * integral;
  }
}
