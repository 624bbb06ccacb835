/** Text of the 16-byte addresses of a batch: dotted quads, and IPv6 as RFC 5952 recommends. */

/** AF_INET6; everything else is taken as AF_INET. */
export const AF_INET6 = 10;

/** Formats the address that starts at `offset`. */
export function formatAddress(family: number, bytes: Uint8Array, offset = 0): string {
  return family === AF_INET6 ? formatIpv6(bytes, offset) : formatIpv4(bytes, offset);
}

function formatIpv4(bytes: Uint8Array, offset: number): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

function formatIpv6(bytes: Uint8Array, offset: number): string {
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[offset + 2 * i] ?? 0) << 8) | (bytes[offset + 2 * i + 1] ?? 0),
  );
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4(bytes, offset + 12)}`;
  }
  const zeros = longestZeroRun(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (zeros.length < 2) return hex(groups);
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`;
}

/** The first of the longest runs of zero groups (RFC 5952 section 4.2.3). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}

/** `ip:port`, with brackets around IPv6. */
export function formatEndpoint(ip: string, port: number | undefined): string {
  if (port === undefined) return ip;
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The 16 bytes of an address in text, an IPv4 one in the first four; undefined when it is none. */
export function parseAddress(text: string): { readonly family: number; readonly bytes: Uint8Array } | undefined {
  const bytes = new Uint8Array(16);
  if (!text.includes(':')) return parseIpv4(text, bytes, 0) ? { family: 2, bytes } : undefined;
  // A dotted quad at the end stands for two groups.
  const quad = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (quad !== null && !parseIpv4(quad[2] ?? '', bytes, 12)) return undefined;
  const parts = (quad === null ? text : `${quad[1]}0:0`).split('::');
  const [head = [], tail = []] = parts.map((part) => (part === '' ? [] : part.split(':')));
  const missing = 8 - head.length - tail.length;
  if (parts.length > 2 || (parts.length === 2 ? missing < 1 : missing !== 0)) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  for (const [i, group] of groups.entries()) {
    if (quad !== null && i > 5) break;
    bytes[2 * i] = Number.parseInt(group, 16) >> 8;
    bytes[2 * i + 1] = Number.parseInt(group, 16);
  }
  return { family: AF_INET6, bytes };
}

function parseIpv4(text: string, bytes: Uint8Array, offset: number): boolean {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return false;
  for (const [i, part] of parts.entries()) bytes[offset + i] = Number(part);
  return true;
}
