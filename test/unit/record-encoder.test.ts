import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COLUMNS, createBatch, type EventBatch, PRESENT } from '../../src/model/batch.js';
import { CtwatchError } from '../../src/model/errors.js';
import type { CloseRecord } from '../../src/model/record.js';
import { FLOAT_PRESENT, LAYOUT, type Layout } from '../../src/recording/layout.js';
import { RecordDecoder } from '../../src/recording/record-decoder.js';
import { NOTHING_YET, RecordEncoder, type RecordedRecord } from '../../src/recording/record-encoder.js';
import { busyRecords } from '../support/busy-records.js';
import { comparable } from '../support/recordings.js';
import { batchOf, HOST } from '../support/records.js';

const at = { monotonicSeconds: 17.000000003, unixSeconds: 1_790_000_000.25 };

/** Encodes in blocks of some records each and decodes them again. */
function roundTrip(records: readonly RecordedRecord[], layout: Layout = LAYOUT, blockRecords = 3): object[] {
  const encoder = new RecordEncoder();
  const decoder = new RecordDecoder(layout);
  const back: object[] = [];
  for (let i = 0; i < records.length; i += blockRecords) {
    for (const record of records.slice(i, i + blockRecords)) encoder.encode(record);
    for (const record of decoder.decode(encoder.take())) back.push(comparable(record));
  }
  return back;
}

/** Few different values, so that memories are hit; sometimes any value, so that they are not. */
function column(type: (typeof COLUMNS)[number][1]): fc.Arbitrary<number> {
  const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  switch (type) {
    case 'f64':
      return fc.oneof(
        { weight: 3, arbitrary: fc.constant(0) },
        fc.integer({ min: 0, max: 2 ** 31 }).map((ticks) => 1_790_000_000 + ticks / 2 ** 22),
        fc.maxSafeNat(),
        fc.double().filter((value) => !Object.is(value, -0)),
      );
    case 'address':
      return fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 4 }) }, word);
    case 'u32':
      return fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 3 }) }, word);
    case 'u16':
      return fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 2 }) }, fc.integer({ min: 0, max: 65_535 }));
    case 'u8':
      return fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 1 }) }, fc.integer({ min: 0, max: 255 }));
  }
}

const row = fc.record(Object.fromEntries(COLUMNS.map(([name, type]) => [name, column(type)])));

interface RandomBatch {
  readonly rows: readonly Record<string, number>[];
  readonly newCount: number;
  /** Rows of earlier batches whose tuples and ids come again. */
  readonly again: readonly number[];
}

const batch: fc.Arbitrary<RandomBatch> = fc
  .record({ rows: fc.array(row, { maxLength: 12 }), again: fc.array(fc.nat({ max: 30 }), { maxLength: 6 }) })
  .chain(({ rows, again }) =>
    fc.record({ rows: fc.constant(rows), again: fc.constant(again), newCount: fc.nat(rows.length) }),
  );

const TUPLE = /original|reply|^id$/;

function buildBatches(batches: readonly RandomBatch[]): EventBatch[] {
  const seen: Record<string, number>[] = [];
  return batches.map(({ rows, newCount, again }) => {
    const repeated = again.flatMap((index) => {
      const old = seen[index];
      if (old === undefined) return [];
      const tuple = Object.entries(old).filter(([name]) => TUPLE.test(name) && !/Packets|Bytes/.test(name));
      return [{ ...old, ...rows[0], ...Object.fromEntries(tuple) }];
    });
    seen.push(...rows.slice(0, newCount));
    const all = [...rows, ...repeated];
    const built = createBatch(all.length);
    built.newCount = newCount;
    built.destroyCount = all.length - newCount;
    for (const [i, values] of all.entries()) {
      for (const [name, type] of COLUMNS) {
        const target = built.columns[name];
        const value = values[name] ?? 0;
        if (!('words' in target)) target[i] = value;
        // Small ones are IPv4, others fill all four words.
        else target.words.set(value < 5 ? [value, 0, 0, 0] : [value, value ^ 1, value >>> 3, 7], i * 4);
        if (type === 'address' && name.startsWith('reply') && value === 1) mirror(built, i);
      }
      // What is not present is 0.
      for (const name of LAYOUT.floats) {
        if (values[name] !== 0) built.columns.present[i] = (built.columns.present[i] ?? 0) | FLOAT_PRESENT[name];
      }
    }
    return built;
  });
}

function mirror({ columns }: EventBatch, row: number): void {
  columns.replySource.words.set(columns.originalDestination.words.subarray(row * 4, row * 4 + 4), row * 4);
  columns.replyDestination.words.set(columns.originalSource.words.subarray(row * 4, row * 4 + 4), row * 4);
}

describe('records written and read', () => {
  it('gives back any batch, in all columns', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 8 }), (batches) => {
        const records = buildBatches(batches).map(
          (built, i): RecordedRecord =>
            built.destroyCount === 0 && i % 3 === 0
              ? { type: 'entries', at, batch: built }
              : i % 3 === 1
                ? { type: 'lookups', at, batch: built, ageSeconds: i / 10 }
                : { type: 'batch', at, batch: built },
        );
        expect(roundTrip(records)).toEqual(records.map(comparable));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['eventSeconds', PRESENT.timestampEvent],
    ['startSeconds', PRESENT.timestampStart],
    ['stopSeconds', PRESENT.timestampStop],
    ['originalPackets', PRESENT.countersOriginal],
    ['originalBytes', PRESENT.countersOriginal],
    ['replyPackets', PRESENT.countersReply],
    ['replyBytes', PRESENT.countersReply],
  ] as const)('gives back %s where its attribute is the only one that is present', (name, bit) => {
    const built = batchOf([{ id: 7 }, { id: 8 }], [{ id: 7 }, { id: 8 }]);
    for (const row of [1, 3]) {
      built.columns[name][row] = 1_790_000_000.5;
      built.columns.present[row] = bit;
    }
    const record: RecordedRecord = { type: 'batch', at, batch: built };
    expect(roundTrip([record])).toEqual([comparable(record)]);
  });

  it('gives back a census with any rows, and forgets no flow for them', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 6 }), (batches) => {
        const records = buildBatches(batches).map((built, i): RecordedRecord => {
          if (i % 2 === 0) return { type: 'batch', at, batch: built };
          const rows = built.newCount + built.destroyCount;
          return {
            type: 'census',
            at,
            phase: 'rows',
            batch: { ...built, newCount: Math.max(1, rows), destroyCount: 0 },
          };
        });
        expect(roundTrip(records)).toEqual(records.map(comparable));
      }),
      { numRuns: 200 },
    );
    const flows = Array.from({ length: 1000 }, (_, i) => ({ id: i, sourcePort: 2000 + i }));
    const others = Array.from({ length: 70_000 }, (_, i) => ({ id: 5000 + i }));
    const encoder = new RecordEncoder();
    encoder.encode({ type: 'batch', at, batch: batchOf(flows) });
    encoder.encode({ type: 'census', at, phase: 'rows', batch: batchOf(others) });
    encoder.take();
    encoder.encode({ type: 'batch', at, batch: batchOf([], flows) });
    expect(encoder.take().stored).toHaveLength(0);
  });

  it('gives back how a census began and ended, with its failure', () => {
    const error = new CtwatchError({ code: 'ERR_REQUEST_TIMEOUT', operation: 'dump', errno: 'ETIMEDOUT' });
    const table = { count: 70, max: 100 };
    const records: RecordedRecord[] = [
      { type: 'census', at, phase: 'begin', purpose: 'census', table, addresses: ['10.0.0.9', '::1'] },
      { type: 'census', at, phase: 'end', rows: 12, table },
      { type: 'census', at, phase: 'begin', purpose: 'reap', table },
      { type: 'census', at, phase: 'end', rows: 0, error },
    ];
    expect(roundTrip(records)).toEqual(records);
  });

  it('gives back the batches of a busy host, with more flows than are remembered', () => {
    const encoder = new RecordEncoder();
    const decoder = new RecordDecoder(LAYOUT);
    let rows = 0;
    for (const record of busyRecords({ seconds: 60, newPerSecond: 2000, details: true, batchSeconds: 0.25 })) {
      if (record.type !== 'batch') continue;
      encoder.encode(record);
      const [back] = [...decoder.decode(encoder.take())].map(comparable);
      expect(back).toEqual(comparable(record));
      rows += record.batch.newCount + record.batch.destroyCount;
    }
    expect(rows).toBeGreaterThan(130_000);
  });

  it('writes a DESTROY as the number of its NEW', () => {
    const flows = Array.from({ length: 1000 }, (_, i) => ({
      id: Math.imul(i, 0x9e3779b1) >>> 0,
      sourcePort: 2000 + i,
    }));
    const encoder = new RecordEncoder();
    encoder.encode({ type: 'batch', at, batch: batchOf(flows) });
    const { stored } = encoder.take();
    encoder.encode({ type: 'batch', at, batch: batchOf([], [...flows].reverse()) });
    const ended = encoder.take();
    expect(stored.length).toBeGreaterThanOrEqual(6000);
    expect(ended.stored.length).toBe(0);
  });

  it('writes a look-up as the number of the NEW, whose DESTROY still is one', () => {
    const encoder = new RecordEncoder();
    const flows = Array.from({ length: 64 }, (_, i) => ({ id: Math.imul(i, 0x9e3779b1) >>> 0, sourcePort: 2000 + i }));
    const states = flows.map((flow) => ({ ...flow, timeoutSeconds: 58 }));
    encoder.encode({ type: 'batch', at, batch: batchOf(flows) });
    encoder.take();
    encoder.encode({ type: 'lookups', at, batch: batchOf(states.slice(0, 60), flows.slice(60)), ageSeconds: 2.3 });
    encoder.encode({ type: 'batch', at, batch: batchOf([], flows) });
    expect(encoder.take().stored.length).toBe(0);
  });

  it('gives back times of both clocks exactly, also ones that no clock of this system gives', () => {
    const instant = fc.record({
      monotonicSeconds: fc.double({ noNaN: true }),
      unixSeconds: fc.double({ noNaN: true }),
    });
    const live = fc
      .record({ nanoseconds: fc.nat({ max: 2 ** 50 }), milliseconds: fc.integer({ min: -1e12, max: 4e12 }) })
      .map(({ nanoseconds, milliseconds }) => ({
        monotonicSeconds: nanoseconds / 1e6 / 1000,
        unixSeconds: milliseconds / 1000,
      }));
    fc.assert(
      fc.property(fc.array(fc.oneof(instant, live)), (instants) => {
        const records = instants.map(
          (moment): RecordedRecord => ({ type: 'gap', at: moment, newEvents: 1, destroyEvents: 2 }),
        );
        expect(roundTrip(records)).toEqual(records);
      }),
    );
  });

  it('gives back ticks with and without readings, and counters that wrap', () => {
    const count = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const object = (names: readonly string[]) => fc.record(Object.fromEntries(names.map((name) => [name, count])));
    const tick = fc.record(
      {
        loss: object(LAYOUT.losses),
        table: fc.record({ count, max: count }, { requiredKeys: ['count'] }),
        counters: object(LAYOUT.counters),
      },
      { requiredKeys: ['loss'] },
    );
    fc.assert(
      fc.property(fc.array(tick), (ticks) => {
        const records = ticks.map((fields) => ({ type: 'tick', at, ...fields }) as unknown as RecordedRecord);
        expect(roundTrip(records)).toEqual(records);
      }),
    );
  });

  it('gives back whose flows were asked for, whatever their names hold', () => {
    const owner = {
      key: 'odd "name".service/ä\\',
      pid: 7,
      startTicks: 123_456,
      name: 'ä\\',
      unit: 'odd "name".service',
      uid: 0,
    };
    const flow = { family: 10, protocol: 6, destination: '2001:db8::2', port: 6379 } as const;
    const record: RecordedRecord = {
      type: 'owners',
      at,
      sightings: [
        { ...flow, direction: 'accepted', listener: true, count: 3, owner },
        { ...flow, direction: 'originated', source: '2001:db8::1', count: 1 },
        { ...flow, direction: 'forwarded', count: 1 },
      ],
    };
    const error = new CtwatchError({ code: 'ERR_REQUEST_TIMEOUT', operation: 'socket-lookup', errno: 'ETIMEDOUT' });
    const [back, failed] = roundTrip([record, { ...record, error }]);
    expect(back).toEqual(record);
    expect(failed).toEqual({ ...record, error });
    expect(failed).toMatchObject({ error: { message: error.message, errno: 'ETIMEDOUT' } });
  });

  it('gives back no text that a terminal would obey: a recording may come from anywhere', () => {
    const name = 'web\n\u001b[2J\u009b\u202e';
    const records = roundTrip([
      { type: 'open', at, host: { ...HOST, hostname: name }, loss: NOTHING_YET.loss },
      {
        ...{ type: 'owners', at },
        sightings: [
          {
            ...{ family: 2, protocol: 6, destination: '10.0.0.5', port: 1, count: 1, direction: 'accepted' },
            owner: { key: name, name },
          },
        ],
      },
      { type: 'close', at, reason: name },
    ]);
    expect(JSON.stringify(records)).not.toMatch(/\\u00|\\n|[\p{Cc}\u202e]/u);
    expect(records[2]).toMatchObject({ reason: 'web\ufffd\ufffd[2J\ufffd\ufffd' });
  });

  it('gives back what a source opened and ended with', () => {
    const error = new CtwatchError({ code: 'ERR_NETNS_GONE', operation: 'watch web', errno: 'ENOENT', remedy: 'look' });
    const [open, close, ended] = roundTrip([
      { type: 'open', at, host: { ...HOST, netns: 'web' }, loss: NOTHING_YET.loss },
      { type: 'close', at, reason: error.message, error },
      { type: 'close', at, reason: 'SIGINT' },
    ]);
    expect(open).toEqual({ type: 'open', at, host: { ...HOST, netns: 'web' }, loss: NOTHING_YET.loss });
    expect(close).toMatchObject({ type: 'close', reason: error.message });
    expect((close as CloseRecord).error?.line).toBe(error.line);
    expect(ended).toEqual({ type: 'close', at, reason: 'SIGINT' });
  });
});

describe('a recording of another version', () => {
  it('has 0 in a column it does not know, and what this program does not know is read over', () => {
    const older: Layout = {
      ...LAYOUT,
      shape: LAYOUT.shape.map((name) => (name === 'zone' ? 'hue' : name)),
      usual: LAYOUT.usual.map((name) => (name === 'mark' ? 'taste' : name)),
      floats: LAYOUT.floats.map((name) => (name === 'stopSeconds' ? 'weightGrams' : name)),
      losses: LAYOUT.losses.map((name) => (name === 'malformed' ? 'mislaid' : name)),
      counters: LAYOUT.counters.map((name) => (name === 'found' ? 'lost' : name)),
    };
    const built = batchOf([{ id: 7 }, { id: 8 }], [{ id: 7, timeoutSeconds: 9 }]);
    for (const name of ['zone', 'mark', 'stopSeconds'] as const) built.columns[name].fill(42, 0, 3);
    built.columns.present.fill(PRESENT.timestampStop, 0, 3);
    const ones = <T extends object>(fields: T): T =>
      Object.fromEntries(Object.keys(fields).map((name) => [name, 1])) as T;
    const [batch, tick] = roundTrip(
      [
        { type: 'batch', at, batch: built },
        { type: 'tick', at, loss: ones(NOTHING_YET.loss), counters: ones(NOTHING_YET.counters) },
      ],
      older,
    );
    for (const name of ['zone', 'mark', 'stopSeconds'] as const) built.columns[name].fill(0);
    expect(batch).toEqual(comparable({ type: 'batch', at, batch: built }));
    expect(tick).toMatchObject({ loss: { lostNew: 1, malformed: 0 }, counters: { found: 0, insert: 1 } });
  });
});

describe('damage that a checksum did not catch', () => {
  it.each([
    ['no directory', new Uint8Array(0)],
    ['a directory longer than the block', Uint8Array.of(18, ...new Array(18).fill(120))],
    ['a record that does not exist', Uint8Array.of(18, 1, ...new Array(17).fill(0), 0x0f)],
  ])('%s is an error, not a record', (_, deflatable) => {
    const decoder = new RecordDecoder(LAYOUT);
    expect(() => [...decoder.decode({ deflatable, stored: new Uint8Array(0) })]).toThrow(RangeError);
  });
});
