/**
 * Finds the moment when new connections start to come several times faster than usual, and the moment they stop.
 *
 * Every tick, each window that ends now (one tick to 8 s) is compared with the usual rate by a likelihood ratio for counts
 * with the traffic's own dispersion (negative binomial, Poisson when there is none). "Usual" is the larger of a slow average,
 * which a burst never enters, and the half minute before the window, which follows ramps: a slow rise to any level is no burst.
 *
 *   learning --(10 s of traffic, or 30 s of none)--> quiet --(likelihood over the false-alarm bound)--> active --> quiet
 *
 * Not found: steps below 3/4 of the ratio, rises that take over half a minute, a second step within a burst.
 * Sources: Ward et al., "Poisson-FOCuS" (JASA 2023): ratio-restricted windows; Lorden (1971): no method is much faster.
 */
import { Dispersion } from './dispersion.js';
import { QuietHistory } from './quiet-history.js';

/** What counts as a burst. */
export interface BurstSettings {
  /** How many times the usual rate, > 1. Default 4; a measured 3/4 of it is enough, since a true 4 is measured with noise. */
  readonly ratio: number;
  /** New entries per second below which nothing is a burst, > 0. Default 20. 1.5 seconds' worth must be in excess. */
  readonly minRatePerSecond: number;
  /** Alarms a year that chance alone may cause, > 0. Default 1. */
  readonly falseAlarmsPerYear: number;
}

/** New entries come `ratio` times faster than usual since `onsetSeconds`. */
export interface BurstStart {
  readonly phase: 'start';
  /** When it began, on the clock of `observe`; accurate to about a tick. */
  readonly onsetSeconds: number;
  /** Mean rate since the onset. */
  readonly ratePerSecond: number;
  /** The usual rate; 0 on a host without traffic. */
  readonly baselinePerSecond: number;
  /** Rate over baseline, the baseline taken as at least `minRatePerSecond / ratio`. */
  readonly ratio: number;
  /** How often a year chance alone would look like this; an upper bound from the likelihood ratio. */
  readonly falseAlarmsPerYear: number;
}

/** The rate fell back, or has been high for so long (10 min) that it is the usual rate now. */
export interface BurstEnd {
  readonly phase: 'end';
  readonly onsetSeconds: number;
  /** Largest mean over a second. */
  readonly peakPerSecond: number;
  /** From the onset until the rate fell below half as much again as usual. */
  readonly durationSeconds: number;
  /** New entries in that time beyond the usual number. */
  readonly entriesAdded: number;
  /** Rate over the last seconds. */
  readonly ratePerSecond: number;
  /** The usual rate before the onset. */
  readonly baselinePerSecond: number;
  /** Peak over baseline, the baseline taken as at least `minRatePerSecond / ratio`. */
  readonly ratio: number;
}

export type BurstTransition = BurstStart | BurstEnd;

/** The state between two ticks. */
export interface BurstSnapshot {
  /** The usual rate. Absent while it is learned; during a burst the one before it. */
  readonly baselinePerSecond?: number;
  /** How long the last bursts lasted, newest last. */
  readonly pastDurationsSeconds?: readonly number[];
  /** Present during a burst; rate and ratio are over the last second. */
  readonly active?: { readonly onsetSeconds: number; readonly ratePerSecond: number; readonly ratio: number };
}

/** Longest window a burst is looked for in, seconds: a rise that takes over 10 s to reach the ratio is growth. */
const WINDOW_MAX_SECONDS = 8;
/** The near baseline: the mean of this long before the window. */
const LOCAL_SECONDS = 30;
/** Traffic that must lie before a window to judge it, counted from the first new entry. */
const LEARN_SECONDS = 10;
/** A host without a new entry for this long is known to be idle. */
const IDLE_LEARN_SECONDS = 30;
/** Half-life of the slow baseline. */
const LONG_HALF_LIFE_SECONDS = 600;
/** Shorter ticks are joined: below this a window is no window. */
const MIN_TICK_SECONDS = 0.1;
/** A window must reach this part of the ratio (or half way from 1 to it, for ratios below 2). */
const MEASURED_RATIO = 0.75;
/** ... by this many standard deviations, so that noise on a step of half the ratio does not. */
const MARGIN_SIGMAS = 1;
/** Excess in a window, in seconds at the minimum rate. */
const EXCESS_SECONDS = 1.5;
/** Windows examined a second, for the false-alarm bound. */
const TESTS_PER_SECOND = 4;
const YEAR_SECONDS = 365.25 * 86_400;
/** A burst ends when the rate of the last `END_SECONDS` is below this many times the baseline for as long. */
const END_RATIO = 1.5;
const END_SECONDS = 3;
/** After this long the new level is the usual one. */
const USUAL_SECONDS = 600;

interface Finding {
  ticks: number;
  seconds: number;
  events: number;
  baselinePerSecond: number;
  likelihood: number;
}

interface ActiveBurst {
  readonly onsetSeconds: number;
  readonly baselinePerSecond: number;
  /** What the rate is compared with: the baseline, but never below the floor. */
  readonly referencePerSecond: number;
  readonly recent: QuietHistory;
  peakPerSecond: number;
  events: number;
  belowSeconds: number;
  belowEvents: number;
}

/** Detects bursts in the rate of new entries. Feed it once a tick. */
export class BurstDetector {
  readonly #ratio: number;
  readonly #floorPerSecond: number;
  readonly #excessMin: number;
  readonly #likelihoodMin: number;
  readonly #history = new QuietHistory();
  readonly #dispersion = new Dispersion();
  #slowPerSecond = 0;
  #slowSeconds = 0;
  #idleSeconds = 0;
  #pendingSeconds = 0;
  #pendingEvents = 0;
  #active: ActiveBurst | undefined;

  constructor(settings: BurstSettings) {
    this.#ratio = Math.max(settings.ratio * MEASURED_RATIO, (1 + settings.ratio) / 2);
    this.#floorPerSecond = settings.minRatePerSecond / settings.ratio;
    this.#excessMin = settings.minRatePerSecond * EXCESS_SECONDS;
    this.#likelihoodMin = Math.log((YEAR_SECONDS * TESTS_PER_SECOND) / settings.falseAlarmsPerYear) + 1;
  }

  /** Takes the tick of `seconds` that ended `atSeconds`, with the new events received and lost in it. */
  observe(atSeconds: number, seconds: number, newEvents: number): BurstTransition | undefined {
    this.#pendingSeconds += Math.max(0, seconds);
    this.#pendingEvents += newEvents;
    if (this.#pendingSeconds < MIN_TICK_SECONDS) return undefined;
    const tickSeconds = this.#pendingSeconds;
    const events = this.#pendingEvents;
    this.#pendingSeconds = 0;
    this.#pendingEvents = 0;
    if (this.#active) return this.#observeActive(this.#active, atSeconds, tickSeconds, events);
    if (!this.#isTrafficKnown(tickSeconds, events)) return undefined;
    this.#history.push(tickSeconds, events);
    const finding = this.#search();
    if (finding) return this.#begin(finding, atSeconds);
    this.#learn(tickSeconds, events);
    return undefined;
  }

  /** What is usual now, and whether a burst is on. */
  snapshot(): BurstSnapshot {
    const active = this.#active;
    if (!active) {
      if (this.#history.seconds(this.#history.size) < LEARN_SECONDS) return {};
      return { baselinePerSecond: this.#baseline(0) };
    }
    const ratePerSecond = active.recent.ratePerSecond(0, 1) ?? 0;
    return {
      baselinePerSecond: active.baselinePerSecond,
      active: { onsetSeconds: active.onsetSeconds, ratePerSecond, ratio: ratePerSecond / active.referencePerSecond },
    };
  }

  /** Silence before the first new entry is not a baseline, or the start of the service would be a burst; long silence is. */
  #isTrafficKnown(seconds: number, events: number): boolean {
    if (this.#history.size > 0) return true;
    if (events === 0) this.#idleSeconds += seconds;
    if (events === 0 && this.#idleSeconds < IDLE_LEARN_SECONDS) return false;
    if (this.#idleSeconds >= IDLE_LEARN_SECONDS) this.#history.push(this.#idleSeconds, 0);
    return true;
  }

  /** The usual rate before the newest `skipTicks` ticks. */
  #baseline(skipTicks: number): number {
    return Math.max(this.#slowPerSecond, this.#history.ratePerSecond(skipTicks, LOCAL_SECONDS) ?? 0);
  }

  /** The window with the largest likelihood ratio among those that reach the ratio and the excess, if it is large enough. */
  #search(): Finding | undefined {
    const history = this.#history;
    const allSeconds = history.seconds(history.size);
    let best: Finding | undefined;
    for (let ticks = 1; ticks < history.size; ticks++) {
      const seconds = history.seconds(ticks);
      if (ticks > 1 && seconds > WINDOW_MAX_SECONDS * 1.02) break;
      if (allSeconds - seconds < LEARN_SECONDS * 0.98) break;
      const events = history.events(ticks);
      const baselinePerSecond = this.#baseline(ticks);
      const expected = Math.max(baselinePerSecond, this.#floorPerSecond) * seconds;
      const phi = this.#dispersion.phi(seconds);
      const needed = this.#ratio * expected + MARGIN_SIGMAS * Math.sqrt(phi * this.#ratio * expected);
      if (events < needed || events - expected < this.#excessMin) continue;
      const likelihood = countLikelihood(events, expected, phi);
      if (best && likelihood <= best.likelihood) continue;
      best = { ticks, seconds, events, baselinePerSecond, likelihood };
    }
    return best && best.likelihood >= this.#likelihoodMin ? best : undefined;
  }

  #begin(finding: Finding, atSeconds: number): BurstStart {
    const { baselinePerSecond, events } = finding;
    const recent = new QuietHistory();
    recent.push(finding.seconds, events);
    const ratePerSecond = events / finding.seconds;
    const referencePerSecond = Math.max(baselinePerSecond, this.#floorPerSecond);
    const onsetSeconds = atSeconds - finding.seconds;
    this.#history.truncate(finding.ticks);
    this.#dispersion.interrupt();
    this.#active = {
      onsetSeconds,
      baselinePerSecond,
      referencePerSecond,
      recent,
      peakPerSecond: ratePerSecond,
      events,
      belowSeconds: 0,
      belowEvents: 0,
    };
    const falseAlarmsPerYear = YEAR_SECONDS * TESTS_PER_SECOND * Math.exp(1 - finding.likelihood);
    const ratio = ratePerSecond / referencePerSecond;
    return { phase: 'start', onsetSeconds, ratePerSecond, baselinePerSecond, ratio, falseAlarmsPerYear };
  }

  #observeActive(active: ActiveBurst, atSeconds: number, seconds: number, events: number): BurstEnd | undefined {
    const { recent } = active;
    recent.push(seconds, events);
    active.events += events;
    active.peakPerSecond = Math.max(active.peakPerSecond, recent.ratePerSecond(0, 1) ?? 0);
    const endPerSecond = active.referencePerSecond * Math.min(END_RATIO, (1 + this.#ratio) / 2);
    const belowRate = (active.belowEvents + events) / (active.belowSeconds + seconds);
    if (belowRate <= endPerSecond) {
      active.belowSeconds += seconds;
      active.belowEvents += events;
    } else {
      active.belowSeconds = 0;
      active.belowEvents = 0;
    }
    if (active.belowSeconds >= END_SECONDS) return this.#end(active, atSeconds);
    return atSeconds - active.onsetSeconds >= USUAL_SECONDS ? this.#acceptAsUsual(active, atSeconds) : undefined;
  }

  #end(active: ActiveBurst, atSeconds: number): BurstEnd {
    this.#active = undefined;
    return describeEnd(active, atSeconds);
  }

  /** The level has lasted: it becomes the baseline, as half a minute of it and in the slow average. */
  #acceptAsUsual(active: ActiveBurst, atSeconds: number): BurstEnd {
    this.#slowPerSecond = active.recent.ratePerSecond(0, LOCAL_SECONDS) ?? 0;
    this.#history.clear();
    this.#history.push(LOCAL_SECONDS, this.#slowPerSecond * LOCAL_SECONDS);
    this.#active = undefined;
    return describeEnd(active, atSeconds);
  }

  /** Feeds the dispersion with this tick and the slow average with the one 8 s ago, which no window can call a burst any more. */
  #learn(seconds: number, events: number): void {
    const history = this.#history;
    const expectedPerSecond = history.ratePerSecond(1, LOCAL_SECONDS);
    const baselineSeconds = Math.min(LOCAL_SECONDS, history.seconds(history.size) - seconds);
    if (expectedPerSecond !== undefined && baselineSeconds >= 2) {
      this.#dispersion.observe(seconds, events, expectedPerSecond, baselineSeconds);
    }
    const beforeWindows = history.ratePerSecond(ticksWithin(history, WINDOW_MAX_SECONDS), seconds);
    if (beforeWindows === undefined) return;
    const bounded = this.#slowSeconds > 0 ? Math.min(beforeWindows, 2 * this.#slowPerSecond + 3) : beforeWindows;
    const memorySeconds = LONG_HALF_LIFE_SECONDS / Math.LN2;
    this.#slowSeconds = Math.min(this.#slowSeconds + seconds, memorySeconds);
    this.#slowPerSecond += (bounded - this.#slowPerSecond) * Math.min(1, seconds / this.#slowSeconds);
  }
}

function describeEnd(active: ActiveBurst, atSeconds: number): BurstEnd {
  const durationSeconds = atSeconds - active.belowSeconds - active.onsetSeconds;
  const usualEvents = active.baselinePerSecond * durationSeconds;
  return {
    phase: 'end',
    onsetSeconds: active.onsetSeconds,
    peakPerSecond: active.peakPerSecond,
    durationSeconds,
    entriesAdded: Math.max(0, active.events - active.belowEvents - usualEvents),
    ratePerSecond: active.recent.ratePerSecond(0, END_SECONDS) ?? 0,
    baselinePerSecond: active.baselinePerSecond,
    ratio: active.peakPerSecond / active.referencePerSecond,
  };
}

function ticksWithin(history: QuietHistory, seconds: number): number {
  let ticks = 0;
  while (ticks < history.size && history.seconds(ticks + 1) <= seconds) ticks += 1;
  return ticks;
}

/**
 * Log likelihood ratio of `events` against a mean of `expected` with variance `phi * expected`, in nats.
 * The rate function of the negative binomial: for small clumpy counts its tail is heavier than a Poisson one divided by phi.
 */
function countLikelihood(events: number, expected: number, phi: number): number {
  if (events <= expected || expected <= 0) return 0;
  const gain = events * Math.log(events / expected);
  if (phi <= 1.0001) return gain - (events - expected);
  const size = expected / (phi - 1);
  return gain - (events + size) * Math.log((events + size) / (expected + size));
}
