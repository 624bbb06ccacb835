/**
 * What the configuration allows against what is there: entries and new entries per second of each budget, counted from every event.
 *
 *   row -> port that a budget has? -> budgets in turn -> entries += NEW - DESTROY, each weighing what its tick lost
 *
 * A budget of an owner has the owner's share of its destination, or of all destinations, as far as owners are told; while they are not
 * it has no reading. Entries from before the start count only where the kernel will tell of their end (nf_conntrack_events=1);
 * a census sets all counts anew.
 */
import { AF_INET6 } from '../../model/address.js';
import type { EventColumns } from '../../model/batch.js';
import {
  type BudgetDestination,
  type BudgetOwner,
  budgetKey,
  parseDestination,
  parseOwner,
} from '../../model/budget.js';
import { TCP, UDP } from '../../model/protocol.js';
import type { BudgetSettings } from '../../model/settings.js';
import { type Destination, destinationPort } from '../destination-key.js';

/** What is there of a budget. A number that is not known is absent. */
export interface BudgetReading {
  readonly budget: BudgetSettings;
  readonly entries?: number;
  readonly newPerSecond?: number;
}

/** What an owner has: part of the entries of a destination, or of all; undefined while owners are not told. */
export type OwnerShareOf = (owner: BudgetOwner, destination: BudgetDestination | undefined) => number | undefined;

/** Time constant of the rate, seconds: a budget is for what lasts, and a second's clump does not. */
const RATE_SECONDS = 5;
const PROTOCOLS = { tcp: TCP, udp: UDP } as const;

class Count {
  readonly settings: BudgetSettings;
  readonly destination: BudgetDestination | undefined;
  readonly owner: BudgetOwner | undefined;
  readonly #word0: number | undefined;
  readonly #words: Uint32Array | undefined;
  readonly #protocol: number | undefined;
  entries = 0;
  newPerSecond = 0;
  tickNew = 0;
  tickDestroyed = 0;
  /** Rows of the census that is being read. */
  census = 0;

  /** `before` counted the same under another budget. */
  constructor(settings: BudgetSettings, before?: Count) {
    this.settings = settings;
    if (before !== undefined) {
      this.entries = before.entries;
      this.newPerSecond = before.newPerSecond;
      this.tickNew = before.tickNew;
      this.tickDestroyed = before.tickDestroyed;
      this.census = before.census;
    }
    this.#protocol = settings.transport && PROTOCOLS[settings.transport];
    // The schema has refused what does not parse.
    if (settings.destination !== undefined)
      this.destination = parseDestination(settings.destination) as BudgetDestination;
    if (settings.owner !== undefined) this.owner = parseOwner(settings.owner) as BudgetOwner;
    if (this.destination?.address !== undefined) this.#words = new Uint32Array(this.destination.address.slice().buffer);
    this.#word0 = this.#words?.[0];
  }

  matches(columns: EventColumns, row: number, port: number): boolean {
    const { destination } = this;
    if (this.#protocol !== undefined && columns.protocol[row] !== this.#protocol) return false;
    if (destination?.port !== undefined && destination.port !== port) return false;
    if (this.#words === undefined) return true;
    const { words } = columns.originalDestination;
    const at = row * 4;
    if (words[at] !== this.#word0 || columns.family[row] !== destination?.family) return false;
    if (destination?.family !== AF_INET6) return true;
    return [1, 2, 3].every((i) => words[at + i] === this.#words?.[i]);
  }
}

// One function each for all rows: made for each row, they would be a tenth of what a watch gives to the garbage collector.
const countEntry = (count: Count) => {
  count.entries += 1;
};
const countNew = (count: Count) => {
  count.tickNew += 1;
};
const countDestroyed = (count: Count) => {
  count.tickDestroyed += 1;
};
const countCensus = (count: Count) => {
  count.census += 1;
};

/** Counts what budgets are about. Feed every event, then `advance` once a tick. */
export class Budgets {
  readonly #counts: readonly Count[];
  readonly #eventsSysctl: number | undefined;
  /** 1: a budget has this port. */
  readonly #ports = new Uint8Array(65_536);
  /** A budget has any port. */
  readonly #isAnyPort: boolean;

  /** `eventsSysctl` is nf_conntrack_events. Of `before` the counts go on whose budgets are about the same. */
  constructor(budgets: readonly BudgetSettings[], eventsSysctl?: number, before?: Budgets) {
    const counts = before === undefined ? [] : before.#counts;
    const counted = new Map(counts.map((count) => [budgetKey(count.settings), count]));
    this.#counts = budgets.map((settings) => new Count(settings, counted.get(budgetKey(settings))));
    this.#eventsSysctl = eventsSysctl;
    this.#isAnyPort = this.#counts.some(({ destination }) => destination?.port === undefined);
    for (const { destination } of this.#counts) if (destination?.port !== undefined) this.#ports[destination.port] = 1;
  }

  /** Other budgets from now on. One that is new counts from nothing until a census. */
  configured(budgets: readonly BudgetSettings[]): Budgets {
    return new Budgets(budgets, this.#eventsSysctl, this);
  }

  /** Takes an entry of the initial dump. */
  observeEntry(columns: EventColumns, row: number): void {
    if (this.#eventsSysctl !== 1) return;
    this.#each(columns, row, countEntry);
  }

  observeNew(columns: EventColumns, row: number): void {
    this.#each(columns, row, countNew);
  }

  observeDestroy(columns: EventColumns, row: number): void {
    this.#each(columns, row, countDestroyed);
  }

  beginCensus(): void {
    for (const count of this.#counts) count.census = 0;
  }

  observeCensus(columns: EventColumns, row: number): void {
    this.#each(columns, row, countCensus);
  }

  /** The census is whole: what it counted is what there is. */
  endCensus(): void {
    for (const count of this.#counts) count.entries = count.census;
  }

  /** Ends a tick; weights as in `DestinationTick`. */
  advance({ seconds, newWeight, destroyWeight }: { seconds: number; newWeight: number; destroyWeight: number }): void {
    const weight = seconds > 0 ? -Math.expm1(-seconds / RATE_SECONDS) : 0;
    for (const count of this.#counts) {
      const made = count.tickNew * newWeight;
      count.entries = Math.max(0, count.entries + made - count.tickDestroyed * destroyWeight);
      if (weight > 0) count.newPerSecond += weight * (made / seconds - count.newPerSecond);
      count.tickNew = 0;
      count.tickDestroyed = 0;
    }
  }

  /** What the first budget of this destination allows, which one of an owner's destination is as well; undefined: none. */
  allowedOf({ family, protocol, address, port }: Destination): BudgetSettings | undefined {
    return this.#counts.find(({ settings, destination }) => {
      if (destination === undefined) return false;
      if (settings.transport !== undefined && PROTOCOLS[settings.transport] !== protocol) return false;
      if (destination.port !== port || destination.address === undefined) return false;
      return destination.family === family && destination.address.every((byte, i) => byte === address[i]);
    })?.settings;
  }

  /** What is there now, in the order of the configuration. */
  readings(shareOf: OwnerShareOf): BudgetReading[] {
    return this.#counts.map(({ settings, destination, owner, entries, newPerSecond }) => {
      const share = owner === undefined ? 1 : shareOf(owner, destination);
      return {
        budget: settings,
        ...(share !== undefined && { entries: entries * share, newPerSecond: newPerSecond * share }),
      };
    });
  }

  #each(columns: EventColumns, row: number, visit: (count: Count) => void): void {
    if (this.#counts.length === 0) return;
    const port = destinationPort(columns, row);
    if (!this.#isAnyPort && this.#ports[port] === 0) return;
    for (const count of this.#counts) if (count.matches(columns, row, port)) visit(count);
  }
}
