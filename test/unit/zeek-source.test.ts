import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { SourceRecord } from '../../src/model/record.js';
import { readFlow } from '../../src/pipeline/flow.js';
import { openInput } from '../../src/recording/input.js';
import { replaySource } from '../../src/recording/replay-source.js';
import { KERNEL_TIMEOUTS } from '../../src/recording/zeek-entry.js';
import { readZeek } from '../../src/recording/zeek-source.js';
import { itIsABatchSource, readToEnd } from '../support/batch-source-contract.js';
import { chunksOf, compactBatch, comparable } from '../support/recordings.js';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures', name));

interface LogRow {
  readonly ts: number;
  readonly duration?: number;
  readonly port?: number;
  readonly proto?: string;
  readonly state?: string;
}

function logOf(rows: readonly LogRow[]): Buffer {
  const lines = rows.map(({ ts, duration = 1, port = 1000, proto = 'tcp', state = 'SF' }) =>
    JSON.stringify({
      ...{ ts: 1_790_000_000 + ts, duration, proto, conn_state: state },
      ...{ 'id.orig_h': '10.0.0.1', 'id.orig_p': port, 'id.resp_h': '10.0.0.2', 'id.resp_p': 443 },
    }),
  );
  return Buffer.from(`${lines.join('\n')}\n`);
}

async function sourceOf(bytes: Uint8Array, max = 1000) {
  const input = await openInput(chunksOf(bytes, '/var/log/conn.log'));
  expect(input.kind).toBe('zeek');
  return replaySource({ groups: readZeek([input], { max, timeouts: KERNEL_TIMEOUTS }) });
}

/** Kept compact: the batches of a log are mostly empty. */
async function read(bytes: Uint8Array, max?: number): Promise<SourceRecord[]> {
  const records: SourceRecord[] = [];
  const source = await sourceOf(bytes, max);
  await new Promise<void>((resolve, reject) =>
    source(
      {
        next: (record) =>
          records.push(record.type === 'batch' ? { ...record, batch: compactBatch(record.batch) } : record),
        error: reject,
        complete: resolve,
      },
      new AbortController().signal,
    ),
  );
  return records;
}

function flowsOf(records: readonly SourceRecord[]) {
  return records.flatMap((record) => {
    if (record.type !== 'batch') return [];
    const { columns, newCount, destroyCount } = record.batch;
    return Array.from({ length: newCount + destroyCount }, (_, row) =>
      readFlow(columns, row, row < newCount ? 'new' : 'destroy', record.at.unixSeconds),
    );
  });
}

describe('as a batch source', () => {
  describe('played to its end', () =>
    itIsABatchSource(async () => ({ source: await sourceOf(fixture('conn.log')), afterOpen: () => {} })));
  describe('ended by its signal', () =>
    itIsABatchSource(async () => ({
      source: await sourceOf(fixture('conn.log')),
      afterOpen: (abort) => abort('enough'),
    })));
});

describe('a conn.log', () => {
  it.each(['conn.log', 'conn.json.log'])('%s gives the same records plain and gzipped', async (name) => {
    const records = await read(fixture(name));
    const rows = records.map(comparable);
    expect((await read(fixture('conn.log'))).map(comparable)).toEqual(rows);
    expect((await read(gzipSync(fixture(name)))).map(comparable)).toEqual(rows);
    expect(records[0]).toMatchObject({
      type: 'open',
      host: { hostname: 'conn.log', table: { count: 0, max: 1000 }, isModelled: true },
    });
    expect(records.at(-1)).toMatchObject({
      reason: 'end of the log: 12 connections, 2 lines not usable, 1 without an entry',
    });
    const ticks = records.flatMap((record) => (record.type === 'tick' ? [record] : []));
    expect(ticks.at(-1)?.loss).toMatchObject({ malformed: 2, lostNew: 0 });
  });

  it('becomes entries with the times of the log, of the kernel and of its collection', async () => {
    const rows = [
      { ts: 0, duration: 2.5 },
      { ts: 1, duration: 0, port: 1001, state: 'REJ' },
      { ts: 400, port: 2000 },
    ];
    const flows = flowsOf(await read(logOf(rows)));
    const short = flows.map(({ action, source, unixSeconds, duration_seconds }) => ({
      action,
      port: source.port,
      second: unixSeconds - 1_790_000_000,
      duration_seconds,
    }));
    expect(short).toEqual([
      { action: 'new', port: 1000, second: 0, duration_seconds: undefined },
      { action: 'new', port: 1001, second: 1, duration_seconds: undefined },
      // Expired at 11, collected by the sweep at 60.
      { action: 'destroy', port: 1001, second: 60, duration_seconds: 10 },
      // 2.5 s and 120 s in TIME_WAIT; alone it waits under a minute more, so the next sweep comes sooner.
      { action: 'destroy', port: 1000, second: 128, duration_seconds: 122.5 },
      { action: 'new', port: 2000, second: 400, duration_seconds: undefined },
    ]);
  });

  it('is put in the order of starts: a log is in that of ends', async () => {
    const rows = [{ ts: 5 }, { ts: 3, duration: 4, port: 1001 }, { ts: 1, duration: 7, port: 1002 }];
    const born = flowsOf(await read(logOf(rows))).map(({ unixSeconds }) => unixSeconds - 1_790_000_000);
    expect(born).toEqual([1, 3, 5]);
  });

  it('ticks four times a second while anything happens, once while not', async () => {
    const ticks = (await read(logOf([{ ts: 0 }, { ts: 10.1, port: 2 }]))).filter(({ type }) => type === 'tick');
    const times = ticks.map(({ at }) => at.monotonicSeconds);
    expect(times.slice(0, 4)).toEqual([0.25, 0.5, 0.75, 1]);
    expect(times.filter((at) => at > 1.5 && at < 9.5)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('passes a hole of months', async () => {
    const records = await read(logOf([{ ts: 0 }, { ts: 20_000_000, port: 2 }]));
    expect(records.length).toBeLessThan(100);
    expect(flowsOf(records).map(({ action }) => action)).toEqual(['new', 'destroy', 'new']);
  });

  it('opens a closing entry anew, and keeps one that is still in use', async () => {
    const tcp = flowsOf(await read(logOf([{ ts: 0 }, { ts: 10 }])));
    expect(tcp.map(({ action, conntrack }) => [action, conntrack.tcp_state])).toEqual([
      ['new', 'SYN_SENT'],
      ['new', 'SYN_SENT'],
      ['destroy', 'TIME_WAIT'],
    ]);
    const udp = flowsOf(
      await read(
        logOf([
          { ts: 0, proto: 'udp' },
          { ts: 10, proto: 'udp' },
        ]),
      ),
    );
    expect(udp.map(({ action }) => action)).toEqual(['new']);
  });

  it('fills the table up to its limit, and tells what it evicted and refused', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => ({ ts: i / 10, port: i, state: i < 10 ? 'S0' : 'SF' }));
    const records = await read(logOf(rows), 15);
    const counters = records.flatMap((record) => (record.type === 'tick' && record.counters ? [record.counters] : []));
    expect(counters.at(-1)).toMatchObject({ early_drop: 10, drop: 5 });
    expect(records.at(-1)).toMatchObject({ reason: 'end of the log: 30 connections, 5 refused by the full table' });
    const tables = records.flatMap((record) => (record.type === 'tick' && record.table ? [record.table] : []));
    expect(tables.at(-1)).toEqual({ count: 15, max: 15 });
  });

  it('without a usable line is refused', async () => {
    await expect(read(Buffer.from('#fields\tts\n1\n'))).rejects.toMatchObject({ code: 'ERR_NOT_A_RECORDING' });
  });

  it('that is cut short as gzip gives its lines so far, and the error', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ ts: i / 100, port: i % 60_000 }));
    const gzip = gzipSync(logOf(rows));
    const input = await openInput(chunksOf(gzip.subarray(0, gzip.length / 2)));
    const groups = readZeek([input], { max: 1000, timeouts: KERNEL_TIMEOUTS });
    const ended = readToEnd({ source: replaySource({ groups }), afterOpen: () => {} });
    await expect(ended).rejects.toMatchObject({ code: 'ERR_RECORDING_DAMAGED' });
  });
});
