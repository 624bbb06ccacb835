import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { watchConntrack } from '../../src/cli/watch.js';
import type { BatchSource, SourceRecord } from '../../src/model/record.js';
import { readRecording } from '../../src/recording/recording.js';
import { replaySource } from '../../src/recording/replay-source.js';
import { itIsABatchSource, readToEnd } from '../support/batch-source-contract.js';
import { busyRecords } from '../support/busy-records.js';
import { chunksOf, compactBatch, comparable, recordToMemory } from '../support/recordings.js';
import { replaySource as givenSource, syntheticRecords } from '../support/records.js';

const records = syntheticRecords({ seconds: 30, newPerSecond: () => 20, lifetimeSeconds: 1, lostPerSecond: () => 4 });
const { files } = await recordToMemory(records);
const bytes = files[0] ?? new Uint8Array(0);

function replayOf(options: { readonly bytes?: Uint8Array; readonly speed?: number } = {}): BatchSource {
  const { speed } = options;
  return replaySource({
    groups: readRecording([chunksOf(options.bytes ?? bytes)]),
    ...(speed !== undefined && { speed }),
  });
}

describe('as a batch source', () => {
  describe('played to its end', () => itIsABatchSource(() => ({ source: replayOf(), afterOpen: () => {} })));
  describe('ended by its signal', () =>
    itIsABatchSource(() => ({ source: replayOf(), afterOpen: (abort) => abort('enough') })));
  describe('ended by its signal at a pace', () =>
    itIsABatchSource(() => ({
      source: replayOf({ speed: 10 }),
      afterOpen: (abort) => void setTimeout(() => abort('enough'), 80),
    })));
});

describe('replaySource', () => {
  it('gives what was recorded', async () => {
    const back = await readToEnd({ source: replayOf(), afterOpen: () => {} });
    expect(back.map(comparable)).toEqual(records.map(comparable));
  });

  it('tells the reason of the signal that ended it', async () => {
    const back = await readToEnd({ source: replayOf(), afterOpen: (abort) => abort('SIGINT') });
    expect(back.map(({ type }) => type)).toEqual(['open', 'tick', 'close']);
    expect(back.at(-1)).toMatchObject({ reason: 'SIGINT', at: records[0]?.at });
  });

  it('fails before its first record when the file is none', async () => {
    const failed = readToEnd({ source: replayOf({ bytes: Buffer.from('text') }), afterOpen: () => {} });
    await expect(failed).rejects.toMatchObject({ code: 'ERR_NOT_A_RECORDING' });
  });

  it('closes with the error when the file is cut short', async () => {
    const back = await readToEnd({
      source: replayOf({ bytes: bytes.subarray(0, bytes.length - 9) }),
      afterOpen: () => {},
    });
    expect(back.length).toBeGreaterThan(10);
    expect(back.at(-1)).toMatchObject({ type: 'close', error: { code: 'ERR_RECORDING_DAMAGED' } });
  });

  it('waits for whoever is not ready', async () => {
    let given = 0;
    let waits = 0;
    const controller = new AbortController();
    const source = replaySource({
      groups: readRecording([chunksOf(bytes)]),
      ready: () => {
        const before = given;
        return given % 10 === 0 && waits < 5
          ? new Promise((resolve) =>
              setTimeout(() => {
                waits += given === before ? 1 : 100;
                resolve();
              }, 5),
            )
          : undefined;
      },
    });
    await new Promise<void>((resolve, reject) =>
      source({ next: () => given++, error: reject, complete: resolve }, controller.signal),
    );
    expect(waits).toBe(5);
    expect(given).toBe(records.length);
  });

  it('keeps the pace that is asked for', async () => {
    const began = performance.now();
    await readToEnd({ source: replayOf({ speed: 100 }), afterOpen: () => {} });
    expect(performance.now() - began).toBeGreaterThan(290);
  });
});

describe('a replay through the pipeline', () => {
  it('gives the events of the live run, flows included, to the byte', async () => {
    const busy: SourceRecord[] = [...busyRecords({ seconds: 20, newPerSecond: 300, details: true })].map(keep);
    const recorded = await recordToMemory(busy);
    const options = { interval: 2, flows: true, assume_max: 9000 };
    const eventsOf = async (source: BatchSource) =>
      JSON.stringify(await lastValueFrom(watchConntrack({ ...options, source }).events.pipe(toArray())));
    const live = await eventsOf(givenSource(busy));
    expect(live.length).toBeGreaterThan(1_000_000);
    expect(await eventsOf(replayOf({ bytes: recorded.files[0] ?? bytes }))).toBe(live);
  });
});

function keep(record: SourceRecord): SourceRecord {
  return record.type === 'batch' ? { ...record, batch: compactBatch(record.batch) } : record;
}
