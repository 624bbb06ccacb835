import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { HostFacts, KernelCounters, SourceRecord } from '../../src/model/record.js';
import { defaultSettings, type Settings } from '../../src/model/settings.js';
import { observe } from '../../src/pipeline/observation.js';
import type { Observation, TickObservation } from '../../src/pipeline/observed.js';
import { fromSource } from '../../src/pipeline/source.js';
import { batchOf, HOST, replaySource, syntheticRecords } from '../support/records.js';

function observationsOf(records: readonly SourceRecord[], settings: Partial<Settings> = {}): Promise<Observation[]> {
  const observed = observe({ ...defaultSettings, ...settings });
  return lastValueFrom(fromSource(replaySource(records)).pipe(observed, toArray()));
}

async function ticksOf(records: readonly SourceRecord[], settings: Partial<Settings> = {}): Promise<TickObservation[]> {
  return (await observationsOf(records, settings)).filter((observation) => observation.type === 'tick');
}

const steady = { seconds: 20, newPerSecond: () => 100, lifetimeSeconds: 5 };
const withHost = (host: Partial<HostFacts>) => ({ ...steady, host: { ...HOST, ...host } });

const COUNTERS: KernelCounters = {
  ...{ found: 0, invalid: 0, insert: 0, insert_failed: 0, drop: 0, early_drop: 0, error: 0 },
  ...{ search_restart: 0, clash_resolve: 0, chain_toolong: 0 },
};

/** The records with these counters in the ticks that end at whole seconds, the first second first. */
function withCounters(
  records: readonly SourceRecord[],
  ...readings: readonly Partial<KernelCounters>[]
): SourceRecord[] {
  let reading = 0;
  return records.map((record) => {
    if (record.type !== 'tick' || record.table === undefined) return record;
    const counters = readings[reading++];
    return counters === undefined ? record : { ...record, counters: { ...COUNTERS, ...counters } };
  });
}

describe('observe', () => {
  it('gives one observation for each open, tick and close', async () => {
    const types = (await observationsOf(syntheticRecords({ ...steady, seconds: 2 }))).map(({ type }) => type);
    expect(types).toEqual(['open', ...Array.from({ length: 8 }, () => 'tick'), 'close']);
  });

  it('counts exactly, and rates include what was lost', async () => {
    const records = syntheticRecords({ ...steady, lostPerSecond: () => 50 });
    const last = (await ticksOf(records)).at(-1);
    expect(last?.totals).toEqual({ newEvents: 2000, destroyEvents: 1500 });
    expect(last?.loss.lostNew).toBe(1000);
    expect(last?.rates.newPerSecond.over10s).toBeCloseTo(150, 9);
    expect(last?.rates.destroyPerSecond.over10s).toBeCloseTo(100, 9);
    expect(last?.lostRatio).toBeCloseTo(50 / 250, 9);
  });

  it('tells the events lost in each tick, which add up to the total', async () => {
    const records = syntheticRecords({ ...steady, lostPerSecond: (second) => (second > 5 && second <= 8 ? 10 : 0) });
    const ticks = await ticksOf(records);
    expect(ticks.reduce((sum, { lostEvents }) => sum + lostEvents, 0)).toBe(30);
    expect(ticks.find(({ lostEvents }) => lostEvents > 0)?.uptimeSeconds).toBe(5.25);
    expect(ticks.at(-1)?.lostEvents).toBe(0);
  });

  it('carries the count of the table forward with the events between two readings', async () => {
    const ticks = await ticksOf(syntheticRecords(steady));
    expect(ticks.filter(({ uptimeSeconds }) => uptimeSeconds >= 6).map(({ table }) => table.count)).toEqual(
      Array.from({ length: 57 }, () => 500),
    );
  });

  it('takes the limit from assume_max when it is given, even where the kernel tells none', async () => {
    expect((await ticksOf(syntheticRecords(steady)))[0]?.table.max).toBe(16_000);
    expect((await ticksOf(syntheticRecords(steady), { assume_max: 700 })).at(-1)?.table.max).toBe(700);
    const unknown = syntheticRecords(withHost({ table: { count: 0 } })).map((record) =>
      record.type === 'tick' && record.table !== undefined
        ? { ...record, table: { count: record.table.count } }
        : record,
    );
    expect((await ticksOf(unknown)).at(-1)).toMatchObject({ forecast: { verdict: 'unknown', reason: 'no_max' } });
    expect((await ticksOf(unknown, { assume_max: 700 })).at(-1)?.table.max).toBe(700);
  });

  it('stops telling a table that was not read for over 5 s, and tells it again with the next reading', async () => {
    const gap = (second: number) => second > 8 && second < 16;
    const records = syntheticRecords(steady).map((record) => {
      if (record.type !== 'tick' || !gap(record.at.monotonicSeconds - 1000)) return record;
      const { table: _, ...without } = record;
      return without;
    });
    const ticks = await ticksOf(records);
    const known = (second: number) => ticks.find(({ uptimeSeconds }) => uptimeSeconds === second);
    expect(known(13)?.table.count).toBe(500);
    expect(known(13.25)?.table).toEqual({ blind: 0 });
    expect(known(13.25)?.forecast).toEqual({ verdict: 'unknown', reason: 'no_table' });
    expect(known(15.75)?.table).toEqual({ blind: 0 });
    expect(known(16)?.table.count).toBe(500);
    expect(known(16)?.forecast.reason).not.toBe('no_table');
  });

  it('withholds the forecast where the kernel sends no events', async () => {
    const records = syntheticRecords(withHost({ sysctls: { ...HOST.sysctls, events: 0 } }));
    expect((await ticksOf(records)).at(-1)?.forecast).toEqual({ verdict: 'unknown', reason: 'no_events' });
  });

  it('does not call a steady rate filling', async () => {
    const verdicts = (await ticksOf(syntheticRecords({ ...steady, seconds: 60 }))).map(
      ({ forecast }) => forecast.verdict,
    );
    expect(verdicts).not.toContain('fills');
    expect(verdicts.at(-1)).toBe('plateaus');
  });

  it('names destinations by what was in the batch, not by what overwrote it', async () => {
    const records = syntheticRecords(steady);
    const [talker, ...others] = (await ticksOf(records)).at(-1)?.top ?? [];
    expect(others).toEqual([]);
    expect(talker).toMatchObject({ protocol: 6, port: 6379, shareRatio: 1, errorRatio: 0 });
    expect([...(talker?.address ?? [])].slice(0, 4)).toEqual([10, 0, 0, 5]);
  });

  it('does not count the entries of the first dump as new', async () => {
    const [open, ...rest] = syntheticRecords(steady);
    const at = { monotonicSeconds: 1000, unixSeconds: 1_790_000_000 };
    const entries = Array.from({ length: 300 }, (_, id) => ({ id: 1_000_000 + id, timeoutSeconds: 30 }));
    const records = [open, { type: 'entries', at, batch: batchOf(entries) }, ...rest] as SourceRecord[];
    const last = (await ticksOf(records)).at(-1);
    expect(last?.totals.newEvents).toBe(2000);
    expect(last?.rates.newPerSecond.over10s).toBeCloseTo(100, 9);
  });
});

describe('the counters of the kernel', () => {
  const short = { ...steady, seconds: 4 };
  const kernelOf = async (...readings: readonly Partial<KernelCounters>[]) => {
    const host = { ...HOST, counters: { ...COUNTERS, drop: 7, early_drop: 0xffff_fff0 } };
    const ticks = await ticksOf(withCounters(syntheticRecords({ ...short, host }), ...readings));
    return ticks.flatMap(({ kernel }) => (kernel === undefined ? [] : [kernel]));
  };

  it('are told as increases, the first since the source opened', async () => {
    const kernel = await kernelOf({ drop: 7, invalid: 1 }, { drop: 9, invalid: 1 }, { drop: 9, invalid: 4 });
    expect(kernel.map(({ drop, invalid }) => [drop, invalid])).toEqual([
      [0, 1],
      [2, 0],
      [0, 3],
    ]);
  });

  it('wrap at 32 bits', async () => {
    expect((await kernelOf({ early_drop: 0x10 }))[0]?.early_drop).toBe(0x20);
  });

  it('count from the last reading when one is missing', async () => {
    const records = withCounters(syntheticRecords(short), { drop: 1 }, { drop: 2 }, { drop: 6 });
    let second = 0;
    const gap = records.map((record) => {
      if (record.type !== 'tick' || record.counters === undefined || second++ !== 1) return record;
      const { counters: _, ...without } = record;
      return without;
    });
    expect((await ticksOf(gap)).flatMap(({ kernel }) => kernel?.drop ?? [])).toEqual([1, 5]);
  });
});

describe('time', () => {
  /** The records with both clocks moved; whole seconds, so that no rounding is involved. */
  const moved = (records: readonly SourceRecord[], monotonic: number, unix: number) =>
    records.map(
      (record) =>
        ({
          ...record,
          at: {
            monotonicSeconds: record.at.monotonicSeconds + monotonic,
            unixSeconds: record.at.unixSeconds + unix,
          },
        }) as SourceRecord,
    );

  it('comes from the records alone: the same records give the same observations, wherever their clocks stand', async () => {
    const burst = (second: number) => (second > 20 && second <= 25 ? 400 : 100);
    const records = syntheticRecords({ seconds: 40, newPerSecond: burst, lifetimeSeconds: 5 });
    const numbersOf = async (given: readonly SourceRecord[]) =>
      (await ticksOf(given)).map(({ at: _, burst: { active }, burstTransition, ...numbers }) =>
        JSON.stringify([numbers, active?.ratio, burstTransition?.phase]),
      );
    const expected = await numbersOf(records);
    expect(expected.some((text) => text.includes('"start"'))).toBe(true);
    expect(await numbersOf(moved(records, 4096, 86_400))).toEqual(expected);
  });
});
