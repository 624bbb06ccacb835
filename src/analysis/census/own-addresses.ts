/**
 * The host's own addresses: by them it is told whether a flow was opened here, comes here, or passes through.
 *
 * The loopback's are always own. A packet to a multicast or the broadcast address that comes from elsewhere is received here, not
 * passed on. Not known: broadcast addresses of subnets, and ranges that are local by a route alone.
 */
import { AF_INET6, parseAddress } from '../../model/address.js';
import { writeAddress } from '../../model/address-words.js';
import type { AddressColumn } from '../../model/batch.js';
import { WordTable } from './word-table.js';

export type Direction = 'inbound' | 'outbound' | 'forwarded' | 'local';

/** What an address is to this host. */
export type Place = 'own' | 'group' | 'other';

const OWN_ADDRESSES_MAX = 65_536;

/** Addresses in a set that is asked by row. */
export class OwnAddresses {
  readonly #table = new WordTable(5);

  /** `addresses` in text; what is none is left out. */
  constructor(addresses: readonly string[]) {
    for (const text of addresses) {
      const parsed = parseAddress(text);
      if (parsed === undefined) continue;
      this.#table.key.set(new Uint32Array(parsed.bytes.buffer, 0, 4));
      this.#table.key[4] = parsed.family;
      this.#table.place(OWN_ADDRESSES_MAX);
    }
  }

  /** What the address in `row` is. */
  placeOf({ bytes, words }: AddressColumn, row: number, family: number): Place {
    const first = bytes[row * 16] ?? 0;
    const { key } = this.#table;
    const isIpv6 = family === AF_INET6;
    writeAddress(key, 0, words, row, isIpv6);
    key[4] = family;
    if (isIpv6) {
      if (first === 0xff) return 'group';
      const isLoopback = bytes[row * 16 + 15] === 1 && ((key[0] ?? 0) | (key[1] ?? 0) | (key[2] ?? 0)) === 0;
      if (isLoopback && bytes[row * 16 + 12] === 0 && bytes[row * 16 + 13] === 0 && bytes[row * 16 + 14] === 0)
        return 'own';
    } else {
      if (first === 127) return 'own';
      if (first >= 224 && (first < 240 || key[0] === 0xffffffff)) return 'group';
    }
    return this.#table.find() >= 0 ? 'own' : 'other';
  }
}

/** Of a flow whose ends are these; the destination after NAT. */
export function directionOf(source: Place, destination: Place): Direction {
  if (source === 'own') return destination === 'own' ? 'local' : 'outbound';
  return destination === 'other' ? 'forwarded' : 'inbound';
}
