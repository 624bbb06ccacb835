import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SourceRecord } from '../../src/model/record.js';
import { busyRecords } from '../support/busy-records.js';
import { chunksOf, comparable, readAll, recordToMemory } from '../support/recordings.js';
import { syntheticRecords } from '../support/records.js';

const small = syntheticRecords({ seconds: 12, newPerSecond: () => 4, lifetimeSeconds: 2, lostPerSecond: () => 1 });
const wanted = small.map(comparable);

async function bytesOf(records: Iterable<SourceRecord>): Promise<Uint8Array> {
  const { files } = await recordToMemory(records);
  return files[0] ?? new Uint8Array(0);
}

/** The records are the first ones of those written, with nothing in between missing or other. */
function expectPrefix(records: readonly object[]): void {
  expect(records).toEqual(wanted.slice(0, records.length));
}

describe('a recording', () => {
  it('gives back every record, however its bytes arrive', async () => {
    const bytes = await bytesOf(small);
    for (const pieceBytes of [1, 7, 65_536]) {
      const { records, error } = await readAll([chunksOf(bytes, 'a', pieceBytes)]);
      expect(error).toBeUndefined();
      expect(records).toEqual(wanted);
    }
  });

  it('takes at most 12 bytes for an event of a busy host', async () => {
    let events = 0;
    const counted = (function* () {
      for (const record of busyRecords({ seconds: 60, newPerSecond: 500 })) {
        if (record.type === 'batch') events += record.batch.newCount + record.batch.destroyCount;
        yield record;
      }
    })();
    const bytes = await bytesOf(counted);
    expect(events).toBeGreaterThan(30_000);
    expect(bytes.length / events).toBeLessThan(12);
  });

  it('cut at any byte gives a prefix of its records and an error, never another record', async () => {
    const bytes = await bytesOf(small);
    let most = 0;
    for (let length = 0; length < bytes.length; length++) {
      const { records, error } = await readAll([chunksOf(bytes.subarray(0, length))]);
      expectPrefix(records);
      expect(error).toMatchObject({ code: length < 12 ? 'ERR_NOT_A_RECORDING' : 'ERR_RECORDING_DAMAGED' });
      most = Math.max(most, records.length);
    }
    // Several blocks were whole: a crash costs the last one only.
    expect(most).toBeGreaterThan(small.length / 2);
  }, 60_000);

  it('with a bit turned over gives a prefix of its records and an error, never another record', async () => {
    const bytes = await bytesOf(small);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length * 8 - 1 }), async (bit) => {
        const damaged = Uint8Array.from(bytes);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const { records, error } = await readAll([chunksOf(damaged)]);
        expectPrefix(records);
        expect((error as { code: string }).code).toMatch(/^ERR_(NOT_A_RECORDING|RECORDING_VERSION|RECORDING_DAMAGED)$/);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  it('of a later format is refused with its version', async () => {
    const bytes = Uint8Array.from(await bytesOf(small));
    bytes[8] = 3;
    const { records, error } = await readAll([chunksOf(bytes)]);
    expect(records).toEqual([]);
    expect(error).toMatchObject({ code: 'ERR_RECORDING_VERSION', exitStatus: 2 });
    expect(String(error)).toContain('format 3');
  });

  it('of format 1 is read: later ones only have more kinds of record', async () => {
    const bytes = Uint8Array.from(await bytesOf(small));
    bytes[8] = 1;
    expect(await readAll([chunksOf(bytes)])).toEqual({ records: small.map(comparable), error: undefined });
  });

  it.each(['', '{"ts":1}\n', '\x89PNG\r\n\x1a\n', 'x'.repeat(5000)])('is not %j', async (text) => {
    const { error } = await readAll([chunksOf(Buffer.from(text, 'latin1'), 'some file')]);
    expect(error).toMatchObject({ code: 'ERR_NOT_A_RECORDING', operation: 'read some file' });
  });
});

describe('a rotated recording', () => {
  const long = syntheticRecords({ seconds: 60, newPerSecond: () => 4, lifetimeSeconds: 2, lostPerSecond: () => 1 });
  const rotated = () => recordToMemory(long, { rotateBytes: 100 });

  it('is read as one, in whatever order its files are given', async () => {
    const { files } = await rotated();
    expect(files.length).toBeGreaterThan(3);
    const { records, error } = await readAll([...files].reverse().map((bytes) => chunksOf(bytes)));
    expect(error).toBeUndefined();
    expect(records).toEqual(long.map(comparable));
  });

  it('can begin with a later file, whose open record has the table and whose losses begin at 0', async () => {
    const { files } = await rotated();
    const { records, error } = await readAll(files.slice(2).map((bytes) => chunksOf(bytes)));
    expect(error).toBeUndefined();
    const [open, ...rest] = records as SourceRecord[];
    expect(open).toMatchObject({ type: 'open', host: { hostname: 'web-1', table: { count: 8 } } });
    const all = long.map(comparable) as SourceRecord[];
    const tail = all.slice(all.length - rest.length);
    expect(rest.map(({ at }) => at)).toEqual(tail.map(({ at }) => at));
    expect(rest.filter(({ type }) => type === 'batch')).toEqual(tail.filter(({ type }) => type === 'batch'));
    const losses = rest.flatMap((record) => (record.type === 'tick' ? [record.loss.lostNew] : []));
    expect(losses[0]).toBeLessThanOrEqual(1);
    expect(losses.at(-1)).toBeGreaterThan(losses[0] ?? 0);
  });

  it('tells a file that is missing in the middle as a loss of unknown size', async () => {
    const { files } = await rotated();
    const { records } = await readAll(files.filter((_, i) => i !== 1).map((bytes) => chunksOf(bytes)));
    const unknown = records.flatMap((record) =>
      'loss' in record ? [(record.loss as { unknownLosses: number }).unknownLosses] : [],
    );
    expect(new Set(unknown)).toEqual(new Set([0, 1]));
  });

  it('without its last file ends with an error', async () => {
    const { files } = await rotated();
    const { error } = await readAll(files.slice(0, 2).map((bytes) => chunksOf(bytes)));
    expect(error).toMatchObject({ code: 'ERR_RECORDING_DAMAGED', exitStatus: 1 });
  });

  it('is not mixed with another', async () => {
    const [one, other] = await Promise.all([bytesOf(small), bytesOf(small)]);
    for (const pair of [
      [one, other],
      [one, one],
    ]) {
      const { records, error } = await readAll(pair.map((bytes, i) => chunksOf(bytes, `file ${i}`)));
      expect(records).toEqual([]);
      expect(error).toMatchObject({ code: 'ERR_RECORDING_ORDER', operation: 'read file 1' });
    }
  });
});
