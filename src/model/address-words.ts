/** Addresses as four words each, compared and copied word by word: a loop over four takes three times as long. */

export function sameAddress(a: Uint32Array, atA: number, b: Uint32Array, atB: number): boolean {
  return a[atA] === b[atB] && a[atA + 1] === b[atB + 1] && a[atA + 2] === b[atB + 2] && a[atA + 3] === b[atB + 3];
}

export function copyAddress(from: Uint32Array, fromAt: number, to: Uint32Array, toAt: number): void {
  to[toAt] = from[fromAt] ?? 0;
  to[toAt + 1] = from[fromAt + 1] ?? 0;
  to[toAt + 2] = from[fromAt + 2] ?? 0;
  to[toAt + 3] = from[fromAt + 3] ?? 0;
}

/** Writes the address of a row into a key, which compares all four words: the last three of an IPv4 one are no part of it. */
export function writeAddress(key: Uint32Array, at: number, words: Uint32Array, row: number, isIpv6: boolean): void {
  const from = row * 4;
  key[at] = words[from] ?? 0;
  key[at + 1] = isIpv6 ? (words[from + 1] ?? 0) : 0;
  key[at + 2] = isIpv6 ? (words[from + 2] ?? 0) : 0;
  key[at + 3] = isIpv6 ? (words[from + 3] ?? 0) : 0;
}
