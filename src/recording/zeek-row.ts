/** A connection of a conn.log as a row of a batch: what the kernel would have sent of it, without NAT, mark and zone. */
import { AF_INET6 } from '../model/address.js';
import { type EventColumns, PRESENT, TUPLES_PRESENT } from '../model/batch.js';
import { isIcmp } from '../model/protocol.js';
import type { EntryEnding } from './zeek-entry.js';
import type { ZeekRow } from './zeek-log.js';

export interface ZeekFlow {
  readonly row: ZeekRow;
  readonly ending: EntryEnding;
  readonly id: number;
  readonly bornSeconds: number;
  expiresAt: number;
}

/** Bits of CTA_STATUS, linux/netfilter/nf_conntrack_common.h. */
const STATUS = { seenReply: 2, assured: 4, confirmed: 8, dying: 0x200 } as const;

const PRESENT_ALWAYS = TUPLES_PRESENT | PRESENT.id | PRESENT.status | PRESENT.timestampEvent;

/** Fills every column of a row. With `left` it is a DESTROY. */
export function writeRow(
  columns: EventColumns,
  at: number,
  { row, ending, id, bornSeconds, expiresAt }: ZeekFlow,
  left: { readonly atSeconds: number; readonly evicted: boolean } | undefined,
): void {
  const { protocol, tcpState } = ending;
  const icmp = isIcmp(protocol);
  const tcp = protocol === 6;
  const destroyed = left !== undefined;
  const counted = destroyed && row.originalPackets !== undefined && row.replyPackets !== undefined;
  columns.originalSource.bytes.set(row.source, at * 16);
  columns.originalDestination.bytes.set(row.destination, at * 16);
  columns.replySource.bytes.set(row.destination, at * 16);
  columns.replyDestination.bytes.set(row.source, at * 16);
  // Zeek has type and code of ICMP where others have ports; the echo id is not logged.
  columns.originalSourcePort[at] = icmp ? 0 : row.sourcePort;
  columns.originalDestinationPort[at] = icmp ? (row.sourcePort << 8) | row.destinationPort : row.destinationPort;
  columns.replySourcePort[at] = columns.originalDestinationPort[at] ?? 0;
  columns.replyDestinationPort[at] = columns.originalSourcePort[at] ?? 0;
  columns.id[at] = id;
  columns.family[at] = row.isIpv6 ? AF_INET6 : 2;
  columns.protocol[at] = protocol;
  columns.zone[at] = 0;
  columns.mark[at] = 0;
  columns.portid[at] = 0;
  columns.tcpState[at] = destroyed || !tcp ? tcpState : 1;
  columns.status[at] = destroyed
    ? STATUS.confirmed | STATUS.dying | (ending.replied ? STATUS.seenReply : 0) | (ending.assured ? STATUS.assured : 0)
    : STATUS.confirmed;
  const timeLeft = left?.evicted === true ? Math.max(1, Math.floor(expiresAt - left.atSeconds)) : 0;
  columns.timeoutSeconds[at] = destroyed ? timeLeft : ending.firstTimeoutSeconds;
  columns.eventSeconds[at] = left?.atSeconds ?? bornSeconds;
  columns.startSeconds[at] = destroyed ? bornSeconds : 0;
  columns.stopSeconds[at] = destroyed ? Math.min(expiresAt, left.atSeconds) : 0;
  columns.originalPackets[at] = counted ? (row.originalPackets ?? 0) : 0;
  columns.originalBytes[at] = counted ? (row.originalBytes ?? 0) : 0;
  columns.replyPackets[at] = counted ? (row.replyPackets ?? 0) : 0;
  columns.replyBytes[at] = counted ? (row.replyBytes ?? 0) : 0;
  columns.present[at] =
    PRESENT_ALWAYS |
    (tcp ? PRESENT.tcpState : 0) |
    (!destroyed || left.evicted ? PRESENT.timeout : 0) |
    (destroyed ? PRESENT.timestampStart | PRESENT.timestampStop : 0) |
    (counted ? PRESENT.countersOriginal | PRESENT.countersReply : 0);
}
