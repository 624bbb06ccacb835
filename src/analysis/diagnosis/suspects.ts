/**
 * Who fills the table and what it looks like: the suspects with their shares, and a diagnosis of the first.
 *
 *   burst on           shares of the growth of the rate since before it
 *   table grows        shares of new minus destroyed entries over the last minute
 *   it does not        shares of the entries that are in it
 *
 * When no destination stands out but one source does, the source is the suspect: a scan has no destination.
 */

import type { EventBatch, EventColumns } from '../../model/batch.js';
import { type BudgetDestination, type BudgetOwner, isOwner } from '../../model/budget.js';
import { FINDINGS_SECONDS, TOP_LISTED } from '../../model/limits.js';
import { TCP, TCP_ESTABLISHED } from '../../model/protocol.js';
import type { CensusEndRecord, CensusRecord } from '../../model/record.js';
import type { BudgetSettings } from '../../model/settings.js';
import type { BurstSnapshot } from '../bursts/burst.js';
import { TableTally } from '../census/table-tally.js';
import type { WhatIfCulprit } from '../forecast/what-if.js';
import { Owners } from '../owners/owners.js';
import type { Talker, Talkers } from '../talkers.js';
import { type BudgetReading, Budgets } from './budgets.js';
import {
  type DestinationFacts,
  DestinationFactsTable,
  type DestinationTick,
  NO_FACTS,
  PRESENT_SECONDS,
} from './destination-facts.js';
import { type Diagnosis, diagnose, SUSPECT_SHARE_RATIO } from './diagnosis.js';
import { LOOKUPS_MIN, totalOf } from './flow-traits.js';
import { type SourceFacts, SourceFactsTable } from './source-facts.js';
import { MANY_PARTNERS_MIN, type Suspect } from './symptoms.js';

/** A destination with its share of what the findings are about. */
export interface SuspectDestination {
  readonly talker: Talker;
  readonly shareRatio: number;
  readonly facts: DestinationFacts;
  /** Of its entries in the last dump, those that are established and saw no packet for an hour, 0..1. */
  readonly idleRatio?: number;
  /** Its entries by enum tcp_conntrack, from a census that is not old; empty for other protocols. */
  readonly states?: Uint32Array;
  /** Connections to it that are established: sockets that are open at either end. Counted, or estimated from young flows. */
  readonly openSockets?: number;
  /** Its budget. */
  readonly allowed?: BudgetSettings;
}

export interface Findings {
  /** What the shares are of. */
  readonly basis: 'growth' | 'entries';
  /** Largest share first. */
  readonly destinations: readonly SuspectDestination[];
  /** Only when it is the suspect. */
  readonly source?: SourceFacts;
  readonly diagnosis: Diagnosis;
  /** Of the burst that is on, or ended in this tick: the last that was not unclear, else the last. */
  readonly burstDiagnosis?: Diagnosis;
  /** In the order of the configuration. */
  readonly budgets: readonly BudgetReading[];
}

/** A table that grows by this part of its entries in a minute is growing. */
const GROWING_RATIO = 0.05;
const MINUTE_SECONDS = 60;
/** A census says for so long how the entries of a destination are divided, seconds. */
const TALLY_SECONDS = 90;

/** Part of the told flows that one program must have opened to be the only client. */
const ONLY_CLIENT_RATIO = 0.8;

const NO_FINDINGS: Findings = {
  basis: 'entries',
  destinations: [],
  budgets: [],
  diagnosis: { code: 'unclear', confidenceRatio: 1, evidence: [] },
};

/** A tick of the suspects. */
export interface SuspectsTick extends Omit<DestinationTick, 'isUsual'> {
  readonly atSeconds: number;
  readonly burst: BurstSnapshot;
  /** A burst has just begun or ended: the findings are old. */
  readonly burstChanged: boolean;
}

export interface SuspectsOptions {
  readonly talkers: Talkers;
  readonly owners?: Owners;
  readonly openedAtSeconds: number;
  readonly budgets?: readonly BudgetSettings[];
  /** nf_conntrack_events. */
  readonly eventsSysctl?: number | undefined;
  /** nf_conntrack_tcp_timeout_established. Default: that of the kernel. */
  readonly establishedSeconds?: number | undefined;
}

const ESTABLISHED_SECONDS = 432_000;

/** Follows who fills the table. Feed every event, then `advance` once a tick. */
export class Suspects {
  readonly #talkers: Talkers;
  readonly #destinations: DestinationFactsTable;
  readonly #sources = new SourceFactsTable();
  #budgets: Budgets;
  readonly #owners: Owners;
  readonly #openedAt: number;
  readonly #establishedSeconds: number;
  /** The last dump, and when it was a census; the one that is being read. */
  #tally: TableTally | undefined;
  #talliedAt: number | undefined;
  #dump: TableTally | undefined;
  #foundAt = Number.NEGATIVE_INFINITY;
  #findings = NO_FINDINGS;
  #burstDiagnosis: Diagnosis | undefined;

  /** Counts the NEW events for `talkers` as well; who owns that advances it, before this. */
  constructor(options: SuspectsOptions) {
    const { talkers, openedAtSeconds, budgets = [], eventsSysctl, establishedSeconds } = options;
    this.#talkers = talkers;
    this.#owners = options.owners ?? new Owners();
    this.#destinations = new DestinationFactsTable(talkers);
    this.#budgets = new Budgets(budgets, eventsSysctl);
    this.#openedAt = openedAtSeconds;
    this.#establishedSeconds = establishedSeconds ?? ESTABLISHED_SECONDS;
  }

  /** Other budgets from the next tick on. */
  configure(budgets: readonly BudgetSettings[]): void {
    this.#budgets = this.#budgets.configured(budgets);
    this.#foundAt = Number.NEGATIVE_INFINITY;
  }

  /** Takes a chunk of the initial dump. */
  observeInitial(batch: EventBatch): void {
    this.#tally ??= new TableTally(this.#establishedSeconds);
    this.#tally.observe(batch);
    for (let row = 0; row < batch.newCount; row++) this.#budgets.observeEntry(batch.columns, row);
  }

  /** What a census counted is what there is, once it has ended and is whole. */
  observeCensus(record: CensusRecord): void {
    if (record.phase === 'begin') {
      this.#dump = record.purpose === 'census' ? new TableTally(this.#establishedSeconds) : undefined;
      this.#budgets.beginCensus();
    } else if (record.phase === 'rows') {
      const { columns, newCount } = record.batch;
      this.#dump?.observe(record.batch);
      for (let row = 0; row < newCount; row++) this.#budgets.observeCensus(columns, row);
    } else this.#endCensus(record);
  }

  observeNew(columns: EventColumns, row: number): void {
    this.#destinations.observeNew(this.#talkers.observeNew(columns, row), columns, row);
    this.#sources.observeNew(columns, row);
    this.#budgets.observeNew(columns, row);
  }

  observeDestroy(columns: EventColumns, row: number): void {
    this.#destinations.observeDestroy(columns, row);
    this.#sources.observeDestroy(columns, row);
    this.#budgets.observeDestroy(columns, row);
  }

  /** Young flows as the kernel has them now: rows [0, newCount). */
  observeYoung({ columns, newCount }: EventBatch, ageSeconds: number): void {
    for (let row = 0; row < newCount; row++) {
      this.#destinations.observeYoung(columns, row, ageSeconds);
      this.#sources.observeYoung(columns, row, ageSeconds);
    }
  }

  /** The destination that is suspected first, as a change would take it away. */
  get culprit(): WhatIfCulprit | undefined {
    const [first] = this.#findings.destinations;
    if (first === undefined || first.talker.counter < 0) return undefined;
    const { protocol, port } = first.talker;
    return { protocol, port, newPerSecond: first.facts.presentPerSecond };
  }

  /** Ends a tick. The findings are made anew once a second, and when a burst begins or ends. */
  advance(tick: SuspectsTick): Findings {
    const { atSeconds, burst } = tick;
    this.#destinations.advance({ ...tick, isUsual: burst.active === undefined });
    this.#sources.advance(tick.seconds);
    this.#budgets.advance(tick);
    if (tick.burstChanged || atSeconds - this.#foundAt >= FINDINGS_SECONDS) {
      this.#foundAt = atSeconds;
      this.#findings = this.#find(burst, atSeconds);
      this.#rememberBurst(tick);
    }
    const burstDiagnosis = this.#burstDiagnosis;
    return burstDiagnosis === undefined ? this.#findings : { ...this.#findings, burstDiagnosis };
  }

  /** At its end a burst is still told by what it was. */
  #rememberBurst({ burst, burstChanged }: SuspectsTick): void {
    const { diagnosis } = this.#findings;
    if (burst.active === undefined) {
      if (!burstChanged) this.#burstDiagnosis = undefined;
    } else if (this.#burstDiagnosis === undefined || diagnosis.code !== 'unclear') this.#burstDiagnosis = diagnosis;
  }

  #endCensus({ at, rows, error }: CensusEndRecord): void {
    const tally = this.#dump;
    this.#dump = undefined;
    if (tally === undefined || error !== undefined || tally.entries !== rows) return;
    this.#tally = tally;
    this.#talliedAt = at.monotonicSeconds;
    this.#budgets.endCensus();
    for (let counter = 0; counter < this.#talkers.used; counter++) {
      this.#destinations.setEntries(counter, tally.of(this.#talkers.describe(counter))?.entries ?? 0);
    }
  }

  #find(burst: BurstSnapshot, atSeconds: number): Findings {
    const { basis, ranked } = this.#rank(burst);
    const destinations = ranked.map((each) => this.#describe(each, atSeconds));
    const budgets = this.#budgets.readings((owner, destination) => this.#shareOf(owner, destination, atSeconds));
    const [first] = destinations;
    const source = this.#sources.busiest();
    const stands = (first?.shareRatio ?? 0) >= SUSPECT_SHARE_RATIO;
    if (!stands && source !== undefined && isEverywhere(source)) {
      const diagnosis = diagnose(suspectSource(source, burst), source.shareRatio);
      return { basis, destinations, budgets, source, diagnosis };
    }
    const suspect = first && suspectDestination(first, burst, atSeconds - this.#openedAt);
    return { basis, destinations, budgets, diagnosis: diagnose(suspect, first?.shareRatio ?? 0) };
  }

  #describe({ talker, shareRatio }: Ranked, atSeconds: number): SuspectDestination {
    const allowed = this.#budgets.allowedOf(talker);
    const tallied = this.#tally?.of(talker);
    // What has doubled since is no longer what was counted.
    const isHalf = tallied !== undefined && 2 * tallied.entries >= this.#entriesOf(talker);
    const isFresh = isHalf && this.#talliedAt !== undefined && atSeconds - this.#talliedAt <= TALLY_SECONDS;
    const known = talker.counter < 0 ? NO_FACTS : this.#destinations.describe(talker.counter);
    const facts = { ...known, entries: this.#entriesOf(talker) };
    const openSockets =
      talker.protocol === TCP ? openSocketsOf(facts, isFresh ? tallied.states : undefined) : undefined;
    return {
      ...{ talker: this.#owners.own(talker, atSeconds), shareRatio, facts },
      ...(openSockets !== undefined && { openSockets }),
      ...(tallied !== undefined && { idleRatio: tallied.idle / tallied.entries }),
      ...(isFresh && { states: tallied.states }),
      ...(allowed !== undefined && { allowed }),
    };
  }

  /** Part of the entries of a destination, or of all, that an owner has; undefined while nothing was told. */
  #shareOf(owner: BudgetOwner, destination: BudgetDestination | undefined, atSeconds: number): number | undefined {
    let told = 0;
    let held = 0;
    for (let counter = 0; counter < this.#talkers.used; counter++) {
      const talker = this.#talkers.describe(counter);
      if (destination !== undefined && !isAt(talker, destination)) continue;
      const owners = this.#owners.of(talker, atSeconds);
      const entries = this.#entriesOf(talker) + talker.newPerSecond;
      if (owners?.attributedRatio === undefined || !(entries > 0)) continue;
      const share = owners.owners.reduce((sum, each) => sum + (isOwner(each.owner, owner) ? each.shareRatio : 0), 0);
      told += entries;
      held += entries * share * owners.attributedRatio;
    }
    return told > 0 ? held / told : undefined;
  }

  /** Those of the events; of an initial dump, which tells no end, only those that stay for days are added. */
  #entriesOf(talker: Talker): number {
    const tallied = this.#tally?.of(talker);
    if (talker.counter < 0) return (this.#talliedAt === undefined ? tallied?.idle : tallied?.entries) ?? 0;
    const idle = this.#talliedAt === undefined ? (tallied?.idle ?? 0) : 0;
    return this.#destinations.entriesOf(talker.counter) + idle;
  }

  #rank(burst: BurstSnapshot): { readonly basis: Findings['basis']; readonly ranked: readonly Ranked[] } {
    const talkers = this.#talkers;
    const known = Array.from({ length: talkers.used }, (_, counter) => talkers.describe(counter));
    if (burst.active !== undefined) {
      const grown = known.map((talker) => ({ talker, weight: this.#grownPerSecond(talker.counter) }));
      return { basis: 'growth', ranked: shares(grown) };
    }
    const growing = known.map((talker) => ({
      talker,
      weight: Math.max(0, this.#destinations.growthPerSecond(talker.counter)),
    }));
    const holding = [...known, ...this.#talliedAlone()].map((talker) => ({ talker, weight: this.#entriesOf(talker) }));
    const isGrowing = total(growing) * MINUTE_SECONDS > GROWING_RATIO * total(holding);
    return isGrowing ? { basis: 'growth', ranked: shares(growing) } : { basis: 'entries', ranked: shares(holding) };
  }

  /** New entries per second beyond the usual ones; what chance alone makes of a usual rate is no growth. */
  #grownPerSecond(counter: number): number {
    const before = this.#destinations.usualOf(counter)?.newPerSecond ?? this.#talkers.markedPerSecond(counter);
    const chance = Math.sqrt(before / (2 * PRESENT_SECONDS));
    return Math.max(0, this.#destinations.presentPerSecond(counter) - before - chance);
  }

  /** Destinations that hold most in the last dump and get no new entries. */
  #talliedAlone(): Talker[] {
    const tallied = this.#tally?.destinations().slice(0, TOP_LISTED) ?? [];
    return tallied
      .filter((each) => this.#talkers.counterOf(each) < 0)
      .map(({ family, protocol, address, port }) => ({
        ...{ counter: -1, family, protocol, address, port },
        ...{ newPerSecond: 0, shareRatio: 0, errorRatio: 0 },
      }));
  }
}

interface Ranked {
  readonly talker: Talker;
  readonly shareRatio: number;
}

interface Weighed {
  readonly talker: Talker;
  readonly weight: number;
}

function total(weighed: readonly Weighed[]): number {
  return weighed.reduce((sum, { weight }) => sum + weight, 0);
}

function shares(weighed: readonly Weighed[]): Ranked[] {
  const whole = total(weighed);
  return weighed
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || a.talker.counter - b.talker.counter)
    .slice(0, TOP_LISTED)
    .map(({ talker, weight }) => ({ talker, shareRatio: weight / whole }));
}

function isAt(talker: Talker, { family, address, port }: BudgetDestination): boolean {
  if (port !== undefined && talker.port !== port) return false;
  return address === undefined || (talker.family === family && address.every((byte, i) => byte === talker.address[i]));
}

/** A source is a suspect when it makes most of the new flows, to more destinations than a few. */
function isEverywhere({ shareRatio, errorRatio, traits }: SourceFacts): boolean {
  return shareRatio * (1 - errorRatio) >= SUSPECT_SHARE_RATIO && traits.partners >= MANY_PARTNERS_MIN;
}

function suspectDestination(
  { talker, facts, idleRatio, openSockets }: SuspectDestination,
  burst: BurstSnapshot,
  uptimeSeconds: number,
): Suspect {
  const { usual, presentPerSecond, growthPerSecond, traits } = facts;
  // What has no past of its own is as new as the burst that it came with.
  const own = usual === undefined ? undefined : presentPerSecond / Math.max(usual.newPerSecond, 1e-3);
  // Who gets no new entries does so no faster than ever.
  const pace = talker.counter < 0 ? 0 : (own ?? burst.active?.ratio);
  return {
    subject: 'destination',
    ...{ protocol: talker.protocol, port: talker.port, traits, growthPerSecond },
    ...(pace !== undefined && { paceRatio: pace }),
    ...(idleRatio !== undefined && { idleRatio }),
    ...ownerOf(talker, openSockets),
    newPerSecond: talker.newPerSecond,
    watchedSeconds: Math.min(uptimeSeconds, usual?.seconds ?? 0),
  };
}

/** Entries that are established, by a census, or by what its flows are a quarter of a minute after they began. */
function openSocketsOf({ traits, entries }: DestinationFacts, states: Uint32Array | undefined): number | undefined {
  const looked = totalOf(traits.aged);
  return (
    states?.[TCP_ESTABLISHED] ?? (looked >= LOOKUPS_MIN ? (entries * traits.aged.established) / looked : undefined)
  );
}

/** The owner of most of it. */
function ownerOf({ owners }: Talker, openSockets: number | undefined): Pick<Suspect, 'owner'> {
  const [first] = owners?.owners ?? [];
  if (first === undefined) return {};
  const opened = 1 - (owners?.acceptedRatio ?? 0) - (owners?.forwardedRatio ?? 0);
  const { threads } = first.owner;
  return {
    owner: {
      isOnlyClient: opened * first.shareRatio >= ONLY_CLIENT_RATIO,
      ...(threads !== undefined && { threads }),
      ...(openSockets !== undefined && { openSockets: Math.round(openSockets) }),
    },
  };
}

function suspectSource({ protocol, traits }: SourceFacts, burst: BurstSnapshot): Suspect {
  const pace = burst.active?.ratio;
  return { subject: 'source', protocol, traits, newPerSecond: 0, ...(pace !== undefined && { paceRatio: pace }) };
}
