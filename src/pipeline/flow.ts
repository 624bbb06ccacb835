/** Batches to `flow` events: one for each NEW and DESTROY, copied out of the columns while the batch is leased. */
import { concatMap, EMPTY, from, type OperatorFunction } from 'rxjs';
import { natOf } from '../analysis/nat.js';
import { AF_INET6, formatAddress, formatEndpoint } from '../model/address.js';
import { type AddressColumn, type EventColumns, PRESENT } from '../model/batch.js';
import type { EventOf } from '../model/events.js';
import { isIcmp, tcpStateName, transportName } from '../model/protocol.js';
import type { BatchRecord, SourceRecord } from '../model/record.js';
import type { Reload } from '../model/reload.js';
import { isoTime } from './fields.js';

type Flow = EventOf<'flow'>;
type Endpoint = Flow['source'];

/** The flow events of each batch, NEW before DESTROY, one at a time: they die young, which costs the collector nothing. */
export function toFlows(): OperatorFunction<SourceRecord | Reload, Flow> {
  return concatMap((record) => (record.type === 'batch' ? from(readFlows(record)) : EMPTY));
}

function* readFlows({ at, batch }: BatchRecord): Generator<Flow> {
  const { columns, newCount, destroyCount } = batch;
  for (let row = 0; row < newCount + destroyCount; row++) {
    yield readFlow(columns, row, row < newCount ? 'new' : 'destroy', at.unixSeconds);
  }
}

/**
 * One row as an event. `receivedUnixSeconds` is its time unless the kernel stamped it.
 * 100,000 of them a second must cost little: optional fields are assigned, as spreading each would take twice as long.
 */
export function readFlow(
  columns: EventColumns,
  row: number,
  action: Flow['action'],
  receivedUnixSeconds: number,
): Flow {
  const present = columns.present[row] ?? 0;
  const family = columns.family[row] ?? 0;
  const protocol = columns.protocol[row] ?? 0;
  const transport = transportName(protocol);
  const icmp = isIcmp(protocol);
  const hasPorts = (present & PRESENT.originalPorts) !== 0 && !icmp;
  const source = readEndpoint(family, columns.originalSource, columns.originalSourcePort, row, hasPorts);
  const destination = readEndpoint(family, columns.originalDestination, columns.originalDestinationPort, row, hasPorts);
  const flow: Flow = {
    type: 'flow',
    level: 'info',
    unixSeconds: (present & PRESENT.timestampEvent) !== 0 ? (columns.eventSeconds[row] ?? 0) : receivedUnixSeconds,
    msg: `${action} ${transport} ${formatEndpoint(source.ip, source.port)} -> ${formatEndpoint(destination.ip, destination.port)}`,
    action,
    network: { transport, type: family === AF_INET6 ? 'ipv6' : 'ipv4' },
    source,
    destination,
    conntrack: readConntrack(columns, row, present),
  };
  if ((present & PRESENT.replyTuple) !== 0) {
    const hasReplyPorts = (present & PRESENT.replyPorts) !== 0 && !icmp;
    flow.reply = {
      source: readEndpoint(family, columns.replySource, columns.replySourcePort, row, hasReplyPorts),
      destination: readEndpoint(family, columns.replyDestination, columns.replyDestinationPort, row, hasReplyPorts),
    };
    const nat = natOf(columns, row);
    if (nat !== undefined) flow.nat = nat;
  }
  if (icmp && (present & PRESENT.originalPorts) !== 0) flow.icmp = readIcmp(columns, row);
  if ((present & PRESENT.timestampStart) !== 0) flow.started = isoTime(columns.startSeconds[row] ?? 0);
  if (action === 'destroy') readEnding(flow, columns, row, present);
  return flow;
}

function readConntrack(columns: EventColumns, row: number, present: number): Flow['conntrack'] {
  const conntrack: Flow['conntrack'] = { zone: columns.zone[row] ?? 0, mark: columns.mark[row] ?? 0 };
  if ((present & PRESENT.id) !== 0) conntrack.id = columns.id[row] ?? 0;
  if ((present & PRESENT.status) !== 0) conntrack.status = columns.status[row] ?? 0;
  if ((present & PRESENT.timeout) !== 0) conntrack.timeout_seconds = columns.timeoutSeconds[row] ?? 0;
  const state = (present & PRESENT.tcpState) !== 0 ? tcpStateName(columns.tcpState[row] ?? 0) : undefined;
  if (state !== undefined) conntrack.tcp_state = state;
  const portid = columns.portid[row] ?? 0;
  if (portid !== 0) conntrack.portid = portid;
  if ((present & PRESENT.master) !== 0) conntrack.related = true;
  return conntrack;
}

/** What only a DESTROY tells. */
function readEnding(flow: Flow, columns: EventColumns, row: number, present: number): void {
  const ended = readEnd(columns, row, present);
  if (ended !== undefined) flow.ended = ended;
  const duration = readDuration(columns, row, present);
  if (duration !== undefined) {
    flow.duration_seconds = duration;
    flow.msg += ` after ${duration.toFixed(1)} s`;
  }
  const counters = PRESENT.countersOriginal | PRESENT.countersReply;
  if ((present & counters) === counters) {
    flow.bytes = { original: columns.originalBytes[row] ?? 0, reply: columns.replyBytes[row] ?? 0 };
    flow.packets = { original: columns.originalPackets[row] ?? 0, reply: columns.replyPackets[row] ?? 0 };
  }
}

function readEndpoint(
  family: number,
  address: AddressColumn,
  ports: Uint16Array,
  row: number,
  hasPorts: boolean,
): Endpoint {
  const ip = formatAddress(family, address.bytes, row * 16);
  return hasPorts ? { ip, port: ports[row] ?? 0 } : { ip };
}

function readIcmp(columns: EventColumns, row: number): Flow['icmp'] {
  const typeAndCode = columns.originalDestinationPort[row] ?? 0;
  return { type: typeAndCode >> 8, code: typeAndCode & 0xff, id: columns.originalSourcePort[row] ?? 0 };
}

function readDuration(columns: EventColumns, row: number, present: number): number | undefined {
  if ((present & PRESENT.timestampStart) === 0 || (present & PRESENT.timestampStop) === 0) return undefined;
  return Math.max(0, (columns.stopSeconds[row] ?? 0) - (columns.startSeconds[row] ?? 0));
}

/** TIME_WAIT and CLOSE entries with time left were evicted or opened again by a new SYN: the kernel does not tell which. */
function readEnd(columns: EventColumns, row: number, present: number): Flow['ended'] {
  if ((present & PRESENT.timeout) === 0) return 'expired';
  if (columns.portid[row] !== 0) return 'deleted';
  const state = tcpStateName(columns.tcpState[row] ?? 0);
  return state === 'TIME_WAIT' || state === 'CLOSE' ? undefined : 'evicted';
}
