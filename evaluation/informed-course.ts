/**
 * What anybody could at best have said at the time: a forecaster that knows the true rates of now, their true trend and how long
 * entries live, but not the future. It lets the present course go on and plays some futures of it. A warning of a table that then
 * did not fill was right at the time when this one warns as well: only the future could have told better.
 *
 *   rate ___/ now ....../   a line, or exponential growth, whichever the last two seconds are on; a step is no trend
 */
import { defaultSettings } from '../src/model/settings.js';
import { FUTURE_SEED, FUTURES, secondsToFull } from './oracle.js';
import type { SimulatedSettings } from './simulated-source.js';
import type { Traffic } from './traffic.js';
import { WORLD_TICK_SECONDS, World } from './world.js';

/** How far a forecast looks, seconds. */
const HORIZON_SECONDS = 600;
/** A rate that changes more within a second made a step. */
const STEP_RATIO = 0.25;
/** Exponential growth is followed to so many times the present rate. */
const GROWTH_FACTOR_MAX = 100;

/** What the `time_to_full` alert with the default settings would have been, of the course as it was. */
export interface InformedAnswer {
  readonly isWarning: boolean;
  readonly isCritical: boolean;
}

/** Answers at the end of the given seconds of a simulated run, which is replayed without the daemon. */
export function informedCourse(settings: SimulatedSettings, atSeconds: readonly number[]): Map<number, InformedAnswer> {
  const world = new World({ ...settings, lengthSeconds: settings.lengthSeconds + HORIZON_SECONDS });
  while (world.atSeconds < 0) world.step();
  // As the daemon's dump does when it starts.
  world.reap();
  const answers = new Map<number, InformedAnswer>();
  for (const at of [...new Set(atSeconds)].sort((a, b) => a - b)) {
    while (world.atSeconds < at) world.step();
    const traffics = settings.traffics.map((traffic) => continued(traffic, at));
    const futures = Array.from({ length: FUTURES }, (_, i) =>
      secondsToFull(
        world.fork(FUTURE_SEED * settings.seed + i, HORIZON_SECONDS, traffics),
        settings.max,
        HORIZON_SECONDS,
      ),
    );
    answers.set(at, judge(futures));
  }
  return answers;
}

/** By the alert's rule: the course fills the table in time, and so many of the futures do. */
function judge(futures: readonly number[]): InformedAnswer {
  const { warning_seconds, critical_seconds, warning_probability, critical_probability } =
    defaultSettings.alert.time_to_full;
  const part = (seconds: number) => futures.filter((future) => future <= seconds).length / futures.length;
  const fills = (seconds: number, probability: number) => part(seconds) >= 0.5 && part(HORIZON_SECONDS) >= probability;
  return {
    isWarning: fills(warning_seconds, warning_probability),
    isCritical: fills(critical_seconds, critical_probability),
  };
}

/** A traffic that goes on as it is at a moment. Lives are those of flows that are born then. */
export function continued(traffic: Traffic, nowSeconds: number): Traffic {
  // The middle of the last tick that was played, and those a second and two before.
  const last = nowSeconds - WORLD_TICK_SECONDS / 2;
  const rateAt = courseOf(
    traffic.ratePerSecond(last - 2),
    traffic.ratePerSecond(last - 1),
    traffic.ratePerSecond(last),
  );
  return {
    ...traffic,
    ratePerSecond: (seconds) => (seconds <= last ? traffic.ratePerSecond(seconds) : rateAt(seconds - last)),
    life: (random, seconds) => traffic.life(random, Math.min(seconds, last)),
  };
}

/** The course of three rates a second apart, at seconds after the last. */
function courseOf(first: number, second: number, third: number): (seconds: number) => number {
  const isStep = (from: number, to: number) => Math.abs(to - from) > STEP_RATIO * from;
  if (isStep(first, second) || isStep(second, third)) return () => third;
  const line = Math.abs(third - 2 * second + first);
  const growth = first > 0 && second > 0 ? Math.abs(third - (second * second) / first) : Number.POSITIVE_INFINITY;
  if (growth < line && third > second) {
    return (seconds) => third * Math.min(GROWTH_FACTOR_MAX, (third / second) ** seconds);
  }
  return (seconds) => Math.max(0, third + (third - second) * seconds);
}
