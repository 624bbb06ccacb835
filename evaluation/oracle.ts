/**
 * What is possible: a forecaster that knows the true rates, now and later, and the life of every entry that is there. All that it
 * does not know is chance: who arrives. It plays some futures of the simulated table from the state it is in and tells the median
 * time to full. Nobody can be expected to do better; who is as good has nothing left to learn.
 */
import { quantile } from './quantile.js';
import type { SimulatedSettings } from './simulated-source.js';
import { WORLD_TICK_SECONDS, World } from './world.js';

/** Odd, so that the median is one of them. */
export const FUTURES = 9;
/** A future that is not full by then does not fill. */
const FUTURE_SECONDS = 900;
/** Apart from the seeds of runs. */
export const FUTURE_SEED = 1_000_003;

/**
 * Seconds to full as told at the end of each of the given seconds of a simulated run; Infinity: most futures do not fill.
 * Replays the run, without the daemon.
 */
export function foretell(settings: SimulatedSettings, atSeconds: readonly number[]): Map<number, number> {
  const world = new World({ ...settings, lengthSeconds: settings.lengthSeconds + FUTURE_SECONDS });
  while (world.atSeconds < 0) world.step();
  // As the daemon's dump does when it starts.
  world.reap();
  const told = new Map<number, number>();
  for (const at of [...new Set(atSeconds)].sort((a, b) => a - b)) {
    while (world.atSeconds < at) world.step();
    const futures = Array.from({ length: FUTURES }, (_, i) =>
      secondsToFull(world.fork(FUTURE_SEED * settings.seed + i, FUTURE_SECONDS), settings.max, FUTURE_SECONDS),
    );
    told.set(at, quantile(futures, 0.5) ?? Infinity);
  }
  return told;
}

/** Plays a future until the table is full, and no longer than `seconds`; Infinity: not by then. */
export function secondsToFull(future: World, max: number, seconds: number): number {
  const from = future.atSeconds;
  for (let tick = 0; tick < seconds / WORLD_TICK_SECONDS; tick++) {
    future.step();
    if (future.count >= max) return future.atSeconds - from;
  }
  return Infinity;
}
