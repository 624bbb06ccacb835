/** A destination as five words, equal for equal ones: its address, and family, protocol and port in one. */
import { AF_INET6 } from '../model/address.js';
import { writeAddress } from '../model/address-words.js';
import type { EventColumns } from '../model/batch.js';
import { isIcmp } from '../model/protocol.js';

export const DESTINATION_KEY_WORDS = 5;

/** A destination as those have it who keep one. */
export interface Destination {
  /** AF_INET 2 or AF_INET6 10. */
  readonly family: number;
  /** IPPROTO_* number. */
  readonly protocol: number;
  /** 16 bytes in network order, IPv4 in the first four. */
  readonly address: Uint8Array;
  /** 0 for ICMP. */
  readonly port: number;
}

/** Destination port of the original direction; 0 for ICMP, whose types and codes are none. */
export function destinationPort(columns: EventColumns, row: number): number {
  return isIcmp(columns.protocol[row] ?? 0) ? 0 : (columns.originalDestinationPort[row] ?? 0);
}

/** Writes the key of the destination of a row. */
export function writeDestinationKey(key: Uint32Array, columns: EventColumns, row: number): void {
  const isIpv6 = columns.family[row] === AF_INET6;
  writeAddress(key, 0, columns.originalDestination.words, row, isIpv6);
  key[4] = lastWord(isIpv6, columns.protocol[row] ?? 0, destinationPort(columns, row));
}

/** Writes the same key of a destination that somebody keeps. */
export function writeDestinationKeyOf(key: Uint32Array, { family, protocol, address, port }: Destination): void {
  const isIpv6 = family === AF_INET6;
  writeAddress(key, 0, new Uint32Array(address.slice(0, 16).buffer), 0, isIpv6);
  key[4] = lastWord(isIpv6, protocol, port);
}

function lastWord(isIpv6: boolean, protocol: number, port: number): number {
  return ((isIpv6 ? 1 << 24 : 0) | (protocol << 16) | port) >>> 0;
}
