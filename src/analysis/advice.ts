/**
 * What would help now, with what it would make of the table. So far only the two settings that are safe to change at once:
 * the limit, from the forecast's plateau, and our own receive buffer. It never says what it cannot quantify.
 */
import type { AlertName } from '../model/events.js';

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
  /** Receive buffer granted to each event socket. */
  readonly recvBufferBytes: number;
}

/** A table that settles below this part of its limit has room for the next surprise. */
const COMFORTABLE_RATIO = 0.8;
/** struct nf_conn with its extensions, bytes (slabinfo). */
const ENTRY_BYTES = 384;

/** Advice for an alert, most useful first; often none. */
export function listAdvice({ name, max, plateauCount, recvBufferBytes }: AdviceInput): Advice[] {
  if (name === 'loss')
    return [{ text: `receive_buffer_bytes = ${recvBufferBytes * 2} in the configuration loses less` }];
  if (max === undefined || plateauCount === undefined || plateauCount <= max * COMFORTABLE_RATIO) return [];
  const limit = 2 ** Math.ceil(Math.log2(plateauCount / COMFORTABLE_RATIO));
  const plateauRatio = plateauCount / limit;
  const megabytes = Math.ceil((limit * ENTRY_BYTES) / 1e6);
  const text = `sudo sysctl -w net.netfilter.nf_conntrack_max=${limit} lets it settle at ${Math.round(plateauRatio * 100)} % (up to ${megabytes} MB of kernel memory)`;
  return [{ text, plateauRatio }];
}
