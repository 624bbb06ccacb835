import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SourceRecord } from '../../src/model/record.js';
import { Recorder, type RecorderOptions } from '../../src/recording/recorder.js';
import { readToEnd } from '../support/batch-source-contract.js';
import { chunksOf, comparable, readAll, recordToMemory } from '../support/recordings.js';
import { replaySource, syntheticRecords } from '../support/records.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ctwatch-recorder-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const records = syntheticRecords({ seconds: 20, newPerSecond: () => 40, lifetimeSeconds: 2 });
const eventsOf = (some: readonly SourceRecord[]) =>
  some.reduce(
    (sum, record) => sum + (record.type === 'batch' ? record.batch.newCount + record.batch.destroyCount : 0),
    0,
  );

async function record(options: Partial<RecorderOptions> = {}): Promise<Recorder> {
  const recorder = await Recorder.open({ path: join(directory, 'night.ctrec'), program: '1', ...options });
  for (const item of records) {
    recorder.write(item);
    if (options.rotateBytes !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await recorder.end();
  return recorder;
}

describe('files', () => {
  it('are for their owner alone, and told with their size', async () => {
    const summary = (await record()).summary();
    const path = join(directory, 'night.ctrec');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(summary).toEqual({ events: eventsOf(records), bytes: statSync(path).size, files: 1, droppedEvents: 0 });
    const { records: back } = await readAll([chunksOf(readFileSync(path))]);
    expect(back).toEqual(records.map(comparable));
  });

  it('are never overwritten', async () => {
    writeFileSync(join(directory, 'night.ctrec'), 'mine');
    await expect(record()).rejects.toMatchObject({ code: 'ERR_RECORDING_EXISTS', exitStatus: 2 });
    expect(readFileSync(join(directory, 'night.ctrec'), 'utf8')).toBe('mine');
  });

  it('are kept in the number asked for, the newest under the name given', async () => {
    writeFileSync(join(directory, 'night.ctrec'), 'of the run before');
    const { files } = (await record({ rotateBytes: 100, filesKept: 3 })).summary();
    expect(files).toBeGreaterThan(3);
    expect(readdirSync(directory).sort()).toEqual(['night.ctrec', 'night.ctrec.1', 'night.ctrec.2']);
    const kept = readdirSync(directory).map((name) => chunksOf(readFileSync(join(directory, name))));
    const { records: back, error } = await readAll(kept);
    expect(error).toBeUndefined();
    const all = records.map(comparable);
    expect(back.slice(1)).toEqual(all.slice(all.length - back.length + 1));
  });

  it('are removed when the source could not be opened', async () => {
    const recorder = await Recorder.open({ path: join(directory, 'none.ctrec'), program: '1' });
    await recorder.end();
    expect(existsSync(join(directory, 'none.ctrec'))).toBe(false);
  });

  it('that cannot be created are named', async () => {
    await expect(record({ path: join(directory, 'none/night.ctrec') })).rejects.toMatchObject({
      code: 'ERR_RECORDING_WRITE',
      errno: 'ENOENT',
    });
  });
});

describe('a disk that is slower than the events', () => {
  /** A file whose writes wait until the test lets them go. */
  function slowFile() {
    const bytes: Uint8Array[] = [];
    let release: (() => void) | undefined;
    let open = false;
    return {
      bytes,
      go: () => {
        open = true;
        release?.();
      },
      openFile: async () => ({
        write: async (chunk: Uint8Array) => {
          if (!open)
            await new Promise<void>((resolve) => {
              release = resolve;
            });
          bytes.push(chunk);
        },
        close: async () => {},
        remove: async () => {},
      }),
    };
  }

  it('costs events, which are counted, told, and a gap in the file; never memory', async () => {
    const long = syntheticRecords({ seconds: 60, newPerSecond: () => 40, lifetimeSeconds: 2 });
    const gaps: string[] = [];
    const { bytes, go, openFile } = slowFile();
    const recorder = await Recorder.open({
      path: 'slow',
      program: '1',
      queueBytes: 12_000,
      openFile,
      onGap: (phase, { newEvents, destroyEvents }) => gaps.push(`${phase} ${newEvents + destroyEvents}`),
    });
    const most = Math.floor((long.length * 2) / 3);
    for (const item of long.slice(0, most)) recorder.write(item);
    go();
    for (let written = -1; written < bytes.length; ) {
      written = bytes.length;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    for (const item of long.slice(most)) {
      recorder.write(item);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const { droppedEvents, events } = await recorder.end();
    expect(droppedEvents).toBeGreaterThan(0);
    expect(events + droppedEvents).toBe(eventsOf(long));
    expect(gaps).toEqual(['start 0', `end ${droppedEvents}`]);

    const { records: back, error } = await readAll([chunksOf(Buffer.concat(bytes))]);
    expect(error).toBeUndefined();
    const read = back as SourceRecord[];
    expect(eventsOf(read)).toBe(events);
    const losses = read.flatMap((item) => (item.type === 'tick' ? [item.loss] : []));
    expect(losses.at(-1)).toMatchObject({ unrecorded: droppedEvents });
    expect((losses.at(-1)?.lostNew ?? 0) + (losses.at(-1)?.lostDestroy ?? 0)).toBe(droppedEvents);
    expect(losses[0]).toEqual({ lostNew: 0, lostDestroy: 0, malformed: 0, unknownLosses: 0 });
    expect(read.at(-1)).toEqual(long.at(-1));
  });
});

describe('a full disk', () => {
  it('ends the recording, not its source, and what was written can be read', async () => {
    const bytes: Uint8Array[] = [];
    const failures: string[] = [];
    const recorder = await Recorder.open({
      path: 'full',
      program: '1',
      openFile: async () => ({
        write: async (chunk) => {
          if (bytes.length < 3) bytes.push(chunk);
          else {
            bytes.push(chunk.subarray(0, 50));
            throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
          }
        },
        close: async () => {},
        remove: async () => {},
      }),
      onFailure: ({ code, errno }) => failures.push(`${code} ${errno}`),
    });
    const seen = await readToEnd({ source: recorder.tee(replaySource(records)), afterOpen: () => {} });
    expect(seen.map(comparable)).toEqual(records.map(comparable));
    await expect(recorder.end()).rejects.toMatchObject({ code: 'ERR_RECORDING_WRITE', errno: 'ENOSPC' });
    expect(failures).toEqual(['ERR_RECORDING_WRITE ENOSPC']);
    const { records: back, error } = await readAll([chunksOf(Buffer.concat(bytes))]);
    expect(error).toMatchObject({ code: 'ERR_RECORDING_DAMAGED' });
    expect(back.length).toBeGreaterThan(10);
    expect(back).toEqual(records.map(comparable).slice(0, back.length));
  });
});

it('copies what it needs while a batch is leased', async () => {
  const { files } = await recordToMemory([]);
  expect(files.length).toBe(1);
  const recorder = await Recorder.open({ path: join(directory, 'leased.ctrec'), program: '1' });
  // replaySource overwrites each batch after `next`.
  await readToEnd({ source: recorder.tee(replaySource(records)), afterOpen: () => {} });
  await recorder.end();
  const { records: back } = await readAll([chunksOf(readFileSync(join(directory, 'leased.ctrec')))]);
  expect(back).toEqual(records.map(comparable));
});
