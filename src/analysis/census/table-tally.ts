/**
 * Whose the entries of a dump are, by destination, and how many of them nobody has used for an hour.
 *
 *   row -> destination, protocol, port -> entries, idle ones, TCP states        at most 4,096 destinations, then `others`
 *
 * The time left of an ESTABLISHED entry tells when its last packet came: the kernel sets the whole timeout with each. `census.ts`
 * counts by everything else that there is, for people.
 */
import { AF_INET6 } from '../../model/address.js';
import { type EventBatch, type EventColumns, PRESENT } from '../../model/batch.js';
import { TCP, TCP_ESTABLISHED } from '../../model/protocol.js';
import {
  DESTINATION_KEY_WORDS,
  type Destination,
  destinationPort,
  writeDestinationKey,
  writeDestinationKeyOf,
} from '../destination-key.js';
import { WordTable } from './word-table.js';

/** A destination with its entries in a dump. */
export interface TalliedDestination extends Destination {
  entries: number;
  /** Established, and no packet for an hour. */
  idle: number;
  /** By enum tcp_conntrack; empty for other protocols. */
  readonly states: Uint32Array;
}

const DESTINATIONS_MAX = 4096;
const TCP_STATES = 10;
/** Longer than any pause of a connection in use that keepalives (2 h by default, mostly set shorter) or jobs make. */
const IDLE_SECONDS = 3600;

/** Feed it the rows of one dump. */
export class TableTally {
  readonly #keys = new WordTable(DESTINATION_KEY_WORDS);
  /** By the number of their key. */
  readonly #destinations: TalliedDestination[] = [];
  readonly #establishedSeconds: number;
  #entries = 0;

  /** `establishedSeconds` is nf_conntrack_tcp_timeout_established. */
  constructor(establishedSeconds: number) {
    this.#establishedSeconds = establishedSeconds;
  }

  get entries(): number {
    return this.#entries;
  }

  observe({ columns, newCount }: EventBatch): void {
    for (let row = 0; row < newCount; row++) this.#observeRow(columns, row);
  }

  /** Most entries first. */
  destinations(): TalliedDestination[] {
    return [...this.#destinations].sort((a, b) => b.entries - a.entries);
  }

  /** A destination as `Talker` has it. */
  of(destination: Destination): TalliedDestination | undefined {
    writeDestinationKeyOf(this.#keys.key, destination);
    return this.#destinations[this.#keys.find()];
  }

  #observeRow(columns: EventColumns, row: number): void {
    this.#entries += 1;
    const protocol = columns.protocol[row] ?? 0;
    writeDestinationKey(this.#keys.key, columns, row);
    const number = this.#keys.place(DESTINATIONS_MAX);
    if (number < 0) return;
    this.#destinations[number] ??= destinationOf(columns, row);
    const found = this.#destinations[number];
    found.entries += 1;
    const state = columns.tcpState[row] ?? 0;
    if (state < found.states.length) found.states[state] = (found.states[state] ?? 0) + 1;
    const hasTimeout = ((columns.present[row] ?? 0) & PRESENT.timeout) !== 0;
    if (protocol !== TCP || state !== TCP_ESTABLISHED || !hasTimeout) return;
    if ((columns.timeoutSeconds[row] ?? 0) < this.#establishedSeconds - IDLE_SECONDS) found.idle += 1;
  }
}

function destinationOf(columns: EventColumns, row: number): TalliedDestination {
  const protocol = columns.protocol[row] ?? 0;
  const family = columns.family[row] ?? 0;
  const address = new Uint8Array(16);
  address.set(columns.originalDestination.bytes.subarray(row * 16, row * 16 + (family === AF_INET6 ? 16 : 4)));
  const states = new Uint32Array(protocol === TCP ? TCP_STATES : 0);
  return { ...{ family, protocol, address, port: destinationPort(columns, row) }, states, entries: 0, idle: 0 };
}
