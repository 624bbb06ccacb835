/**
 * Whose the new flows of a destination are, from the few that were looked up.
 *
 *   sighting ──> counter of (destination, direction, own source, owner) ──> shares of a destination, owner of an entry
 *
 * What is remembered stays true of entries whose socket is long gone: those in TIME_WAIT. 1,024 counters; when they are used up the
 * smallest quarter goes, and newcomers begin with the weight of the largest of these for the order alone (space-saving), so that no
 * share is too high. Weights decay forward, as those of `talkers`. Does not know whose a single flow is.
 * Sources: Metwally, Agrawal, El Abbadi (ICDT 2005); Boyer and Moore, "MJRTY" (1981) for the process of an owner.
 */
import { formatAddress } from '../../model/address.js';
import type { EventColumns } from '../../model/batch.js';
import { OWNER_COUNTERS_MAX } from '../../model/limits.js';
import type { FlowDirection, Owner, OwnerSighting } from '../../model/owner.js';
import { EntryOwners } from '../census/entry-owners.js';
import type { Destination } from '../destination-key.js';
import { type DestinationOwners, shareOwners } from './owner-shares.js';

/** Own sources of a destination that are told apart: a host has few addresses, but all of 127.0.0.0/8. */
const SOURCES_MAX = 8;

/** Time constant of the decay, seconds: as long as an entry of a closed connection stays. */
const DECAY_SECONDS = 120;

/** The same for the process of an owner: a service that was restarted has another. */
const PROCESS_DECAY_SECONDS = 15;

/** Lead of a process over all others, of its owner's flows, from which it is told: it has three quarters of them. */
const PROCESS_LEAD_RATIO = 0.5;

/** Flows, decayed, below which nothing is said. */
const FLOWS_MIN = 0.5;

/** Weights are scaled back long before they leave the range of a double. */
const GAIN_MAX = 1e100;

class Counter {
  readonly destination: string;
  readonly source: string | undefined;
  readonly direction: FlowDirection;
  total: number;
  error: number;
  #owner: Owner | undefined;
  #recent = 0;
  #lead = 0;
  #atSeconds = 0;

  constructor({ direction, owner }: OwnerSighting, destination: string, source: string | undefined, error: number) {
    this.destination = destination;
    this.source = source;
    this.direction = direction;
    this.#owner = owner;
    this.total = error;
    this.error = error;
  }

  get weight(): number {
    return this.total - this.error;
  }

  /** Without the parts that are of a process when no process has the lead. */
  get owner(): Owner | undefined {
    if (this.#owner === undefined || this.#lead >= PROCESS_LEAD_RATIO * this.#recent) return this.#owner;
    const { pid, startTicks, startUnixSeconds, threads, sockets, commandLine, ...others } = this.#owner;
    return others;
  }

  /** `weight` is that of each flow now. */
  add({ count, owner }: OwnerSighting, weight: number, monotonicSeconds: number): void {
    this.total += count * weight;
    const decay = Math.exp((this.#atSeconds - monotonicSeconds) / PROCESS_DECAY_SECONDS);
    this.#atSeconds = monotonicSeconds;
    this.#recent = this.#recent * decay + count;
    this.#lead *= decay;
    const same = this.#owner?.pid === owner?.pid && this.#owner?.startTicks === owner?.startTicks;
    this.#lead += same ? count : -count;
    if (same || this.#lead < 0) this.#owner = owner;
    this.#lead = Math.abs(this.#lead);
  }
}

export class Owners {
  /** By destination, then by direction, source and owner. */
  readonly #counters = new Map<string, Map<string, Counter>>();
  #used = 0;
  /** Largest weight that had to go. */
  #floor = 0;
  #gain = 1;
  #atSeconds: number | undefined;
  /** Made when entries are asked for, dropped when more is known. */
  #entries: EntryOwners | undefined;

  /** Takes what was looked up until `monotonicSeconds`. */
  observe(monotonicSeconds: number, sightings: readonly OwnerSighting[]): void {
    this.#advance(monotonicSeconds);
    this.#entries = undefined;
    for (const sighting of sightings) {
      const destination = destinationKey(sighting.protocol, sighting.destination, sighting.port);
      this.#counterOf(destination, sighting).add(sighting, this.#gain, monotonicSeconds);
    }
  }

  /** Counters in use. */
  get used(): number {
    return this.#used;
  }

  /** What is known of a destination; undefined when too few of its flows were looked up lately. */
  of({ family, protocol, address, port }: Destination, monotonicSeconds: number): DestinationOwners | undefined {
    const key = destinationKey(protocol, formatAddress(family, address), port);
    const counters = [...(this.#counters.get(key)?.values() ?? [])];
    if (counters.length === 0) return undefined;
    const seconds = monotonicSeconds - (this.#atSeconds ?? monotonicSeconds);
    const flows =
      (counters.reduce((sum, { weight }) => sum + weight, 0) / this.#gain) * Math.exp(-seconds / DECAY_SECONDS);
    return flows < FLOWS_MIN ? undefined : shareOwners(counters);
  }

  /** The destination with its owners, where they are known. */
  own<T extends Destination>(destination: T, monotonicSeconds: number): T & { owners?: DestinationOwners } {
    const owners = this.of(destination, monotonicSeconds);
    return owners === undefined ? destination : { ...destination, owners };
  }

  /**
   * Key of the owner of an entry, by its destination and source; undefined when it is not known. Where several share a
   * destination, its entries are divided among them as its looked-up flows were: right in sum, not for each.
   */
  ownerOf(columns: EventColumns, row: number): string | undefined {
    this.#entries ??= new EntryOwners([...this.#all()]);
    return this.#entries.of(columns, row);
  }

  #counterOf(destination: string, sighting: OwnerSighting): Counter {
    const { direction, source, owner } = sighting;
    let counters = this.#counters.get(destination);
    const known = counters?.get(`${direction} ${source} ${owner?.key}`);
    if (known !== undefined) return known;
    if (this.#used >= OWNER_COUNTERS_MAX) this.#makeRoom();
    counters = this.#counters.get(destination) ?? new Map<string, Counter>();
    this.#counters.set(destination, counters);
    const sources = new Set([...counters.values()].map((counter) => counter.source));
    const kept = sources.has(source) || sources.size < SOURCES_MAX ? source : undefined;
    const key = `${direction} ${kept} ${owner?.key}`;
    const counter = counters.get(key) ?? new Counter(sighting, destination, kept, this.#floor);
    if (!counters.has(key)) this.#used += 1;
    counters.set(key, counter);
    return counter;
  }

  *#all(): Generator<Counter> {
    for (const counters of this.#counters.values()) yield* counters.values();
  }

  #makeRoom(): void {
    const totals = [...this.#all()].map(({ total }) => total).sort((a, b) => a - b);
    this.#floor = totals[Math.floor(totals.length / 4)] ?? 0;
    for (const [destination, counters] of this.#counters) {
      for (const [key, { total }] of counters) {
        if (total > this.#floor) continue;
        counters.delete(key);
        this.#used -= 1;
      }
      if (counters.size === 0) this.#counters.delete(destination);
    }
  }

  #advance(monotonicSeconds: number): void {
    const seconds = monotonicSeconds - (this.#atSeconds ?? monotonicSeconds);
    this.#atSeconds = monotonicSeconds;
    this.#gain *= Math.exp(Math.min(Math.max(0, seconds) / DECAY_SECONDS, 200));
    if (this.#gain < GAIN_MAX) return;
    for (const counter of this.#all()) {
      counter.total /= this.#gain;
      counter.error /= this.#gain;
    }
    this.#floor /= this.#gain;
    this.#gain = 1;
  }
}

function destinationKey(protocol: number, address: string, port: number): string {
  return `${protocol} ${address} ${port}`;
}
