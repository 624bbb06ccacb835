/**
 * What would help now, with what it would make of the table: settings that are safe to change at once, and what the culprit can do.
 * The effects are those of `what-if.ts`. It never says what it cannot quantify, nor what would help nothing.
 */
import { formatEndpoint } from '../../model/address.js';
import type { AlertName, DiagnosisCode } from '../../model/events.js';
import { RECV_BUFFER_BYTES_MAX } from '../../model/limits.js';
import { TIME_WAIT_SECONDS, type WhatIf } from '../forecast/what-if.js';

export interface Advice {
  readonly text: string;
  /** Where the table settles over the limit, which may be the advised one, 0..1. */
  readonly plateauRatio?: number;
}

interface AdviceInput {
  readonly name: AlertName;
  readonly max?: number | undefined;
  /** `max` is only assumed: it is none to change. */
  readonly maxAssumed?: boolean;
  /** Where the count settles at the present rates. */
  readonly plateauCount?: number | undefined;
  /** Receive buffer granted to each event socket: the kernel doubles what is asked for. */
  readonly recvBufferBytes: number;
  /** Granted above net.core.rmem_max. */
  readonly recvBufferForced: boolean;
  readonly diagnosis?: DiagnosisCode;
  readonly whatIf?: WhatIf | undefined;
  /** The culprit's destination. */
  readonly destination?:
    | { readonly transport: string; readonly ip: string; readonly port?: number | undefined }
    | undefined;
  /** Entries it needs when connections are used again: its budget, or one for each thread of the owner. */
  readonly pooledEntries?: number | undefined;
}

/** A table that settles below this part of its limit has room for the next surprise. */
const COMFORTABLE_RATIO = 0.8;
/** struct nf_conn with its extensions, bytes (slabinfo), and a bucket of the hash table (struct hlist_nulls_head). */
const ENTRY_BYTES = 384;
const BUCKET_BYTES = 8;
/** What changes the plateau by less is no remedy. */
const REMEDY_RATIO = 0.9;

/** Advice for an alert, most useful first; often none. */
export function listAdvice(input: AdviceInput): Advice[] {
  const { name, max, plateauCount } = input;
  if (name === 'loss') return adviseBuffer(input.recvBufferBytes, input.recvBufferForced);
  if (name === 'budget' || max === undefined || plateauCount === undefined) return [];
  if (plateauCount <= max * COMFORTABLE_RATIO) return [];
  return [
    ...adviseCulprit(input, max, plateauCount),
    ...adviseTimeWait(input, max, plateauCount),
    ...adviseLimit(input, plateauCount),
  ];
}

/** Reuse of connections, or none of its entries at all. */
function adviseCulprit(input: AdviceInput, max: number, plateauCount: number): Advice[] {
  const { diagnosis, whatIf, destination, pooledEntries = 0 } = input;
  if (whatIf?.withoutCount === undefined || destination === undefined) return [];
  const where = `${destination.transport} to ${formatEndpoint(destination.ip, destination.port)}`;
  switch (diagnosis) {
    case 'connection_churn':
    case 'connection_leak':
      return effect(`a pool of connections (${where})`, whatIf.withoutCount + pooledEntries, max, plateauCount);
    case 'dns_storm':
    case 'udp_storm':
    case 'traffic_spike': {
      const { transport, ip, port } = destination;
      if (port === undefined) return [];
      const match = `${ip.includes(':') ? 'ip6' : 'ip'} daddr ${ip} ${transport} dport ${port} notrack`;
      const text = `an nft rule in prerouting and output at priority raw, and one for the answers (${match})`;
      return effect(text, whatIf.withoutCount, max, plateauCount);
    }
    default:
      return [];
  }
}

/** What is soon closed waits in TIME_WAIT. */
function adviseTimeWait({ diagnosis, whatIf }: AdviceInput, max: number, plateauCount: number): Advice[] {
  if (whatIf?.timeWaitCount === undefined || (diagnosis !== 'connection_churn' && diagnosis !== 'traffic_spike'))
    return [];
  const text = `sudo sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=${TIME_WAIT_SECONDS}`;
  return effect(text, whatIf.timeWaitCount, max, plateauCount);
}

function effect(text: string, settledCount: number, max: number, plateauCount: number): Advice[] {
  const plateauRatio = settledCount / max;
  if (plateauRatio >= 1 || settledCount > REMEDY_RATIO * plateauCount) return [];
  return [{ text: `${text} lets it settle at ${percent(plateauRatio)}`, plateauRatio }];
}

/** The limit that leaves room, with what it costs, and the hash table that keeps its chains short. */
function adviseLimit({ maxAssumed }: AdviceInput, plateauCount: number): Advice[] {
  if (maxAssumed === true) return [];
  const limit = 2 ** Math.ceil(Math.log2(plateauCount / COMFORTABLE_RATIO));
  const plateauRatio = plateauCount / limit;
  const megabytes = Math.ceil((limit * (ENTRY_BYTES + BUCKET_BYTES)) / 1e6);
  const settings = `net.netfilter.nf_conntrack_max=${limit} net.netfilter.nf_conntrack_buckets=${limit}`;
  const text = `sudo sysctl -w ${settings} lets it settle at ${percent(plateauRatio)} (up to ${megabytes} MB of kernel memory)`;
  return [{ text, plateauRatio }];
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

/** Twice the present buffer, by the setting that limits it; nothing when it is as large as the kernel allows. */
function adviseBuffer(grantedBytes: number, forced: boolean): Advice[] {
  if (grantedBytes >= RECV_BUFFER_BYTES_MAX) return [];
  if (forced)
    return [{ text: `receive_buffer_bytes = ${grantedBytes} in the configuration asks for twice the buffer` }];
  return [{ text: `sudo sysctl -w net.core.rmem_max=${grantedBytes} and a restart allow twice the buffer` }];
}
