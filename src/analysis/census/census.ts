/**
 * Counts the entries of a dump by everything that tells them apart, any two dimensions together.
 *
 *   row ──> number of its source, number of its destination (exact counts each)
 *       ──> group: both numbers, protocol, state, direction, NAT, zone, assured, owner, time left ──> count
 *
 * Counts of any dimensions are sums over groups. Memory is bounded: what finds no room is counted under `other`, first without its
 * source, then without its destination. Entries come in the order of the kernel's hash, which is random, so what has many is there.
 * Source ports never count. Does not know what happens: a picture of one moment.
 */
import { AF_INET6 } from '../../model/address.js';
import { writeAddress } from '../../model/address-words.js';
import { type AddressColumn, type EventBatch, type EventColumns, PRESENT } from '../../model/batch.js';
import type { CensusDimension } from '../../model/census-fields.js';
import { CENSUS_GROUPS_MAX, CENSUS_KEYS_MAX, CENSUS_OWNERS_MAX } from '../../model/limits.js';
import { hasPorts, IPS_ASSURED, IPS_SEEN_REPLY, TCP } from '../../model/protocol.js';
import { isRenewed } from '../flow-stage.js';
import { natOf } from '../nat.js';
import { type CensusCount, countEntries } from './census-count.js';
import {
  type CensusTables,
  DIRECTIONS,
  FOLDED,
  GROUP,
  NATS,
  NO_DIRECTION,
  NO_TIMEOUT,
  REMAINING_FROM_SECONDS,
  STATE,
  TRAIT,
} from './census-groups.js';
import { EntryCounts } from './entry-counts.js';
import { directionOf, OwnAddresses, type Place } from './own-addresses.js';
import { WordTable } from './word-table.js';

/** Who is behind the entry in a row: a stable text, undefined when it is not known. */
export type OwnerOf = (columns: EventColumns, row: number) => string | undefined;

export interface CensusOptions {
  /** Of the host, in text. Without them no direction is told. */
  readonly addresses?: readonly string[] | undefined;
  readonly ownerOf?: OwnerOf | undefined;
}

const SOON_SECONDS = 60;

/** Room for groups without their source, and for those without source, destination, zone and owner. */
const FOLDED_GROUPS_MAX = 2 ** 15;

/** One picture of the table. Feed it the rows of a dump, then ask. */
export class Census {
  readonly #own: OwnAddresses | undefined;
  readonly #ownerOf: OwnerOf | undefined;
  readonly #sources = new WordTable(5);
  readonly #destinations = new WordTable(6);
  readonly #groups = new WordTable(5);
  readonly #traits = new WordTable(1);
  readonly #sourceEntries = new EntryCounts();
  readonly #destinationEntries = new EntryCounts();
  readonly #groupEntries = new EntryCounts();
  readonly #traitsEntries = new EntryCounts();
  readonly #owners = new Map<string, number>();
  #entries = 0;
  #unassured = 0;
  #timeWait = 0;
  #goneSoon = 0;
  #folded = 0;

  constructor({ addresses, ownerOf }: CensusOptions = {}) {
    this.#own = addresses && new OwnAddresses(addresses);
    this.#ownerOf = ownerOf;
  }

  /** Entries that were counted. */
  get entries(): number {
    return this.#entries;
  }

  /** Share that the kernel may evict when the table is full; absent for an empty table, as are the next two. */
  get unassuredRatio(): number | undefined {
    return this.#ratio(this.#unassured);
  }

  /** Share in TIME_WAIT. */
  get timeWaitRatio(): number | undefined {
    return this.#ratio(this.#timeWait);
  }

  /** Share that expires within 60 s and does not renew its timeout: closing, or never answered for long. */
  get goneSoonRatio(): number | undefined {
    return this.#ratio(this.#goneSoon);
  }

  /** Entries whose source, destination, zone or owner is missing in counts of two dimensions, for want of room. */
  get folded(): number {
    return this.#folded;
  }

  /** Takes the rows [0, newCount) of a dump. */
  observe({ columns, newCount }: EventBatch): void {
    for (let row = 0; row < newCount; row++) this.#observeRow(columns, row);
  }

  /** Entries by one dimension, or by several together; `rowsMax` rows, most entries first, the rest under `other`. */
  count(by: readonly CensusDimension[], rowsMax: number = Number.POSITIVE_INFINITY): CensusCount {
    return countEntries(this.#tables(), by, rowsMax);
  }

  #tables(): CensusTables {
    return {
      entries: this.#entries,
      source: { keys: this.#sources, entries: this.#sourceEntries },
      destination: { keys: this.#destinations, entries: this.#destinationEntries },
      traits: { keys: this.#traits, entries: this.#traitsEntries },
      group: { keys: this.#groups, entries: this.#groupEntries },
      owners: [...this.#owners.keys()],
    };
  }

  #observeRow(columns: EventColumns, row: number): void {
    const protocol = columns.protocol[row] ?? 0;
    const family = columns.family[row] ?? 0;
    const status = columns.status[row] ?? 0;
    const hasTimeout = ((columns.present[row] ?? 0) & PRESENT.timeout) !== 0;
    const timeout = columns.timeoutSeconds[row] ?? 0;
    const isAssured = (status & IPS_ASSURED) !== 0;
    const state = stateOf(columns, row, protocol, status);
    this.#entries += 1;
    if (!isAssured) this.#unassured += 1;
    if (protocol === TCP && state === STATE.timeWait) this.#timeWait += 1;
    if (hasTimeout && timeout < SOON_SECONDS && !isRenewed(columns, row)) this.#goneSoon += 1;

    const port = hasPorts(protocol) ? (columns.originalDestinationPort[row] ?? 0) : 0;
    setAddress(this.#sources.key, columns.originalSource, row, family);
    const source = this.#sources.place(CENSUS_KEYS_MAX);
    if (source >= 0) this.#sourceEntries.add(source);
    setAddress(this.#destinations.key, columns.originalDestination, row, family);
    this.#destinations.key[5] = ((protocol << 16) | port) >>> 0;
    const destination = this.#destinations.place(CENSUS_KEYS_MAX);
    if (destination >= 0) this.#destinationEntries.add(destination);

    const nat = natOf(columns, row);
    const { key } = this.#groups;
    key[GROUP.source] = source < 0 ? FOLDED : source;
    key[GROUP.destination] = destination < 0 ? FOLDED : destination;
    key[GROUP.zone] = columns.zone[row] ?? 0;
    key[GROUP.owner] = this.#ownerNumber(columns, row);
    const traits =
      protocol |
      (state << TRAIT.state.shift) |
      (this.#directionOf(columns, row, family) << TRAIT.direction.shift) |
      ((nat === undefined ? 0 : NATS.indexOf(nat)) << TRAIT.nat.shift) |
      ((isAssured ? 1 : 0) << TRAIT.assured.shift) |
      ((hasTimeout ? binOf(timeout) : NO_TIMEOUT) << TRAIT.remaining.shift);
    key[GROUP.traits] = traits;
    this.#traits.key[0] = traits;
    this.#traitsEntries.add(this.#traits.place(Number.POSITIVE_INFINITY));
    if (source < 0 || destination < 0) this.#folded += 1;
    this.#placeGroup();
  }

  #placeGroup(): void {
    const { key } = this.#groups;
    let group = this.#groups.place(CENSUS_GROUPS_MAX);
    if (group < 0) {
      if (key[GROUP.source] !== FOLDED && key[GROUP.destination] !== FOLDED) this.#folded += 1;
      key[GROUP.source] = FOLDED;
      group = this.#groups.place(CENSUS_GROUPS_MAX + FOLDED_GROUPS_MAX);
    }
    if (group < 0) {
      key[GROUP.destination] = FOLDED;
      key[GROUP.zone] = FOLDED;
      key[GROUP.owner] = FOLDED;
      // Of the traits alone there are few.
      group = this.#groups.place(Number.POSITIVE_INFINITY);
    }
    this.#groupEntries.add(group);
  }

  /** 0 is nobody known. */
  #ownerNumber(columns: EventColumns, row: number): number {
    const owner = this.#ownerOf?.(columns, row);
    if (owner === undefined) return 0;
    const known = this.#owners.get(owner);
    if (known !== undefined) return known;
    if (this.#owners.size >= CENSUS_OWNERS_MAX) return FOLDED;
    const number = this.#owners.size + 1;
    this.#owners.set(owner, number);
    return number;
  }

  #directionOf(columns: EventColumns, row: number, family: number): number {
    const own = this.#own;
    if (own === undefined) return NO_DIRECTION;
    const source: Place = own.placeOf(columns.originalSource, row, family);
    // Where it really goes.
    const hasReply = ((columns.present[row] ?? 0) & PRESENT.replyTuple) !== 0;
    const destination = own.placeOf(hasReply ? columns.replySource : columns.originalDestination, row, family);
    return DIRECTIONS.indexOf(directionOf(source, destination));
  }

  #ratio(entries: number): number | undefined {
    return this.#entries > 0 ? entries / this.#entries : undefined;
  }
}

function stateOf(columns: EventColumns, row: number, protocol: number, status: number): number {
  if (protocol === TCP) {
    const isTold = ((columns.present[row] ?? 0) & PRESENT.tcpState) !== 0;
    return isTold ? Math.min(15, columns.tcpState[row] ?? 0) : STATE.unknown;
  }
  if ((status & IPS_ASSURED) !== 0) return STATE.assured;
  return (status & IPS_SEEN_REPLY) !== 0 ? STATE.replied : STATE.unreplied;
}

function binOf(seconds: number): number {
  let bin = NO_TIMEOUT - 1;
  while (seconds < (REMAINING_FROM_SECONDS[bin] ?? 0)) bin--;
  return bin;
}

function setAddress(key: Uint32Array, { words }: AddressColumn, row: number, family: number): void {
  writeAddress(key, 0, words, row, family === AF_INET6);
  key[4] = family;
}
