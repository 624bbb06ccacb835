/** Records of a source kept beyond their lease, and a synthetic source that needs no kernel. */
import { createBatch, type EventBatch, PRESENT, TUPLES_PRESENT } from '../../src/model/batch.js';
import type { BatchSource, HostFacts, LossTotals, SourceRecord } from '../../src/model/record.js';

/** A copy of a batch that outlives its lease. */
function copyBatch(batch: EventBatch): EventBatch {
  const copy = createBatch(batch.capacity);
  new Uint8Array(copy.buffer).set(new Uint8Array(batch.buffer));
  copy.newCount = batch.newCount;
  copy.destroyCount = batch.destroyCount;
  return copy;
}

/** A record that can be kept. */
export function copyRecord(record: SourceRecord): SourceRecord {
  return 'batch' in record ? { ...record, batch: copyBatch(record.batch) } : record;
}

const NO_LOSS: LossTotals = { lostNew: 0, lostDestroy: 0, malformed: 0, unknownLosses: 0 };

/**
 * A source that gives these records again, each batch in a buffer that is overwritten afterwards. When the signal aborts, a last
 * tick and a `close` follow the record that was just given.
 */
export function replaySource(records: readonly SourceRecord[]): BatchSource {
  return (observer, signal) => {
    queueMicrotask(() => {
      let loss = NO_LOSS;
      for (const record of records) {
        const leased = copyRecord(record);
        observer.next(leased);
        if ('batch' in leased) new Uint8Array(leased.batch.buffer).fill(0xa5);
        if (record.type === 'tick') loss = record.loss;
        if (!signal.aborted || record.type === 'close') continue;
        observer.next({ type: 'tick', at: record.at, loss });
        observer.next({ type: 'close', at: record.at, reason: String(signal.reason) });
        break;
      }
      observer.complete();
    });
  };
}

export const HOST: HostFacts = {
  hostname: 'web-1',
  kernelRelease: '6.18.0',
  capabilities: ['CAP_NET_ADMIN'],
  sysctls: { buckets: 65_536, events: 1, acct: 1, timestamp: 1 },
  timeouts: {
    tcp: {
      syn_sent: 120,
      syn_recv: 60,
      established: 432_000,
      fin_wait: 120,
      close_wait: 60,
      last_ack: 30,
      time_wait: 120,
      close: 10,
      syn_sent2: 120,
      max_retrans: 300,
      unacknowledged: 300,
    },
    udp: { unreplied: 30, stream: 120 },
    icmp: 30,
  },
  table: { count: 0, max: 16_000 },
  counters: {
    ...{ found: 0, invalid: 0, insert: 0, insert_failed: 0, drop: 0, early_drop: 0, error: 0 },
    ...{ search_restart: 0, clash_resolve: 0, chain_toolong: 0 },
  },
  recvBufferBytes: 67_108_864,
  recvBufferForced: true,
};

export interface FlowRow {
  readonly id: number;
  readonly protocol?: number;
  readonly sourcePort?: number;
  /** Last number of the destination 10.0.0.x. Default 5. */
  readonly destination?: number;
  readonly destinationPort?: number;
  /** CTA_TIMEOUT; absent in the DESTROY of an expired entry. */
  readonly timeoutSeconds?: number;
}

/** A batch of IPv4 rows from 10.0.0.9, NEW before DESTROY. */
export function batchOf(newRows: readonly FlowRow[], destroyRows: readonly FlowRow[] = []): EventBatch {
  const rows = [...newRows, ...destroyRows];
  const batch = createBatch(Math.max(8, rows.length));
  batch.newCount = newRows.length;
  batch.destroyCount = destroyRows.length;
  const { columns } = batch;
  for (const [row, flow] of rows.entries()) {
    const destination = [10, 0, 0, flow.destination ?? 5];
    columns.originalSource.bytes.set([10, 0, 0, 9], row * 16);
    columns.originalDestination.bytes.set(destination, row * 16);
    columns.replySource.bytes.set(destination, row * 16);
    columns.replyDestination.bytes.set([10, 0, 0, 9], row * 16);
    columns.family[row] = 2;
    columns.protocol[row] = flow.protocol ?? 6;
    columns.id[row] = flow.id;
    columns.originalSourcePort[row] = flow.sourcePort ?? 1024 + (flow.id % 60_000);
    columns.replyDestinationPort[row] = columns.originalSourcePort[row] ?? 0;
    columns.originalDestinationPort[row] = flow.destinationPort ?? 6379;
    columns.replySourcePort[row] = flow.destinationPort ?? 6379;
    columns.timeoutSeconds[row] = flow.timeoutSeconds ?? 0;
    columns.present[row] = TUPLES_PRESENT | PRESENT.id | (flow.timeoutSeconds === undefined ? 0 : PRESENT.timeout);
  }
  return batch;
}

export interface SyntheticOptions {
  readonly seconds: number;
  readonly host?: HostFacts;
  /** New TCP flows per second at a time. */
  readonly newPerSecond: (second: number) => number;
  /** How long each entry lives. */
  readonly lifetimeSeconds: number;
  /** Events lost per second at a time. */
  readonly lostPerSecond?: (second: number) => number;
}

/** Evenly spaced flows of one destination, four ticks a second, the table counted exactly; then a `close`. */
export function syntheticRecords(options: SyntheticOptions): SourceRecord[] {
  const { seconds, newPerSecond, lifetimeSeconds, lostPerSecond = () => 0 } = options;
  const host = options.host ?? HOST;
  const start = { monotonicSeconds: 1000, unixSeconds: 1_790_000_000 };
  const at = (second: number) => ({
    monotonicSeconds: start.monotonicSeconds + second,
    unixSeconds: start.unixSeconds + second,
  });
  const records: SourceRecord[] = [{ type: 'open', at: start, host }];
  const alive: { id: number; until: number }[] = [];
  let due = 0;
  let lost = 0;
  let id = 1;
  for (let tick = 1; tick <= seconds * 4; tick++) {
    const second = tick / 4;
    due += newPerSecond(second) / 4;
    const born: FlowRow[] = [];
    for (; due >= 1; due--) {
      born.push({ id, timeoutSeconds: 120 });
      alive.push({ id: id++, until: second + lifetimeSeconds });
    }
    const dead: FlowRow[] = [];
    while (alive[0] !== undefined && alive[0].until <= second) dead.push({ id: alive.shift()?.id ?? 0 });
    if (born.length + dead.length > 0) records.push({ type: 'batch', at: at(second), batch: batchOf(born, dead) });
    lost += lostPerSecond(second) / 4;
    records.push({
      type: 'tick',
      at: at(second),
      loss: { lostNew: Math.floor(lost), lostDestroy: 0, malformed: 0, unknownLosses: 0 },
      ...(tick % 4 === 0 && { table: { count: alive.length, max: host.table.max ?? 0 } }),
    });
  }
  records.push({ type: 'close', at: at(seconds), reason: 'end of the recording' });
  return records;
}
