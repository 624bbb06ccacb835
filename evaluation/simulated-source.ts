/**
 * A simulated table as a source of records: what ctwatch would have received from the kernel, in virtual time.
 *
 * The daemon starts at time 0 with a dump, which collects what has expired. Entries that are older never send a DESTROY, as with
 * nf_conntrack_events=2. Young flows are looked up as the live source does. Events can be lost for a while and the wall clock can step.
 */

import type { SampledFlow } from '../src/kernel/flow-sample.js';
import { YoungFlows } from '../src/kernel/young-flows.js';
import { createBatch, type EventBatch, PRESENT, TUPLES_PRESENT } from '../src/model/batch.js';
import { BATCH_ROWS, LOOKUPS_PER_SECOND } from '../src/model/limits.js';
import { IPS_ASSURED, IPS_CONFIRMED, IPS_SEEN_REPLY, TCP, TCP_ESTABLISHED, UDP } from '../src/model/protocol.js';
import type { BatchSource, HostFacts, Instant, LossTotals, SourceObserver } from '../src/model/record.js';
import { createRandom } from './random.js';
import { SimulatedLookups } from './simulated-lookups.js';
import type { Traffic } from './traffic.js';
import { WORLD_TICK_SECONDS, World, type WorldSettings } from './world.js';

export interface SimulatedSettings extends WorldSettings {
  readonly max: number;
  /** Part of the events that are lost at a time, 0..1. */
  readonly lostRatio?: (seconds: number) => number;
  /** Whether the table is read at a whole second, which makes a forecast. Default always, as the live source does. */
  readonly isTableRead?: (seconds: number) => boolean;
  /** How far the wall clock is off at a time. */
  readonly clockStepSeconds?: (seconds: number) => number;
}

/** Told after each second of the daemon's life. */
export type OnSecond = (second: number, truth: Truth) => void;

/** What really happened in the last second, and what is in the table at its end. */
export interface Truth {
  readonly count: number;
  readonly live: number;
  readonly newEvents: number;
  readonly destroyEvents: number;
}

const IPS_SEEN_REPLY_CONFIRMED = IPS_SEEN_REPLY | IPS_CONFIRMED;
const TCP_SYN_SENT = 1;
/** States by the timeout that a closing connection runs out in. */
const TCP_CLOSING = new Map([
  [10, 8],
  [60, 2],
  [120, 7],
]);
const TCP_TIME_WAIT = 7;
/** Flows picked in 30 s: the last age is half of that. */
const PLACES_MAX = 30 * LOOKUPS_PER_SECOND;
const START: Instant = { monotonicSeconds: 1000, unixSeconds: 1_790_000_000 };

/** Plays a world until the table is full or its time is over. Synchronous: everything has happened when it returns. */
export function simulatedSource(settings: SimulatedSettings, onSecond?: OnSecond): BatchSource {
  return (observer, signal) => queueMicrotask(() => new Simulation(settings, observer, onSecond).run(signal));
}

class Simulation {
  readonly #settings: SimulatedSettings;
  readonly #observer: SourceObserver;
  readonly #onSecond: OnSecond | undefined;
  readonly #world: World;
  readonly #random;
  readonly #batch = createBatch(BATCH_ROWS);
  readonly #young = new YoungFlows();
  readonly #lookups = new SimulatedLookups();
  /** Of the rows of the batch, and by id of the flows that were picked. */
  readonly #rowPlaces = new Int32Array(BATCH_ROWS);
  readonly #places = new Map<number, number>();
  #firstSeen = 0;
  #loss: { lostNew: number; lostDestroy: number } = { lostNew: 0, lostDestroy: 0 };
  #newEvents = 0;
  #destroyEvents = 0;

  constructor(settings: SimulatedSettings, observer: SourceObserver, onSecond: OnSecond | undefined) {
    this.#settings = settings;
    this.#observer = observer;
    this.#onSecond = onSecond;
    this.#world = new World(settings);
    this.#random = createRandom(settings.seed + 1);
  }

  run(signal: AbortSignal): void {
    this.#start();
    const ticks = Math.round(this.#settings.lengthSeconds / WORLD_TICK_SECONDS);
    for (let tick = 1; tick <= ticks && !signal.aborted; tick++) {
      this.#tick(tick);
      if (this.#world.count >= this.#settings.max) break;
    }
    this.#observer.next({ type: 'close', at: this.#at(), reason: 'end of the simulation' });
    this.#observer.complete();
  }

  #start(): void {
    const world = this.#world;
    while (world.atSeconds < 0) for (const place of world.step().born) this.#firstSeen = world.numberOf(place) + 1;
    const { max, buckets } = this.#settings;
    const at = this.#at();
    this.#observer.next({ type: 'open', at, host: hostFacts(buckets, { count: world.count, max }) });
    world.reap();
    const batch = this.#batch;
    batch.newCount = 0;
    batch.destroyCount = 0;
    for (const { place, remainingSeconds, isRenewed } of world.liveEntries()) {
      const row = batch.newCount++;
      this.#write(row, place);
      const { columns } = batch;
      const isTcp = columns.protocol[row] === TCP;
      columns.present[row] = (columns.present[row] ?? 0) | PRESENT.timeout | (isTcp ? PRESENT.tcpState : 0);
      columns.timeoutSeconds[row] = isTcp && isRenewed ? 432_000 : Math.round(remainingSeconds);
      columns.tcpState[row] = isTcp ? (isRenewed ? TCP_ESTABLISHED : this.#closingState(place)) : 0;
      columns.status[row] = IPS_SEEN_REPLY_CONFIRMED | (isTcp ? IPS_ASSURED : 0);
      if (batch.newCount === batch.capacity) this.#flush('entries');
    }
    this.#flush('entries');
  }

  #tick(tick: number): void {
    const { max, lostRatio } = this.#settings;
    const lost = lostRatio?.(tick * WORLD_TICK_SECONDS) ?? 0;
    const { born, collected } = this.#world.step();
    for (const place of born) {
      if (lost > 0 && this.#random.uniform() < lost) this.#loss.lostNew += 1;
      else this.#append(place, true);
    }
    // Entries that were there before the daemon have no event extension.
    const told = collected.filter((place) => this.#world.numberOf(place) >= this.#firstSeen);
    for (const place of told) {
      if (lost > 0 && this.#random.uniform() < lost) this.#loss.lostDestroy += 1;
      else this.#append(place, false);
    }
    this.#flush('batch');
    this.#newEvents += born.length;
    this.#destroyEvents += told.length;
    const isSecond = tick % Math.round(1 / WORLD_TICK_SECONDS) === 0;
    const { count, live } = this.#world;
    const loss: LossTotals = { ...this.#loss, malformed: 0, unknownLosses: 0 };
    const isRead = isSecond && (this.#settings.isTableRead?.(tick * WORLD_TICK_SECONDS) ?? true);
    this.#observer.next({ type: 'tick', at: this.#at(), loss, ...(isRead && { table: { count, max } }) });
    if (!isSecond) return;
    this.#lookUp();
    this.#onSecond?.(tick * WORLD_TICK_SECONDS, {
      ...{ count, live, newEvents: this.#newEvents, destroyEvents: this.#destroyEvents },
    });
    this.#newEvents = 0;
    this.#destroyEvents = 0;
  }

  /** Where the picked flows are, as long as they are asked about. */
  #remember(picked: readonly SampledFlow[]): void {
    for (const { id } of picked) this.#places.set(id, this.#rowPlaces[this.#batch.columns.id.indexOf(id)] ?? -1);
    for (const id of this.#places.keys()) {
      if (this.#places.size <= PLACES_MAX) break;
      this.#places.delete(id);
    }
  }

  #lookUp(): void {
    const at = this.#at();
    for (const { flows, ageSeconds } of this.#young.takeDue(at.monotonicSeconds)) {
      const batch = this.#lookups.answer(flows, ({ id }: SampledFlow) =>
        this.#world.lookUp(this.#places.get(id) ?? -1, unscrambled(id)),
      );
      this.#observer.next({ type: 'lookups', at, batch, ageSeconds });
    }
  }

  #at(): Instant {
    const seconds = Math.max(0, this.#world.atSeconds);
    const step = this.#settings.clockStepSeconds?.(seconds) ?? 0;
    return { monotonicSeconds: START.monotonicSeconds + seconds, unixSeconds: START.unixSeconds + seconds + step };
  }

  #append(place: number, isNew: boolean): void {
    const batch = this.#batch;
    if (batch.newCount + batch.destroyCount === batch.capacity) this.#flush('batch');
    const row = batch.newCount + batch.destroyCount;
    this.#write(row, place);
    this.#rowPlaces[row] = place;
    const { columns } = batch;
    const isTcp = columns.protocol[row] === TCP;
    const state = isNew ? TCP_SYN_SENT : this.#closingState(place);
    columns.tcpState[row] = isTcp ? state : 0;
    columns.present[row] = (columns.present[row] ?? 0) | (isTcp ? PRESENT.tcpState : 0) | (isNew ? PRESENT.timeout : 0);
    columns.timeoutSeconds[row] = isNew ? (isTcp ? 120 : 30) : 0;
    if (isNew) batch.newCount += 1;
    else batch.destroyCount += 1;
  }

  #flush(type: 'batch' | 'entries'): void {
    const batch: EventBatch = this.#batch;
    const at = this.#at();
    if (type === 'batch') this.#remember(this.#young.observe(batch, at.monotonicSeconds));
    if (batch.newCount + batch.destroyCount > 0) this.#observer.next({ type, at, batch });
    batch.newCount = 0;
    batch.destroyCount = 0;
  }

  #closingState(place: number): number {
    return TCP_CLOSING.get(this.#world.timeoutOf(place)) ?? TCP_TIME_WAIT;
  }

  /** The tuple of an entry, the same whenever it is asked. */
  #write(row: number, place: number): void {
    const { columns } = this.#batch;
    const entry = this.#world.numberOf(place);
    const traffic = this.#world.trafficOf(place);
    const { protocol, port } = this.#settings.traffics[traffic] as Traffic;
    const destination = 10 | ((traffic + 1) << 24);
    const source = 10 | (1 << 8) | (((entry >>> 8) & 0xff) << 16) | ((entry & 0xff) << 24);
    const sourcePort = 1024 + (entry % 64_000);
    columns.originalSource.words[row * 4] = source;
    columns.originalDestination.words[row * 4] = destination;
    columns.replySource.words[row * 4] = destination;
    columns.replyDestination.words[row * 4] = source;
    columns.originalSourcePort[row] = sourcePort;
    columns.replyDestinationPort[row] = sourcePort;
    columns.originalDestinationPort[row] = port;
    columns.replySourcePort[row] = port;
    columns.family[row] = 2;
    columns.protocol[row] = protocol === 'tcp' ? TCP : UDP;
    columns.id[row] = scrambled(entry);
    columns.status[row] = IPS_SEEN_REPLY_CONFIRMED;
    columns.present[row] = TUPLES_PRESENT | PRESENT.id | PRESENT.status;
  }
}

/** A hash without collisions, as the kernel's ids look. */
function scrambled(entry: number): number {
  let hash = (entry + 1) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The entry of a hash: its steps backwards, with the inverses of the factors modulo 2^32. */
function unscrambled(id: number): number {
  let hash = id ^ (id >>> 16);
  hash = Math.imul(hash, 0x43021123);
  hash ^= (hash >>> 15) ^ (hash >>> 30);
  hash = Math.imul(hash, 0x1d69e2a5);
  return ((hash ^ (hash >>> 16)) - 1) >>> 0;
}

function hostFacts(buckets: number, table: { count: number; max: number }): HostFacts {
  return {
    hostname: 'simulated',
    kernelRelease: '6.18.0',
    capabilities: ['CAP_NET_ADMIN'],
    sysctls: { buckets, events: 2, acct: 0, timestamp: 0 },
    timeouts: {
      tcp: {
        ...{ syn_sent: 120, syn_recv: 60, established: 432_000, fin_wait: 120, close_wait: 60, last_ack: 30 },
        ...{ time_wait: 120, close: 10, syn_sent2: 120, max_retrans: 300, unacknowledged: 300 },
      },
      udp: { unreplied: 30, stream: 120 },
      icmp: 30,
    },
    table,
    counters: {
      ...{ found: 0, invalid: 0, insert: 0, insert_failed: 0, drop: 0, early_drop: 0, error: 0 },
      ...{ search_restart: 0, clash_resolve: 0, chain_toolong: 0 },
    },
    recvBufferBytes: 67_108_864,
    recvBufferForced: true,
  };
}
