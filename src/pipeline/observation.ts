/**
 * Records to observations: what is true of the table at each tick.
 *
 *   open ──> builds the state machines of `analysis/`
 *   entries, batch ──> feed them row by row while the batch is leased; nothing is emitted
 *   tick ──> one `tick` observation with everything they know      census ──> counted, one `dump` observation at its end
 *   reload ──> other settings for all of them, passed on      close ──> passed on
 *
 * Time comes from the records alone, so the same records give the same observations.
 */
import { defer, filter, map, type Observable, type OperatorFunction } from 'rxjs';
import { BurstDetector, type BurstSettings, type BurstSnapshot } from '../analysis/bursts/burst.js';
import { DestinationBursts } from '../analysis/bursts/destination-bursts.js';
import { TickParts } from '../analysis/bursts/tick-parts.js';
import { BudgetOwners } from '../analysis/diagnosis/budget-owners.js';
import { Suspects } from '../analysis/diagnosis/suspects.js';
import { agedForecast, type Forecast, forecast } from '../analysis/forecast/forecast.js';
import { Lifetimes } from '../analysis/forecast/lifetimes.js';
import { type Unassured, unassuredOf } from '../analysis/forecast/unassured.js';
import { WhatIfs } from '../analysis/forecast/what-if.js';
import { Owners } from '../analysis/owners/owners.js';
import { RateMeter } from '../analysis/rates.js';
import { TableModel, type TableSnapshot } from '../analysis/table.js';
import { type Talker, Talkers } from '../analysis/talkers.js';
import { wrappedIncreases } from '../analysis/wrap.js';
import type { EventBatch } from '../model/batch.js';
import {
  FORECAST_REUSE_SECONDS,
  TABLE_STALE_SECONDS,
  TALKER_RATE_MIN,
  TALKERS_MARK_SECONDS,
  TOP_LISTED,
  TOTAL_ALLOWANCE_RATIO,
} from '../model/limits.js';
import type {
  HostFacts,
  Instant,
  KernelCounters,
  LossTotals,
  OwnersRecord,
  SourceRecord,
  TableStats,
  TickRecord,
} from '../model/record.js';
import type { Reload } from '../model/reload.js';
import type { Settings } from '../model/settings.js';
import { assumedTimeouts } from './assumed-timeouts.js';
import { DumpWatch } from './dump-watch.js';
import type { Observation, TickObservation, Totals } from './observed.js';

/** Feeds the analysis and emits an observation for each `open`, `tick` and `close`, and for each dump on demand. */
export function observe(initial: Settings): OperatorFunction<SourceRecord | Reload, Observation> {
  return (records: Observable<SourceRecord | Reload>) =>
    defer(() => {
      let settings = initial;
      let watch: Watch | undefined;
      return records.pipe(
        map((record): Observation | undefined => {
          if (record.type === 'reload') {
            if ('settings' in record) settings = record.settings;
            watch?.configure(settings);
            return record;
          }
          if (record.type !== 'open') return watch?.observe(record);
          watch = new Watch(record.host, record.at, settings);
          return { type: 'open', at: record.at, host: record.host };
        }),
        filter((observation) => observation !== undefined),
      );
    });
}

function isFull({ count, max }: TableSnapshot): boolean {
  return count !== undefined && max !== undefined && count >= max;
}

/** The window of `over10s`. */
const DESTROY_WINDOW_SECONDS = 10;

const NO_LOSS: LossTotals = { lostNew: 0, lostDestroy: 0, malformed: 0, unknownLosses: 0 };

/** The total has its part of the false alarms, all destinations together the rest. */
function burstSettings({ burst }: Settings): {
  readonly ofTotal: BurstSettings;
  readonly ofDestinations: BurstSettings;
} {
  const { ratio, min_rate_per_second: minRatePerSecond, false_alarms_per_year: allowance } = burst;
  return {
    ofTotal: { ratio, minRatePerSecond, falseAlarmsPerYear: allowance * TOTAL_ALLOWANCE_RATIO },
    ofDestinations: { ratio, minRatePerSecond, falseAlarmsPerYear: allowance * (1 - TOTAL_ALLOWANCE_RATIO) },
  };
}

/** The state machines of one source from its opening to its end. */
class Watch {
  #settings: Settings;
  readonly #host: HostFacts;
  readonly #openedAt: number;
  readonly #rates = new RateMeter();
  readonly #losses = new RateMeter();
  readonly #talkers = new Talkers();
  readonly #suspects: Suspects;
  readonly #owners = new Owners();
  readonly #whatIfs = new WhatIfs();
  readonly #lifetimes: Lifetimes;
  readonly #burst: BurstDetector;
  readonly #parts: TickParts;
  readonly #destinationBursts: DestinationBursts;
  readonly #table: TableModel;
  readonly #dumps: DumpWatch;
  #budgetOwners: BudgetOwners;
  #ownersFailed = false;
  #loss = NO_LOSS;
  #totals: Totals = { newEvents: 0, destroyEvents: 0 };
  /** Of the tick that is being filled. */
  #newEvents = 0;
  #destroyEvents = 0;
  #reaped = false;
  #tickedAt: number;
  #tableReadAt: number;
  #markedAt: number;
  #max: number | undefined;
  #counters: KernelCounters;
  #forecastAt = Number.NEGATIVE_INFINITY;
  #forecastEvents = 0;
  #predictedAt = 0;
  #forecast: Forecast = { verdict: 'unknown', reason: 'learning' };
  #unassured: Unassured | undefined;

  constructor(host: HostFacts, at: Instant, settings: Settings) {
    this.#settings = settings;
    this.#host = host;
    this.#openedAt = at.monotonicSeconds;
    this.#suspects = new Suspects({
      ...{ talkers: this.#talkers, owners: this.#owners, openedAtSeconds: at.monotonicSeconds },
      ...{ budgets: settings.budget, eventsSysctl: host.sysctls.events },
      establishedSeconds: host.timeouts.tcp?.established,
    });
    this.#tickedAt = at.monotonicSeconds;
    this.#parts = new TickParts(at.monotonicSeconds);
    this.#markedAt = at.monotonicSeconds;
    this.#tableReadAt = at.monotonicSeconds;
    const { buckets } = host.sysctls;
    this.#lifetimes = new Lifetimes({
      timeouts: host.timeouts,
      assumed: assumedTimeouts(host.timeouts, settings.assume_timeout),
      ...(buckets !== undefined && { buckets }),
    });
    const { ofTotal, ofDestinations } = burstSettings(settings);
    this.#burst = new BurstDetector(ofTotal);
    this.#destinationBursts = new DestinationBursts(ofDestinations);
    this.#counters = host.counters;
    this.#budgetOwners = new BudgetOwners(settings.budget);
    this.#table = new TableModel(host.table.count);
    this.#dumps = new DumpWatch(host.addresses, (columns, row) => this.#owners.ownerOf(columns, row));
    // It was read now, although the events are of the time since an earlier process ended.
    this.#observeTable(at.monotonicSeconds + (host.resumed?.seconds ?? 0), host.table);
  }

  /** Other settings from now on; nothing that was learned is forgotten. */
  configure(settings: Settings): void {
    this.#settings = settings;
    const { ofTotal, ofDestinations } = burstSettings(settings);
    this.#burst.configure(ofTotal);
    this.#destinationBursts.configure(ofDestinations);
    this.#suspects.configure(settings.budget);
    this.#budgetOwners = new BudgetOwners(settings.budget);
    this.#lifetimes.configure(assumedTimeouts(this.#host.timeouts, settings.assume_timeout));
  }

  observe(record: Exclude<SourceRecord, { type: 'open' }>): Observation | undefined {
    switch (record.type) {
      case 'entries':
        this.#suspects.observeInitial(record.batch);
        this.#observeEntries(record.at.monotonicSeconds, record.batch);
        return undefined;
      case 'batch':
        this.#observeBatch(record.at.monotonicSeconds, record.batch);
        return undefined;
      case 'census':
        this.#suspects.observeCensus(record);
        return this.#dumps.observe(record);
      case 'lookups':
        this.#lifetimes.observeLookups(record.at.monotonicSeconds, record.batch, record.ageSeconds);
        this.#suspects.observeYoung(record.batch, record.ageSeconds);
        return undefined;
      case 'tick':
        return this.#observeTick(record);
      case 'owners':
        return this.#observeOwners(record);
      case 'close':
        return {
          ...record,
          uptimeSeconds: record.at.monotonicSeconds - this.#openedAt,
          totals: this.#totalsNow(),
          loss: this.#loss,
        };
    }
  }

  /** Those of the ticks that are over and of the one that is being filled. */
  #totalsNow(): Totals {
    return {
      newEvents: this.#totals.newEvents + this.#newEvents,
      destroyEvents: this.#totals.destroyEvents + this.#destroyEvents,
    };
  }

  /** That owners cannot be asked for is told when it begins, and when it is over. */
  #observeOwners({ at, sightings, error }: OwnersRecord): Observation | undefined {
    this.#owners.observe(at.monotonicSeconds, sightings);
    this.#budgetOwners.observe(at.monotonicSeconds, sightings);
    const failed = error !== undefined;
    if (failed === this.#ownersFailed) return undefined;
    this.#ownersFailed = failed;
    return { type: 'owners', at, ...(failed && { error }) };
  }

  #observeEntries(atSeconds: number, { columns, newCount }: EventBatch): void {
    this.#reaped = true;
    for (let row = 0; row < newCount; row++) this.#lifetimes.observeEntry(atSeconds, columns, row);
  }

  #observeBatch(atSeconds: number, { columns, newCount, destroyCount }: EventBatch): void {
    for (let row = 0; row < newCount; row++) {
      this.#suspects.observeNew(columns, row);
      this.#lifetimes.observeNew(atSeconds, columns, row);
    }
    for (let row = newCount; row < newCount + destroyCount; row++) {
      this.#suspects.observeDestroy(columns, row);
      this.#lifetimes.observeDestroy(atSeconds, columns, row);
    }
    this.#dumps.observeNew(newCount);
    this.#newEvents += newCount;
    this.#destroyEvents += destroyCount;
    this.#parts.observe(atSeconds, this.#newEvents);
  }

  #observeTick({ at, loss, table, counters, drains }: TickRecord): TickObservation {
    const atSeconds = at.monotonicSeconds;
    const seconds = atSeconds - this.#tickedAt;
    const lostNew = loss.lostNew - this.#loss.lostNew;
    const lostDestroy = loss.lostDestroy - this.#loss.lostDestroy;
    const newEvents = this.#newEvents + lostNew;
    const destroyEvents = this.#destroyEvents + lostDestroy;
    this.#rates.observe(seconds, newEvents, destroyEvents);
    this.#losses.observe(seconds, lostNew + lostDestroy, newEvents + destroyEvents);
    const burstTransition = this.#parts.end(atSeconds, this.#newEvents, lostNew, (part) =>
      this.#burst.observe(part.atSeconds, part.seconds, part.newEvents, part.isLast),
    );
    const total = this.#burst.snapshot();
    const destinationBursts = this.#destinationBursts.observe(atSeconds, seconds, this.#talkers, total);
    this.#talkers.advance(seconds);
    const growth = this.#talkersGrowth(atSeconds);
    const findings = this.#suspects.advance({
      ...{ atSeconds, seconds, burst: total, burstChanged: burstTransition !== undefined },
      newWeight: this.#newEvents > 0 ? newEvents / this.#newEvents : 1,
      destroyWeight: this.#destroyEvents > 0 ? destroyEvents / this.#destroyEvents : 1,
    });
    const reapedNow = this.#dumps.takeReaped(atSeconds) || this.#reaped;
    this.#lifetimes.advance({ atSeconds, seconds, newEvents, lostDestroyEvents: lostDestroy, reapedNow });
    this.#observeTable(atSeconds, table, newEvents, destroyEvents);
    const kernel = counters && wrappedIncreases(this.#counters, counters);
    this.#counters = counters ?? this.#counters;
    this.#tickedAt = atSeconds;
    this.#loss = loss;
    this.#totals = this.#totalsNow();
    this.#newEvents = 0;
    this.#destroyEvents = 0;
    this.#reaped = false;
    const unseenOwners = this.#budgetOwners.takeUnseen(atSeconds);
    const own = (talker: Talker) => this.#owners.own(talker, atSeconds);
    return {
      type: 'tick',
      at,
      uptimeSeconds: atSeconds - this.#openedAt,
      ...this.#judge(atSeconds, table !== undefined, burstTransition?.phase === 'start'),
      ...(burstTransition !== undefined && { burstTransition }),
      destinationBursts: destinationBursts.map((burst) => ({ ...burst, destination: own(burst.destination) })),
      top: this.#talkers
        .snapshot(TOP_LISTED)
        .filter(({ newPerSecond }) => newPerSecond >= TALKER_RATE_MIN)
        .map(own),
      growth: growth.map(own),
      ...this.#whatIfs.last,
      findings: {
        ...findings,
        destinations: findings.destinations.map((found) => ({ ...found, talker: own(found.talker) })),
      },
      totals: this.#totals,
      loss,
      lostEvents: lostNew + lostDestroy,
      lostRatio: this.#lostRatio(),
      collectedByDump: this.#dumps.hasCollected(atSeconds, DESTROY_WINDOW_SECONDS),
      ...(unseenOwners.length > 0 && { unseenOwners }),
      ...(kernel !== undefined && { kernel }),
      ...(drains !== undefined && { drains }),
    };
  }

  #observeTable(atSeconds: number, table?: TableStats, newEvents = 0, destroyEvents = 0): void {
    if (table !== undefined) {
      this.#tableReadAt = atSeconds;
      this.#max = this.#settings.assume_max ?? table.max;
    }
    this.#table.observe({
      ...{ newEvents, destroyEvents },
      ...(table !== undefined && { count: table.count }),
      ...(this.#max !== undefined && { max: this.#max }),
    });
  }

  /** The models' views; the forecast is made anew with each reading of the table, and when everything has just changed. */
  #judge(
    atSeconds: number,
    tableRead: boolean,
    burstFound: boolean,
  ): Pick<TickObservation, 'table' | 'rates' | 'burst' | 'forecast'> {
    const rates = this.#rates.snapshot();
    const burst = this.#burst.snapshot();
    const stale = atSeconds - this.#tableReadAt > TABLE_STALE_SECONDS;
    const snapshot = this.#table.snapshot();
    const counted = this.#dumps.unassuredRatio(atSeconds);
    const split = { ...this.#split(snapshot), ...(counted !== undefined && { unassuredRatio: counted }) };
    const table: TableSnapshot = stale ? { blind: snapshot.blind } : split;
    if (stale) this.#forecast = { verdict: 'unknown', reason: 'no_table' };
    else if (burstFound || isFull(table) || (tableRead && this.#forecastDue(atSeconds))) {
      this.#forecast = this.#predict(atSeconds, table, burst);
      this.#predictedAt = atSeconds;
    }
    const unassuredRatio = counted ?? this.#unassured?.ratio;
    return {
      ...{ rates, burst, forecast: agedForecast(this.#forecast, atSeconds - this.#predictedAt) },
      table: this.#toldTable(stale || unassuredRatio === undefined ? table : { ...table, unassuredRatio }),
    };
  }

  /** Of the entries from before the start, those that an earlier process saw coming will be seen going. */
  #toldTable(table: TableSnapshot): TableSnapshot {
    const blind = this.#host.resumed?.blind;
    return blind === undefined || blind >= table.blind ? table : { ...table, blind };
  }

  /** The count as live and expired entries. */
  #split(table: TableSnapshot): TableSnapshot {
    const { count, blind } = table;
    if (count === undefined) return table;
    const expired = Math.min(count, this.#lifetimes.expiredEntries(count, blind));
    return { ...table, live: count - expired, expired };
  }

  /** Nothing new came and the forecast is not old: a quiet host costs nothing. */
  #forecastDue(atSeconds: number): boolean {
    const events = this.#totals.newEvents + this.#totals.destroyEvents + this.#loss.lostNew + this.#loss.lostDestroy;
    if (events === this.#forecastEvents && atSeconds - this.#forecastAt < FORECAST_REUSE_SECONDS) return false;
    this.#forecastEvents = events;
    this.#forecastAt = atSeconds;
    return true;
  }

  #predict(atSeconds: number, table: TableSnapshot, burst: BurstSnapshot): Forecast {
    const { events, buckets } = this.#host.sysctls;
    if (events === 0) return { verdict: 'unknown', reason: 'no_events' };
    const lifetimes = this.#lifetimes.view(burst.active?.onsetSeconds);
    this.#unassured = unassuredOf(lifetimes, table);
    const input = { table, lifetimes, uptimeSeconds: atSeconds - this.#openedAt };
    this.#whatIfs.play(atSeconds, this.#forecast, { ...input, culprit: this.#suspects.culprit });
    return forecast({
      ...{ ...input, burst },
      ...(this.#unassured !== undefined && { unassured: this.#unassured }),
      ...(burst.active !== undefined && { burstAgeSeconds: atSeconds - burst.active.onsetSeconds }),
      lostRatio: this.#lostRatio(),
      ...(buckets !== undefined && { buckets }),
    });
  }

  /** What is usual is remembered while no burst is on. */
  #talkersGrowth(atSeconds: number): Talker[] {
    if (this.#burst.snapshot().active !== undefined) return this.#talkers.growth(TOP_LISTED);
    if (atSeconds - this.#markedAt >= TALKERS_MARK_SECONDS) {
      this.#talkers.mark();
      this.#markedAt = atSeconds;
    }
    return [];
  }

  #lostRatio(): number {
    const { newPerSecond: lost, destroyPerSecond: all } = this.#losses.snapshot();
    return all.over10s > 0 ? lost.over10s / all.over10s : 0;
  }
}
