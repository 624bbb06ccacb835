/**
 * Records of a busy host: a mix of TCP and UDP flows with random ids, ephemeral source ports, some behind NAT, clients and
 * servers of uneven popularity, DESTROYs after the kernel's timeouts in sweeps. Seeded, so always the same.
 */
import { createBatch, type EventBatch, PRESENT, TUPLES_PRESENT } from '../../src/model/batch.js';
import { BATCH_ROWS } from '../../src/model/limits.js';
import type { SourceRecord } from '../../src/model/record.js';
import { HOST } from './records.js';

export interface BusyOptions {
  readonly seconds: number;
  readonly newPerSecond: number;
  /** With nf_conntrack_acct=1 and nf_conntrack_timestamp=1. */
  readonly details?: boolean;
  readonly seed?: number;
  /** Seconds between two batches. Default 0.025. */
  readonly batchSeconds?: number;
}

const COMMON = TUPLES_PRESENT | PRESENT.id | PRESENT.status;

interface Flow {
  readonly id: number;
  readonly client: number;
  readonly server: number;
  readonly sourcePort: number;
  readonly port: number;
  readonly protocol: number;
  readonly nat: boolean;
  readonly natPort: number;
  readonly bornAt: number;
  readonly expiresAt: number;
  readonly tcpState: number;
}

/** Numbers from 0 to 1, always the same for a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An `open`, batches and ticks, a `close`. Each batch is the same memory: it is leased. */
export function* busyRecords(options: BusyOptions): Generator<SourceRecord, void, undefined> {
  const { seconds, newPerSecond, details = false, seed = 1, batchSeconds = 0.025 } = options;
  const random = randomOf(seed);
  const start = { monotonicSeconds: 1000, unixSeconds: 1_790_000_000 };
  const at = (second: number) => ({
    monotonicSeconds: Math.round((start.monotonicSeconds + second) * 1e9) / 1e6 / 1e3,
    unixSeconds: Math.round((start.unixSeconds + second) * 1e3) / 1e3,
  });
  const batch = createBatch(BATCH_ROWS);
  const expired: Flow[] = [];
  const wheel = new Map<number, Flow[]>();
  let count = 0;
  yield { type: 'open', at: at(0), host: HOST };
  for (let step = 1; step * batchSeconds <= seconds; step++) {
    const second = step * batchSeconds;
    const born = Math.floor(newPerSecond * second) - Math.floor(newPerSecond * (second - batchSeconds));
    batch.newCount = 0;
    batch.destroyCount = 0;
    for (let i = 0; i < born && i < BATCH_ROWS / 2; i++) {
      const flow = newFlow(random, second);
      writeFlow(batch, i, flow, second, start.unixSeconds, false, details, random);
      batch.newCount++;
      count++;
      const due = Math.ceil(flow.expiresAt / batchSeconds);
      wheel.set(due, [...(wheel.get(due) ?? []), flow]);
    }
    expired.push(...(wheel.get(step) ?? []));
    wheel.delete(step);
    // Most leave by lookups soon after they expired, in no order: the kernel walks buckets.
    const leaving = Math.min(expired.length, Math.ceil(expired.length * batchSeconds * 0.2), BATCH_ROWS / 2);
    for (let i = 0; i < leaving; i++) {
      const pick = Math.floor(random() * expired.length);
      const flow = expired[pick];
      const last = expired.pop();
      if (flow === undefined || last === undefined) break;
      if (pick < expired.length) expired[pick] = last;
      writeFlow(batch, batch.newCount + i, flow, second, start.unixSeconds, true, details, random);
      batch.destroyCount++;
      count--;
    }
    if (batch.newCount + batch.destroyCount > 0) yield { type: 'batch', at: at(second), batch };
    if (step % Math.round(0.25 / batchSeconds) !== 0) continue;
    yield {
      type: 'tick',
      at: at(second),
      loss: { lostNew: 0, lostDestroy: 0, malformed: 0, unknownLosses: 0 },
      ...(step % Math.round(1 / batchSeconds) === 0 && { table: { count, max: 262_144 }, counters: HOST.counters }),
    };
  }
  yield { type: 'close', at: at(seconds), reason: 'end of the recording' };
}

function newFlow(random: () => number, second: number): Flow {
  const kind = random();
  const tcp = kind < 0.7;
  const reset = kind < 0.08;
  // A few hundred clients, some much busier than others; a handful of servers.
  const client = Math.floor(400 * random() ** 3);
  const server = Math.floor(12 * random() ** 2);
  const life = tcp ? (reset ? 10 : 120 + random() ** 4 * 30) : random() < 0.8 ? 30 : 120;
  return {
    id: Math.floor(random() * 2 ** 32),
    client,
    server,
    sourcePort: 32_768 + Math.floor(random() * 28_232),
    port: tcp ? ([443, 80, 6379, 5432, 8080][server % 5] ?? 443) : 53,
    protocol: tcp ? 6 : 17,
    nat: random() < 0.3,
    natPort: 1024 + Math.floor(random() * 64_512),
    bornAt: second,
    expiresAt: second + life,
    tcpState: tcp ? (reset ? 8 : 7) : 0,
  };
}

function writeFlow(
  { columns }: EventBatch,
  row: number,
  flow: Flow,
  second: number,
  unixSeconds: number,
  isDestroy: boolean,
  details: boolean,
  random: () => number,
): void {
  const client = [10, 1, flow.client >> 8, flow.client & 255];
  const server = [192, 0, 2, flow.server];
  columns.originalSource.bytes.fill(0, row * 16, row * 16 + 16).set(client, row * 16);
  columns.originalDestination.bytes.fill(0, row * 16, row * 16 + 16).set(server, row * 16);
  columns.replySource.bytes.fill(0, row * 16, row * 16 + 16).set(server, row * 16);
  columns.replyDestination.bytes.fill(0, row * 16, row * 16 + 16).set(flow.nat ? [203, 0, 113, 7] : client, row * 16);
  columns.id[row] = flow.id;
  columns.family[row] = 2;
  columns.protocol[row] = flow.protocol;
  columns.originalSourcePort[row] = flow.sourcePort;
  columns.originalDestinationPort[row] = flow.port;
  columns.replySourcePort[row] = flow.port;
  // Masquerading keeps the port unless it is taken.
  columns.replyDestinationPort[row] = flow.nat && flow.natPort % 4 === 0 ? flow.natPort : flow.sourcePort;
  columns.zone[row] = 0;
  columns.mark[row] = 0;
  columns.portid[row] = 0;
  const tcp = flow.protocol === 6;
  columns.tcpState[row] = tcp ? (isDestroy ? flow.tcpState : 1) : 0;
  columns.status[row] = isDestroy ? 0x20e | (flow.nat ? 0x190 : 0) : 0x08 | (flow.nat ? 0x190 : 0);
  columns.timeoutSeconds[row] = isDestroy ? 0 : tcp ? 120 : 30;
  columns.present[row] = COMMON | (tcp ? PRESENT.tcpState : 0) | (isDestroy ? 0 : PRESENT.timeout);
  columns.eventSeconds[row] = 0;
  columns.startSeconds[row] = 0;
  columns.stopSeconds[row] = 0;
  columns.originalPackets[row] = 0;
  columns.originalBytes[row] = 0;
  columns.replyPackets[row] = 0;
  columns.replyBytes[row] = 0;
  if (!details) return;
  columns.eventSeconds[row] = unixSeconds + second - random() * 0.025;
  columns.present[row] = (columns.present[row] ?? 0) | PRESENT.timestampEvent;
  if (!isDestroy) return;
  columns.startSeconds[row] = unixSeconds + flow.bornAt - 0.01;
  columns.stopSeconds[row] = unixSeconds + flow.expiresAt + random() * 0.01;
  const packets = 2 + Math.floor(random() ** 3 * 30);
  columns.originalPackets[row] = packets;
  columns.replyPackets[row] = packets + Math.floor(random() * 3);
  columns.originalBytes[row] = packets * 60 + Math.floor(random() ** 2 * 3000);
  columns.replyBytes[row] = packets * 60 + Math.floor(random() ** 3 * 100_000);
  const ended = PRESENT.timestampStart | PRESENT.timestampStop | PRESENT.countersOriginal | PRESENT.countersReply;
  columns.present[row] = (columns.present[row] ?? 0) | ended;
}
