/**
 * The course of the table's count over the next ten minutes, with its variance.
 *
 * Live entries leave by their class's survival curve, new ones come by its trend and leave by the same curve. What leaves expires,
 * and still counts until a lookup meets it or the collector sweeps:
 *
 *   count(u) = live(u) + expired(u)       expired' = (arrivals - live') - h expired       expired = 0 after each sweep
 *
 * Everything starts from the kernel's own count. The mean is exact for any lifetimes (M_t/G/infinity, Eick, Massey and Whitt 1993);
 * variances are those of independent flows, of clumpy arrivals, and of what is only estimated.
 */

import { sumOverAges, sumsBelowAges } from './age-sums.js';
import { AGES_SECONDS } from './hazards.js';
import { initialParts } from './initial-entries.js';
import type { ClassLifetimes, LifetimesView } from './lifetimes.js';
import { CURVE_SECONDS, HORIZON_SECONDS, shiftSurvival, type World, writeSurvival } from './survival.js';

/** Mean and variance of the count at each horizon. */
export interface Path {
  /** Seconds from now, rising from 0; among them the moments just before each sweep. */
  readonly horizons: readonly number[];
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** A path, and what becomes of the live entries. */
export interface Projection extends Path {
  /** Live ones at the last horizon over those of now; 1 without any. */
  readonly liveRatio: number;
}

export interface ProjectionInput {
  readonly count: number;
  /** Most initial entries that may still be there. */
  readonly blind: number;
  readonly lifetimes: LifetimesView;
  /** Seconds since the source opened. */
  readonly uptimeSeconds: number;
}

/** Growth goes on for so many times as long as it has been seen; what feeds on itself longer than what does not. */
const LINEAR_PERSISTENCE = 2;
export const EXPONENTIAL_PERSISTENCE = 3;
/** Exponential growth ends at so many times the present rate. */
const GROWTH_FACTOR_MAX = 8;
/** Below this probability exponential growth is not followed. */
const EXPONENTIAL_MIN = 0.02;
/** Error of the model itself, relative to the change it predicts, once it looks that far ahead; less before. */
const MODEL_ERROR_RATIO = 0.008;
const MODEL_ERROR_SECONDS = 60;
/** Error of the learned survival, relative to what arrives or leaves by it. */
const SURVIVAL_ERROR_RATIO = 0.014;
/** Error of what the dump let expect of the entries that were there before, relative to what leaves of them. */
const INITIAL_ERROR_RATIO = 0.05;
/** Error of what lookups collect: by our own flows, and by others, whose traffic changes unseen. Relative to their hazard. */
const OWN_LOOKUPS_ERROR_RATIO = 0.1;
const OTHER_LOOKUPS_ERROR_RATIO = 0.3;
/** The same until a sweep has shown what they leave: that each new flow looks up once is the least there can be. */
const UNKNOWN_LOOKUPS_ERROR_RATIO = 10;
/** A sweep is earlier or later than expected by about so much, seconds. */
const SWEEP_ERROR_SECONDS = 0.7;
/** Ages are taken one by one to here and then in groups: the first ones are where a burst is. */
const FINE_AGES_SECONDS = 32;
const AGE_GROUP_SECONDS = 4;
/** Halvings to solve an equation by. */
const HALVINGS = 20;
/** Initial entries without a dump: time constant of their leaving, by world. */
const INITIAL_SECONDS: Readonly<Record<World, number>> = { expected: 180, stays: Number.POSITIVE_INFINITY, short: 60 };

const BASE_HORIZONS: readonly number[] = [
  ...range(0, 30, 1),
  ...range(32, 60, 2),
  ...range(65, 120, 5),
  ...range(130, 300, 10),
  ...range(330, HORIZON_SECONDS, 30),
];

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
}

/** Sums over classes at each horizon. */
interface Sums {
  readonly live: Float64Array;
  /** New flows that came by then. */
  readonly came: Float64Array;
  readonly cameVariance: Float64Array;
  /** Of independent flows: who of those now live is still. */
  readonly liveVariance: Float64Array;
}

/** Projects the count in one world. Pure. */
export function project(input: ProjectionInput, world: World): Projection {
  const { lifetimes, count } = input;
  const sweeps = sweepTimes(lifetimes);
  const horizons = [...new Set([...BASE_HORIZONS, ...sweeps.map(Math.ceil)])].sort((a, b) => a - b);
  const zeros = () => new Float64Array(horizons.length);
  const sums: Sums = { live: zeros(), came: zeros(), cameVariance: zeros(), liveVariance: zeros() };
  const tracked = trackedEntries(lifetimes);
  const initial = initialEntries(input, tracked.total);
  const scale = tracked.total > 0 ? (count - initial.total) / tracked.total : 0;
  const curve = new Float64Array(CURVE_SECONDS);
  for (const learned of lifetimes.classes) {
    writeSurvival(curve, learned, world, lifetimes.timeouts);
    for (const assumed of lifetimes.assumed) if (assumed.protocol === learned.protocol) shiftSurvival(curve, assumed);
    const younger = sumsBelowAges(curve);
    addSurvivors(younger, learned, scale, horizons, sums);
    addArrivals(curve, younger, learned, lifetimes.dispersion, horizons, sums);
  }
  const expiredNow = tracked.expired * scale + initial.expired;
  return combine({ ...input, horizons, sweeps, sums, initial, expiredNow, world });
}

interface Combination extends ProjectionInput {
  readonly horizons: readonly number[];
  readonly sweeps: readonly number[];
  readonly sums: Sums;
  readonly initial: Initial;
  readonly expiredNow: number;
  readonly world: World;
}

/** Adds up what is live and integrates what has expired from horizon to horizon. */
function combine({ lifetimes, count, horizons, sweeps, sums, initial, expiredNow, world }: Combination): Projection {
  const mean = new Float64Array(horizons.length);
  const variance = new Float64Array(horizons.length);
  const { lookups, isHazardKnown } = lifetimes.collector;
  const { perNewFlow: learned, perSecond } = lookups;
  const ownError = isHazardKnown ? OWN_LOOKUPS_ERROR_RATIO : UNKNOWN_LOOKUPS_ERROR_RATIO;
  const otherError = isHazardKnown ? OTHER_LOOKUPS_ERROR_RATIO : UNKNOWN_LOOKUPS_ERROR_RATIO;
  const perNewFlow = Math.max(learned, initial.hazardPerNewFlow - perSecond / Math.max(lifetimes.newPerSecond, 1e-9));
  const sweepAt = new Map(sweeps.map((atSeconds) => [Math.ceil(atSeconds), atSeconds]));
  let expired = expiredNow;
  /** The same if lookups were more than they are thought to be. */
  let fewer = expiredNow;
  const initialNow = initial.liveAt(0, world);
  const liveNow = (sums.live[0] ?? 0) + initialNow;
  let before = liveNow;
  mean[0] = count;
  variance[0] = 1;
  for (let i = 1; i < horizons.length; i++) {
    const horizon = horizons[i] ?? 0;
    const seconds = horizon - (horizons[i - 1] ?? 0);
    const initialThen = initial.liveAt(horizon, world);
    const live = (sums.live[i] ?? 0) + initialThen;
    const came = (sums.came[i] ?? 0) - (sums.came[i - 1] ?? 0);
    const expiring = Math.max(0, before + came - live);
    const [own, others] = [perNewFlow * came, perSecond * seconds];
    expired = meet(expired, expiring, own + others);
    fewer = meet(fewer, expiring, own * (1 + ownError) + others * (1 + otherError));
    before = live;
    mean[i] = live + expired;
    let peakError = 0;
    const sweep = sweepAt.get(horizon);
    if (sweep !== undefined) {
      // The peak is at the sweep, between two horizons; what expires behind it stays.
      const part = Math.max(0, Math.min(1, 1 - (horizon - sweep) / seconds));
      const last = mean[i - 1] ?? 0;
      const rise = (mean[i] ?? 0) - last;
      mean[i] = last + rise * part;
      peakError = (SWEEP_ERROR_SECONDS * rise) / seconds;
    }
    variance[i] =
      1 +
      (sums.liveVariance[i] ?? 0) +
      (sums.cameVariance[i] ?? 0) +
      (expired - fewer) ** 2 +
      peakError ** 2 +
      (MODEL_ERROR_RATIO * Math.min(1, horizon / MODEL_ERROR_SECONDS) * ((mean[i] ?? 0) - count)) ** 2 +
      (INITIAL_ERROR_RATIO * (initialNow - initialThen)) ** 2;
    if (sweep !== undefined) {
      expired = Math.min(expired, (expiring * (horizon - sweep)) / seconds);
      fewer = expired;
    }
  }
  return { horizons, mean, variance, liveRatio: liveNow > 0 ? before / liveNow : 1 };
}

/** Expired entries after lookups have met some of them, with the hazard `gone`, while `expiring` ones joined them. */
function meet(expired: number, expiring: number, gone: number): number {
  const stays = Math.exp(-gone);
  return expired * stays + expiring * (gone > 1e-6 ? (1 - stays) / gone : 1);
}

/** Seconds from now at which sweeps are due. */
function sweepTimes({ collector }: LifetimesView): number[] {
  const { intervalSeconds, untilSweepSeconds } = collector;
  const times: number[] = [];
  for (let next = Math.max(1, untilSweepSeconds); next < HORIZON_SECONDS; next += intervalSeconds) times.push(next);
  return times;
}

function trackedEntries({ classes }: LifetimesView): { total: number; expired: number } {
  let total = 0;
  let expired = 0;
  for (const learned of classes) {
    expired += learned.expired;
    total += learned.expired + sumOverAges(learned.liveByAge);
  }
  return { total, expired };
}

interface Initial {
  readonly total: number;
  readonly expired: number;
  readonly liveAt: (aheadSeconds: number, world: World) => number;
  /** As of `CollectorSnapshot`, by how many of the expired ones are still there; 0 when the collector knows better. */
  readonly hazardPerNewFlow: number;
}

/** Entries that no NEW was seen of: what the kernel counts beyond the events, at most the blind ones. */
function initialEntries({ count, blind, lifetimes, uptimeSeconds }: ProjectionInput, tracked: number): Initial {
  const { initial, collector } = lifetimes;
  const total = Math.min(blind, Math.max(0, count - tracked));
  if (!initial.isDumped) {
    const liveAt = (ahead: number, world: World) => total * Math.exp(-ahead / INITIAL_SECONDS[world]);
    return { total, expired: 0, liveAt, hazardPerNewFlow: 0 };
  }
  const sinceSeconds = Math.min(collector.sinceSweepSeconds, uptimeSeconds);
  const { closing, renewed, expired } = initialParts(initial, total, sinceSeconds);
  const closingScale = initial.closingAt(0) > 0 ? closing / initial.closingAt(0) : 0;
  // Those that renew go as the dump let expect, or as fast as is seen.
  const expected = initial.renewedAt(0);
  const leaving = renewed < expected && renewed > 0 ? Math.log(expected / renewed) / uptimeSeconds : 0;
  const scale = expected > 0 ? renewed / expected : 0;
  // Right after a sweep, or without new flows, nothing has been looked up.
  const lookups = lifetimes.newPerSecond * sinceSeconds;
  const isTold = !collector.isHazardKnown && lookups > 0;
  return {
    ...{ total, expired },
    hazardPerNewFlow: isTold ? metHazard(expired, initial.expiredSince(sinceSeconds)) / lookups : 0,
    liveAt: (ahead) =>
      closingScale * initial.closingAt(ahead) + scale * initial.renewedAt(ahead) * Math.exp(-leaving * ahead),
  };
}

/** What lookups meet in a while, integrated, if of so many that expired evenly over it `left` are still there. */
function metHazard(left: number, expired: number): number {
  // What is left is known to the square root of what came and went.
  const ratio = (left + 2 * Math.sqrt(expired)) / expired;
  if (!(ratio < 1)) return 0;
  let low = 0;
  let high = 1 / ratio;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (-Math.expm1(-middle) / middle > ratio) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The class's live entries that are still live at each horizon; `younger` has the sums of its curve below each age. Within a
 * group of ages as many were born each second; what a timeout ends leaves it second by second, not at once.
 */
function addSurvivors(
  younger: Float64Array,
  learned: ClassLifetimes,
  scale: number,
  horizons: readonly number[],
  { live, liveVariance }: Sums,
): void {
  const { liveByAge } = learned;
  const leaving = new Float64Array(horizons.length);
  for (let age = 0; age <= AGES_SECONDS; ) {
    const group = age < FINE_AGES_SECONDS ? 1 : Math.min(AGE_GROUP_SECONDS, Math.max(1, AGES_SECONDS - age));
    let entries = 0;
    for (let i = 0; i < group; i++) entries += liveByAge[age + i] ?? 0;
    const from = age;
    const to = age + group;
    age = to;
    if (entries <= 0) continue;
    // A curve that says none of this age exist: those that do leave at once.
    const now = (younger[to] ?? 0) - (younger[from] ?? 0);
    const inverse = now > 1e-200 ? 1 / now : 0;
    const scaled = entries * scale;
    for (let i = 0; i < horizons.length; i++) {
      const horizon = horizons[i] ?? 0;
      const stays = horizon === 0 ? 1 : ((younger[to + horizon] ?? 0) - (younger[from + horizon] ?? 0)) * inverse;
      live[i] = (live[i] ?? 0) + scaled * stays;
      liveVariance[i] = (liveVariance[i] ?? 0) + scaled * stays * (1 - stays);
      leaving[i] = (leaving[i] ?? 0) + scaled * (1 - stays);
    }
  }
  // A curve that is wrong is wrong for all ages alike.
  for (let i = 0; i < horizons.length; i++) {
    liveVariance[i] = (liveVariance[i] ?? 0) + (SURVIVAL_ERROR_RATIO * (leaving[i] ?? 0)) ** 2;
  }
}

/** The class's new flows that have come and are live at each horizon. */
function addArrivals(
  curve: Float64Array,
  younger: Float64Array,
  { trend }: ClassLifetimes,
  dispersion: number,
  horizons: readonly number[],
  { live, came, cameVariance }: Sums,
): void {
  const { ratePerSecond: rate, slope, growth, exponentialWeight, windowSeconds, rateError, slopeError } = trend;
  let limit = Math.min(HORIZON_SECONDS, Math.round(LINEAR_PERSISTENCE * windowSeconds));
  if (slope < 0) limit = Math.min(limit, Math.floor(rate / -slope));
  const growthLimit = Math.min(
    ...[HORIZON_SECONDS, Math.round(EXPONENTIAL_PERSISTENCE * windowSeconds)],
    growth > 0 ? Math.max(1, Math.floor(Math.log(GROWTH_FACTOR_MAX) / growth)) : HORIZON_SECONDS,
  );
  // Both errors are relative to the rate in the middle of the window, from where growth has come to the present one.
  const middleRate = rate * Math.exp((-growth * windowSeconds) / 2);
  const [levelError, growthError] = middleRate > 0 ? [rateError / middleRate, slopeError / middleRate] : [0, 0];
  const sums = arrivalSums(curve, younger);
  const at = (column: Float64Array, second: number) => (second > 0 ? (column[second] ?? 0) : 0);
  const lastFactor = Math.exp(growth * growthLimit);
  for (let i = 1; i < horizons.length; i++) {
    const horizon = horizons[i] ?? 0;
    const even = at(sums.even, horizon);
    const rising = at(sums.rising, horizon) - at(sums.rising, horizon - limit);
    const linear = rate * even + slope * rising;
    const after = horizon - growthLimit;
    const grown = exponentialWeight > EXPONENTIAL_MIN ? growing(curve, growth, horizon, growthLimit) : 0;
    const exponential =
      exponentialWeight > EXPONENTIAL_MIN ? rate * (grown + lastFactor * at(sums.even, after)) : linear;
    const difference = exponential - linear;
    const mean = linear + exponentialWeight * difference;
    const linearCame = rate * horizon + (slope * (horizon ** 2 - Math.max(0, horizon - limit) ** 2)) / 2;
    const exponentialCame =
      growth > 0
        ? rate * (Math.expm1(growth * Math.min(horizon, growthLimit)) / growth + lastFactor * Math.max(0, after))
        : linearCame;
    live[i] = (live[i] ?? 0) + mean;
    came[i] = (came[i] ?? 0) + linearCame + exponentialWeight * (exponentialCame - linearCame);
    cameVariance[i] =
      (cameVariance[i] ?? 0) +
      dispersion * mean +
      (rateError * even * (1 - exponentialWeight)) ** 2 +
      (slopeError * (rising + (windowSeconds / 2) * even) * (slope === 0 ? 0 : 1)) ** 2 +
      exponentialWeight * (1 - exponentialWeight) * difference ** 2 +
      (exponentialWeight * exponential) ** 2 *
        (levelError ** 2 + (growthError * (Math.min(horizon, growthLimit) + windowSeconds / 2)) ** 2) +
      (SURVIVAL_ERROR_RATIO * (linearCame - mean)) ** 2;
  }
}

/** Part live after `horizon` seconds of arrivals at the rate e^(growth v), v up to `limit`. */
function growing(curve: Float64Array, growth: number, horizon: number, limit: number): number {
  let sum = 0;
  const until = Math.min(horizon, limit);
  const factor = Math.exp(growth);
  for (let second = 0, rate = Math.exp(growth / 2); second < until; second++, rate *= factor) {
    sum += rate * (curve[horizon - second] ?? 0);
  }
  return sum;
}

/** Live arrivals by whole seconds ahead: of those at an even rate of 1, and of those at a rising one v. */
function arrivalSums(curve: Float64Array, younger: Float64Array) {
  const even = new Float64Array(HORIZON_SECONDS + 1);
  const rising = new Float64Array(HORIZON_SECONDS + 1);
  for (let second = 1; second <= HORIZON_SECONDS; second++) {
    even[second] = (younger[second + 1] ?? 0) - (younger[1] ?? 0);
    rising[second] = (rising[second - 1] ?? 0) + (even[second - 1] ?? 0) + (curve[second] ?? 0) / 2;
  }
  return { even, rising };
}
