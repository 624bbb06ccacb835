/**
 * When the kernel collects expired entries: the sweeps of its garbage collector, and the lookups that meet them in between.
 *
 * A sweep comes every G <= 60 s and collects all; between two, an entry that has expired is met by a lookup with the hazard
 * h = 2 L / buckets, L being lookups of distinct flows. How many lookups there are for each new flow is not told, so it is
 * learned: just before a sweep lookups collect h Z a second, and the sweep then shows how many entries, Z, had been left to them.
 *
 *   DESTROY rate  __.__|^|__.__|^|__      a tick with many times the usual rate is a sweep; when none can be seen, lookups do it all
 *
 * Does not know which entry expired when: see `hazards.ts`. Source: gc_worker(), ____nf_conntrack_find() in nf_conntrack_core.c.
 */

/** One tick of collections. */
export interface CollectorTick {
  readonly atSeconds: number;
  readonly seconds: number;
  readonly newEvents: number;
  /** DESTROY events of entries that had expired by time, received plus lost. */
  readonly expiredDestroyEvents: number;
  /** Collections that lookups are expected to have brought, by the hazard of the last snapshot. */
  readonly expectedByLookups?: number;
  /** A dump has just collected every expired entry. */
  readonly reapedNow?: boolean;
}

/** The collector at the end of the last tick. */
export interface CollectorSnapshot {
  /** Since the last sweep or dump; at most the time observed. */
  readonly sinceSweepSeconds: number;
  /** Between two sweeps: measured, or the kernel's longest, 60 s. */
  readonly intervalSeconds: number;
  /** A sweep was seen, so the next one can be told. */
  readonly isPhaseKnown: boolean;
  /** A cycle was seen whole, so the next value rests on a measurement. */
  readonly isHazardKnown: boolean;
  /** Hazard that a lookup meets an expired entry, for each new flow a second: h = this * new flows per second. */
  readonly hazardPerNewFlow: number;
}

/** Longest interval of the collector, and that of any table with many established or TIME_WAIT entries. */
export const SWEEP_SECONDS = 60;
/** A tick with this many times the median rate, and what lookups bring, is a sweep, when it brings at least so many events. */
const SWEEP_FACTOR = 6;
const SWEEP_EVENTS_MIN = 20;
/** A higher rate that lasts longer is a new level: a sweep removes 32,000 entries a second. */
const SWEEP_LENGTH_SECONDS = 8;
/** The collector never comes back sooner: its mean starts at 60 s and its arithmetic stops it above 3 s (5.8 s with HZ=250). */
const INTERVAL_MIN_SECONDS = 3;
/** A sweep that is this late was too small to be seen. */
const LATE_SECONDS = 4;
/** Ticks whose rates the median is taken of, and how many it needs. */
const RATE_RING = 128;
const RATES_MIN = 24;
/** Rates before a sweep are averages over about this long, seconds. */
const RATE_SECONDS = 6;
/** Kept of the cycles before when one ends. */
const CYCLE_KEPT = 0.75;
/** Collections that the hazard believed so far is worth. */
const PRIOR_COLLECTIONS = 40;
/** Within a cycle, collections are compared with what was expected over about this long, seconds. */
const MET_MEMORY_SECONDS = 60;
/** The comparison counts when it is this many standard deviations off. */
const MET_SIGMAS = 4;
/** What a sweep may bring without standing out, in seconds of the mean rate. */
const UNSEEN_SECONDS = 0.5;
/** Buckets of a host that does not tell: the kernel's default with 4 GB of memory or more. */
const DEFAULT_BUCKETS = 262_144;

/** Follows the collector. Feed it once a tick. */
export class Collector {
  readonly #rates = new Float64Array(RATE_RING);
  #rateCount = 0;
  #sinceSweepSeconds = 0;
  /** Since the last sweep that was seen began; the first is taken to have been long ago. */
  #sinceSeenSeconds = Number.POSITIVE_INFINITY;
  #beforeSweepSeconds = 0;
  #intervalSeconds = SWEEP_SECONDS;
  #isPhaseKnown = false;
  /** The last collection of everything was a dump's. */
  #isForced = true;
  #sweepSeconds = 0;
  #sweepEvents = 0;
  #cycleSeconds = 0;
  /** Before the sweep that is on, per second. */
  #collectedPerSecond = 0;
  #newPerSecond = 0;
  // Sums over the cycles that are over: collections by lookups, and what they are in proportion to.
  #collected = 0;
  #exposure = 0;
  #cycles = 0;
  #hazardPerNewFlow: number;
  /** Collections between sweeps, and what `#hazardPerNewFlow` alone would have brought. */
  #met = 0;
  #expectedMet = 0;
  #justSwept = false;

  /** `buckets` is nf_conntrack_buckets, absent when unreadable. */
  constructor(buckets: number | undefined) {
    this.#hazardPerNewFlow = 2 / (buckets !== undefined && buckets > 0 ? buckets : DEFAULT_BUCKETS);
  }

  /** Whether everything that had expired was collected in the last tick. */
  get justSwept(): boolean {
    return this.#justSwept;
  }

  /** Takes one tick. */
  observe(tick: CollectorTick): void {
    const seconds = Math.max(0, tick.seconds);
    this.#justSwept = false;
    this.#sinceSweepSeconds += seconds;
    this.#sinceSeenSeconds += seconds;
    this.#cycleSeconds += seconds;
    if (tick.reapedNow === true) {
      this.#observeReap();
      return;
    }
    if (seconds <= 0) return;
    const standsOut = this.#standsOut(seconds, tick.expiredDestroyEvents, tick.expectedByLookups ?? 0);
    const mayBegin =
      this.#sweepSeconds > 0 || this.#sinceSweepSeconds - seconds >= INTERVAL_MIN_SECONDS || !this.#isPhaseKnown;
    this.#compare(seconds, tick.expiredDestroyEvents, tick.expectedByLookups ?? 0, standsOut && mayBegin);
    if (!standsOut) this.#average(seconds, tick);
    if (standsOut && mayBegin) this.#observeSweeping(seconds, tick.expiredDestroyEvents);
    else if (this.#sweepSeconds > 0) this.#finishSweep();
    else if (this.#sinceSweepSeconds > this.#intervalSeconds + LATE_SECONDS) this.#assumeSweep();
  }

  /** The collector now. */
  snapshot(): CollectorSnapshot {
    return {
      sinceSweepSeconds: this.#sinceSweepSeconds,
      intervalSeconds: this.#intervalSeconds,
      isPhaseKnown: this.#isPhaseKnown,
      isHazardKnown: this.#cycles > 0,
      hazardPerNewFlow: this.#hazardPerNewFlow * this.#metRatio(),
    };
  }

  /**
   * Until a cycle was seen whole: what lookups bring beside what was expected. Only good for that, as in the long run any large
   * hazard brings what expires.
   */
  #compare(seconds: number, met: number, expected: number, isSweeping: boolean): void {
    if (isSweeping) return;
    const expectedByBase = expected / this.#metRatio();
    const kept = Math.exp(-seconds / MET_MEMORY_SECONDS);
    this.#met = this.#met * kept + met;
    this.#expectedMet = this.#expectedMet * kept + expectedByBase;
  }

  #metRatio(): number {
    if (this.#cycles > 0) return 1;
    const deviation = Math.abs(this.#met - this.#expectedMet);
    if (deviation < MET_SIGMAS * Math.sqrt(2 * Math.max(this.#met, this.#expectedMet) + PRIOR_COLLECTIONS)) return 1;
    return (this.#met + PRIOR_COLLECTIONS) / (this.#expectedMet + PRIOR_COLLECTIONS);
  }

  #average(seconds: number, { expiredDestroyEvents, newEvents }: CollectorTick): void {
    const weight = -Math.expm1(-seconds / RATE_SECONDS);
    this.#collectedPerSecond += (expiredDestroyEvents / seconds - this.#collectedPerSecond) * weight;
    this.#newPerSecond += (newEvents / seconds - this.#newPerSecond) * weight;
  }

  #observeReap(): void {
    this.#sinceSweepSeconds = 0;
    this.#justSwept = true;
    this.#isForced = true;
    this.#cycleSeconds = 0;
  }

  /** Taken for a sweep at once; when it does not end it was none. */
  #observeSweeping(seconds: number, events: number): void {
    if (this.#sweepSeconds === 0) this.#beforeSweepSeconds = this.#sinceSweepSeconds - seconds;
    this.#sweepSeconds += seconds;
    this.#sweepEvents += events;
    if (this.#sweepSeconds > Math.max(SWEEP_LENGTH_SECONDS, seconds)) {
      this.#sinceSweepSeconds = this.#beforeSweepSeconds + this.#sweepSeconds;
      this.#sweepSeconds = 0;
      this.#sweepEvents = 0;
      this.#rateCount = 0;
      return;
    }
    this.#sinceSweepSeconds = 0;
    this.#justSwept = true;
  }

  #finishSweep(): void {
    const intervalSeconds = this.#sinceSeenSeconds - this.#sweepSeconds;
    if (!this.#isForced && intervalSeconds <= SWEEP_SECONDS + LATE_SECONDS) {
      this.#intervalSeconds = Math.max(INTERVAL_MIN_SECONDS, intervalSeconds);
      // The first cycle began at an unknown moment, one after a dump is short.
      // Lookups went on beside it.
      this.#learn(Math.max(0, this.#sweepEvents - this.#collectedPerSecond * this.#sweepSeconds), intervalSeconds);
    }
    this.#sinceSeenSeconds = this.#sweepSeconds;
    this.#isPhaseKnown = true;
    this.#isForced = false;
    this.#sweepSeconds = 0;
    this.#sweepEvents = 0;
    this.#cycleSeconds = 0;
  }

  /** The kernel always sweeps; one that was not seen brought little. Long without one, it is the lookups that do it all. */
  #assumeSweep(): void {
    this.#sinceSweepSeconds = LATE_SECONDS;
    this.#justSwept = true;
    if (this.#cycleSeconds <= SWEEP_SECONDS + LATE_SECONDS) return;
    this.#intervalSeconds = SWEEP_SECONDS;
    this.#learn(UNSEEN_SECONDS * this.#collectedPerSecond, this.#cycleSeconds);
    this.#isForced = false;
    this.#cycleSeconds = 0;
  }

  #learn(sweptEvents: number, cycleSeconds: number): void {
    if (this.#newPerSecond <= 0) return;
    // The rates are of some seconds before the sweep, when a little less was there.
    const y = this.#hazardPerNewFlow * this.#newPerSecond * cycleSeconds;
    const lag = Math.min(1, RATE_SECONDS / cycleSeconds) * (y < 1e-6 ? 1 : y / Math.expm1(y));
    const exposure = sweptEvents * (1 - lag) * this.#newPerSecond * RATE_SECONDS;
    const prior = PRIOR_COLLECTIONS / this.#hazardPerNewFlow;
    this.#collected = this.#collected * CYCLE_KEPT + this.#collectedPerSecond * RATE_SECONDS;
    this.#exposure = this.#exposure * CYCLE_KEPT + exposure;
    this.#cycles += 1;
    this.#hazardPerNewFlow = (this.#collected + PRIOR_COLLECTIONS) / (this.#exposure + prior);
  }

  #standsOut(seconds: number, events: number, expected: number): boolean {
    const rate = events / seconds;
    const size = Math.min(this.#rateCount, RATE_RING);
    let isHigh = false;
    if (size >= RATES_MIN && events >= SWEEP_EVENTS_MIN) {
      // More than half of them are that much lower: so is their median.
      let lower = 0;
      for (let i = 0; i < size; i++) if (rate > SWEEP_FACTOR * (this.#rates[i] ?? 0)) lower += 1;
      isHigh = lower > size >> 1 && rate > SWEEP_FACTOR * (expected / seconds);
    }
    if (!isHigh) {
      this.#rates[this.#rateCount % RATE_RING] = rate;
      this.#rateCount += 1;
    }
    return isHigh;
  }
}
