/**
 * The usual rate of new entries, and the window that ends now which chance explains least.
 *
 *   ... slow average (half-life 10 min), fed 8 s late | 30 s before the window (near) | window, half a tick to 8 s | now
 *
 * "Usual" is the larger of the slow average and what the near one certainly is: a burst never enters the slow one, and the near
 * one follows ramps, so a slow rise to any level is none. A window counts when it (a) holds the ratio, (b) has an excess worth
 * telling, and (c) is more surprising than the false-alarm allowance permits, by the traffic's own dispersion. The most
 * surprising one is a burst when (d) a step explains it better than a smaller step or a rise (`step-evidence.ts`). (a) and (b) are
 * cheap and end the search of nearly every tick. Source of the ratio-restricted windows: Ward et al., "Poisson-FOCuS" (JASA 2023).
 */
import { factorNats, surprise } from './count-tail.js';
import { Dispersion } from './dispersion.js';
import { QuietHistory } from './quiet-history.js';
import { isStep } from './step-evidence.js';

/** What a window must reach. */
export interface SearchLimits {
  /** Times the usual rate, > 1. */
  readonly ratio: number;
  /** The usual rate is taken as at least this. */
  readonly floorPerSecond: number;
  /** Events beyond the usual number. */
  readonly excessMin: number;
  /** -ln of the chance of such a window, nats. */
  readonly surpriseMin: number;
}

/** A window that reaches all limits. */
export interface Finding {
  readonly ticks: number;
  readonly seconds: number;
  readonly events: number;
  readonly baselinePerSecond: number;
  /** -ln of the chance of so many events, nats. */
  readonly surprise: number;
}

/** Longest window a burst is looked for in, seconds. */
const WINDOW_MAX_SECONDS = 8;
/** The near average: this long before the window. */
export const NEAR_SECONDS = 30;
/** Traffic that must lie before a window to judge it. */
const LEARN_SECONDS = 10;
/** Half-life of the slow average. */
const SLOW_HALF_LIFE_SECONDS = 600;
const SLOW_MEMORY_SECONDS = SLOW_HALF_LIFE_SECONDS / Math.LN2;
/** The slow average takes blocks of this many seconds, each at most twice what is usual and a little. */
const SLOW_BLOCK_SECONDS = 4;
/** The near average less so many standard deviations is usual, once the slow one is this old: else noise would raise it. */
const NEAR_SIGMAS = 1;
const NEAR_SLOW_SECONDS = 60;
/**
 * A true ratio is measured with noise, and its first tick is only partly in it: a window must reach this part of it
 * (or half way from 1 to it, for ratios below 2).
 */
const MEASURED_RATIO = 0.7;
/** The sum that spares the search takes this part of the ratio, once the slow average is this old and moves by less than that. */
const GATE_PART = 0.9;
const GATE_SECONDS = 60;
/** phi is itself estimated: its excess over 1 is taken this many times, and up to so much more where clumps are under one a second. */
const PHI_CAUTION = 1.3;
const PHI_CAUTION_FEW = 0.15;
/**
 * A window in which the ratio shows on average less than this part of the surprise that is asked finds no burst of it, only chance
 * or something larger. It must be so many nats more surprising: the allowance is kept for the windows that find bursts.
 */
const FEW_PART = 0.8;
const FEW_NATS = 1.5;
/** Below this many usual events a window shorter than `SHORT_SECONDS` is none: how clumpy so small counts are is not known well. */
const SHORT_SECONDS = 0.2;
const SHORT_EVENTS_MIN = 4;

/** Looks for bursts and learns what is usual. A tick is pushed, searched, and learned from if it was ordinary. */
export class BurstSearch {
  #limits: SearchLimits;
  #measuredRatio: number;
  readonly #history = new QuietHistory();
  readonly #dispersion: Dispersion;
  #slowPerSecond = 0;
  #slowSeconds = 0;
  /** Running totals of the history that the slow average has taken. */
  #takenSeconds = 0;
  #takenEvents = 0;
  #nearTicks = 0;
  #windowTicks = 0;
  /** Page's cumulative sum at nearly the measured ratio: at 0 no window that ends now can reach it. */
  #cumulated = 0;

  /** `priorPhi` is the dispersion until it is learned. */
  constructor(limits: SearchLimits, priorPhi: number) {
    this.#limits = limits;
    this.#measuredRatio = measuredRatio(limits);
    this.#dispersion = new Dispersion(priorPhi);
  }

  /** Other limits for the windows that end from now on. */
  configure(limits: SearchLimits): void {
    this.#limits = limits;
    this.#measuredRatio = measuredRatio(limits);
  }

  /** Whether there is no traffic to compare with yet. */
  get isEmpty(): boolean {
    return this.#history.size === 0;
  }

  /** Whether there is enough to say what is usual. */
  get isReady(): boolean {
    return this.#history.seconds(this.#history.size) >= LEARN_SECONDS;
  }

  push(seconds: number, events: number): void {
    this.#history.push(seconds, events);
    const atLeastPerSecond = Math.max(this.#slowPerSecond, this.#limits.floorPerSecond);
    const gate = this.#slowSeconds < GATE_SECONDS ? 0 : GATE_PART * this.#measuredRatio * atLeastPerSecond;
    this.#cumulated = Math.max(0, this.#cumulated + events - gate * seconds);
  }

  /** The usual rate before the newest `skipTicks` ticks. */
  usualPerSecond(skipTicks: number): number {
    const nearPerSecond = this.#history.ratePerSecond(skipTicks, NEAR_SECONDS) ?? 0;
    if (this.#slowSeconds < NEAR_SLOW_SECONDS) return Math.max(this.#slowPerSecond, nearPerSecond);
    const phi = this.#dispersion.phi(WINDOW_MAX_SECONDS);
    return Math.max(this.#slowPerSecond, nearPerSecond - NEAR_SIGMAS * Math.sqrt((phi * nearPerSecond) / NEAR_SECONDS));
  }

  /** The most surprising window that ends now, if it reaches all limits. */
  search(): Finding | undefined {
    if (this.#cumulated === 0) return undefined;
    const history = this.#history;
    const { floorPerSecond, excessMin } = this.#limits;
    const allSeconds = history.seconds(history.size);
    const atLeastPerSecond = Math.max(this.#slowPerSecond, floorPerSecond);
    let best: Finding | undefined;
    for (let ticks = 1; ticks < history.size; ticks++) {
      const seconds = history.seconds(ticks);
      if (ticks > 1 && seconds > WINDOW_MAX_SECONDS * 1.02) break;
      if (allSeconds - seconds < LEARN_SECONDS * 0.98) break;
      const events = history.events(ticks);
      const leastExpected = atLeastPerSecond * seconds;
      if (seconds < SHORT_SECONDS && leastExpected < SHORT_EVENTS_MIN) continue;
      if (events < this.#measuredRatio * leastExpected || events - leastExpected < excessMin) continue;
      const finding = this.#judge(ticks, seconds, events);
      if (finding && (best === undefined || finding.surprise > best.surprise)) best = finding;
    }
    return best && this.#isStep(best) ? best : undefined;
  }

  /** Learns from the newest tick. */
  learn(seconds: number, events: number): void {
    const history = this.#history;
    this.#nearTicks = history.ticksWithin(NEAR_SECONDS * 1.02 + seconds, this.#nearTicks);
    const nearSeconds = history.seconds(this.#nearTicks) - seconds;
    if (nearSeconds >= 2) {
      const nearEvents = history.events(this.#nearTicks) - events;
      this.#dispersion.observe(seconds, events, nearEvents / nearSeconds, nearSeconds);
    }
    this.#windowTicks = history.ticksWithin(WINDOW_MAX_SECONDS, this.#windowTicks);
    const blockSeconds = history.totalSeconds - history.seconds(this.#windowTicks) - this.#takenSeconds;
    if (blockSeconds >= SLOW_BLOCK_SECONDS) this.#learnSlowly(blockSeconds);
  }

  /** Cuts out the newest ticks, which were no ordinary ones. */
  cut(ticks: number): void {
    this.#cumulated = 0;
    this.#history.truncate(ticks);
    this.#dispersion.interrupt();
  }

  /** Takes `perSecond` as usual from now on. */
  restart(perSecond: number): void {
    this.#cumulated = 0;
    this.#slowPerSecond = perSecond;
    this.#history.clear();
    this.#history.push(NEAR_SECONDS, perSecond * NEAR_SECONDS);
    this.#takenSeconds = this.#history.totalSeconds;
    this.#takenEvents = this.#history.totalEvents;
  }

  #judge(ticks: number, seconds: number, events: number): Finding | undefined {
    const { ratio, floorPerSecond, excessMin, surpriseMin } = this.#limits;
    const baselinePerSecond = this.usualPerSecond(ticks);
    const expected = Math.max(baselinePerSecond, floorPerSecond) * seconds;
    if (events < this.#measuredRatio * expected || events - expected < excessMin) return undefined;
    const phi = this.#dispersion.phi(seconds);
    const caution = PHI_CAUTION + PHI_CAUTION_FEW * Math.min(1, (phi * seconds) / expected);
    const surprised = surprise(events, expected, 1 + (phi - 1) * caution);
    const meanNats = factorNats(ratio * expected, expected, ratio) / phi;
    const least = meanNats < FEW_PART * surpriseMin ? surpriseMin + FEW_NATS : surpriseMin;
    return surprised < least ? undefined : { ticks, seconds, events, baselinePerSecond, surprise: surprised };
  }

  #isStep({ ticks, baselinePerSecond }: Finding): boolean {
    const { ratio, floorPerSecond } = this.#limits;
    const usualPerSecond = Math.max(baselinePerSecond, floorPerSecond);
    return isStep({ history: this.#history, dispersion: this.#dispersion, ticks, usualPerSecond, ratio });
  }

  #learnSlowly(blockSeconds: number): void {
    const history = this.#history;
    const totalEvents = history.totalEvents - history.events(this.#windowTicks);
    const perSecond = Math.max(0, totalEvents - this.#takenEvents) / blockSeconds;
    const bounded = this.#slowSeconds > 0 ? Math.min(perSecond, 2 * this.#slowPerSecond + 3) : perSecond;
    this.#slowSeconds = Math.min(this.#slowSeconds + blockSeconds, SLOW_MEMORY_SECONDS);
    this.#slowPerSecond += (bounded - this.#slowPerSecond) * Math.min(1, blockSeconds / this.#slowSeconds);
    this.#takenSeconds += blockSeconds;
    this.#takenEvents = totalEvents;
  }
}

function measuredRatio({ ratio }: SearchLimits): number {
  return Math.max(ratio * MEASURED_RATIO, (1 + ratio) / 2);
}
