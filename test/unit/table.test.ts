import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TableModel } from '../../src/analysis/table.js';

describe('TableModel', () => {
  it('carries the last reading forward with the events since', () => {
    const table = new TableModel(100);
    table.observe({ newEvents: 0, destroyEvents: 0, count: 100, max: 1000 });
    table.observe({ newEvents: 30, destroyEvents: 10 });
    expect(table.snapshot()).toEqual({ blind: 100, count: 120, max: 1000 });
    table.observe({ newEvents: 0, destroyEvents: 0, count: 115 });
    expect(table.snapshot().count).toBe(115);
  });

  it('says nothing of a count that was never read', () => {
    const table = new TableModel(0);
    table.observe({ newEvents: 5, destroyEvents: 0 });
    expect(table.snapshot()).toEqual({ blind: 0 });
  });

  it('counts blind entries down as they leave without a DESTROY', () => {
    const table = new TableModel(1000);
    for (let left = 1000; left >= 200; left -= 50) {
      for (let i = 0; i < 8; i++) table.observe({ newEvents: 0, destroyEvents: 0, count: left });
    }
    expect(table.snapshot().blind).toBe(200);
  });

  it('keeps the blind entries that a reading leaves room for when readings and events are out of step', () => {
    const table = new TableModel(1000);
    for (let i = 0; i < 100; i++) {
      // Every other reading is taken before the events of its tick.
      table.observe({ newEvents: 40, destroyEvents: 40, count: 1000 - (i % 2) * 40 });
    }
    expect(table.snapshot().blind).toBe(960);
  });

  it('is never negative and never grows blind entries', () => {
    const tick = fc.record(
      { newEvents: fc.nat(100), destroyEvents: fc.nat(100), count: fc.nat(500) },
      { requiredKeys: ['newEvents', 'destroyEvents'] },
    );
    fc.assert(
      fc.property(fc.nat(300), fc.array(tick), (initial, ticks) => {
        const table = new TableModel(initial);
        let blind = initial;
        for (const each of ticks) {
          table.observe(each);
          const now = table.snapshot();
          expect(now.blind).toBeLessThanOrEqual(blind);
          expect(now.blind).toBeGreaterThanOrEqual(0);
          expect(now.count ?? 0).toBeGreaterThanOrEqual(0);
          blind = now.blind;
        }
      }),
    );
  });
});
