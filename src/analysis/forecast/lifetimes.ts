/**
 * What is in the table: entries by class and age, live or expired, learned from NEW and DESTROY of a sample of the flows.
 *
 *   NEW ──> cohort of its second of birth ──(each second)──> a second older ──> DESTROY takes it out
 *
 * Cohorts (`cohorts.ts`) are what a forecast starts from; how long they last is learned in `hazards.ts`, when the kernel
 * collects them in `collector.ts`, how many more will come in `arrivals.ts`. A flow that was lost is stood for by those of its
 * second that were seen; so is an end that was lost. Entries older than the daemon are known from the initial dump alone.
 */
import { type EventBatch, type EventColumns, PRESENT } from '../../model/batch.js';
import type { ProtocolTimeouts } from '../../model/record.js';
import { Arrivals } from './arrivals.js';
import { Cohorts } from './cohorts.js';
import { Collector, type CollectorSnapshot } from './collector.js';
import type { Endings } from './endings.js';
import { CLASS_COUNT, type FlowClass, FlowClasses } from './flow-classes.js';
import { AGE_BINS, AGES_SECONDS, Hazards, type LearnedHazards, nextBin } from './hazards.js';
import { InitialEntries, type InitialView, initialParts } from './initial-entries.js';
import { PooledHazards } from './pooled-hazards.js';
import { type SightedLives, Sightings } from './sightings.js';
import type { AssumedTimeout } from './survival.js';
import { TrackedFlows } from './tracked-flows.js';
import type { Trend } from './trend.js';

/** A port may take over a class this often, seconds. */
const ROTATE_SECONDS = 60;
/** Pools change slowly, so they are made anew this often, seconds. */
const POOL_SECONDS = 5;
/** After a longer gap nothing in the cohorts is resolved any more. */
const CATCH_UP_SECONDS = 2 * AGES_SECONDS;
/** The rate that the collector's lookups go with is a mean over this long, seconds. */
const LOOKUP_RATE_SECONDS = 5;

/** Age up to which a burst's onset limits the windows that its rate is read from. */
const YOUNG_BURST_SECONDS = 3;

const ALL_LIVE = new Float64Array(AGE_BINS).fill(1);

/** What is known of one class. */
export interface ClassLifetimes extends FlowClass, LearnedHazards {
  readonly index: number;
  /** Entries that have not expired, by age bin in seconds; the last is all that are older. Valid until the next view. */
  readonly liveByAge: Float64Array;
  /** Entries that have expired and still count. */
  readonly expired: number;
  /** Collections of the last minute over what was expected, 1 when that is not significant. */
  readonly hazardRatio: number;
  /** Its ends over those of the protocol's other classes at the same ages; 1 unless they are surely far fewer. */
  readonly endsRatio: number;
  /** How its flows are likely to end, when something tells that before they do. */
  readonly endings?: Endings;
  /** What look-ups of young flows say; absent when none was found. */
  readonly sighted?: SightedLives;
  /** Where its arrivals are going. */
  readonly trend: Trend;
}

/** Everything a forecast needs to know about the table. */
export interface LifetimesView {
  readonly classes: readonly ClassLifetimes[];
  /** Pooled over the classes of a protocol, by IPPROTO number (0: unusual ones). */
  readonly pooled: ReadonlyMap<number, LearnedHazards>;
  readonly initial: InitialView;
  readonly collector: CollectorSnapshot;
  /** New flows per second, all classes. */
  readonly newPerSecond: number;
  /** Variance over mean of arrivals, at least 1. */
  readonly dispersion: number;
  /** How long arrivals have been observed. */
  readonly observedSeconds: number;
  /** The kernel's timeouts, for the ages that are not known. */
  readonly timeouts: ProtocolTimeouts;
  /** Timeouts that are taken to be others. */
  readonly assumed: readonly AssumedTimeout[];
}

export interface LifetimesSettings {
  readonly timeouts?: ProtocolTimeouts;
  /** nf_conntrack_buckets. */
  readonly buckets?: number;
  readonly assumed?: readonly AssumedTimeout[];
}

/** What a tick brought that the rows did not tell. */
export interface LifetimesTick {
  readonly atSeconds: number;
  readonly seconds: number;
  /** Received plus lost; by default what was seen. */
  readonly newEvents?: number;
  /** DESTROY events that were lost. */
  readonly lostDestroyEvents?: number;
  /** A dump has just collected every expired entry. */
  readonly reapedNow?: boolean;
}

/** Follows the table. Feed every event, then `advance` once a tick. */
export class Lifetimes {
  readonly #classes = new FlowClasses();
  readonly #tracked = new TrackedFlows();
  readonly #arrivals = new Arrivals();
  readonly #collector: Collector;
  readonly #initial: InitialEntries;
  readonly #pools: PooledHazards;
  readonly #sightings: Sightings;
  readonly #hazards: readonly Hazards[] = Array.from({ length: CLASS_COUNT }, () => new Hazards());
  readonly #cohorts = new Cohorts();
  /** Of the last view, by class. */
  readonly #liveRatios = new Float64Array(AGE_BINS);
  readonly #liveByAge: readonly Float64Array[] = Array.from({ length: CLASS_COUNT }, () => new Float64Array(AGE_BINS));
  readonly #timeouts: ProtocolTimeouts;
  #assumed: readonly AssumedTimeout[];
  readonly #onThinned = (index: number, born: number) => this.#withdraw(index, born, 1); // Made once, not for each flow.
  #originSeconds = Number.NaN;
  #second = 0;
  #atSeconds = 0;
  /** Of the second that is being filled. */
  #isSwept = false;
  /** Second in which it began. */
  #sweptSince = 0;
  /** A sweep that was on in the last tick may go on: the second of its end counts. */
  #isSweeping = false;
  #destroyEvents = 0;
  #lostDestroyEvents = 0;
  /** Of the tick that is being filled. */
  #expiredDestroyEvents = 0;
  /** Whole seconds since the one in which everything was last collected. */
  #windowSeconds = 1;

  /** `timeouts` and `buckets` as the kernel has them, with its defaults for what is absent; `assumed` changes the forecast alone. */
  constructor({ timeouts = {}, buckets, assumed = [] }: LifetimesSettings = {}) {
    this.#timeouts = timeouts;
    this.#assumed = assumed;
    this.#collector = new Collector(buckets);
    this.#pools = new PooledHazards(timeouts);
    this.#initial = new InitialEntries(timeouts);
    this.#sightings = new Sightings(timeouts);
  }

  /** Other timeouts to assume from the next view on. */
  configure(assumed: readonly AssumedTimeout[]): void {
    this.#assumed = assumed;
  }

  /** Counts the NEW event in `row`; follows it when it is in the sample. Allocates nothing, unless the sample is thinned. */
  observeNew(atSeconds: number, columns: EventColumns, row: number): void {
    this.#catchUp(atSeconds);
    const flowClass = this.#classes.observeNew(columns, row);
    this.#arrivals.observe(flowClass);
    const tracked = this.#tracked;
    if (!tracked.isSampled(columns, row)) return;
    let slot = tracked.find(columns, row);
    if (slot < 0 && tracked.isFull) {
      tracked.thin(this.#onThinned);
      if (!tracked.isSampled(columns, row) || tracked.isFull) return;
      slot = tracked.find(columns, row);
    }
    if (slot >= 0) {
      // The DESTROY in between was lost, or follows in this batch because a closed TCP entry was opened again.
      this.#leave(tracked.classAt(slot), tracked.bornAt(slot));
      tracked.reuse(slot, flowClass, this.#second);
    } else tracked.add(-1 - slot, columns, row, flowClass, this.#second);
    this.#cohorts.add(flowClass, this.#second);
  }

  /** Takes the DESTROY event in `row`. Flows that are not followed are only counted. */
  observeDestroy(atSeconds: number, columns: EventColumns, row: number): void {
    this.#catchUp(atSeconds);
    this.#destroyEvents += 1;
    if (((columns.present[row] ?? 0) & PRESENT.timeout) === 0) this.#expiredDestroyEvents += 1;
    const tracked = this.#tracked;
    if (!tracked.isSampled(columns, row)) return;
    const slot = tracked.find(columns, row);
    if (slot < 0) return;
    const isOldOwner = tracked.takeReused(slot) && ((columns.present[row] ?? 0) & PRESENT.timeout) !== 0;
    if (isOldOwner && this.#second - tracked.bornAt(slot) <= 1) return;
    this.#leave(tracked.classAt(slot), tracked.bornAt(slot));
    tracked.remove(slot);
  }

  /** Takes an entry of the initial dump. */
  observeEntry(atSeconds: number, columns: EventColumns, row: number): void {
    this.#catchUp(atSeconds);
    this.#initial.observe(this.#second, columns, row);
  }

  /** Takes young flows that were looked up. */
  observeLookups(atSeconds: number, { columns, newCount, destroyCount }: EventBatch, ageSeconds: number): void {
    for (let row = 0; row < newCount + destroyCount; row++) {
      const flowClass = this.#classes.classOf(columns, row);
      this.#sightings.observe(atSeconds, flowClass, ageSeconds, columns, row, row < newCount);
    }
  }

  /** Ends a tick. */
  advance({ atSeconds, seconds, newEvents, lostDestroyEvents = 0, reapedNow = false }: LifetimesTick): void {
    this.#catchUp(atSeconds);
    this.#atSeconds = atSeconds;
    const weight = this.#arrivals.advance(seconds, newEvents);
    if (weight > 1) this.#cohorts.weigh(weight, this.#second);
    let expiredEntries = 0;
    for (const hazards of this.#hazards) expiredEntries += hazards.expiredEntries;
    expiredEntries *= this.#tracked.factor;
    this.#collector.observe({
      ...{ atSeconds, seconds, reapedNow },
      expiredEntries,
      newEvents: newEvents ?? 0,
      expiredDestroyEvents: this.#expiredDestroyEvents + lostDestroyEvents,
    });
    this.#isSweeping = this.#collector.justSwept;
    if (this.#isSweeping) {
      if (!this.#isSwept) this.#sweptSince = this.#second;
      this.#isSwept = true;
    }
    this.#lostDestroyEvents += lostDestroyEvents;
    this.#expiredDestroyEvents = 0;
  }

  /** What is known now. With `onsetSeconds`, the beginning of a burst, arrivals before it are not taken for the present. */
  view(onsetSeconds?: number): LifetimesView {
    const dispersion = this.#arrivals.dispersion();
    // Once some seconds of the burst are there, its windows tell where it began.
    const burstSeconds = onsetSeconds === undefined ? Number.POSITIVE_INFINITY : this.#atSeconds - onsetSeconds;
    const since = burstSeconds < YOUNG_BURST_SECONDS ? Math.max(0.2, burstSeconds) : undefined;
    const classes: ClassLifetimes[] = [];
    let newPerSecond = 0;
    for (let index = 0; index < CLASS_COUNT; index++) {
      const described = this.#classes.describe(index);
      if (described === undefined || (this.#cohorts.total(index) <= 0 && this.#arrivals.isIdle(index))) continue;
      const trend = this.#arrivals.trend(index, dispersion, since);
      if (trend === undefined) continue;
      if (trend.ratePerSecond <= 0 && this.#cohorts.total(index) <= 0) continue;
      newPerSecond += trend.ratePerSecond;
      classes.push(this.#describe(index, described, trend));
    }
    return {
      ...{ classes, newPerSecond, dispersion },
      pooled: this.#pools.view(),
      initial: this.#initial.view(this.#atSeconds - this.#originSeconds),
      collector: this.#collector.snapshot(),
      observedSeconds: this.#arrivals.observedSeconds,
      timeouts: this.#timeouts,
      assumed: this.#assumed,
    };
  }

  /** Of `count` entries those that have expired; at most `blind` of them are older than the daemon. */
  expiredEntries(count: number, blind: number): number {
    let tracked = 0;
    let expired = 0;
    for (let index = 0; index < CLASS_COUNT; index++) {
      if (this.#cohorts.total(index) <= 0) continue;
      const ages = this.#agesNow(index);
      const liveRatios = this.#liveRatiosOf(this.#hazards[index] as Hazards);
      const end = this.#agesEndNow(index);
      for (let bin = 0; bin < AGE_BINS; bin = nextBin(bin, end)) {
        const entries = ages[bin] ?? 0;
        tracked += entries;
        expired += entries * (1 - (liveRatios[bin] ?? 1));
      }
    }
    const { factor } = this.#tracked;
    tracked *= factor;
    expired *= factor;
    const initial = Math.min(blind, Math.max(0, count - tracked));
    const { sinceSweepSeconds } = this.#collector.snapshot();
    const view = this.#initial.view(this.#atSeconds - this.#originSeconds);
    const initialExpired = initialParts(view, initial, sinceSweepSeconds).expired;
    return (tracked > 0 ? (expired * (count - initial)) / tracked : 0) + initialExpired;
  }

  /** Flows that are followed now. */
  get trackedCount(): number {
    return this.#tracked.size;
  }

  #describe(index: number, described: FlowClass, trend: Trend): ClassLifetimes {
    const hazards = this.#hazards[index] as Hazards;
    const { factor } = this.#tracked;
    const ages = this.#agesNow(index);
    const liveRatios = this.#liveRatiosOf(hazards);
    const liveByAge = this.#liveByAge[index] as Float64Array;
    let expired = 0;
    const end = this.#agesEndNow(index);
    liveByAge.fill(0, end);
    for (let bin = 0; bin < AGE_BINS; bin = nextBin(bin, end)) {
      const entries = (ages[bin] ?? 0) * factor;
      const live = entries * (liveRatios[bin] ?? 1);
      liveByAge[bin] = live;
      expired += entries - live;
    }
    const learned = hazards.describe();
    const endsRatio = this.#pools.endsRatio(described.protocol, hazards, learned.frontierSeconds);
    const sighted = this.#sightings.view(index, described.protocol);
    const endings = this.#initial.endingsOf(described);
    return {
      ...{ ...described, ...learned, index, liveByAge, expired, trend, endsRatio },
      ...(endings && { endings }),
      hazardRatio: hazards.hazardRatio,
      ...(sighted !== undefined && { sighted }),
    };
  }

  /**
   * What is left right after a sweep is live, although the second is not closed yet; while it is on some is still to be collected.
   * Valid until the next call.
   */
  #liveRatiosOf({ liveRatios }: Hazards): Float64Array {
    if (!this.#isSwept) return liveRatios;
    const unswept = this.#isSweeping ? this.#collector.unsweptRatio : 0;
    if (unswept === 0) return ALL_LIVE;
    const during = this.#liveRatios;
    for (let bin = 0; bin < AGE_BINS; bin++) {
      const live = liveRatios[bin] ?? 1;
      during[bin] = live > 0 ? live / (live + unswept * (1 - live)) : 0;
    }
    return during;
  }

  #agesNow(index: number): Float64Array {
    const passed = Math.max(0, Math.min(1, this.#atSeconds - this.#originSeconds - this.#second));
    return this.#cohorts.entriesNow(index, this.#second, passed);
  }

  /** Bin of `#agesNow` from which on nobody is, but for the pool of the oldest. */
  #agesEndNow(index: number): number {
    return Math.min(AGES_SECONDS, this.#cohorts.agesEnd(index, this.#second) + 1);
  }

  #members(): { readonly protocol: number; readonly hazards: Hazards }[] {
    return this.#hazards.flatMap((hazards, index) => {
      const described = this.#classes.describe(index);
      return described ? [{ protocol: described.protocol, hazards }] : [];
    });
  }

  #catchUp(atSeconds: number): void {
    if (Number.isNaN(this.#originSeconds)) this.#originSeconds = atSeconds;
    const second = Math.floor(atSeconds - this.#originSeconds);
    if (second - this.#second > CATCH_UP_SECONDS) this.#second = second - CATCH_UP_SECONDS;
    while (this.#second < second) this.#closeSecond();
  }

  #closeSecond(): void {
    const { lookups } = this.#collector.snapshot();
    let newPerSecond = 0;
    for (let index = 0; index < CLASS_COUNT; index++) {
      newPerSecond += this.#arrivals.ratePerSecond(index, LOOKUP_RATE_SECONDS);
    }
    if (this.#second % POOL_SECONDS === 0) this.#pools.relearn(this.#members());
    const isSwept = this.#isSwept && !this.#isSweeping;
    const sweepSeconds = isSwept ? this.#second - this.#sweptSince + 1 : 0;
    const lost = this.#destroyEvents > 0 ? this.#lostDestroyEvents / this.#destroyEvents : 0;
    for (let index = 0; index < CLASS_COUNT; index++) {
      const hazards = this.#hazards[index] as Hazards;
      const protocol = this.#classes.describe(index)?.protocol;
      if (protocol === undefined) continue;
      if (lost > 0)
        hazards.forEachCollected((age, entries) => this.#withdraw(index, this.#second - age, lost * entries));
      if (!hazards.isActive && this.#cohorts.total(index) <= 0) continue;
      hazards.relearn(this.#pools.prior(protocol));
      hazards.close({
        aliveByAge: this.#cohorts.entriesByAge(index, this.#second),
        agesEnd: this.#cohorts.agesEnd(index, this.#second),
        windowSeconds: this.#windowSeconds,
        ...{ isSwept, sweepSeconds },
        newPerSecond: this.#arrivals.ratePerSecond(index, 60),
        lookupHazard: lookups.perNewFlow * newPerSecond + lookups.perSecond,
      });
    }
    this.#cohorts.age(this.#second);
    this.#windowSeconds = isSwept ? 1 + sweepSeconds : this.#windowSeconds + 1;
    if (isSwept) this.#isSwept = false;
    this.#destroyEvents = 0;
    this.#lostDestroyEvents = 0;
    this.#second += 1;
    if (this.#second % ROTATE_SECONDS === 0) this.#rotate();
  }

  #leave(flowClass: number, bornSecond: number): void {
    this.#hazards[flowClass]?.collect(this.#second - bornSecond);
    this.#withdraw(flowClass, bornSecond, 1);
  }

  #withdraw(flowClass: number, bornSecond: number, entries: number): void {
    this.#cohorts.withdraw(flowClass, bornSecond, entries, this.#second);
  }

  /** When a class gets another port, its flows join the rest and what it had learned is forgotten. */
  #rotate(): void {
    const rotated = this.#classes.rotate();
    if (!rotated) return;
    const { changed, rest } = rotated;
    this.#tracked.reassign(changed, rest);
    this.#arrivals.reassign(changed, rest);
    this.#cohorts.reassign(changed, rest);
    this.#hazards[changed]?.clear();
    this.#sightings.clear(changed);
  }
}
