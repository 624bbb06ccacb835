import { describe, expect, it } from 'vitest';
import { CtwatchError } from '../../src/model/errors.js';
import { CENSUS_FRESH_SECONDS } from '../../src/model/limits.js';
import type { CensusRecord } from '../../src/model/record.js';
import { DumpWatch } from '../../src/pipeline/dump-watch.js';
import { entriesOf, UNREPLIED } from '../support/entries.js';

const at = (second: number) => ({ monotonicSeconds: second, unixSeconds: 1_790_000_000 + second });
const begin = (purpose: 'census' | 'reap' = 'census', count = 100): CensusRecord => ({
  ...{ type: 'census', at: at(10), phase: 'begin', purpose, table: { count, max: 200 } },
});
const rows: CensusRecord = {
  ...{ type: 'census', at: at(10.2), phase: 'rows' },
  batch: entriesOf([{ tcpState: 3 }, { tcpState: 1, status: UNREPLIED, source: '10.0.0.7' }]),
};
const end = (fields: Partial<CensusRecord & { phase: 'end' }> = {}): CensusRecord =>
  ({ type: 'census', at: at(10.5), phase: 'end', rows: 2, table: { count: 70, max: 200 }, ...fields }) as CensusRecord;

describe('a dump', () => {
  it('is told at its end with what was counted and about how much was collected', () => {
    const watch = new DumpWatch(['10.0.0.9']);
    expect([watch.observe(begin()), watch.observe(rows)]).toEqual([undefined, undefined]);
    // They make the count larger than what was left.
    watch.observeNew(20);
    const dump = watch.observe(end());
    expect(dump).toMatchObject({ purpose: 'census', durationSeconds: 0.5, collected: 50, table: { count: 70 } });
    expect(dump?.census?.entries).toBe(2);
    expect(dump?.census?.count(['direction']).rows).toMatchObject([
      { direction: 'outbound' },
      { direction: 'forwarded' },
    ]);
  });

  it('takes the addresses that the host has by then', () => {
    const watch = new DumpWatch(['10.0.0.9']);
    watch.observe({ ...begin(), addresses: ['10.0.0.7'] } as CensusRecord);
    watch.observe(rows);
    const counted = watch.observe(end())?.census?.count(['direction']).rows;
    expect(counted?.map(({ direction }) => direction)).toEqual(['forwarded', 'outbound']);
  });

  it('of which a recording left rows out is no census', () => {
    const watch = new DumpWatch(undefined);
    watch.observe(begin());
    watch.observe(rows);
    const dump = watch.observe(end({ rows: 5 }));
    expect(dump).toMatchObject({ purpose: 'census' });
    expect(dump).not.toHaveProperty('census');
    expect(watch.unassuredRatio(11)).toBeUndefined();
  });

  it('whose begin was left out is not told at all', () => {
    const watch = new DumpWatch(undefined);
    watch.observe(rows);
    expect(watch.observe(end())).toBeUndefined();
  });

  it('that failed is told with its error, and with no number that nobody read', () => {
    const watch = new DumpWatch(undefined);
    watch.observe(begin());
    const error = new CtwatchError({ code: 'ERR_REQUEST_TIMEOUT', operation: 'dump' });
    const { table: _, ...failed } = end({ rows: 0, error }) as CensusRecord & { table?: unknown };
    const dump = watch.observe(failed as CensusRecord);
    expect(dump).toMatchObject({ error, table: { count: 100 } });
    expect(dump).not.toHaveProperty('census');
    expect(dump).not.toHaveProperty('collected');
  });

  it('to reap has no census', () => {
    const watch = new DumpWatch(undefined);
    watch.observe(begin('reap'));
    expect(watch.observe(end({ rows: 0 }))).toEqual({
      ...{ type: 'dump', at: at(10.5), purpose: 'reap', durationSeconds: 0.5, collected: 30 },
      table: { count: 70, max: 200 },
    });
  });
});

describe('what a dump collects', () => {
  it('comes from its begin to a moment after its end', () => {
    const watch = new DumpWatch(undefined);
    expect(watch.takeReaped(0)).toBe(false);
    watch.observe(begin('reap'));
    expect([watch.takeReaped(0), watch.takeReaped(0)]).toEqual([true, true]);
    watch.observe(end({ rows: 0 }));
    expect([watch.takeReaped(0), watch.takeReaped(0), watch.takeReaped(0)]).toEqual([true, true, false]);
  });
});

describe('the share that may be evicted', () => {
  it('is that of the last census, until it is old', () => {
    const watch = new DumpWatch(undefined);
    expect(watch.unassuredRatio(0)).toBeUndefined();
    watch.observe(begin());
    watch.observe(rows);
    watch.observe(end());
    expect(watch.unassuredRatio(10.5 + CENSUS_FRESH_SECONDS)).toBe(0.5);
    expect(watch.unassuredRatio(10.6 + CENSUS_FRESH_SECONDS)).toBeUndefined();
  });
});
