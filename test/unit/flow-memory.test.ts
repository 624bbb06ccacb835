import { describe, expect, it } from 'vitest';
import { createBatch, type EventBatch } from '../../src/model/batch.js';
import { LAYOUT } from '../../src/recording/layout.js';
import { RecordDecoder } from '../../src/recording/record-decoder.js';
import { RecordEncoder } from '../../src/recording/record-encoder.js';
import { comparable } from '../support/recordings.js';

const at = { monotonicSeconds: 17, unixSeconds: 1_790_000_000 };

interface Tuple {
  readonly source: number[];
  readonly destination: number[];
  readonly replySource?: number[];
  readonly replyDestination?: number[];
  readonly replyPort?: number;
}

const V4 = [0x0900000a, 0, 0, 0];
const V4_SERVER = [0x0500000a, 0, 0, 0];
const V6 = [0xb80d0120, 1, 2, 3];
const V6_SERVER = [0xb80d0120, 4, 5, 6];

const FLOWS: Readonly<Record<string, Tuple>> = {
  IPv4: { source: V4, destination: V4_SERVER },
  'IPv4 behind NAT': { source: V4, destination: V4_SERVER, replyDestination: [0x077100cb, 0, 0, 0], replyPort: 4711 },
  'IPv4 to a server behind NAT': { source: V4, destination: V4_SERVER, replySource: [0x0700000a, 0, 0, 0] },
  IPv6: { source: V6, destination: V6_SERVER },
  'IPv6 behind NAT': { source: V6, destination: V6_SERVER, replySource: [0xb80d0120, 7, 8, 9], replyDestination: V6 },
  'IPv4 whose reply has a longer address': { source: V4, destination: V4_SERVER, replySource: V6 },
};

function batchOf(tuple: Tuple, count: number, isDestroy: boolean, change: (batch: EventBatch) => void = () => {}) {
  const batch = createBatch(count);
  const { columns } = batch;
  if (isDestroy) batch.destroyCount = count;
  else batch.newCount = count;
  for (let row = 0; row < count; row++) {
    columns.id[row] = Math.imul(row, 0x9e3779b1);
    columns.originalSource.words.set(tuple.source, row * 4);
    columns.originalDestination.words.set(tuple.destination, row * 4);
    columns.replySource.words.set(tuple.replySource ?? tuple.destination, row * 4);
    columns.replyDestination.words.set(tuple.replyDestination ?? tuple.source, row * 4);
    columns.originalSourcePort[row] = 2000 + row;
    columns.originalDestinationPort[row] = 443;
    columns.replySourcePort[row] = 443;
    columns.replyDestinationPort[row] = tuple.replyPort ?? 2000 + row;
  }
  change(batch);
  return { type: 'batch', at, batch } as const;
}

/** Bytes that a batch of ends is stored in, after the batch of NEW; what is read back is what was written. */
function storedBytes(begun: ReturnType<typeof batchOf>, ended: ReturnType<typeof batchOf>): number {
  const encoder = new RecordEncoder();
  const decoder = new RecordDecoder(LAYOUT);
  encoder.encode(begun);
  expect([...decoder.decode(encoder.take())].map(comparable)).toEqual([comparable(begun)]);
  encoder.encode(ended);
  const block = encoder.take();
  expect([...decoder.decode(block)].map(comparable)).toEqual([comparable(ended)]);
  return block.stored.length;
}

describe('flows that are remembered', () => {
  it.each(Object.entries(FLOWS))('%s: its end is a number', (_, tuple) => {
    expect(storedBytes(batchOf(tuple, 64, false), batchOf(tuple, 64, true))).toBe(0);
  });

  const columns = ['originalSource', 'originalDestination', 'replySource', 'replyDestination'] as const;
  const cases = columns.flatMap((column) => [0, 1, 2, 3].map((word) => [column, word] as const));
  it.each(cases)('an end with another %s, word %i, is one of another flow', (column, word) => {
    for (const tuple of Object.values(FLOWS)) {
      const ended = batchOf(tuple, 64, true, (batch) => {
        const { words } = batch.columns[column];
        words[word] = (words[word] ?? 0) ^ 0x100;
      });
      // That one is written out: its id and its source port at least.
      expect(storedBytes(batchOf(tuple, 64, false), ended)).toBeGreaterThanOrEqual(6);
    }
  });

  it.each(['id', 'originalSourcePort', 'originalDestinationPort', 'replySourcePort', 'replyDestinationPort'] as const)(
    'an end with another %s is one of another flow',
    (column) => {
      for (const tuple of Object.values(FLOWS)) {
        const ended = batchOf(tuple, 64, true, (batch) => {
          batch.columns[column][0] = (batch.columns[column][0] ?? 0) ^ 1;
        });
        expect(storedBytes(batchOf(tuple, 64, false), ended)).toBeGreaterThanOrEqual(6);
      }
    },
  );
});
