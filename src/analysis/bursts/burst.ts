/**
 * Finds the moment when new connections start to come several times faster than usual, and the moment they stop.
 *
 *   learning ──(10 s of traffic, or 30 s of none)──> quiet ──(`burst-search.ts`)──> active ──(`active-burst.ts`)──> quiet
 *                                                                                     │ over: the rate fell back
 *                                                                                     │ usual: 10 min at the new level
 * A burst whose turn it is (`recurrence.ts`) is expected; one that outgrows its kind is told as a start once more.
 *
 * `falseAlarmsPerYear` is ticks a year x the chance of the most surprising window. That 64 windows end with each is made up for
 * by PHI_CAUTION of the search, set so that simulated months of steady traffic (`evaluation/bursts`; Poisson to phi 10, from 10/s)
 * show no more than is stated. Not found: steps below 0.7 of the ratio, rises that take over 20 s, a second step within a burst.
 * Sources: Ward et al., "Poisson-FOCuS" (JASA 2023): ratio-restricted windows; Lorden (1971): no method is much faster.
 */
import { TICK_SECONDS } from '../../model/limits.js';
import { ActiveBurst, type BurstEndReason, END_SECONDS, type Outgrowth } from './active-burst.js';
import { BurstSearch, type Finding, NEAR_SECONDS, type SearchLimits } from './burst-search.js';
import { type ExpectedBurst, Recurrence } from './recurrence.js';

/** What counts as a burst. */
export interface BurstSettings {
  /** How many times the usual rate, > 1. Default 4; a measured 0.7 of it is enough, since a true 4 is measured with noise. */
  readonly ratio: number;
  /** New entries per second below which nothing is a burst, > 0. Default 20. A second's worth must be in excess. */
  readonly minRatePerSecond: number;
  /** Alarms a year that chance alone may cause, > 0. Default 1. */
  readonly falseAlarmsPerYear: number;
}

/** What is known about the traffic before the first tick. */
export interface BurstPrior {
  /** Variance over mean of its counts, >= 1, until it is learned. Default 1.5: a little clumpier than Poisson. */
  readonly phi?: number;
  /** The usual rate, when it is known. */
  readonly usualPerSecond?: number;
  /** Bursts that came before. */
  readonly recurrence?: Recurrence;
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
  /** How often a year chance alone would look like this, in traffic as clumpy as it was before. */
  readonly falseAlarmsPerYear: number;
  /** The kind whose turn it was. Without `outgrown` it is no news. */
  readonly expected?: ExpectedBurst;
  /** In what it is more than its kind. When that shows later, the start is told once more. */
  readonly outgrown?: Outgrowth;
}

/** The rate fell back, or has been high for so long (10 min) that it is the usual rate now. */
export interface BurstEnd {
  readonly phase: 'end';
  readonly reason: BurstEndReason;
  readonly onsetSeconds: number;
  /** Largest mean over a second. */
  readonly peakPerSecond: number;
  /** From the onset until the rate fell below half as much again as usual, or until now. */
  readonly durationSeconds: number;
  /** New entries in that time beyond the usual number. */
  readonly entriesAdded: number;
  /** Rate over the last seconds. */
  readonly ratePerSecond: number;
  /** The usual rate before the onset. */
  readonly baselinePerSecond: number;
  /** Peak over baseline, the baseline taken as at least `minRatePerSecond / ratio`. */
  readonly ratio: number;
  /** The kind it belonged to, unless it outgrew it. */
  readonly expected?: ExpectedBurst;
}

export type BurstTransition = BurstStart | BurstEnd;

/** The state between two ticks. */
export interface BurstSnapshot {
  /** The usual rate. Absent while it is learned; during a burst the one before it. */
  readonly baselinePerSecond?: number;
  /** Present during a burst; rate and ratio are over the last second. */
  readonly active?: {
    readonly onsetSeconds: number;
    readonly ratePerSecond: number;
    readonly ratio: number;
    /** The kind it belongs to, until it outgrows it. */
    readonly expected?: ExpectedBurst;
  };
  /** How long bursts lasted, newest last, at most 64; those that became usual count with the 10 min after which they did. */
  readonly pastDurationsSeconds: readonly number[];
}

/** A host without a new entry for this long is known to be idle. */
const IDLE_LEARN_SECONDS = 30;
/** Shorter ticks are joined: below this a window is no window. */
const MIN_TICK_SECONDS = 0.1;
/** Excess in a window, in seconds at the minimum rate. */
const EXCESS_SECONDS = 1;
/** Ticks in a year. Their halves only say when it began: a burst found at one could not be told before the end of the tick. */
const TESTS_PER_YEAR = (365.25 * 86_400) / TICK_SECONDS;
/** A burst ends below this many times the baseline, or half way to what is a burst. */
const END_RATIO = 1.5;
const END_RATIO_PART = 0.75;
/** Before anything is known, traffic is taken as a little clumpier than Poisson. */
const PRIOR_PHI = 1.5;
/** Durations of past bursts that are kept. */
const PAST_BURSTS_MAX = 64;

/** Detects bursts in the rate of new entries. Feed it once a tick, or each half of one. */
export class BurstDetector {
  #settings: BurstSettings;
  #floorPerSecond: number;
  readonly #search: BurstSearch;
  readonly #recurrence: Recurrence;
  #pastDurationsSeconds: readonly number[] = [];
  #idleSeconds = 0;
  #pendingSeconds = 0;
  #pendingEvents = 0;
  #active: ActiveBurst | undefined;

  constructor(settings: BurstSettings, prior: BurstPrior = {}) {
    this.#settings = settings;
    this.#floorPerSecond = floorOf(settings);
    this.#search = new BurstSearch(limitsOf(settings), prior.phi ?? PRIOR_PHI);
    if (prior.usualPerSecond !== undefined) this.#search.restart(prior.usualPerSecond);
    this.#recurrence = prior.recurrence ?? new Recurrence();
  }

  /** Other settings from now on. A burst that is on ends by those it began with. */
  configure(settings: BurstSettings): void {
    this.#settings = settings;
    this.#floorPerSecond = floorOf(settings);
    this.#search.configure(limitsOf(settings));
  }

  /**
   * Takes the tick of `seconds` that ended `atSeconds`, or a part of one, with the new events received and lost in it. A burst is
   * looked for at the last part.
   */
  observe(atSeconds: number, seconds: number, newEvents: number, isLast = true): BurstTransition | undefined {
    if (seconds > 0 && seconds < Number.POSITIVE_INFINITY) this.#pendingSeconds += seconds;
    if (newEvents > 0 && newEvents < Number.POSITIVE_INFINITY) this.#pendingEvents += newEvents;
    if (this.#pendingSeconds < MIN_TICK_SECONDS) return undefined;
    const tickSeconds = this.#pendingSeconds;
    const events = this.#pendingEvents;
    this.#pendingSeconds = 0;
    this.#pendingEvents = 0;
    if (this.#active) return this.#observeActive(this.#active, tickSeconds, events);
    if (!this.#isTrafficKnown(tickSeconds, events)) return undefined;
    this.#search.push(tickSeconds, events);
    const finding = isLast ? this.#search.search() : undefined;
    if (finding) return this.#begin(finding, atSeconds);
    this.#search.learn(tickSeconds, events);
    return undefined;
  }

  /** What is usual now, and whether a burst is on. */
  snapshot(): BurstSnapshot {
    const active = this.#active;
    const pastDurationsSeconds = this.#pastDurationsSeconds;
    if (!active) {
      if (!this.#search.isReady) return { pastDurationsSeconds };
      return { baselinePerSecond: this.#search.usualPerSecond(0), pastDurationsSeconds };
    }
    const { onsetSeconds, baselinePerSecond, referencePerSecond, expected } = active.onset;
    const ratePerSecond = active.ratePerSecond(1);
    return {
      baselinePerSecond,
      active: {
        onsetSeconds,
        ratePerSecond,
        ratio: ratePerSecond / referencePerSecond,
        ...(expected !== undefined && active.outgrown === undefined && { expected }),
      },
      pastDurationsSeconds,
    };
  }

  /** Silence before the first new entry is not a baseline, or the start of the service would be a burst; long silence is. */
  #isTrafficKnown(seconds: number, events: number): boolean {
    if (!this.#search.isEmpty) return true;
    if (events === 0) this.#idleSeconds += seconds;
    if (events === 0 && this.#idleSeconds < IDLE_LEARN_SECONDS) return false;
    if (this.#idleSeconds >= IDLE_LEARN_SECONDS) this.#search.push(this.#idleSeconds, 0);
    return true;
  }

  #begin(finding: Finding, atSeconds: number): BurstStart {
    const { seconds, events, baselinePerSecond } = finding;
    this.#search.cut(finding.ticks);
    const onsetSeconds = atSeconds - seconds;
    const referencePerSecond = Math.max(baselinePerSecond, this.#floorPerSecond);
    const expected = this.#recurrence.expect(onsetSeconds);
    this.#active = new ActiveBurst({
      onsetSeconds,
      seconds,
      events,
      baselinePerSecond,
      referencePerSecond,
      endPerSecond: referencePerSecond * Math.min(END_RATIO, (1 + this.#settings.ratio * END_RATIO_PART) / 2),
      falseAlarmsPerYear: TESTS_PER_YEAR * Math.exp(-finding.surprise),
      ...(expected !== undefined && { expected }),
    });
    return describeStart(this.#active);
  }

  #observeActive(active: ActiveBurst, seconds: number, events: number): BurstTransition | undefined {
    const wasOutgrown = active.outgrown !== undefined;
    const reason = active.observe(seconds, events);
    if (reason === undefined) return wasOutgrown || active.outgrown === undefined ? undefined : describeStart(active);
    this.#active = undefined;
    // The level that has lasted becomes the baseline, as half a minute of it and in the slow average.
    if (reason === 'usual') this.#search.restart(active.ratePerSecond(NEAR_SECONDS));
    const end = describeEnd(active, reason);
    this.#pastDurationsSeconds = [...this.#pastDurationsSeconds, end.durationSeconds].slice(-PAST_BURSTS_MAX);
    if (reason === 'over') this.#recurrence.observe(end);
    return end;
  }
}

/** What the usual rate is taken as at least. */
function floorOf({ minRatePerSecond, ratio }: BurstSettings): number {
  return minRatePerSecond / ratio;
}

function limitsOf(settings: BurstSettings): SearchLimits {
  return {
    ratio: settings.ratio,
    floorPerSecond: floorOf(settings),
    excessMin: settings.minRatePerSecond * EXCESS_SECONDS,
    surpriseMin: Math.log(TESTS_PER_YEAR / settings.falseAlarmsPerYear),
  };
}

function describeStart({ onset, outgrown, meanPerSecond }: ActiveBurst): BurstStart {
  const { onsetSeconds, baselinePerSecond, referencePerSecond, falseAlarmsPerYear, expected } = onset;
  return {
    phase: 'start',
    onsetSeconds,
    ratePerSecond: meanPerSecond,
    baselinePerSecond,
    ratio: meanPerSecond / referencePerSecond,
    falseAlarmsPerYear,
    ...(expected !== undefined && { expected }),
    ...(outgrown !== undefined && { outgrown }),
  };
}

function describeEnd(active: ActiveBurst, reason: BurstEndReason): BurstEnd {
  const { onsetSeconds, baselinePerSecond, referencePerSecond, expected } = active.onset;
  return {
    phase: 'end',
    reason,
    onsetSeconds,
    peakPerSecond: active.peakPerSecond,
    durationSeconds: active.durationSeconds,
    entriesAdded: active.entriesAdded,
    ratePerSecond: active.ratePerSecond(END_SECONDS),
    baselinePerSecond,
    ratio: active.peakPerSecond / referencePerSecond,
    ...(expected !== undefined && active.outgrown === undefined && { expected }),
  };
}
