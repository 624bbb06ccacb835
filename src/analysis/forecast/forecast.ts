/**
 * Whether the table fills, and when: first passage of the projected count through max.
 *
 * The projection is made in three worlds that differ in what is not learned yet. "At the present course" is answered by their
 * weighted mean: the median time and its 5-95 % interval. Whether that course lasts is another question: a burst may end, a rise may
 * stop. How long bursts last is read from those that were seen, and from a guess while few were; the probability that the table really is
 * full within ten minutes has it in it, so it is the one to raise an alarm on. A verdict is withheld with a reason while the
 * inputs cannot carry one.
 */

import { TICK_SECONDS } from '../../model/limits.js';
import type { BurstSnapshot } from '../bursts/burst.js';
import type { TableSnapshot } from '../table.js';
import { SWEEP_SECONDS } from './collector.js';
import { FirstPassage, type WeightedPath } from './first-passage.js';
import type { LifetimesView } from './lifetimes.js';
import { burstLastsRatio, riseLastsRatio } from './persistence.js';
import { EXPONENTIAL_PERSISTENCE, type Projection, project } from './projection.js';
import { HORIZON_SECONDS, learnedRatioOf, type World } from './survival.js';
import type { Unassured } from './unassured.js';

/** What a forecast is made from; everything at the same moment. */
export interface ForecastInput {
  /** `max` with an assumed one already applied. */
  readonly table: TableSnapshot;
  /** `Lifetimes.view`; during a burst with its onset, so that rates are those since. */
  readonly lifetimes: LifetimesView;
  /** Seconds since the source opened. */
  readonly uptimeSeconds: number;
  /** Bursts end: while one is on, the present course may not last. */
  readonly burst: BurstSnapshot;
  /** How long it has been on, seconds. */
  readonly burstAgeSeconds?: number;
  /** Part of the recent events that was lost, 0..1. */
  readonly lostRatio: number;
  /** What early drop may evict; absent when that is not known. */
  readonly unassured?: Unassured;
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
  /** When packets are dropped: no entry is left to evict either. Needs `unassured`; absent when every new flow makes up for the entry that is evicted for it. */
  readonly secondsToDrop?: number;
  /** Entries the table settles at (`drains`: in 600 s), the peak of the expired ones included when known. */
  readonly plateauCount?: number;
  /** `plateauCount` over max; may exceed 1. */
  readonly plateauRatio?: number;
  /** Probability of a full table within 600 s, 0..1; that a burst may end before is in it. */
  readonly probabilityFull10m?: number;
  /** How much of the arriving traffic's residence times has been observed rather than taken from the kernel's timeouts, 0..1. */
  readonly learnedRatio?: number;
}

/** Worlds with the weight each has while nothing is learned, and when what is new seems to stay longer than what is known. */
const WORLDS: readonly (readonly [world: World, weight: number, weightOfLonger: number])[] = [
  ['expected', 0.5, 0.2],
  ['stays', 0.3, 0.6],
  ['short', 0.2, 0.2],
];
/** Below this probability of a full table nobody asks whether a rise goes on. */
const LIKELY_MIN = 0.05;
/** Below this part learned a forecast rests on the guess. */
const GUESS_RATIO = 0.97;
/** From here on the worlds do not differ enough to be worth their cost. */
const LEARNED_RATIO = 0.98;
const KNOWN_WORLD: typeof WORLDS = [['expected', 1, 1]];
/** Before this nothing has a rate. */
const UPTIME_MIN_SECONDS = 3;
/** With more of the recent events lost, residence times and classes are no sample any more. */
const LOST_RATIO_MAX = 0.6;
/** A table that falls below this part of its count drains. */
const DRAIN_RATIO = 0.9;
/** A sweep, or the moment before one, lies in every stretch of this length. */
const CYCLE_SECONDS = SWEEP_SECONDS + 5;
/** What the moment in a tick adds to the distance of a 5 % or 95 % point from the middle: nine tenths of the tick lie between. */
const TICK_SPREAD_SECONDS = (0.9 * TICK_SECONDS) / 2;
/** Part of a bucket pair's evictable entries below which early drop finds none (Poisson, probability one half). */
const EVICTION_MEAN = Math.LN2 / 16;

/** Tells whether the table fills, settles or drains on its present course. Pure. */
export function forecast(input: ForecastInput): Forecast {
  const { count, max, blind } = input.table;
  const { lifetimes, uptimeSeconds } = input;
  if (count === undefined) return { verdict: 'unknown', reason: 'no_table' };
  if (max === undefined || !(max > 0)) return { verdict: 'unknown', reason: 'no_max' };
  if (count >= max) return full(input, max);
  if (input.lostRatio > LOST_RATIO_MAX) return { verdict: 'unknown', reason: 'loss' };
  if (uptimeSeconds < UPTIME_MIN_SECONDS || lifetimes.observedSeconds <= 0) {
    return { verdict: 'unknown', reason: 'learning' };
  }
  const learnedRatio = learnedRatioIn(lifetimes);
  const longerRatio = longerRatioIn(lifetimes);
  const worlds = learnedRatio > LEARNED_RATIO ? KNOWN_WORLD : WORLDS;
  const pathsOf = (view: LifetimesView): (WeightedPath & Projection)[] =>
    worlds.map(([world, weight, weightOfLonger]) => ({
      ...project({ count, blind, lifetimes: view, uptimeSeconds }, world),
      weight: weight + (weightOfLonger - weight) * longerRatio,
    }));
  const paths = pathsOf(lifetimes);
  const passage = new FirstPassage(paths, max);
  const rise = riseIn(lifetimes, input.burstAgeSeconds);
  const isPlayed = rise !== undefined && reachedBy(passage) >= LIKELY_MIN;
  const evenly = isPlayed ? { ...rise, reached: reachedBy(new FirstPassage(pathsOf(rise.evenly), max)) } : undefined;
  const known = { probabilityFull10m: probabilityFull(passage, input, evenly), learnedRatio };
  const mean = paths[0]?.mean ?? new Float64Array();
  if (reachedBy(passage) >= 0.5) {
    // A young daemon sees ordinary traffic as all new: what rests on a guess alone is told when there is a burst.
    if (input.burst.active === undefined && learnedRatio < GUESS_RATIO && !isSure(paths, max)) {
      return { verdict: 'unknown', reason: 'learning', ...known };
    }
    return { verdict: 'fills', ...timesToFull(input, passage, max), ...plateau(mean, max), ...known };
  }
  const later = laterPeak(paths[0]) ?? count;
  const { plateauCount } = plateau(mean, max);
  // What rises first is no table that drains, wherever it ends; nor is one whose expired entries alone are about to be collected.
  const isEbbing = (paths[0]?.liveRatio ?? 1) < DRAIN_RATIO;
  if (isEbbing && later < DRAIN_RATIO * count && plateauCount < count / DRAIN_RATIO) {
    return { verdict: 'drains', plateauCount: later, plateauRatio: later / max, ...known };
  }
  return { verdict: 'plateaus', ...plateau(mean, max), ...known };
}

/** The most of the last collector cycle within the horizon: where in a sawtooth the horizon ends tells nothing. */
function laterPeak(path: WeightedPath | undefined): number | undefined {
  if (path === undefined) return undefined;
  const from = (path.horizons.at(-1) ?? 0) - CYCLE_SECONDS;
  return path.mean.reduce((most, count, i) => ((path.horizons[i] ?? 0) >= from ? Math.max(most, count) : most), 0);
}

/** The same forecast so many seconds later, when no better one was made: full comes nearer. */
export function agedForecast(forecast: Forecast, seconds: number): Forecast {
  const { secondsToFull, secondsToFullLow, secondsToFullHigh, secondsToDrop } = forecast;
  const left = (before: number) => Math.max(0, before - seconds);
  return {
    ...forecast,
    ...(secondsToFull !== undefined && { secondsToFull: left(secondsToFull) }),
    ...(secondsToFullLow !== undefined && { secondsToFullLow: left(secondsToFullLow) }),
    ...(secondsToFullHigh !== undefined && { secondsToFullHigh: left(secondsToFullHigh) }),
    ...(secondsToDrop !== undefined && { secondsToDrop: left(secondsToDrop) }),
  };
}

/** Every course fills the table, the guess does not matter. */
function isSure(paths: readonly WeightedPath[], max: number): boolean {
  return paths.every((path) => reachedBy(new FirstPassage([{ ...path, weight: 1 }], max)) >= 0.5);
}

/** Probability that max is reached within the horizon on the present course. */
function reachedBy({ reached }: FirstPassage): number {
  return reached.at(-1) ?? 0;
}

/** Arrivals that rise along a line may stop to rise; exponential growth feeds on itself, but may be none. */
interface Rise {
  /** How long it has been seen, seconds. */
  readonly ageSeconds: number;
  /** Part of it that is exponential, and of the whole the part that is so beyond chance, 0..1. */
  readonly exponentialRatio: number;
  readonly believedRatio: number;
  /** The same at the present rates. */
  readonly evenly: LifetimesView;
}

/** What began before a burst did is explained by its step: growth is as old as the burst at most, and exponential only within it. */
function riseIn(lifetimes: LifetimesView, burstAgeSeconds = Number.POSITIVE_INFINITY): Rise | undefined {
  let [slope, ageSeconds, exponentialRatio, believedRatio] = [0, 0, 0, 0];
  for (const { trend } of lifetimes.classes) {
    if (trend.slope <= 0) continue;
    slope += trend.slope;
    ageSeconds += trend.slope * Math.min(trend.windowSeconds, burstAgeSeconds);
    // As far as it is more likely exponential than not.
    const exponential = trend.slope * Math.max(0, 2 * trend.exponentialWeight - 1);
    exponentialRatio += exponential;
    if (trend.windowSeconds <= burstAgeSeconds) believedRatio += exponential * trend.believedRatio;
  }
  if (slope === 0) return undefined;
  const classes = lifetimes.classes.map((learned) =>
    learned.trend.slope > 0 ? { ...learned, trend: { ...learned.trend, slope: 0, exponentialWeight: 0 } } : learned,
  );
  return {
    ageSeconds: ageSeconds / slope,
    exponentialRatio: exponentialRatio / slope,
    believedRatio: believedRatio / slope,
    evenly: { ...lifetimes, classes },
  };
}

/**
 * Probability of a full table within the horizon when a burst that is on may end before, and a rise may stop: then the table fills
 * as far as it does at the present rates.
 */
function probabilityFull(
  { horizons, reached }: FirstPassage,
  { burst, burstAgeSeconds }: ForecastInput,
  evenly: (Rise & { readonly reached: number }) | undefined,
): number {
  let sum = 0;
  for (let i = 0; i < horizons.length; i++) {
    const passing = (reached[i] ?? 0) - (reached[i - 1] ?? 0);
    if (passing <= 0) continue;
    const horizon = horizons[i] ?? 0;
    const rises = evenly === undefined ? 1 : risesFor(evenly, horizon);
    const isBurst = burst.active !== undefined && burstAgeSeconds !== undefined;
    const lasts = isBurst ? burstLastsRatio(burst, burstAgeSeconds, horizon) : 1;
    sum += passing * lasts * (rises + (1 - rises) * (evenly?.reached ?? 1));
  }
  return Math.min(1, sum);
}

/** Probability that it goes on so long: a line as any rise does, exponential growth if it is there at all, and longer. */
function risesFor({ ageSeconds, exponentialRatio, believedRatio }: Rise, horizonSeconds: number): number {
  const grows = riseLastsRatio(ageSeconds, horizonSeconds / EXPONENTIAL_PERSISTENCE);
  return (1 - exponentialRatio) * riseLastsRatio(ageSeconds, horizonSeconds) + believedRatio * grows;
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

function timesToFull(input: ForecastInput, passage: FirstPassage, max: number) {
  const low = passage.quantile(0.05);
  const middle = passage.quantile(0.5);
  const high = passage.quantile(Math.max(0.5, 0.95 * (passage.reached.at(-1) ?? 1)));
  const drop = middle === undefined ? undefined : secondsToDrop(input, middle, max);
  return {
    ...(middle === undefined ? {} : { secondsToFull: middle }),
    ...(low === undefined || middle === undefined ? {} : { secondsToFullLow: shownAt(middle, low) }),
    ...(high === undefined || middle === undefined ? {} : { secondsToFullHigh: shownAt(middle, high) }),
    ...(drop === undefined ? {} : { secondsToDrop: drop }),
  };
}

/** That it is full shows at the end of a tick, half a tick later on average: that point of the interval then. */
function shownAt(middle: number, point: number): number {
  const spread = Math.hypot(point - middle, TICK_SPREAD_SECONDS);
  const shown = middle + TICK_SECONDS / 2;
  return point < middle ? Math.max(0, Math.min(middle, shown - spread)) : shown + spread;
}

/** A full table gives an unassured entry for each new one until too few are left to be found in the buckets searched. */
function secondsToDrop(input: ForecastInput, fullSeconds: number, max: number): number | undefined {
  const { unassured, buckets, lifetimes, table } = input;
  if (unassured === undefined) return undefined;
  const { ratio, arrivingRatio } = unassured;
  const needed = buckets === undefined ? 0.05 : Math.min(1, (EVICTION_MEAN * buckets) / max);
  // Until it is full the table grows by what arrives.
  const now = Math.min(table.count ?? max, max);
  const evictable = ratio * now + arrivingRatio * (max - now) - needed * max;
  if (evictable <= 0) return fullSeconds;
  // Each new flow evicts one, and may be evicted in its turn unless it is answered.
  const perSecond = lifetimes.newPerSecond * (1 - arrivingRatio);
  const seconds = fullSeconds + evictable / perSecond;
  return seconds <= HORIZON_SECONDS ? seconds : undefined;
}

/** Weighted by what arrives. */
function learnedRatioIn({ classes }: LifetimesView): number {
  let sum = 0;
  let weight = 0;
  for (const learned of classes) {
    const rate = learned.trend.ratePerSecond;
    if (rate <= 0) continue;
    sum += rate * learnedRatioOf(learned);
    weight += rate;
  }
  return weight > 0 ? sum / weight : 0;
}

/** Of the arrivals that are not learned yet, those that seem to stay longer than others. */
function longerRatioIn({ classes }: LifetimesView): number {
  let longer = 0;
  let all = 0;
  for (const learned of classes) {
    const unlearned = learned.trend.ratePerSecond * (1 - learnedRatioOf(learned));
    all += unlearned;
    if (learned.endsRatio < 1) longer += unlearned;
  }
  return all > 0 ? longer / all : 0;
}
