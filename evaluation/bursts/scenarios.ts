/**
 * The traffic that burst detectors are held against: what must not alarm, what must, and steady years.
 *
 * A mean is a function of the seconds since the start. Each comes in streams of 3.5 h, or once with a warm-up of 5 min before it.
 */
import type { Random } from '../random.js';
import type { DelayLimits } from './burst-oracle.js';
import type { Clumps } from './traffic.js';
import { createLongMemory, PART_SECONDS } from './traffic.js';

export type Mean = (fromSeconds: number) => number;

/** Noise of a stream; phi is the variance over the mean of the counts of one second. */
export interface Noise {
  readonly ratePerSecond: number;
  readonly phi: number;
  readonly clumps: Clumps;
}

/** Traffic without a burst. */
export interface QuietScenario extends Noise {
  readonly name: string;
  /** `hour`: false alarms are counted per hour of it. `run`: how many runs of it alarm. */
  readonly per: 'hour' | 'run';
  readonly seconds: number;
  readonly createMean: (random: Random) => Mean;
  /** A step to twice the rate: ours is played ten times as often, since hardly any may alarm. */
  readonly isDoubling?: true;
  /** True bursts an hour in it, which are to be found unless expected. */
  readonly burstsPerHour?: number;
}

const STREAM_SECONDS = 3.5 * 3600;
export const WARM_UP_SECONDS = 300;

const noise = (ratePerSecond: number, phi = 1, clumps: Clumps = 'seconds'): Noise => ({ ratePerSecond, phi, clumps });

function steady(name: string, shape: Noise): QuietScenario {
  return { name, ...shape, per: 'hour', seconds: STREAM_SECONDS, createMean: () => () => shape.ratePerSecond };
}

/** Mean over each part of a rise to `factor` times the rate in `seconds`: exact for a step, else by the middle of the part. */
export function riseMean(ratePerSecond: number, factor: number, seconds: number, onset: number): Mean {
  return (from) => {
    const since = from + PART_SECONDS - onset;
    const part = seconds > 0 ? (since - PART_SECONDS / 2) / seconds : since / PART_SECONDS;
    return ratePerSecond * (1 + (factor - 1) * Math.min(1, Math.max(0, part)));
  };
}

/** From the usual rate to `factor` times it, in `seconds`, from a random moment after the warm-up. */
function rise(name: string, shape: Noise, factor: number, seconds: number): QuietScenario {
  const createMean = (random: Random) =>
    riseMean(shape.ratePerSecond, factor, seconds, WARM_UP_SECONDS + random.uniform());
  const isDoubling = factor === 2;
  return {
    ...{ name, ...shape, per: 'run', seconds: WARM_UP_SECONDS + seconds + 60, createMean },
    ...(isDoubling && { isDoubling }),
  };
}

function longMemory(sdLog: number): QuietScenario {
  const shape = noise(100);
  return {
    name: `long-range dependent, H 0.85, sd ${Math.round(sdLog * 100)} %`,
    ...shape,
    per: 'hour',
    seconds: STREAM_SECONDS,
    createMean: (random) => {
      const factor = createLongMemory(random, 0.85, sdLog);
      return (from) => shape.ratePerSecond * factor(from);
    },
  };
}

const wave = (share: number, periodSeconds: number): ((random: Random) => Mean) => {
  return (random) => {
    const phase = random.uniform();
    return (from) => 100 * (1 + share * Math.sin(2 * Math.PI * (from / periodSeconds + phase)));
  };
};

export const QUIET_SCENARIOS: readonly QuietScenario[] = [
  steady('Poisson 100/s', noise(100)),
  steady('Poisson 1/s', noise(1)),
  steady('phi 5, 100/s', noise(100, 5)),
  steady('phi 3, 10/s', noise(10, 3)),
  steady('phi 3, 5/s', noise(5, 3)),
  { name: 'day, +-60 %', ...noise(100), per: 'hour', seconds: STREAM_SECONDS, createMean: wave(0.6, 86_400) },
  { name: 'wave of 20 min, +-50 %', ...noise(100), per: 'hour', seconds: STREAM_SECONDS, createMean: wave(0.5, 1200) },
  longMemory(0.3),
  longMemory(0.5),
  rise('ramp 4x in 30 min', noise(100, 3), 4, 1800),
  rise('ramp 4x in 5 min', noise(100, 3), 4, 300),
  rise('ramp 4x in 60 s', noise(100, 3), 4, 60),
  rise('ramp 4x in 20 s', noise(100, 3), 4, 20),
  rise('ramp 4x in 20 s, 10/s', noise(10, 3), 4, 20),
  rise('step 2x', noise(100), 2, 0),
  rise('step 2x, phi 3', noise(100, 3), 2, 0),
  rise('step 2x, 10/s', noise(10), 2, 0),
  rise('step 2x, phi 10, 1,000/s', noise(1000, 10), 2, 0),
  {
    name: 'cron 10x, 3 s each 5 min',
    ...noise(100),
    per: 'hour',
    seconds: STREAM_SECONDS,
    createMean: () => (from) => (from >= 60 && from % 300 < 3 ? 1000 : 100),
    burstsPerHour: 12,
  },
];

/** A step, or a rise of `riseSeconds`, to be found. */
export interface StepScenario extends Noise {
  readonly name: string;
  readonly factor: number;
  readonly riseSeconds: number;
  /** What is asked of it; the oracle says whether that can be. */
  readonly limits?: DelayLimits;
}

const step = (shape: Noise, factor = 4, riseSeconds = 0, limits?: DelayLimits): StepScenario => {
  const how = riseSeconds > 0 ? ` over ${riseSeconds} s` : '';
  const clumps = shape.clumps === 'instants' ? ', at once' : '';
  return {
    name: `${factor}x${how} at ${shape.ratePerSecond}/s, phi ${shape.phi}${clumps}`,
    ...shape,
    factor,
    riseSeconds,
    ...(limits && { limits }),
  };
};
const BUSY_LIMITS: DelayLimits = { median: 0.3, p95: 0.5 };
const QUIET_LIMITS: DelayLimits = { median: 0.9, p95: 1.8 };

export const STEP_SCENARIOS: readonly StepScenario[] = [
  step(noise(1000, 10)),
  step(noise(100, 1), 4, 0, BUSY_LIMITS),
  step(noise(100, 3), 4, 0, BUSY_LIMITS),
  step(noise(100, 3, 'instants'), 4, 0, BUSY_LIMITS),
  step(noise(100, 10)),
  step(noise(30, 3)),
  step(noise(10, 1), 4, 0, QUIET_LIMITS),
  step(noise(10, 3)),
  step(noise(10, 3, 'instants')),
  step(noise(3, 1)),
  step(noise(100, 3), 10),
  step(noise(10, 1), 10),
  step(noise(3, 1), 10),
  step(noise(100, 3), 4, 2),
];

/** Steady traffic for months: what the stated false alarms a year are calibrated on. */
export const LONG_RUNS: readonly Noise[] = [
  noise(100, 1),
  noise(30, 1),
  noise(10, 1),
  noise(100, 3),
  noise(100, 3, 'instants'),
  noise(100, 5, 'instants'),
  noise(30, 2, 'instants'),
  noise(30, 3),
  noise(30, 3, 'instants'),
  noise(10, 3),
  noise(10, 3, 'instants'),
  noise(10, 10, 'instants'),
  noise(3, 3),
];

/** Where detectors are compared at several thresholds. */
export const CURVE_NOISE: Noise = noise(30, 3);
