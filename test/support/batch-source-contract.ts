/** What every `BatchSource` promises, run against each of them. */
import { expect, it } from 'vitest';
import { PRESENT } from '../../src/model/batch.js';
import { LOOKUP_AGES_SECONDS, LOOKUPS_PER_SECOND } from '../../src/model/limits.js';
import type { BatchSource, SourceAsks, SourceRecord } from '../../src/model/record.js';
import { FLOAT_PRESENT } from '../../src/recording/layout.js';
import { copyRecord } from './records.js';

export interface SourceUnderTest {
  readonly source: BatchSource;
  /** Makes the source end by itself or after `abort`; called once it is open. */
  readonly afterOpen: (abort: (reason: string) => void) => Promise<void> | void;
}

/** Runs a source to its end and returns what it gave. */
export function readToEnd({ source, afterOpen }: SourceUnderTest, asks?: SourceAsks): Promise<SourceRecord[]> {
  const controller = new AbortController();
  const records: SourceRecord[] = [];
  return new Promise((resolve, reject) => {
    source(
      {
        next: (record) => {
          records.push(copyRecord(record));
          if (record.type === 'open')
            void Promise.resolve(afterOpen((reason) => controller.abort(reason))).catch(reject);
        },
        error: reject,
        complete: () => resolve(records),
      },
      controller.signal,
      asks,
    );
  });
}

/** Declares the contract's tests. */
export function itIsABatchSource(create: () => Promise<SourceUnderTest> | SourceUnderTest): void {
  it('opens with one open record and ends with one close record', async () => {
    const types = (await readToEnd(await create())).map(({ type }) => type);
    expect(types[0]).toBe('open');
    expect(types.at(-1)).toBe('close');
    expect(types.filter((type) => type === 'open' || type === 'close')).toHaveLength(2);
  });

  it('never goes back in time and never takes a loss back', async () => {
    const records = await readToEnd(await create());
    const times = records.map(({ at }) => at.monotonicSeconds);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const losses = records.flatMap((record) =>
      record.type === 'tick' ? [record.loss.lostNew + record.loss.lostDestroy] : [],
    );
    expect(losses.length).toBeGreaterThan(0);
    expect(losses).toEqual([...losses].sort((a, b) => a - b));
  });

  it('gives 0 for times and counters that are not present', async () => {
    for (const record of await readToEnd(await create())) {
      if (!('batch' in record)) continue;
      const { columns, newCount, destroyCount } = record.batch;
      for (const [name, bit] of Object.entries(FLOAT_PRESENT)) {
        const column = columns[name as keyof typeof FLOAT_PRESENT];
        for (let row = 0; row < newCount + destroyCount; row++) {
          if (((columns.present[row] ?? 0) & bit) === 0) expect(column[row]).toBe(0);
        }
      }
    }
  });

  it('looks up no more young flows at once than it may, and tells only who they were of those that are gone', async () => {
    for (const record of await readToEnd(await create())) {
      if (record.type !== 'lookups') continue;
      const { columns, newCount, destroyCount } = record.batch;
      expect(newCount + destroyCount).toBeGreaterThan(0);
      expect(newCount + destroyCount).toBeLessThanOrEqual(LOOKUPS_PER_SECOND);
      expect(record.ageSeconds).toBeGreaterThanOrEqual(LOOKUP_AGES_SECONDS[0]);
      const told = PRESENT.status | PRESENT.timeout | PRESENT.tcpState;
      const gone = Array.from({ length: destroyCount }, (_, i) => (columns.present[newCount + i] ?? 0) & told);
      expect(gone.filter((bits) => bits !== 0)).toEqual([]);
    }
  });

  it('may dump when it is asked to, one dump at a time, with all its rows', async () => {
    const wishes = ['census', 'reap', 'census'] as const;
    let granted = 0;
    const records = await readToEnd(await create(), { takeDump: () => wishes[granted++] });
    let open: { readonly purpose: string; rows: number } | undefined;
    for (const record of records) {
      if (record.type !== 'census') continue;
      if (record.phase === 'begin') {
        expect(open).toBeUndefined();
        open = { purpose: record.purpose, rows: 0 };
        continue;
      }
      if (open === undefined) throw new Error(`${record.phase} without a begin`);
      if (record.phase === 'rows') open.rows += record.batch.newCount;
      else {
        expect(record.rows).toBe(open.purpose === 'reap' ? 0 : open.rows);
        open = undefined;
      }
    }
  });

  it('gives no record before its subscriber can be ready', async () => {
    const { source } = await create();
    const controller = new AbortController();
    let early = true;
    const first = await new Promise<boolean>((resolve, reject) => {
      source({ next: () => resolve(early), error: reject, complete: () => {} }, controller.signal);
      early = false;
    });
    controller.abort('test over');
    expect(first).toBe(false);
  });

  it('keeps its lease when it is aborted while a record is read', async () => {
    const { source, afterOpen } = await create();
    const controller = new AbortController();
    let depth = 0;
    let deepest = 0;
    await new Promise<void>((resolve, reject) => {
      source(
        {
          next: ({ type }) => {
            depth++;
            deepest = Math.max(deepest, depth);
            if (type === 'open') void afterOpen((reason) => controller.abort(reason));
            else controller.abort('in the middle');
            depth--;
          },
          error: reject,
          complete: resolve,
        },
        controller.signal,
      );
    });
    expect(deepest).toBe(1);
  });
}
