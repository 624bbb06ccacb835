import { describe, expect, it } from 'vitest';
import { YoungFlows } from '../../src/kernel/young-flows.js';
import { LOOKUP_AGES_SECONDS, LOOKUPS_PER_SECOND } from '../../src/model/limits.js';
import { batchOf } from '../support/records.js';

const [YOUNG, OLD] = LOOKUP_AGES_SECONDS;

/** Ten batches a second with `perSecond` flows, asked at the end of each second. */
function run(seconds: number, perSecond: (second: number) => number, askedAt = (_: number) => true) {
  const young = new YoungFlows();
  const born = new Map<number, number>();
  const asked: { second: number; ageSeconds: number; ids: number[] }[] = [];
  let id = 0;
  for (let second = 0; second < seconds; second++) {
    for (let tenth = 0; tenth < 10; tenth++) {
      const at = second + (tenth + 0.5) / 10;
      const rows = Array.from({ length: Math.round(perSecond(second) / 10) }, () => ({
        id: ++id,
        destinationPort: 80,
      }));
      for (const row of rows) born.set(row.id, at);
      young.observe(batchOf(rows), at);
    }
    if (!askedAt(second)) continue;
    for (const { flows, ageSeconds } of young.takeDue(second + 1)) {
      asked.push({ second: second + 1, ageSeconds, ids: flows.map((flow) => flow.id) });
    }
  }
  return { asked, born };
}

describe('YoungFlows', () => {
  it('asks about each picked flow once at each age', () => {
    const { asked, born } = run(40, (second) => (second < 20 ? 10 : 0));
    for (const age of LOOKUP_AGES_SECONDS) {
      const ofAge = asked.filter(({ ageSeconds }) => Math.abs(ageSeconds - age - 0.5) < 0.6);
      const ids = ofAge.flatMap(({ ids }) => ids);
      expect(ids).toHaveLength(200);
      expect(new Set(ids).size).toBe(200);
      for (const { second, ageSeconds, ids } of ofAge) {
        const ages = ids.map((one) => second - (born.get(one) ?? 0));
        expect(Math.min(...ages)).toBeGreaterThanOrEqual(age);
        const mean = ages.reduce((sum, a) => sum + a) / ages.length;
        expect(Math.abs(ageSeconds - mean)).toBeLessThanOrEqual(0.05001);
      }
    }
  });

  it('asks no more than its bound in a second, whatever comes', () => {
    const { asked } = run(60, () => 50_000);
    for (let second = 1; second <= 60; second++) {
      const flows = asked.filter((ask) => ask.second === second).flatMap(({ ids }) => ids);
      expect(flows.length).toBeLessThanOrEqual(LOOKUPS_PER_SECOND);
    }
    expect(asked.filter(({ second }) => second === 40).map(({ ids }) => ids.length > 15)).toEqual([true, true]);
  });

  it('asks nothing while nothing is new', () => {
    const { asked } = run(60, (second) => (second === 0 ? 10 : 0));
    expect(asked.map(({ second }) => second)).toEqual([YOUNG + 1, OLD + 1]);
  });

  it('leaves out what it could not ask in time, and asks about it at the next age', () => {
    const { asked } = run(
      30,
      (second) => (second === 0 ? 10 : 0),
      (second) => second > 8,
    );
    expect(asked.map(({ second, ids }) => [second, ids.length])).toEqual([[OLD + 1, 10]]);
  });
});
