/**
 * Dumps on demand among the records: counts their rows, and knows when one has made the kernel collect expired entries.
 *
 *   begin ──> a new census      rows ──> counted while the batch is leased      end ──> one `dump` observation
 *
 * A census of which a recording left rows out is none. DESTROY events of what a dump collected come until a moment after its end.
 */
import { Census, type OwnerOf } from '../analysis/census/census.js';
import type { CtwatchError } from '../model/errors.js';
import { CENSUS_FRESH_SECONDS } from '../model/limits.js';
import type {
  CensusBeginRecord,
  CensusEndRecord,
  CensusRecord,
  DumpPurpose,
  Instant,
  TableStats,
} from '../model/record.js';

/** A dump is over. */
export interface DumpObservation {
  readonly type: 'dump';
  readonly at: Instant;
  readonly purpose: DumpPurpose;
  readonly durationSeconds: number;
  /** The table after it, or else before it. */
  readonly table?: TableStats;
  /** Expired entries that the kernel collected on the way, about; absent without a reading before and after. */
  readonly collected?: number;
  /** What was counted; absent when it failed, was not whole, or nothing was to be counted. */
  readonly census?: Census;
  readonly error?: CtwatchError;
}

/** Ticks after the end of a dump in which its DESTROY events may still come: what was queued is read before the second. */
const TICKS_AFTER = 2;

/** Follows the dumps of one source. */
export class DumpWatch {
  readonly #ownerOf: OwnerOf | undefined;
  #addresses: readonly string[] | undefined;
  #begin: CensusBeginRecord | undefined;
  #census: Census | undefined;
  #newEvents = 0;
  #ticksAfter = 0;
  #collectedAt = Number.NEGATIVE_INFINITY;
  #unassuredRatio: number | undefined;
  #countedAt = Number.NEGATIVE_INFINITY;

  /** `addresses` of the host when it was opened. */
  constructor(addresses: readonly string[] | undefined, ownerOf?: OwnerOf) {
    this.#addresses = addresses;
    this.#ownerOf = ownerOf;
  }

  observe(record: CensusRecord): DumpObservation | undefined {
    switch (record.phase) {
      case 'begin':
        this.#begin = record;
        this.#newEvents = 0;
        this.#addresses = record.addresses ?? this.#addresses;
        this.#census =
          record.purpose === 'census' ? new Census({ addresses: this.#addresses, ownerOf: this.#ownerOf }) : undefined;
        return undefined;
      case 'rows':
        this.#census?.observe(record.batch);
        return undefined;
      case 'end':
        return this.#end(record);
    }
  }

  /** NEW events that came meanwhile make the count grow. */
  observeNew(newEvents: number): void {
    this.#newEvents += newEvents;
  }

  /** At a tick: whether a dump has made the kernel collect since the tick before, or its DESTROY events may still have come. */
  takeReaped(monotonicSeconds: number): boolean {
    if (this.#begin === undefined && this.#ticksAfter === 0) return false;
    if (this.#begin === undefined) this.#ticksAfter -= 1;
    this.#collectedAt = monotonicSeconds;
    return true;
  }

  /** Whether a dump has made the kernel collect within these seconds. */
  hasCollected(monotonicSeconds: number, withinSeconds: number): boolean {
    return monotonicSeconds - this.#collectedAt <= withinSeconds;
  }

  /** Share of the last census that may be evicted; undefined once that is old. */
  unassuredRatio(monotonicSeconds: number): number | undefined {
    return monotonicSeconds - this.#countedAt <= CENSUS_FRESH_SECONDS ? this.#unassuredRatio : undefined;
  }

  #end(end: CensusEndRecord): DumpObservation | undefined {
    const begin = this.#begin;
    const counted = this.#census;
    if (begin === undefined) return undefined;
    this.#begin = undefined;
    this.#census = undefined;
    this.#ticksAfter = TICKS_AFTER;
    const isWhole = end.error === undefined && counted?.entries === end.rows;
    if (counted !== undefined && isWhole) {
      this.#unassuredRatio = counted.unassuredRatio;
      this.#countedAt = end.at.monotonicSeconds;
    }
    const table = end.table ?? begin.table;
    return {
      type: 'dump',
      at: end.at,
      purpose: begin.purpose,
      durationSeconds: end.at.monotonicSeconds - begin.at.monotonicSeconds,
      ...(table !== undefined && { table }),
      ...(begin.table !== undefined &&
        end.table !== undefined && {
          collected: Math.max(0, begin.table.count + this.#newEvents - end.table.count),
        }),
      ...(counted !== undefined && isWhole && { census: counted }),
      ...(end.error !== undefined && { error: end.error }),
    };
  }
}
