/**
 * What is possible: a test that knows the usual rate, phi, and how clumps come. All that it does not know is when the rate changes,
 * and whether to two or to four times. It sees the same parts and tells at the same ends of ticks.
 *
 * At each end it takes the exact likelihoods of four times, of a doubling and of no change, summed over all onsets until then
 * (Shiryaev 1963, Roberts 1966). It alarms when four times rules out chance at the rate that is allowed, and its ratio to a doubling
 * reaches a limit. The share of doublings that it calls a burst follows from the runs of four times alone: each that alarms stands
 * for e^-ratio of a doubling that does, with the ratio for the onset that the run has (Wald's identity, 1945).
 */
import { createRandom } from '../random.js';
import type { Noise } from './scenarios.js';
import { createStream, PART_SECONDS } from './traffic.js';

/** Delays, seconds, not to be exceeded by half and by 95 % of the runs. */
export interface DelayLimits {
  readonly median: number;
  readonly p95: number;
}

export interface OracleScore {
  /** The delays of the test that calls at most `DOUBLINGS_MAX` of the doublings a burst. */
  readonly delays: DelayLimits;
  /** Least share of doublings that are called a burst by who keeps the limits of the delays; 1: nobody can keep them. */
  readonly doublingsRatio: number;
}

/** What 200 runs without an alarm need to be likely. */
export const DOUBLINGS_MAX = 0.001;
const TICK_SECONDS = 2 * PART_SECONDS;
const TICKS_PER_SECOND = 1 / TICK_SECONDS;
/** How long before the onset it could have been. */
const EARLIER_SECONDS = 2;
/** Onsets in a tick that stand for all: for what the test asks, and for what a run is worth. */
const ONSETS_ASKED = 4;
const ONSETS_WEIGHED = 16;
const FACTOR = 4;
const DOUBLING = 2;
/** False alarms a month, and how often a month they may come. */
const FALSE_ALARMS_PER_MONTH = 0.1;
const CHANCE_NATS = Math.log((30 * 86_400 * TICKS_PER_SECOND) / FALSE_ALARMS_PER_MONTH);
/** How long a run is watched. */
const WATCH_SECONDS = 6;

/** The end of a tick at which chance is ruled out. */
interface Look {
  /** After the onset. */
  readonly delay: number;
  /** The test's log ratio of four times to a doubling. */
  readonly nats: number;
  /** The same by who knows the tick of the onset. */
  readonly weightNats: number;
}

/** A run: the ends of its ticks at which chance is ruled out. */
type Looks = readonly Look[];

/** The same numbers for the same arguments; a share below 1 % takes 1,000 runs. */
export function askOracle(noise: Noise, limits: DelayLimits, runCount: number): OracleScore {
  const runs = Array.from({ length: runCount }, (_, i) => playRun(noise, i + 1));
  return { delays: fastest(runs), doublingsRatio: fewestDoublings(runs, limits) };
}

function playRun(noise: Noise, seed: number): Looks {
  const { ratePerSecond, phi, clumps } = noise;
  const random = createRandom(seed);
  const onset = EARLIER_SECONDS + random.uniform();
  const stream = createStream(random, (from) => partMean(ratePerSecond, FACTOR, onset, from), phi, clumps);
  const stepsIn = (ticks: readonly number[], onsets: number, factor: number) =>
    ticks.flatMap((tick) =>
      Array.from({ length: onsets }, (_, i) => {
        const at = (tick + (i + 0.5) / onsets) * TICK_SECONDS;
        return new Likelihood(noise, (from) => partMean(ratePerSecond, factor, at, from));
      }),
    );
  const endSeconds = onset + WATCH_SECONDS;
  const ticks = Array.from({ length: Math.ceil(endSeconds * TICKS_PER_SECOND) }, (_, i) => i);
  const onsetTick = [Math.floor(onset * TICKS_PER_SECOND)];
  const quiet = new Likelihood(noise, () => ratePerSecond);
  const asked = [FACTOR, DOUBLING].map((factor) => stepsIn(ticks, ONSETS_ASKED, factor));
  const weighed = [FACTOR, DOUBLING].map((factor) => stepsIn(onsetTick, ONSETS_WEIGHED, factor));
  const all = [quiet, ...asked.flat(), ...weighed.flat()];
  const looks: Look[] = [];
  for (let part = 0; (part + 1) * PART_SECONDS <= endSeconds; part++) {
    const events = stream();
    for (const one of all) one.observe(events);
    const delay = (part + 1) * PART_SECONDS - onset;
    if (part % 2 === 0 || delay <= 0) continue;
    const tick = (part + 1) / 2;
    const [burst = 0, doubling = 0] = asked.map(
      (steps) => Math.log(tick) + logMean(steps.slice(0, tick * ONSETS_ASKED).map(({ nats }) => nats)),
    );
    if (burst - quiet.nats < CHANCE_NATS) continue;
    const [weight = 0, other = 0] = weighed.map((steps) => logMean(steps.map(({ nats }) => nats)));
    looks.push({ delay, nats: burst - doubling, weightNats: weight - other });
  }
  return looks;
}

/** Mean of the part from `from`, per second, when the rate becomes `factor` times as high at `onset`. */
function partMean(ratePerSecond: number, factor: number, onset: number, from: number): number {
  const part = Math.min(1, Math.max(0, (from + PART_SECONDS - onset) / PART_SECONDS));
  return ratePerSecond * (1 + (factor - 1) * part);
}

/** Log likelihood of the parts of a stream with a known mean, but for terms that all means share. */
class Likelihood {
  readonly #noise: Noise;
  readonly #meanPerSecond: (fromSeconds: number) => number;
  #part = 0;
  /** Of the seconds that are over, and of the one that is on. */
  #before = 0;
  #terms = 0;
  #events = 0;
  #mean = 0;
  #size = 0;

  constructor(noise: Noise, meanPerSecond: (fromSeconds: number) => number) {
    this.#noise = noise;
    this.#meanPerSecond = meanPerSecond;
  }

  get nats(): number {
    return this.#before + this.#second();
  }

  observe(events: number): void {
    const { phi, clumps } = this.#noise;
    const partsPerClump = phi > 1 && clumps === 'seconds' ? 1 / PART_SECONDS : 1;
    if (this.#part % partsPerClump === 0) this.#begin(partsPerClump);
    const mean = this.#meanPerSecond(this.#part * PART_SECONDS) * PART_SECONDS;
    this.#terms += events * Math.log(mean);
    this.#events += events;
    this.#mean += mean;
    this.#part += 1;
  }

  #begin(partsPerClump: number): void {
    this.#before += this.#second();
    let mean = 0;
    for (let i = 0; i < partsPerClump; i++) mean += this.#meanPerSecond((this.#part + i) * PART_SECONDS) * PART_SECONDS;
    this.#size = this.#noise.phi > 1 ? mean / (this.#noise.phi - 1) : Number.POSITIVE_INFINITY;
    this.#terms = 0;
    this.#events = 0;
    this.#mean = 0;
  }

  /** Counts with a common factor from a gamma law of mean 1: a negative multinomial. */
  #second(): number {
    const [size, events] = [this.#size, this.#events];
    if (this.#mean === 0) return 0;
    if (size === Number.POSITIVE_INFINITY) return this.#terms - this.#mean;
    const rising = logGamma(size + events) - logGamma(size);
    return this.#terms + rising + size * Math.log(size) - (size + events) * Math.log(size + this.#mean);
  }
}

/** ln Gamma(x) for x > 0: Stirling's series from 8 on, the recurrence below. */
function logGamma(x: number): number {
  let shift = 0;
  let at = x;
  for (; at < 8; at++) shift += Math.log(at);
  const series = 1 / (12 * at) - 1 / (360 * at ** 3) + 1 / (1260 * at ** 5);
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

function logMean(nats: readonly number[]): number {
  const largest = Math.max(...nats);
  return largest + Math.log(nats.reduce((sum, value) => sum + Math.exp(value - largest), 0) / nats.length);
}

/** When a run alarms: the first look with so many nats, `early` of them as long as the median can still be kept. */
function firstAlarm(looks: Looks, early: number, late: number, earlySeconds: number): Look | undefined {
  return looks.find(({ delay, nats }) => nats >= (delay <= earlySeconds ? early : late));
}

function quantile(runs: readonly Looks[], alarm: (looks: Looks) => Look | undefined, p: number): number {
  const delays = runs.map((looks) => alarm(looks)?.delay ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  return delays[Math.floor(p * delays.length)] ?? Number.POSITIVE_INFINITY;
}

function doublings(runs: readonly Looks[], alarm: (looks: Looks) => Look | undefined): number {
  const sum = runs.reduce((total, looks) => {
    const look = alarm(looks);
    return total + (look ? Math.min(1, Math.exp(-look.weightNats)) : 0);
  }, 0);
  return sum / runs.length;
}

/** Largest value in [-50, 50] that is allowed, when smaller ones are. */
function largest(isAllowed: (nats: number) => boolean): number | undefined {
  let [low, high] = [-50, 50];
  if (!isAllowed(low)) return undefined;
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    if (isAllowed(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function fastest(runs: readonly Looks[]): DelayLimits {
  const at = (nats: number) => (looks: Looks) => firstAlarm(looks, nats, nats, 0);
  const nats = largest((limit) => doublings(runs, at(limit)) > DOUBLINGS_MAX) ?? -50;
  return { median: quantile(runs, at(nats), 0.5), p95: quantile(runs, at(nats), 0.95) };
}

/** The early limit from the median, then the late one from the 95 %. */
function fewestDoublings(runs: readonly Looks[], { median, p95 }: DelayLimits): number {
  const early = largest((limit) => quantile(runs, (looks) => firstAlarm(looks, limit, limit, median), 0.5) <= median);
  if (early === undefined) return 1;
  const at = (late: number) => (looks: Looks) => {
    const look = firstAlarm(looks, early, late, median);
    return look && look.delay <= p95 ? look : undefined;
  };
  const late = largest((limit) => quantile(runs, at(limit), 0.95) <= p95);
  return late === undefined ? 1 : doublings(runs, at(late));
}
