/**
 * What the kernel counts: the last reading, carried forward with the events since, and how much of it may be blind.
 *
 * Entries that are older than the daemon may never send a DESTROY (nf_conntrack_events=2), so the count falls below what the
 * events add up to when they leave. What part of the count has expired is told by `lifetimes.ts`.
 */

/** What one tick brought. Events are received plus lost. */
export interface TableTick {
  readonly newEvents: number;
  readonly destroyEvents: number;
  /** The kernel's count, when a reading arrived in this tick. */
  readonly count?: number;
  /** nf_conntrack_max (or what is assumed instead), when known. */
  readonly max?: number;
}

/** The state of the table. Whole or fractional entries, never negative; `live + expired = count` when present. */
export interface TableSnapshot {
  /** Entries in the table: the last reading, carried forward with the events since. Absent before the first. */
  readonly count?: number;
  readonly max?: number;
  /** Entries not yet expired. Absent while it cannot be told. */
  readonly live?: number;
  /** Expired entries that still count. Absent like `live`. */
  readonly expired?: number;
  /** Most entries of the initial count that may still be there and never send a DESTROY. Never grows. */
  readonly blind: number;
  /** Share the kernel may evict, 0..1: of a recent census, or from look-ups. Absent while too little is known. */
  readonly unassuredRatio?: number;
}

/** Readings whose largest drift counts: a reading and the events beside it are some milliseconds apart. */
const DRIFT_RING = 8;

/** Keeps the count of the conntrack table. Feed it once a tick. */
export class TableModel {
  readonly #initialCount: number;
  #newTotal = 0;
  #destroyTotal = 0;
  #count: number | undefined;
  #max: number | undefined;
  #blind: number;
  readonly #drifts = new Float64Array(DRIFT_RING);
  #readings = 0;

  /** `initialCount` is the count when listening began. */
  constructor(initialCount: number) {
    this.#initialCount = Math.max(0, initialCount);
    this.#blind = this.#initialCount;
  }

  /** Takes one tick. */
  observe(tick: TableTick): void {
    this.#newTotal += tick.newEvents;
    this.#destroyTotal += tick.destroyEvents;
    if (tick.max !== undefined) this.#max = tick.max;
    this.#observeCount(tick);
  }

  /** The table at the end of the last tick. */
  snapshot(): TableSnapshot {
    return {
      blind: this.#blind,
      ...(this.#count !== undefined && { count: this.#count }),
      ...(this.#max !== undefined && { max: this.#max }),
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
}
