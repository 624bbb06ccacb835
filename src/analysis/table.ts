/**
 * What the table's count is made of: live entries, expired ones the kernel has not collected, and blind ones.
 *
 * The collector sweeps about every G = 60 s; between sweeps an expired entry goes only when a lookup passes its hash bucket,
 * a hazard of h = 2 * new rate / buckets per second. With L entries expiring per second, t after a sweep, expired entries are
 *
 *   Z(t) = L/h (1 - e^(-ht))          count ^  /| /| /|   peak Z(G), collected at once
 *                                           | / |/ |/ |   live below
 *
 * L is learned from the DESTROY events of whole cycles, so it lags a change by up to a cycle. Nothing is said before one was seen.
 * It does not forecast. Source: gc_worker() and ____nf_conntrack_find() in linux/net/netfilter/nf_conntrack_core.c.
 */

/** What one tick brought. Events are received plus lost. */
export interface TableTick {
  /** End of the tick, seconds on the clock all ticks share. */
  readonly atSeconds: number;
  /** Length of the tick. */
  readonly seconds: number;
  readonly newEvents: number;
  readonly destroyEvents: number;
  /** Those of `destroyEvents` whose entry had expired by time (no CTA_TIMEOUT). */
  readonly expiredDestroyEvents: number;
  /** The kernel's count, when a reading arrived in this tick. */
  readonly count?: number;
  /** nf_conntrack_max (or what is assumed instead), when known. */
  readonly max?: number;
  /** A dump has just collected every expired entry. */
  readonly reapedNow?: boolean;
}

/** The state of the table. Whole or fractional entries, never negative; `live + expired = count` when present. */
export interface TableSnapshot {
  /** Entries in the table: the last reading, carried forward with the events since. Absent before the first. */
  readonly count?: number;
  readonly max?: number;
  /** Entries not yet expired. Known once a whole cycle or 75 s without one
   * were seen, and for the first 10 s of a table that was empty or reaped: nothing can have expired in that time. */
  readonly live?: number;
  /** Expired entries that still count. Absent like `live`. */
  readonly expired?: number;
  /** Most entries of the initial count that may still be there and never send a DESTROY. Never grows. */
  readonly blind: number;
  /** Expired entries just before the next collection, if entries go on expiring at the present rate. */
  readonly expiredPeak?: number;
  /** Mean of the expired entries over a collection cycle at the present rate. Present with `expiredPeak`. */
  readonly expiredMean?: number;
  /** Time between two collections: measured, or the kernel's longest, 60 s. */
  readonly sweepIntervalSeconds?: number;
}

/** Longest interval of the collector, and what any table with established or TIME_WAIT entries has. */
export const SWEEP_SECONDS = 60;
/** No default timeout is shorter (TCP CLOSE): a table that was just empty or reaped has nothing expired for this long. */
const SHORTEST_TIMEOUT_SECONDS = 10;
/** A tick with this many times the median DESTROY rate is a sweep... */
const SWEEP_FACTOR = 6;
/** ...when it has at least this many events: small numbers jump. */
const SWEEP_EVENTS_MIN = 20;
/** A sweep removes 32,000 entries a second; ticks this close together belong to one. */
const SAME_SWEEP_SECONDS = 2;
/** Without a sweep for this long, lookups do the collecting, or nothing expires. Longer than any interval with its pass. */
const NO_SWEEP_SECONDS = 75;
/** Readings whose largest drift counts: a reading and the events beside it are some milliseconds apart. */
const DRIFT_RING = 8;
/** Expired entries that a sweep may collect without standing out, in seconds of their rate: `SWEEP_FACTOR` ticks. */
const UNSEEN_SECONDS = 1.5;
/** Ticks whose DESTROY rates the median is taken of. */
const RATE_RING = 128;
/** Ticks before the median means anything: a new level must not become the median before it is too long for a sweep. */
const RATES_MIN = 64;
/** A higher rate that lasts longer is a new level: a sweep removes 32,000 entries a second and is over. */
const SWEEP_LENGTH_SECONDS = 10;
/** Shorter ticks have counts but no rate. */
const MEASURABLE_SECONDS = 0.001;
/** Time constant of the rate of new entries in h, seconds. */
const NEW_RATE_MEMORY_SECONDS = 30;

/** Splits the count of the conntrack table. Feed it once a tick. */
export class TableModel {
  readonly #buckets: number | undefined;
  readonly #initialCount: number;
  readonly #rates = new Float64Array(RATE_RING);
  readonly #sortedRates = new Float64Array(RATE_RING);
  #rateCount = 0;
  /** How long the DESTROY rate has stood out. */
  #risenSeconds = 0;
  #risenEvents = 0;
  #observedSeconds = 0;
  #newTotal = 0;
  #destroyTotal = 0;
  #count: number | undefined;
  #max: number | undefined;
  #blind: number;
  #newPerSecond = 0;
  readonly #drifts = new Float64Array(DRIFT_RING);
  #readings = 0;
  #expiredInCycle = 0;
  #cycleSeconds = 0;
  /** Whether nothing expired was left when this cycle began, so that it is known how long its entries took to expire. */
  #isCycleWhole = false;
  #finishedCycleSeconds = SWEEP_SECONDS;
  /** The last cycle ended with a sweep that stood out. */
  #isSwept = false;
  #expiryPerSecond: number | undefined;
  #sinceSweepSeconds: number | undefined;
  #sinceEmptySeconds: number | undefined;
  #lastSweepAtSeconds: number | undefined;
  /** The last sweep was a dump's, so it tells no interval. */
  #isLastSweepForced = false;
  #sweepSeconds = SWEEP_SECONDS;

  /** `buckets` is nf_conntrack_buckets, absent when unreadable; `initialCount` the count when listening began. */
  constructor(settings: { readonly buckets?: number; readonly initialCount: number }) {
    this.#buckets = settings.buckets !== undefined && settings.buckets > 0 ? settings.buckets : undefined;
    this.#initialCount = Math.max(0, settings.initialCount);
    this.#blind = this.#initialCount;
    if (settings.initialCount > 0) return;
    this.#sinceEmptySeconds = 0;
    this.#isCycleWhole = true;
  }

  /** Takes one tick. */
  observe(tick: TableTick): void {
    const seconds = Math.max(0, tick.seconds);
    this.#observedSeconds += seconds;
    this.#newTotal += tick.newEvents;
    this.#destroyTotal += tick.destroyEvents;
    if (tick.max !== undefined) this.#max = tick.max;
    this.#observeCount(tick);
    if (seconds >= MEASURABLE_SECONDS) {
      const weight = 1 - Math.exp(-seconds / Math.min(NEW_RATE_MEMORY_SECONDS, this.#observedSeconds));
      this.#newPerSecond += (tick.newEvents / seconds - this.#newPerSecond) * weight;
    }
    // A sweep that comes before the median means anything is not seen, so it must not be counted either.
    if (!this.#isCycleWhole && this.#rateCount < RATES_MIN) this.#restartCycle();
    this.#expiredInCycle += tick.expiredDestroyEvents;
    this.#cycleSeconds += seconds;
    if (this.#sinceSweepSeconds !== undefined) this.#sinceSweepSeconds += seconds;
    if (this.#sinceEmptySeconds !== undefined) this.#sinceEmptySeconds += seconds;
    if (tick.reapedNow === true) this.#observeReap(tick.atSeconds);
    else if (this.#isSweepOver(seconds, tick.expiredDestroyEvents)) this.#observeSweep(tick.atSeconds, seconds);
    else if (this.#cycleSeconds >= NO_SWEEP_SECONDS) this.#finishCycle(false);
  }

  /** The table at the end of the last tick. */
  snapshot(): TableSnapshot {
    const count = this.#count;
    const known = count === undefined ? undefined : this.#expired(count);
    return {
      blind: this.#blind,
      ...(count === undefined ? {} : { count }),
      ...(this.#max === undefined ? {} : { max: this.#max }),
      ...(count === undefined || known === undefined ? {} : { live: count - known, expired: known }),
      ...this.#cycle(),
    };
  }

  #cycle(): Pick<TableSnapshot, 'expiredPeak' | 'expiredMean' | 'sweepIntervalSeconds'> {
    const rate = this.#expiryPerSecond;
    if (rate === undefined) return {};
    return {
      expiredPeak: this.#modelled(this.#sweepSeconds, rate),
      expiredMean: this.#modelledMean(rate),
      sweepIntervalSeconds: this.#sweepSeconds,
    };
  }

  /** Readings are exact; between two the events tell, except for entries that leave without one. */
  #observeCount(tick: TableTick): void {
    if (tick.count === undefined) {
      if (this.#count !== undefined) this.#count = Math.max(0, this.#count + tick.newEvents - tick.destroyEvents);
      return;
    }
    this.#count = Math.max(0, tick.count);
    // Entries that leave without a DESTROY make the count fall below what the events add up to, and no more entries can be
    // blind than there are. Initial entries that do send DESTROY cannot be told from new ones by counting, so this is a bound.
    const drift = this.#count - (this.#initialCount + this.#newTotal - this.#destroyTotal);
    this.#drifts[this.#readings % DRIFT_RING] = drift;
    this.#readings += 1;
    this.#blind = Math.min(this.#blind, this.#count);
    if (this.#readings < DRIFT_RING) return;
    this.#blind = Math.max(0, Math.min(this.#blind, this.#initialCount + Math.max(...this.#drifts)));
  }

  #expired(count: number): number | undefined {
    if (this.#sinceEmptySeconds !== undefined && this.#sinceEmptySeconds <= SHORTEST_TIMEOUT_SECONDS) return 0;
    if (this.#expiryPerSecond === undefined) return undefined;
    const ageSeconds = this.#sinceSweepSeconds;
    // Without a sweep in sight lookups do the collecting, or the phase is unknown: the mean over a cycle is what can be said.
    const expired =
      ageSeconds === undefined
        ? this.#modelledMean(this.#expiryPerSecond)
        : this.#modelled(Math.min(ageSeconds, this.#sweepSeconds), this.#expiryPerSecond);
    return Math.max(0, Math.min(count, expired));
  }

  /** Z(t). */
  #modelled(ageSeconds: number, expiryPerSecond: number): number {
    const hazard = this.#hazardPerSecond();
    const gone = hazard * ageSeconds;
    // The kernel always sweeps. When no sweep stands out there was little left to collect, whatever collects it.
    if (!this.#isSwept) return expiryPerSecond * Math.min(ageSeconds, UNSEEN_SECONDS);
    return gone < 1e-6 ? expiryPerSecond * ageSeconds : (expiryPerSecond / hazard) * -Math.expm1(-gone);
  }

  /** Mean of Z over a cycle. */
  #modelledMean(expiryPerSecond: number): number {
    const hazard = this.#hazardPerSecond();
    const gone = hazard * this.#sweepSeconds;
    if (!this.#isSwept) return this.#modelled(this.#sweepSeconds, expiryPerSecond);
    if (gone < 1e-4) return (expiryPerSecond * this.#sweepSeconds) / 2;
    return (expiryPerSecond / hazard) * (1 + Math.expm1(-gone) / gone);
  }

  #hazardPerSecond(): number {
    return this.#buckets === undefined ? 0 : (2 * this.#newPerSecond) / this.#buckets;
  }

  /** A sweep is known when it is over: entries that begin to expire also raise the rate, but it stays up. */
  #isSweepOver(seconds: number, events: number): boolean {
    if (seconds < MEASURABLE_SECONDS) return false;
    const isRising = this.#standsOut(seconds, events);
    const risenSeconds = this.#risenSeconds;
    if (isRising || (risenSeconds > 0 && (events / seconds) * 2 > this.#risenEvents / risenSeconds)) {
      this.#risenSeconds += seconds;
      this.#risenEvents += events;
      return false;
    }
    this.#risenSeconds = 0;
    this.#risenEvents = 0;
    return risenSeconds > 0 && risenSeconds <= Math.max(SWEEP_LENGTH_SECONDS, seconds);
  }

  #standsOut(seconds: number, events: number): boolean {
    const rate = events / seconds;
    const size = Math.min(this.#rateCount, RATE_RING);
    let isHigh = false;
    if (size >= RATES_MIN && events >= SWEEP_EVENTS_MIN) {
      const sorted = this.#sortedRates.subarray(0, size);
      sorted.set(this.#rates.subarray(0, size));
      sorted.sort();
      isHigh = rate > SWEEP_FACTOR * (sorted[size >> 1] ?? 0);
    }
    this.#rates[this.#rateCount % RATE_RING] = rate;
    this.#rateCount += 1;
    return isHigh;
  }

  /** Called in the first tick after a sweep. */
  #observeSweep(atSeconds: number, seconds: number): void {
    const last = this.#lastSweepAtSeconds;
    this.#lastSweepAtSeconds = atSeconds;
    this.#sinceSweepSeconds = seconds;
    if (last !== undefined && atSeconds - last <= SAME_SWEEP_SECONDS) {
      // The same sweep goes on: what it brings still belongs to the cycle that it ended.
      if (this.#expiryPerSecond !== undefined) {
        this.#expiryPerSecond += this.#expiredInCycle / this.#finishedCycleSeconds;
      }
      this.#restartCycle();
      return;
    }
    if (last !== undefined && !this.#isLastSweepForced && atSeconds - last <= NO_SWEEP_SECONDS) {
      this.#sweepSeconds = Math.min(SWEEP_SECONDS, atSeconds - last);
    }
    this.#isLastSweepForced = false;
    this.#finishCycle(true);
  }

  /** A dump collects everything; the events of what it collected come in this tick or the next ones. */
  #observeReap(atSeconds: number): void {
    this.#sinceSweepSeconds = 0;
    this.#sinceEmptySeconds = 0;
    this.#lastSweepAtSeconds = atSeconds;
    this.#isLastSweepForced = true;
    if (this.#isCycleWhole && this.#cycleSeconds >= SHORTEST_TIMEOUT_SECONDS) this.#finishCycle(true);
    else this.#restartCycle();
    this.#isCycleWhole = true;
  }

  /** Ends a cycle. One that began at an unknown moment brought, with its sweep, what expired in a whole interval. */
  #finishCycle(isSwept: boolean): void {
    const wholeSeconds =
      this.#isCycleWhole || !isSwept ? this.#cycleSeconds : Math.max(this.#cycleSeconds, SWEEP_SECONDS);
    if (wholeSeconds > 0) {
      this.#expiryPerSecond = this.#expiredInCycle / wholeSeconds;
      this.#finishedCycleSeconds = wholeSeconds;
    }
    this.#isCycleWhole = isSwept;
    this.#isSwept = isSwept;
    if (!isSwept) this.#sinceSweepSeconds = undefined;
    this.#restartCycle();
  }

  #restartCycle(): void {
    this.#expiredInCycle = 0;
    this.#cycleSeconds = 0;
  }
}
