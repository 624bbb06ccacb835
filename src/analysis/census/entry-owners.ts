/**
 * Whose the entries of a dump are: an index of destinations and the host's own sources over what `owners` knows, for hundreds of
 * thousands of rows. An entry from a source that was seen opening flows is of whoever did; else of whoever accepts at its destination.
 */
import { AF_INET6, parseAddress } from '../../model/address.js';
import type { EventColumns } from '../../model/batch.js';
import { isIcmp } from '../../model/protocol.js';
import { divideOwners, type OwnerCounter } from '../owners/owner-shares.js';
import { WordTable } from './word-table.js';

const ADDRESS_WORDS = 4;
/** Part of the flows that must have been told for the others to be taken for like them. */
const LIKE_RATIO = 0.5;

/** Owners by the end of their part of 0..1. */
type Parts = readonly { readonly upTo: number; readonly key: string }[];

interface Destination {
  readonly opened: { readonly words: Uint32Array; readonly parts: Parts }[];
  others: Parts;
}

export class EntryOwners {
  /** Address, then family, protocol and port, to places in `#destinations`. */
  readonly #places = new WordTable(ADDRESS_WORDS + 1);
  readonly #destinations: Destination[] = [];

  constructor(counters: readonly OwnerCounter[]) {
    const groups = new Map<string, OwnerCounter[]>();
    for (const counter of counters) {
      const { destination, direction, source } = counter;
      if (direction === 'forwarded' || direction === 'unknown') continue;
      const key = `${destination} ${direction} ${source}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [counter]);
      else group.push(counter);
    }
    for (const group of groups.values()) this.#addGroup(group);
  }

  /** Key of the owner of a row, undefined when it is not known. */
  of(columns: EventColumns, row: number): string | undefined {
    const protocol = columns.protocol[row] ?? 0;
    const port = isIcmp(protocol) ? 0 : (columns.originalDestinationPort[row] ?? 0);
    const length = columns.family[row] === AF_INET6 ? 4 : 1;
    this.#writeKey(columns.originalDestination.words, row * 4, length, protocol, port);
    const found = this.#destinations[this.#places.find()];
    if (found === undefined) return undefined;
    const source = columns.originalSource.words;
    const parts = found.opened.find((each) => isAt(each.words, source, row * 4, length))?.parts ?? found.others;
    // Spread evenly, whatever range the ports are of.
    const place = (Math.imul(columns.originalSourcePort[row] ?? 0, 0x9e3779b1) >>> 0) / 2 ** 32;
    return parts.find(({ upTo }) => place < upTo)?.key;
  }

  /** Counters of one destination, direction and source. */
  #addGroup(group: readonly OwnerCounter[]): void {
    const [first] = group;
    const [protocol = '', address = '', port = ''] = first?.destination.split(' ') ?? [];
    const parsed = parseAddress(address);
    if (first === undefined || parsed === undefined) return;
    const words = new Uint32Array(parsed.bytes.buffer);
    const length = parsed.family === AF_INET6 ? 4 : 1;
    this.#writeKey(words, 0, length, Number(protocol), Number(port));
    const place = this.#places.place(Number.POSITIVE_INFINITY);
    this.#destinations[place] ??= { opened: [], others: [] };
    const destination = this.#destinations[place];
    const parts = partsOf(group);
    const source = first.source === undefined ? undefined : parseAddress(first.source);
    if (source !== undefined) destination.opened.push({ words: new Uint32Array(source.bytes.buffer), parts });
    // Of a destination whose sources are too many to be told apart, or that accepts.
    else if (destination.others.length === 0 || first.direction === 'accepted') destination.others = parts;
  }

  /** Into the key of `#places`; an address of `length` words, 1 or 4. */
  #writeKey(words: Uint32Array, at: number, length: number, protocol: number, port: number): void {
    const { key } = this.#places;
    for (let i = 0; i < ADDRESS_WORDS; i++) key[i] = i < length ? (words[at + i] ?? 0) : 0;
    key[ADDRESS_WORDS] = (length << 24) | (protocol << 16) | port;
  }
}

/** Where few could be told, the others stay unknown. */
function partsOf(group: readonly OwnerCounter[]): Parts {
  const all = group.reduce((sum, { weight }) => sum + weight, 0);
  const told = group.reduce((sum, { owner, weight }) => sum + (owner === undefined ? 0 : weight), 0);
  const whole = all > 0 && told / all < LIKE_RATIO ? told / all : 1;
  let upTo = 0;
  return divideOwners(group).map(({ owner, shareRatio }, i, { length }) => {
    upTo = i === length - 1 ? whole : upTo + shareRatio * whole;
    return { upTo, key: owner.key };
  });
}

function isAt(known: Uint32Array, words: Uint32Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (known[i] !== words[at + i]) return false;
  return true;
}
