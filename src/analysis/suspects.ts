/**
 * Who fills the table and what it looks like: the suspects with their shares, and a diagnosis of the first.
 *
 *   burst on           shares of the growth of the rate since before it
 *   table grows        shares of new minus destroyed entries over the last minute
 *   it does not        shares of the entries that are in it
 *
 * When no destination stands out but one source does, the source is the suspect: a scan has no destination.
 */
import type { EventBatch, EventColumns } from '../model/batch.js';
import { FINDINGS_SECONDS, TOP_LISTED } from '../model/limits.js';
import type { BurstSnapshot } from './burst.js';
import { type DestinationFacts, DestinationFactsTable, type DestinationTick } from './destination-facts.js';
import { type Diagnosis, diagnose, SUSPECT_SHARE_RATIO } from './diagnosis.js';
import { type SourceFacts, SourceFactsTable } from './source-facts.js';
import type { Suspect } from './symptoms.js';
import type { Talker, Talkers } from './talkers.js';

/** A destination with its share of what the findings are about. */
export interface SuspectDestination {
  readonly talker: Talker;
  readonly shareRatio: number;
  readonly facts: DestinationFacts;
}

export interface Findings {
  /** What the shares are of. */
  readonly basis: 'growth' | 'entries';
  /** Largest share first. */
  readonly destinations: readonly SuspectDestination[];
  /** Only when it is the suspect. */
  readonly source?: SourceFacts;
  readonly diagnosis: Diagnosis;
}

/** Part of the new entries that must stay for the table to be called growing. */
const GROWING_RATIO = 0.1;

const NO_FINDINGS: Findings = {
  basis: 'entries',
  destinations: [],
  diagnosis: { code: 'unclear', confidenceRatio: 1, evidence: [] },
};

/** A tick of the suspects. */
export interface SuspectsTick extends Omit<DestinationTick, 'isUsual'> {
  readonly atSeconds: number;
  readonly burst: BurstSnapshot;
  /** A burst has just begun or ended: the findings are old. */
  readonly burstChanged: boolean;
}

/** Follows who fills the table. Feed every event, then `advance` once a tick. */
export class Suspects {
  readonly #talkers: Talkers;
  readonly #destinations: DestinationFactsTable;
  readonly #sources = new SourceFactsTable();
  readonly #openedAt: number;
  #foundAt = Number.NEGATIVE_INFINITY;
  #findings = NO_FINDINGS;

  /** Counts the NEW events for `talkers` as well; who owns that advances it, before this. */
  constructor(talkers: Talkers, openedAtSeconds: number) {
    this.#talkers = talkers;
    this.#destinations = new DestinationFactsTable(talkers);
    this.#openedAt = openedAtSeconds;
  }

  observeNew(columns: EventColumns, row: number): void {
    this.#destinations.observeNew(this.#talkers.observeNew(columns, row), columns, row);
    this.#sources.observeNew(columns, row);
  }

  observeDestroy(columns: EventColumns, row: number): void {
    this.#destinations.observeDestroy(columns, row);
    this.#sources.observeDestroy(columns, row);
  }

  /** Young flows as the kernel has them now: rows [0, newCount). */
  observeYoung({ columns, newCount }: EventBatch): void {
    for (let row = 0; row < newCount; row++) {
      this.#destinations.observeYoung(columns, row);
      this.#sources.observeYoung(columns, row);
    }
  }

  /** Ends a tick. The findings are made anew once a second, and when a burst begins or ends. */
  advance(tick: SuspectsTick): Findings {
    const { atSeconds, burst } = tick;
    this.#destinations.advance({ ...tick, isUsual: burst.active === undefined });
    this.#sources.advance(tick.seconds);
    if (tick.burstChanged || atSeconds - this.#foundAt >= FINDINGS_SECONDS) {
      this.#foundAt = atSeconds;
      this.#findings = this.#find(burst, atSeconds - this.#openedAt);
    }
    return this.#findings;
  }

  #find(burst: BurstSnapshot, uptimeSeconds: number): Findings {
    const { basis, ranked } = this.#rank(burst);
    const destinations = ranked.map(({ talker, shareRatio }) => ({
      ...{ talker, shareRatio },
      facts: this.#destinations.describe(talker.counter),
    }));
    const [first] = destinations;
    const source = this.#sources.busiest();
    const stands = (first?.shareRatio ?? 0) >= SUSPECT_SHARE_RATIO;
    if (!stands && source !== undefined && source.shareRatio * (1 - source.errorRatio) >= SUSPECT_SHARE_RATIO) {
      const diagnosis = diagnose(suspectSource(source, burst), source.shareRatio);
      return { basis, destinations, source, diagnosis };
    }
    const suspect = first && suspectDestination(first, burst, uptimeSeconds);
    return { basis, destinations, diagnosis: diagnose(suspect, first?.shareRatio ?? 0) };
  }

  #rank(burst: BurstSnapshot): Ranking {
    const talkers = this.#talkers;
    if (burst.active !== undefined) {
      const ranked = talkers.growth(TOP_LISTED).map((talker) => ({ talker, shareRatio: talker.shareRatio }));
      return { basis: 'growth', ranked };
    }
    const counters = Array.from({ length: talkers.used }, (_, counter) => counter);
    const growing = counters.map((counter) => Math.max(0, this.#destinations.growthPerSecond(counter)));
    const isGrowing = sum(growing) > GROWING_RATIO * talkers.newPerSecond;
    const weights = isGrowing ? growing : counters.map((counter) => this.#destinations.entriesOf(counter));
    const total = sum(weights);
    const ranked = counters
      .filter((counter) => (weights[counter] ?? 0) > 0)
      .sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b)
      .slice(0, TOP_LISTED)
      .map((counter) => ({ talker: talkers.describe(counter), shareRatio: (weights[counter] ?? 0) / total }));
    return { basis: isGrowing ? 'growth' : 'entries', ranked };
  }
}

interface Ranking {
  readonly basis: Findings['basis'];
  readonly ranked: readonly { readonly talker: Talker; readonly shareRatio: number }[];
}

function suspectDestination(
  { talker, facts }: SuspectDestination,
  burst: BurstSnapshot,
  uptimeSeconds: number,
): Suspect {
  const { usual, presentPerSecond, growthPerSecond, traits } = facts;
  // What has no past of its own is as new as the burst that it came with.
  const pace = usual === undefined ? burst.active?.ratio : presentPerSecond / Math.max(usual.newPerSecond, 1e-3);
  return {
    subject: 'destination',
    ...{ protocol: talker.protocol, port: talker.port, traits, growthPerSecond },
    ...(pace !== undefined && { paceRatio: pace }),
    newPerSecond: talker.newPerSecond,
    watchedSeconds: Math.min(uptimeSeconds, usual?.seconds ?? 0),
  };
}

function suspectSource({ protocol, traits }: SourceFacts, burst: BurstSnapshot): Suspect {
  const pace = burst.active?.ratio;
  return { subject: 'source', protocol, traits, newPerSecond: 0, ...(pace !== undefined && { paceRatio: pace }) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
