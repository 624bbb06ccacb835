/**
 * When the kernel collects expired entries: the sweeps of its garbage collector, and the lookups that meet them in between.
 *
 * A sweep comes every G <= 60 s and takes all, 32,000 a second; between two, lookups meet what has expired (`lookup-hazard.ts`).
 *
 *   DESTROY rate  __.__|^|__.__|^|__      a tick with many times the usual rate is a sweep; when none can be seen, lookups do it all
 *
 * A dump takes all as well, ours or another's, but the next sweep comes when it would have. Does not know which entry expired
 * when: see `hazards.ts`. Source: gc_worker() in nf_conntrack_core.c.
 */
import { LookupHazard, type LookupHazardEstimate } from './lookup-hazard.js';

/** One tick of collections. */
export interface CollectorTick {
  readonly atSeconds: number;
  readonly seconds: number;
  readonly newEvents: number;
  /** DESTROY events of entries that had expired by time, received plus lost. */
  readonly expiredDestroyEvents: number;
  /** Entries that had expired and were still there, as modelled, 0 by default. */
  readonly expiredEntries?: number;
  /** A dump has just collected every expired entry. */
  readonly reapedNow?: boolean;
}

/** The collector at the end of the last tick. */
export interface CollectorSnapshot {
  /** Since the last sweep or dump; at most the time observed. */
  readonly sinceSweepSeconds: number;
  /** Between two sweeps: measured, or the kernel's longest, 60 s. */
  readonly intervalSeconds: number;
  /** To the next sweep, at least 0; while none was seen, the middle of the time left for it. */
  readonly untilSweepSeconds: number;
  /** A sweep was seen, so the next one can be told. */
  readonly isPhaseKnown: boolean;
  /** A sweep has shown how much lookups had left, so the next value rests on a measurement. */
  readonly isHazardKnown: boolean;
  /** That a lookup meets an expired entry. */
  readonly lookups: LookupHazardEstimate;
}

/** Longest interval of the collector, and that of any table with many established or TIME_WAIT entries. */
export const SWEEP_SECONDS = 60;
/** A tick with this many times the median rate, and what lookups bring, is a sweep, when it brings at least so many events. */
const SWEEP_FACTOR = 6;
/** One that is on goes on down to so many times what lookups brought before it: it shares the collector with other namespaces. */
const SWEEP_ON_FACTOR = 3;
const SWEEP_EVENTS_MIN = 20;
/** A higher rate that lasts longer is a new level: a sweep removes 32,000 entries a second. */
const SWEEP_LENGTH_SECONDS = 12;
/** The collector never comes back sooner: its mean starts at 60 s and its arithmetic stops it above 3 s (5.8 s with HZ=250). */
const INTERVAL_MIN_SECONDS = 3;
/** A sweep that is this late was too small to be seen. */
const LATE_SECONDS = 4;
/** Ticks whose rates the median is taken of, and how many it needs. */
const RATE_RING = 128;
const RATES_MIN = 24;
/** Modelled entries that a sweep surely shows: so many times those that would stand out. */
const VISIBLE_FACTOR = 2;
/** Rates before a sweep are averages over about this long, seconds. */
const RATE_SECONDS = 6;
/** What a sweep may bring without standing out, in seconds of the mean rate. */
const UNSEEN_SECONDS = 0.5;
/** Buckets of a host that does not tell: the kernel's default with 4 GB of memory or more. */
const DEFAULT_BUCKETS = 262_144;

/** Follows the collector. Feed it once a tick. */
export class Collector {
  readonly #rates = new Float64Array(RATE_RING);
  #rateCount = 0;
  #sinceSweepSeconds = 0;
  /** Since the last sweep that was seen or assumed began; the first is taken to have been long ago. */
  #sincePhaseSeconds = Number.POSITIVE_INFINITY;
  /** Without a known phase: how long a sweep would have shown. */
  #visibleSeconds = 0;
  #beforeSweepSeconds = 0;
  #intervalSeconds = SWEEP_SECONDS;
  #measuredSeconds = SWEEP_SECONDS;
  #isPhaseKnown = false;
  /** The last collection of everything was a dump's. */
  #isForced = true;
  #sweepSeconds = 0;
  #sweepEvents = 0;
  #modelledEntries = 0;
  #collectedPerSecond = 0;
  readonly #lookups: LookupHazard;
  #justSwept = false;

  /** `buckets` is nf_conntrack_buckets, absent when unreadable. */
  constructor(buckets: number | undefined) {
    this.#lookups = new LookupHazard(buckets !== undefined && buckets > 0 ? buckets : DEFAULT_BUCKETS);
  }

  /** Whether everything that had expired was collected in the last tick. */
  get justSwept(): boolean {
    return this.#justSwept;
  }

  /** While a sweep is on, the part of what had expired that it has not come to yet, 0..1; 0 when it is over. */
  get unsweptRatio(): number {
    if (this.#sweepSeconds === 0 || this.#modelledEntries <= 0) return 0;
    return Math.max(0, 1 - this.#sweepEvents / this.#modelledEntries);
  }

  /** Takes one tick. */
  observe({ seconds: length, newEvents, expiredDestroyEvents, expiredEntries = 0, reapedNow }: CollectorTick): void {
    const seconds = Math.max(0, length);
    this.#justSwept = false;
    this.#sinceSweepSeconds += seconds;
    this.#sincePhaseSeconds += seconds;
    if (reapedNow === true) {
      this.#observeReap();
      return;
    }
    if (seconds <= 0) return;
    const { perNewFlow, perSecond } = this.#lookups.estimate;
    const expected = expiredEntries * -Math.expm1(-(perNewFlow * newEvents + perSecond * seconds));
    const standsOut = this.#standsOut(seconds, expiredDestroyEvents, expected);
    const mayBegin =
      this.#sweepSeconds > 0 || this.#sinceSweepSeconds - seconds >= INTERVAL_MIN_SECONDS || !this.#isPhaseKnown;
    if (standsOut && mayBegin) {
      this.#observeSweeping(seconds, expiredDestroyEvents, expiredEntries);
      return;
    }
    if (!standsOut) {
      this.#lookups.observe({ seconds, newEvents, expiredEntries, collected: expiredDestroyEvents });
      this.#collectedPerSecond +=
        (expiredDestroyEvents / seconds - this.#collectedPerSecond) * -Math.expm1(-seconds / RATE_SECONDS);
    }
    if (this.#sweepSeconds > 0) this.#finishSweep();
    else this.#awaitSweep(seconds, expiredEntries);
  }

  /** The collector now. */
  snapshot(): CollectorSnapshot {
    const left = this.#isPhaseKnown
      ? this.#intervalSeconds - this.#sincePhaseSeconds
      : (this.#intervalSeconds - Math.min(this.#visibleSeconds, this.#intervalSeconds)) / 2;
    return {
      sinceSweepSeconds: this.#sinceSweepSeconds,
      intervalSeconds: this.#intervalSeconds,
      untilSweepSeconds: this.#sweepSeconds > 0 ? 0 : Math.max(0, left),
      isPhaseKnown: this.#isPhaseKnown,
      isHazardKnown: this.#lookups.isConfirmed,
      lookups: this.#lookups.estimate,
    };
  }

  #observeReap(): void {
    this.#sinceSweepSeconds = 0;
    this.#visibleSeconds = 0;
    this.#justSwept = true;
    this.#isForced = true;
    this.#lookups.cutCycle();
  }

  /** Taken for a sweep at once; when it does not end it was none. */
  #observeSweeping(seconds: number, events: number, expiredEntries: number): void {
    if (this.#sweepSeconds === 0) {
      this.#beforeSweepSeconds = this.#sinceSweepSeconds - seconds;
      this.#modelledEntries = expiredEntries;
    }
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
    const intervalSeconds = this.#sincePhaseSeconds - this.#sweepSeconds;
    if (!this.#isForced && intervalSeconds <= SWEEP_SECONDS + LATE_SECONDS) {
      // Another's dump looks like a sweep, and makes two intervals short.
      this.#intervalSeconds = Math.max(INTERVAL_MIN_SECONDS, intervalSeconds, this.#measuredSeconds);
      this.#measuredSeconds = intervalSeconds;
    }
    // Lookups went on beside it.
    const swept = Math.max(0, this.#sweepEvents - this.#collectedPerSecond * this.#sweepSeconds);
    this.#lookups.endCycle(swept, this.#modelledEntries);
    this.#sincePhaseSeconds = this.#sweepSeconds;
    this.#isPhaseKnown = true;
    this.#isForced = false;
    this.#sweepSeconds = 0;
    this.#sweepEvents = 0;
  }

  /** The kernel always sweeps; one that is late and was not seen brought little. */
  #awaitSweep(seconds: number, expiredEntries: number): void {
    const lateSeconds = this.#intervalSeconds + LATE_SECONDS;
    const outstanding = Math.max(SWEEP_EVENTS_MIN, SWEEP_FACTOR * this.#collectedPerSecond * seconds);
    const isVisible = expiredEntries > VISIBLE_FACTOR * outstanding;
    this.#visibleSeconds = isVisible ? this.#visibleSeconds + seconds : 0;
    const isLate = this.#isPhaseKnown
      ? this.#sincePhaseSeconds > lateSeconds
      : this.#sinceSweepSeconds > lateSeconds && !(isVisible && this.#visibleSeconds <= lateSeconds);
    if (!isLate) return;
    this.#sinceSweepSeconds = LATE_SECONDS;
    this.#sincePhaseSeconds = this.#isPhaseKnown ? LATE_SECONDS : this.#sincePhaseSeconds;
    this.#visibleSeconds = 0;
    this.#justSwept = true;
    // Long without one, it is the lookups that do it all.
    this.#intervalSeconds = SWEEP_SECONDS;
    this.#measuredSeconds = SWEEP_SECONDS;
    this.#lookups.endCycle(UNSEEN_SECONDS * this.#collectedPerSecond, expiredEntries);
  }

  #standsOut(seconds: number, events: number, expected: number): boolean {
    const rate = events / seconds;
    const size = Math.min(this.#rateCount, RATE_RING);
    let isHigh = false;
    if (this.#sweepSeconds > 0) {
      isHigh = events >= SWEEP_EVENTS_MIN && rate > SWEEP_ON_FACTOR * this.#collectedPerSecond;
    } else if (size >= RATES_MIN && events >= SWEEP_EVENTS_MIN) {
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
