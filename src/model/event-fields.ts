/** Pieces that several line types share: numbers with their bounds, endpoints, the table. */
import * as v from 'valibot';

export const describe = v.description;
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const nonNegative = v.pipe(v.number(), v.minValue(0));
export const ratio = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
export const timestamp = v.pipe(v.string(), v.isoTimestamp(), describe('ISO 8601, UTC, milliseconds'));

export const endpoint = v.object({
  ip: v.pipe(v.string(), describe('IPv4 or IPv6 address')),
  port: v.optional(v.pipe(count, v.maxValue(65_535), describe('Absent for protocols without ports'))),
});

export const network = v.object({
  transport: v.pipe(v.string(), describe('tcp, udp, icmp, ipv6-icmp, sctp, dccp, gre, udplite or the IANA number')),
  type: v.optional(v.pipe(v.picklist(['ipv4', 'ipv6']), describe('Network layer'))),
  direction: v.optional(
    v.pipe(
      v.picklist(['inbound', 'outbound', 'forwarded', 'local']),
      describe("By the host's own addresses; local: both ends are its own"),
    ),
  ),
});

export const table = v.object({
  count: v.optional(v.pipe(count, describe('Entries the kernel counts, expired ones included'))),
  max: v.optional(v.pipe(count, describe('nf_conntrack_max, or the value of --assume-max'))),
  used_ratio: v.optional(v.pipe(nonNegative, describe('count / max; above 1 only with --assume-max'))),
  live: v.optional(v.pipe(count, describe('Entries that have not expired (model)'))),
  expired: v.optional(v.pipe(count, describe('Dead entries the kernel has not collected yet (model)'))),
  blind: v.optional(v.pipe(count, describe('Upper bound of entries that will send no DESTROY'))),
  unassured_ratio: v.optional(v.pipe(ratio, describe('Share the kernel may evict when the table is full'))),
});

export const file = v.object({ path: v.pipe(v.string(), describe('File of lines that it is about')) });
