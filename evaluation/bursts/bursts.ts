/**
 * The scoreboard of burst detection: false alarms and delays of ours and the rivals, from fixed seeds.
 *
 * Ours takes ticks of 250 ms in two parts and tells at their ends, as the program does; the rivals take sums of a second. An episode
 * is an alarm that follows none for a minute. A delay runs from the true onset, at a random moment of a tick, to the end of the tick
 * that alarms; after 30 s the burst counts as missed.
 * Our total has three quarters of the allowance of false alarms, as in the program; expected bursts are no alarms.
 */
import { BurstDetector } from '../../src/analysis/bursts/burst.js';
import { TOTAL_ALLOWANCE_RATIO } from '../../src/model/limits.js';
import { defaultSettings } from '../../src/model/settings.js';
import { createRandom } from '../random.js';
import { askOracle, type DelayLimits, type OracleScore } from './burst-oracle.js';
import { RIVALS, type RivalKind } from './rivals.js';
import {
  CURVE_NOISE,
  LONG_RUNS,
  type Noise,
  QUIET_SCENARIOS,
  type QuietScenario,
  riseMean,
  STEP_SCENARIOS,
  type StepScenario,
  WARM_UP_SECONDS,
} from './scenarios.js';
import { createSteadyStream, createStream, PART_SECONDS, type Stream } from './traffic.js';

export interface BurstOptions {
  /** Streams of 3.5 h per row, below 1 a part of one; ten times as many runs of what must not alarm, fifty times of what must. */
  readonly seeds: number;
  /** Simulated months of each steady traffic. */
  readonly months: number;
}

/** Episodes an hour, or the share of runs that alarm, by the name of the detector. */
export interface FalseAlarmRow {
  readonly scenario: string;
  readonly per: 'hour' | 'run';
  readonly amount: number;
  /** Of ours, where they are more. */
  readonly ourRuns?: number;
  readonly burstsPerHour?: number;
  readonly alarms: Readonly<Record<string, number>>;
}

/** Seconds; `null`: so many were missed. */
export interface DelayScore {
  readonly median: number | null;
  readonly p95: number | null;
  /** Share found within 2 s. */
  readonly within2s: number;
}

export interface DelayRow {
  readonly scenario: string;
  /** What no method can undercut on average, for a step: ln(allowed distance of false alarms) over the information, times phi. */
  readonly lordenSeconds: number;
  readonly runs: number;
  readonly delays: Readonly<Record<string, DelayScore>>;
  /** What is asked of ours, and what can be. */
  readonly asked?: { readonly limits: DelayLimits; readonly oracle: OracleScore };
}

export interface LongRunRow {
  readonly scenario: string;
  readonly months: number;
  readonly alarms: number;
  /** 95 % upper bound of the alarms a month (exact Poisson). */
  readonly upperPerMonth: number;
}

/** One detector at one threshold. */
export interface CurvePoint {
  readonly detector: string;
  readonly threshold: number;
  readonly medianDelaySeconds: number | null;
  readonly falseAlarmsPerDay: number;
}

export interface BurstScores {
  readonly options: BurstOptions;
  readonly falseAlarms: readonly FalseAlarmRow[];
  readonly delays: readonly DelayRow[];
  readonly longRuns: readonly LongRunRow[];
  readonly curve: readonly CurvePoint[];
}

/** Our name in the tables. */
export const OURS = 'ctwatch';
const OUR_ALLOWANCES = [0.01, 1, 100, 10_000] as const;
/** Times the runs of others that ours has where hardly any may alarm; runs of the oracle. */
const OUR_RUNS_FACTOR = 10;
const ORACLE_RUNS_PER_SEED = 100;
const EPISODE_SECONDS = 60;
const MISSED_SECONDS = 30;
const PARTS_PER_TICK = 2;
const PARTS_PER_SECOND = 8;
const MONTH_SECONDS = 30 * 86_400;

/** Takes a part of a tick; says whether it alarms. */
type Detector = (atSeconds: number, events: number) => boolean;

interface DetectorKind {
  readonly name: string;
  readonly create: () => Detector;
}

function ours(falseAlarmsPerYear = defaultSettings.burst.false_alarms_per_year): Detector {
  const { ratio, min_rate_per_second: minRatePerSecond } = defaultSettings.burst;
  const allowance = falseAlarmsPerYear * TOTAL_ALLOWANCE_RATIO;
  const detector = new BurstDetector({ ratio, minRatePerSecond, falseAlarmsPerYear: allowance });
  let parts = 0;
  let isFound = false;
  return (atSeconds, events) => {
    parts += 1;
    const transition = detector.observe(atSeconds, PART_SECONDS, events, parts % PARTS_PER_TICK === 0);
    if (transition?.phase === 'start' && (transition.expected === undefined || transition.outgrown !== undefined))
      isFound = true;
    if (!isFound || parts % PARTS_PER_TICK !== 0) return false;
    isFound = false;
    return true;
  };
}

function rival(kind: RivalKind, threshold = kind.usual): Detector {
  const judge = kind.create(threshold);
  let parts = 0;
  let sum = 0;
  return (_, events) => {
    sum += events;
    parts += 1;
    if (parts % PARTS_PER_SECOND !== 0) return false;
    const alarms = judge(sum);
    sum = 0;
    return alarms;
  };
}

const DETECTORS: readonly DetectorKind[] = [
  { name: OURS, create: () => ours() },
  ...RIVALS.map((kind) => ({ name: kind.name, create: () => rival(kind) })),
];

/** All scores. Equal options give equal scores. */
export function evaluateBursts(options: BurstOptions): BurstScores {
  return {
    options,
    falseAlarms: QUIET_SCENARIOS.map((scenario) => scoreQuiet(scenario, options.seeds)),
    delays: STEP_SCENARIOS.map((scenario) => scoreStep(scenario, options.seeds)),
    longRuns: LONG_RUNS.map((noise) => scoreLongRun(noise, options.months)),
    curve: scoreCurve(options.seeds),
  };
}

/** Episodes of each detector on the same stream. */
function countEpisodes(detectors: readonly Detector[], stream: Stream, seconds: number): number[] {
  const episodes = detectors.map(() => 0);
  const alarmedAt = detectors.map(() => Number.NEGATIVE_INFINITY);
  for (let part = 1; part * PART_SECONDS <= seconds; part++) {
    const atSeconds = part * PART_SECONDS;
    const events = stream();
    for (let i = 0; i < detectors.length; i++) {
      if (!detectors[i]?.(atSeconds, events)) continue;
      if (atSeconds - (alarmedAt[i] ?? 0) > EPISODE_SECONDS) episodes[i] = (episodes[i] ?? 0) + 1;
      alarmedAt[i] = atSeconds;
    }
  }
  return episodes;
}

function scoreQuiet(scenario: QuietScenario, seeds: number): FalseAlarmRow {
  const runs = Math.ceil(scenario.per === 'hour' ? seeds : seeds * 10);
  const seconds = scenario.per === 'hour' ? scenario.seconds * Math.min(1, seeds) : scenario.seconds;
  const ourRuns = scenario.isDoubling ? runs * OUR_RUNS_FACTOR : runs;
  const found = DETECTORS.map(() => 0);
  for (let seed = 1; seed <= ourRuns; seed++) {
    const random = createRandom(seed);
    const stream = createStream(random, scenario.createMean(random), scenario.phi, scenario.clumps);
    const detectors = seed <= runs ? DETECTORS : DETECTORS.slice(0, 1);
    const episodes = countEpisodes(
      detectors.map(({ create }) => create()),
      stream,
      seconds,
    );
    episodes.forEach((count, i) => {
      found[i] = (found[i] ?? 0) + (scenario.per === 'hour' ? count : Math.min(1, count));
    });
  }
  const amount = scenario.per === 'hour' ? (runs * seconds) / 3600 : runs;
  return {
    scenario: scenario.name,
    per: scenario.per,
    amount,
    ...(scenario.burstsPerHour !== undefined && { burstsPerHour: scenario.burstsPerHour }),
    ...(ourRuns > runs && { ourRuns }),
    alarms: Object.fromEntries(
      DETECTORS.map(({ name }, i) => [name, (found[i] ?? 0) / (name === OURS && ourRuns > runs ? ourRuns : amount)]),
    ),
  };
}

/** Seconds from the onset until each detector alarms. */
function measureDelays(detectors: readonly Detector[], scenario: StepScenario, seed: number): number[] {
  const random = createRandom(seed);
  const onset = WARM_UP_SECONDS + random.uniform();
  const { ratePerSecond, factor, riseSeconds, phi, clumps } = scenario;
  const stream = createStream(random, riseMean(ratePerSecond, factor, riseSeconds, onset), phi, clumps);
  const delays = detectors.map(() => Number.POSITIVE_INFINITY);
  let waiting = detectors.length;
  for (let part = 1; waiting > 0 && part * PART_SECONDS <= onset + MISSED_SECONDS; part++) {
    const atSeconds = part * PART_SECONDS;
    const events = stream();
    for (let i = 0; i < detectors.length; i++) {
      if (delays[i] !== Number.POSITIVE_INFINITY) continue;
      if (!detectors[i]?.(atSeconds, events) || atSeconds <= onset) continue;
      delays[i] = atSeconds - onset;
      waiting -= 1;
    }
  }
  return delays;
}

function scoreStep(scenario: StepScenario, seeds: number): DelayRow {
  const runs = Math.ceil(seeds * 50);
  const delays: number[][] = DETECTORS.map(() => []);
  for (let seed = 1; seed <= runs; seed++) {
    const found = measureDelays(
      DETECTORS.map(({ create }) => create()),
      scenario,
      seed,
    );
    found.forEach((delay, i) => {
      delays[i]?.push(delay);
    });
  }
  const { ratePerSecond, factor, phi, limits } = scenario;
  const information = ratePerSecond * (factor * Math.log(factor) - (factor - 1));
  return {
    scenario: scenario.name,
    lordenSeconds: (phi * Math.log(MONTH_SECONDS)) / information,
    runs,
    delays: Object.fromEntries(DETECTORS.map(({ name }, i) => [name, describeDelays(delays[i] ?? [])])),
    ...(limits && {
      asked: { limits, oracle: askOracle(scenario, limits, Math.ceil(seeds * ORACLE_RUNS_PER_SEED)) },
    }),
  };
}

function describeDelays(delays: readonly number[]): DelayScore {
  const within2s = delays.filter((delay) => delay <= 2).length / delays.length;
  return { median: quantile(delays, 0.5), p95: quantile(delays, 0.95), within2s };
}

function quantile(values: readonly number[], p: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
  return value === undefined || value === Number.POSITIVE_INFINITY ? null : value;
}

function scoreLongRun({ ratePerSecond, phi, clumps }: Noise, months: number): LongRunRow {
  const stream = createSteadyStream(createRandom(1), ratePerSecond, phi, clumps);
  const [alarms = 0] = countEpisodes([ours()], stream, months * MONTH_SECONDS);
  return {
    scenario: `${ratePerSecond}/s, phi ${phi}${phi > 1 && clumps === 'instants' ? ', at once' : ''}`,
    months,
    alarms,
    upperPerMonth: upperBound(alarms) / months,
  };
}

/** 95 % upper bound of the mean of a Poisson count: where so few are seen in one case of twenty. */
function upperBound(count: number): number {
  let [low, high] = [count, 3 * count + 10];
  while (high - low > 1e-6) {
    const mean = (low + high) / 2;
    let term = Math.exp(-mean);
    let sum = term;
    for (let n = 1; n <= count; n++) {
      term *= mean / n;
      sum += term;
    }
    if (sum > 0.05) low = mean;
    else high = mean;
  }
  return high;
}

/** Delay of a 4x step against false alarms, for each detector and threshold, at 30/s with phi 3. */
function scoreCurve(seeds: number): CurvePoint[] {
  const kinds = [
    ...OUR_ALLOWANCES.map((threshold) => ({ name: OURS, threshold, create: () => ours(threshold) })),
    ...RIVALS.flatMap((kind) =>
      kind.thresholds.map((threshold) => ({ name: kind.name, threshold, create: () => rival(kind, threshold) })),
    ),
  ];
  const seconds = seeds * 3600;
  const create = () => kinds.map((kind) => kind.create());
  const stream = createStream(createRandom(1), () => CURVE_NOISE.ratePerSecond, CURVE_NOISE.phi, CURVE_NOISE.clumps);
  const episodes = countEpisodes(create(), stream, seconds);
  const step = { name: '', ...CURVE_NOISE, factor: 4, riseSeconds: 0 };
  const runs = Array.from({ length: Math.ceil(seeds * 5) }, (_, i) => measureDelays(create(), step, i + 1));
  return kinds.map(({ name, threshold }, i) => ({
    detector: name,
    threshold,
    medianDelaySeconds: quantile(
      runs.map((delays) => delays[i] ?? Number.POSITIVE_INFINITY),
      0.5,
    ),
    falseAlarmsPerDay: ((episodes[i] ?? 0) / seconds) * 86_400,
  }));
}
