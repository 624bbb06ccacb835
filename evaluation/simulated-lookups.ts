/**
 * Look-ups of young flows, answered from a simulated table as the kernel would: the state that a flow's life has brought it to, and
 * what is left of its timeout. The flows are picked by the product's own sampler.
 */

import type { SampledFlow } from '../src/kernel/flow-sample.js';
import { writeFlow } from '../src/kernel/lookups.js';
import { createBatch, type EventBatch, PRESENT } from '../src/model/batch.js';
import { LOOKUPS_PER_SECOND } from '../src/model/limits.js';
import { IPS_ASSURED, IPS_CONFIRMED, IPS_SEEN_REPLY, TCP } from '../src/model/protocol.js';
import type { EntryState } from './entry-state.js';

const IPS_SEEN_REPLY_CONFIRMED = IPS_SEEN_REPLY | IPS_CONFIRMED;
const [SYN_RECV, ESTABLISHED, CLOSE_WAIT, TIME_WAIT, CLOSE] = [2, 3, 5, 7, 8] as const;
const ESTABLISHED_SECONDS = 432_000;
const CLOSE_SECONDS = 10;
const CLOSE_WAIT_SECONDS = 60;
const STREAM_SECONDS = 120;

/** Answers into one batch, which is overwritten by the next call. */
export class SimulatedLookups {
  readonly #batch = createBatch(LOOKUPS_PER_SECOND);

  /** `lookUp` tells the state of a flow, undefined when it has expired. */
  answer(flows: readonly SampledFlow[], lookUp: (flow: SampledFlow) => EntryState | undefined): EventBatch {
    const batch = this.#batch;
    const answers = flows.map((flow) => ({ flow, state: lookUp(flow) }));
    let row = 0;
    for (const { flow, state } of answers) {
      if (state === undefined) continue;
      writeFlow(batch, row, flow);
      writeState(batch, row++, state);
    }
    batch.newCount = row;
    for (const { flow, state } of answers) if (state === undefined) writeFlow(batch, row++, flow);
    batch.destroyCount = row - batch.newCount;
    return batch;
  }
}

function writeState({ columns }: EventBatch, row: number, state: EntryState): void {
  const isTcp = columns.protocol[row] === TCP;
  const isAssured = isTcp ? state.isRenewed || state.wasRenewed : state.timeoutSeconds >= STREAM_SECONDS;
  columns.status[row] = IPS_SEEN_REPLY_CONFIRMED | (isAssured ? IPS_ASSURED : 0);
  columns.tcpState[row] = isTcp ? tcpState(state) : 0;
  const renewedSeconds = isTcp ? ESTABLISHED_SECONDS : state.timeoutSeconds;
  columns.timeoutSeconds[row] = state.isRenewed ? renewedSeconds : Math.floor(state.remainingSeconds);
  columns.present[row] =
    (columns.present[row] ?? 0) | PRESENT.status | PRESENT.timeout | (isTcp ? PRESENT.tcpState : 0);
}

function tcpState({ isRenewed, wasRenewed, timeoutSeconds }: EntryState): number {
  if (isRenewed) return ESTABLISHED;
  // Never answered after the first packets: half open.
  if (!wasRenewed) return SYN_RECV;
  if (timeoutSeconds <= CLOSE_SECONDS) return CLOSE;
  return timeoutSeconds <= CLOSE_WAIT_SECONDS ? CLOSE_WAIT : TIME_WAIT;
}
