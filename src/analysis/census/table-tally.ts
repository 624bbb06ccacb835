/**
 * Whose the entries of a dump are, by destination, and how many of them nobody has used for an hour.
 *
 *   row -> hash of destination, protocol, port -> entries, idle ones, TCP states        at most 4,096 destinations, then `others`
 *
 * The time left of an ESTABLISHED entry tells when its last packet came: the kernel sets the whole timeout with each. Keys are hashes
 * of 32 bits: of 4,096 destinations two share one in one dump of 500. `census.ts` counts everything exactly, for people.
 */
import { AF_INET6 } from '../../model/address.js';
import { type EventBatch, type EventColumns, PRESENT } from '../../model/batch.js';
import { isIcmp, TCP, TCP_ESTABLISHED } from '../../model/protocol.js';
import { addressHash } from '../diagnosis/source-facts.js';
import { mixHash } from '../distinct.js';

/** A destination with its entries in a dump. */
export interface TalliedDestination {
  readonly family: number;
  readonly protocol: number;
  /** 16 bytes, IPv4 in the first four. */
  readonly address: Uint8Array;
  /** 0 for ICMP. */
  readonly port: number;
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
  readonly #destinations = new Map<number, TalliedDestination>();
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
    return [...this.#destinations.values()].sort((a, b) => b.entries - a.entries);
  }

  /** A destination as `Talker` has it. */
  of({ family, protocol, address, port }: Pick<TalliedDestination, 'family' | 'protocol' | 'address' | 'port'>) {
    const words = new Uint32Array(address.buffer, address.byteOffset, 4);
    return this.#destinations.get(keyOf(words, 0, family, protocol, port));
  }

  #observeRow(columns: EventColumns, row: number): void {
    this.#entries += 1;
    const protocol = columns.protocol[row] ?? 0;
    const port = isIcmp(protocol) ? 0 : (columns.originalDestinationPort[row] ?? 0);
    const { bytes, words } = columns.originalDestination;
    const family = columns.family[row] ?? 0;
    const key = keyOf(words, row, family, protocol, port);
    let found = this.#destinations.get(key);
    if (found === undefined) {
      if (this.#destinations.size >= DESTINATIONS_MAX) return;
      const address = bytes.slice(row * 16, row * 16 + (family === AF_INET6 ? 16 : 4));
      const states = new Uint32Array(protocol === TCP ? TCP_STATES : 0);
      found = { ...{ family, protocol, port, states }, address: padded(address), entries: 0, idle: 0 };
      this.#destinations.set(key, found);
    }
    found.entries += 1;
    const state = columns.tcpState[row] ?? 0;
    if (state < found.states.length) found.states[state] = (found.states[state] ?? 0) + 1;
    const hasTimeout = ((columns.present[row] ?? 0) & PRESENT.timeout) !== 0;
    if (protocol !== TCP || state !== TCP_ESTABLISHED || !hasTimeout) return;
    if ((columns.timeoutSeconds[row] ?? 0) < this.#establishedSeconds - IDLE_SECONDS) found.idle += 1;
  }
}

function padded(address: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(address);
  return bytes;
}

function keyOf(words: Uint32Array, row: number, family: number, protocol: number, port: number): number {
  return mixHash(addressHash(words, row, family === AF_INET6) ^ ((protocol << 16) | port) ^ (family << 26));
}
