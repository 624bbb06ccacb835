/**
 * How far a flow has come, from what the kernel says of its entry: the one scale that young flows, ended flows and the entries of
 * a dump are judged on. Source: enum tcp_conntrack (nf_conntrack_tcp.h), IPS_SEEN_REPLY (nf_conntrack_common.h).
 */

import { type EventColumns, PRESENT } from '../model/batch.js';
import { IPS_ASSURED, IPS_SEEN_REPLY, isIcmp, TCP, TCP_ESTABLISHED } from '../model/protocol.js';

/** In the order of a flow's life. `answered` is for protocols without states. */
export const FLOW_STAGES = [
  'unanswered',
  'half_open',
  'established',
  'closing',
  'time_wait',
  'reset',
  'answered',
] as const;
export type FlowStage = (typeof FLOW_STAGES)[number];

const UNANSWERED = FLOW_STAGES.indexOf('unanswered');
const ANSWERED = FLOW_STAGES.indexOf('answered');
/** By enum tcp_conntrack: NONE, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2. */
const OF_TCP_STATE = [0, 0, 1, 2, 3, 3, 3, 4, 5, 0] as const;

/** Index into `FLOW_STAGES` of the flow in `row`, or -1 when the row does not tell. */
export function stageOf(columns: EventColumns, row: number): number {
  const present = columns.present[row] ?? 0;
  const isStatusKnown = (present & PRESENT.status) !== 0;
  const isAnswered = ((columns.status[row] ?? 0) & IPS_SEEN_REPLY) !== 0;
  if (columns.protocol[row] !== TCP) return isStatusKnown ? (isAnswered ? ANSWERED : UNANSWERED) : -1;
  // A SYN that only a RST came back for leaves with the state CLOSE: nobody answered it.
  if (isStatusKnown && !isAnswered) return UNANSWERED;
  return (present & PRESENT.tcpState) === 0 ? -1 : (OF_TCP_STATE[columns.tcpState[row] ?? 0] ?? -1);
}

/** Whether the entry in `row` renews its timeout with every packet: nothing tells when it ends. */
export function isRenewed(columns: EventColumns, row: number): boolean {
  const protocol = columns.protocol[row] ?? 0;
  if (protocol === TCP) return columns.tcpState[row] === TCP_ESTABLISHED;
  return !isIcmp(protocol) && ((columns.status[row] ?? 0) & IPS_ASSURED) !== 0;
}
