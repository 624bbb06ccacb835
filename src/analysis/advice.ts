/**
 * What would help now, with what it would make of the table. So far only the two settings that are safe to change at once:
 * the limit, from the forecast's plateau, and our own receive buffer. It never says what it cannot quantify.
 */
import type { AlertName } from '../model/events.js';
import { RECV_BUFFER_BYTES_MAX } from '../model/limits.js';

export interface Advice {
  readonly text: string;
  /** plateau_count over the limit that is advised, 0..1. */
  readonly plateauRatio?: number;
}

interface AdviceInput {
  readonly name: AlertName;
  readonly max?: number | undefined;
  /** Where the count settles at the present rates. */
  readonly plateauCount?: number | undefined;
  /** Receive buffer granted to each event socket: the kernel doubles what is asked for. */
  readonly recvBufferBytes: number;
  /** Granted above net.core.rmem_max. */
  readonly recvBufferForced: boolean;
}

/** A table that settles below this part of its limit has room for the next surprise. */
const COMFORTABLE_RATIO = 0.8;
/** struct nf_conn with its extensions, bytes (slabinfo). */
const ENTRY_BYTES = 384;

/** Advice for an alert, most useful first; often none. */
export function listAdvice(input: AdviceInput): Advice[] {
  const { name, max, plateauCount } = input;
  if (name === 'loss') return adviseBuffer(input.recvBufferBytes, input.recvBufferForced);
  if (max === undefined || plateauCount === undefined || plateauCount <= max * COMFORTABLE_RATIO) return [];
  const limit = 2 ** Math.ceil(Math.log2(plateauCount / COMFORTABLE_RATIO));
  const plateauRatio = plateauCount / limit;
  const megabytes = Math.ceil((limit * ENTRY_BYTES) / 1e6);
  const text = `sudo sysctl -w net.netfilter.nf_conntrack_max=${limit} lets it settle at ${Math.round(plateauRatio * 100)} % (up to ${megabytes} MB of kernel memory)`;
  return [{ text, plateauRatio }];
}

/** Twice the present buffer, by the setting that limits it; nothing when it is as large as the kernel allows. */
function adviseBuffer(grantedBytes: number, forced: boolean): Advice[] {
  if (grantedBytes >= RECV_BUFFER_BYTES_MAX) return [];
  if (forced)
    return [{ text: `receive_buffer_bytes = ${grantedBytes} in the configuration asks for twice the buffer` }];
  return [{ text: `sudo sysctl -w net.core.rmem_max=${grantedBytes} and a restart allow twice the buffer` }];
}
