import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LAYOUT } from '../../src/recording/layout.js';
import { RecordDecoder } from '../../src/recording/record-decoder.js';
import { RecordEncoder, type RecordedRecord } from '../../src/recording/record-encoder.js';
import { SHAPES_REMEMBERED } from '../../src/recording/shape-memory.js';
import { comparable } from '../support/recordings.js';
import { batchOf } from '../support/records.js';

const at = { monotonicSeconds: 17, unixSeconds: 1_790_000_000 };
const NUMBERS = [...LAYOUT.shape, ...LAYOUT.usual] as const;
type Numbers = Partial<Record<(typeof NUMBERS)[number], number>>;

/** A batch whose rows differ in these numbers alone. */
function batchWith(rows: readonly Numbers[]): RecordedRecord {
  const batch = batchOf(rows.map((_, id) => ({ id })));
  for (const [row, numbers] of rows.entries()) {
    for (const [name, value] of Object.entries(numbers)) batch.columns[name as keyof Numbers][row] = value;
  }
  return { type: 'batch', at, batch };
}

function roundTrip(records: readonly RecordedRecord[]): object[] {
  const encoder = new RecordEncoder();
  const decoder = new RecordDecoder(LAYOUT);
  return records.flatMap((record) => {
    encoder.encode(record);
    return [...decoder.decode(encoder.take())].map(comparable);
  });
}

describe('shapes of rows', () => {
  it.each(NUMBERS)('tell rows apart that differ in %s alone', (name) => {
    const records = [batchWith([{}, { [name]: 3 }, {}, { [name]: 3 }, { [name]: 4 }])];
    expect(roundTrip(records)).toEqual(records.map(comparable));
  });

  it('come back in any order, with other usual numbers', () => {
    const few = fc.integer({ min: 0, max: 3 });
    const numbers = fc.record({ protocol: few, status: few, portid: few, timeoutSeconds: few, mark: few });
    fc.assert(
      fc.property(fc.array(fc.array(numbers, { maxLength: 40 }), { maxLength: 5 }), (batches) => {
        const records = batches.map(batchWith);
        expect(roundTrip(records)).toEqual(records.map(comparable));
      }),
    );
  });

  it('come back when there are more than are remembered', () => {
    const rows = Array.from({ length: 2 * SHAPES_REMEMBERED }, (_, zone) => ({ zone, mark: zone % 7 }));
    const records = [batchWith([...rows, ...rows]), batchWith([...rows].reverse())];
    expect(roundTrip(records)).toEqual(records.map(comparable));
  });

  it('take a byte a row once they are known', () => {
    const encoder = new RecordEncoder();
    const rows = Array.from({ length: 1000 }, (_, i) => ({ protocol: i % 2 === 0 ? 6 : 17, portid: i % 3 }));
    encoder.encode(batchWith(rows));
    encoder.take();
    encoder.encode(batchWith(rows));
    const { deflatable } = encoder.take();
    // What a batch of rows that are all alike takes.
    encoder.encode(batchWith(rows.map(() => ({ protocol: 6, portid: 0 }))));
    expect(deflatable.length).toBe(encoder.take().deflatable.length);
  });
});
