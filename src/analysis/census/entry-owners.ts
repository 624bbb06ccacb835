/**
 * Whose the entries of a dump are: an index of destinations and the host's own sources over what `owners` knows, for hundreds of
 * thousands of rows. An entry from a source that was seen opening flows is of whoever did; else of whoever accepts at its destination.
 */
import { AF_INET6, parseAddress } from '../../model/address.js';
import type { EventColumns } from '../../model/batch.js';
import { DESTINATION_KEY_WORDS, writeDestinationKey, writeDestinationKeyOf } from '../destination-key.js';
import { divideOwners, type OwnerCounter } from '../owners/owner-shares.js';
import { WordTable } from './word-table.js';

/** Part of the flows that must have been told for the others to be taken for like them. */
const LIKE_RATIO = 0.5;

/** Owners by the end of their part of 0..1. */
type Parts = readonly { readonly upTo: number; readonly key: string }[];

interface Owned {
  readonly opened: { readonly words: Uint32Array; readonly parts: Parts }[];
  others: Parts;
}

export class EntryOwners {
  /** To places in `#destinations`. */
  readonly #places = new WordTable(DESTINATION_KEY_WORDS);
  readonly #destinations: Owned[] = [];

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
    writeDestinationKey(this.#places.key, columns, row);
    const found = this.#destinations[this.#places.find()];
    if (found === undefined) return undefined;
    const source = columns.originalSource.words;
    const length = columns.family[row] === AF_INET6 ? 4 : 1;
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
    const { family, bytes } = parsed;
    const keyed = { family, address: bytes, protocol: Number(protocol), port: Number(port) };
    writeDestinationKeyOf(this.#places.key, keyed);
    const place = this.#places.place(Number.POSITIVE_INFINITY);
    this.#destinations[place] ??= { opened: [], others: [] };
    const destination = this.#destinations[place];
    const parts = partsOf(group);
    const source = first.source === undefined ? undefined : parseAddress(first.source);
    if (source !== undefined) destination.opened.push({ words: new Uint32Array(source.bytes.buffer), parts });
    // Of a destination whose sources are too many to be told apart, or that accepts.
    else if (destination.others.length === 0 || first.direction === 'accepted') destination.others = parts;
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
