/**
 * Asks the kernel about young flows: what it knows of a flow that no event tells, without a dump.
 *
 * At most one request for each age is on its way; what is due meanwhile is left out. A kernel that is busy is no failure.
 */
import { createBatch, type EventBatch, PRESENT, TUPLES_PRESENT } from '../model/batch.js';
import { LOOKUP_AGES_SECONDS, LOOKUPS_PER_SECOND } from '../model/limits.js';
import type { LookupsRecord } from '../model/record.js';
import type { ConntrackSocket } from './addon.js';
import type { SampledFlow } from './flow-sample.js';
import { type DueFlows, YoungFlows } from './young-flows.js';

/** An answer; its batch is leased while it is delivered. */
export type LookupAnswer = Pick<LookupsRecord, 'batch' | 'ageSeconds'>;

/** Looks a few young flows up, each at every age. */
export class Lookups {
  readonly #socket: Pick<ConntrackSocket, 'lookup'>;
  readonly #young = new YoungFlows();
  /** Those without a request. */
  readonly #batches: EventBatch[] = LOOKUP_AGES_SECONDS.map(() => createBatch(LOOKUPS_PER_SECOND));

  constructor(socket: Pick<ConntrackSocket, 'lookup'>) {
    this.#socket = socket;
  }

  /** Looks at the NEW rows of a batch read at `monotonicSeconds`. */
  observe(batch: EventBatch, monotonicSeconds: number): void {
    this.#young.observe(batch, monotonicSeconds);
  }

  /** Asks for those that are due. Call it once a second. */
  ask(monotonicSeconds: number, deliver: (answer: LookupAnswer) => void, fail: (error: unknown) => void): void {
    for (const due of this.#young.takeDue(monotonicSeconds)) {
      const batch = this.#batches.pop();
      if (batch === undefined) return;
      this.#lookUp(batch, due, deliver)
        .catch(fail)
        .finally(() => this.#batches.push(batch));
    }
  }

  async #lookUp(batch: EventBatch, { flows, ageSeconds }: DueFlows, deliver: (answer: LookupAnswer) => void) {
    for (const [row, flow] of flows.entries()) writeFlow(batch, row, flow);
    const [found, gone] = await this.#socket.lookup(batch.buffer, batch.capacity, flows.length);
    batch.newCount = found;
    batch.destroyCount = gone;
    if (found + gone > 0) deliver({ batch, ageSeconds });
  }
}

/** Writes the tuples, zone and id of a flow; its state is unknown. */
export function writeFlow({ columns }: EventBatch, row: number, { original, reply, ...flow }: SampledFlow): void {
  columns.family[row] = flow.family;
  columns.protocol[row] = flow.protocol;
  columns.zone[row] = flow.zone;
  columns.id[row] = flow.id;
  columns.originalSource.bytes.set(original.source, row * 16);
  columns.originalDestination.bytes.set(original.destination, row * 16);
  columns.status[row] = 0;
  columns.timeoutSeconds[row] = 0;
  columns.tcpState[row] = 0;
  columns.replySource.bytes.set(reply.source, row * 16);
  columns.replyDestination.bytes.set(reply.destination, row * 16);
  columns.originalSourcePort[row] = original.sourcePort;
  columns.originalDestinationPort[row] = original.destinationPort;
  columns.replySourcePort[row] = reply.sourcePort;
  columns.replyDestinationPort[row] = reply.destinationPort;
  columns.present[row] = TUPLES_PRESENT | (flow.id === 0 ? 0 : PRESENT.id) | (flow.zone === 0 ? 0 : PRESENT.zone);
}
