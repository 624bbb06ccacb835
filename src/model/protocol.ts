/** Names of the numbers in a conntrack event. Sources: IANA protocol numbers, linux nf_conntrack_tcp.h and _common.h. */

/** IPPROTO_* numbers. */
export const TCP = 6;
export const UDP = 17;

/** CTA_STATUS: packets were seen in both directions; the kernel does not evict the entry from a full table; it is in the table. */
export const IPS_SEEN_REPLY = 2;
export const IPS_ASSURED = 4;
export const IPS_CONFIRMED = 8;

/** Of enum tcp_conntrack. */
export const TCP_ESTABLISHED = 3;

const TRANSPORT_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [33, 'dccp'],
  [47, 'gre'],
  [58, 'ipv6-icmp'],
  [132, 'sctp'],
  [136, 'udplite'],
]);

/** ECS `network.transport`: the IANA keyword, or the number in decimal. */
export function transportName(protocol: number): string {
  return TRANSPORT_NAMES.get(protocol) ?? String(protocol);
}

/** ICMP and ICMPv6 have a type, code and id where others have ports. */
export function isIcmp(protocol: number): boolean {
  return protocol === 1 || protocol === 58;
}

/** Whether sockets of it can be asked for: tcp, udp, udplite, as the addon does. */
export function hasSockets(protocol: number): boolean {
  return protocol === TCP || protocol === UDP || protocol === 136;
}

const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 33, 132, 136]);

/** Whether its tuples have ports: tcp, udp, dccp, sctp, udplite. */
export function hasPorts(protocol: number): boolean {
  return WITH_PORTS.has(protocol);
}

/** enum tcp_conntrack. */
const TCP_STATES = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const;

/** The kernel's name of a CTA_PROTOINFO_TCP_STATE, undefined for a number it does not have. */
export function tcpStateName(state: number): string | undefined {
  return TCP_STATES[state];
}
