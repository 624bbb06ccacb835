import { describe, expect, it } from 'vitest';
import { Budgets, type OwnerShareOf } from '../../src/analysis/diagnosis/budgets.js';
import type { BudgetSettings } from '../../src/model/settings.js';
import { batchOf, type FlowRow } from '../support/records.js';

const NOBODY: OwnerShareOf = () => undefined;

/** Feeds rows in one tick of a second. */
function feed(
  budgets: Budgets,
  fresh: readonly FlowRow[],
  gone: readonly FlowRow[] = [],
  weights = { newWeight: 1, destroyWeight: 1 },
) {
  const { columns, newCount, destroyCount } = batchOf(fresh, gone);
  for (let row = 0; row < newCount; row++) budgets.observeNew(columns, row);
  for (let row = newCount; row < newCount + destroyCount; row++) budgets.observeDestroy(columns, row);
  budgets.advance({ seconds: 1, ...weights });
}

function rows(count: number, flow: Partial<FlowRow> = {}): FlowRow[] {
  return Array.from({ length: count }, (_, id) => ({ id, ...flow }));
}

const entriesOf = (budgets: Budgets, shareOf = NOBODY) => budgets.readings(shareOf).map(({ entries }) => entries);

describe('Budgets', () => {
  const all: BudgetSettings[] = [
    { destination: '10.0.0.5:6379', max_entries: 50 },
    { destination: '10.0.0.5', max_entries: 50 },
    { destination: ':6379', max_entries: 50 },
    { destination: ':6379', transport: 'udp', max_entries: 50 },
  ];

  it('counts the entries of a destination, a host and a port, by what matches and nothing else', () => {
    const budgets = new Budgets(all);
    feed(budgets, [
      ...rows(7),
      ...rows(5, { destinationPort: 80 }),
      ...rows(3, { destination: 6 }),
      ...rows(2, { protocol: 17 }),
      ...rows(9, { destination: 7, destinationPort: 81 }),
    ]);
    expect(entriesOf(budgets)).toEqual([9, 14, 12, 2]);
    feed(budgets, [], [...rows(4), ...rows(1, { protocol: 17 })]);
    expect(entriesOf(budgets)).toEqual([4, 9, 7, 1]);
  });

  it('has the rate of the last seconds', () => {
    const budgets = new Budgets(all);
    for (let second = 0; second < 40; second++) feed(budgets, rows(20));
    expect(budgets.readings(NOBODY)[0]?.newPerSecond).toBeCloseTo(20, 1);
  });

  it('lets what was lost of a tick weigh in, and is never below nothing', () => {
    const budgets = new Budgets(all.slice(0, 1));
    feed(budgets, rows(10), [], { newWeight: 2, destroyWeight: 1 });
    expect(entriesOf(budgets)).toEqual([20]);
    feed(budgets, [], rows(5), { newWeight: 1, destroyWeight: 3 });
    expect(entriesOf(budgets)).toEqual([5]);
    feed(budgets, [], rows(9));
    expect(entriesOf(budgets)).toEqual([0]);
  });

  it('counts entries from before the start only where their end will be told', () => {
    const { columns } = batchOf(rows(3));
    for (const [events, expected] of [
      [1, 3],
      [2, 0],
      [undefined, 0],
    ] as const) {
      const budgets = new Budgets(all.slice(0, 1), events);
      for (let row = 0; row < 3; row++) budgets.observeEntry(columns, row);
      expect(entriesOf(budgets)).toEqual([expected]);
    }
  });

  it('takes the count of a census for its own', () => {
    const budgets = new Budgets(all.slice(0, 1));
    feed(budgets, rows(10));
    const { columns } = batchOf(rows(4));
    budgets.beginCensus();
    for (let row = 0; row < 4; row++) budgets.observeCensus(columns, row);
    budgets.endCensus();
    expect(entriesOf(budgets)).toEqual([4]);
  });

  it('has no reading of an owner that is not told, and the share of one that is', () => {
    const owned = { destination: '10.0.0.5:6379', owner: 'sidekiq.service', max_entries: 50 };
    const budgets = new Budgets([owned, { owner: 'uid:33', max_entries: 5 }]);
    feed(budgets, [...rows(80), ...rows(20, { destinationPort: 80 })]);
    expect(entriesOf(budgets)).toEqual([undefined, undefined]);
    const shareOf: OwnerShareOf = (owner, destination) =>
      owner.part === 'unit' ? (destination?.port === 6379 ? 0.5 : 0) : 0.25;
    expect(entriesOf(budgets, shareOf)).toEqual([40, 25]);
  });

  it('knows what is allowed of a destination by its whole name', () => {
    const budgets = new Budgets([...all.slice(1), { ...all[0], destination: '10.0.0.5:6379', max_entries: 7 }]);
    const redis = { family: 2, protocol: 6, address: Uint8Array.of(10, 0, 0, 5, ...Array(12).fill(0)), port: 6379 };
    expect(budgets.allowedOf(redis)?.max_entries).toBe(7);
    expect(budgets.allowedOf({ ...redis, port: 80 })).toBeUndefined();
    expect(budgets.allowedOf({ ...redis, family: 10 })).toBeUndefined();
  });

  it('goes on counting what other budgets are about as well, and begins with what is new', () => {
    const budgets = new Budgets(all.slice(0, 3));
    feed(budgets, rows(7));
    const other = budgets.configured([
      { destination: ':443', max_entries: 1 },
      { destination: '10.0.0.5:6379', max_entries: 9 },
    ]);
    feed(other, [...rows(2), ...rows(1, { destinationPort: 443 })]);
    expect(other.readings(NOBODY)).toMatchObject([
      { entries: 1, budget: { destination: ':443' } },
      { entries: 9, budget: { max_entries: 9 } },
    ]);
  });
});
