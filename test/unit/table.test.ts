import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TableModel, type TableSnapshot } from '../../src/analysis/table.js';

const TICK = 0.25;

interface Kernel {
  /** New entries per second, each with the same timeout. */
  readonly newPerSecond: number;
  readonly timeoutSeconds: number;
  readonly buckets?: number;
  /** The first sweep happens this long after the start, then every 60 s. */
  readonly sweepAtSeconds: number;
  /** Start in a steady state that existed before. */
  readonly isWarm: boolean;
  /** Long-lived neighbours that never leave. */
  readonly background?: number;
}

/** A table as the kernel keeps it, in expectation: entries expire, lookups collect some, a sweep the rest. */
function simulate(
  kernel: Kernel,
  untilSeconds: number,
  check: (at: number, model: TableSnapshot, expired: number) => void,
) {
  const { newPerSecond, timeoutSeconds, sweepAtSeconds, background = 0 } = kernel;
  const hazard = kernel.buckets === undefined ? 0 : (2 * newPerSecond) / kernel.buckets;
  let live = kernel.isWarm ? newPerSecond * timeoutSeconds : 0;
  let expired = 0;
  if (kernel.isWarm)
    for (let age = 0; age < 60 - sweepAtSeconds; age += TICK) expired += newPerSecond * TICK - expired * hazard * TICK;
  const initialCount = Math.round(live + expired + background);
  const model = new TableModel({ initialCount, ...(kernel.buckets === undefined ? {} : { buckets: kernel.buckets }) });
  for (let tick = 1; tick * TICK <= untilSeconds; tick++) {
    const at = tick * TICK;
    const expiring = kernel.isWarm || at > timeoutSeconds ? newPerSecond * TICK : 0;
    live += newPerSecond * TICK - expiring;
    const collected = expired * hazard * TICK;
    expired += expiring - collected;
    const isSweep = at >= sweepAtSeconds && (at - sweepAtSeconds) % 60 === 0;
    const destroyEvents = collected + (isSweep ? expired : 0);
    if (isSweep) expired = 0;
    model.observe({
      atSeconds: 1000 + at,
      seconds: TICK,
      newEvents: newPerSecond * TICK,
      destroyEvents,
      expiredDestroyEvents: destroyEvents,
      max: 262_144,
      ...(tick % 4 === 0 ? { count: live + expired + background } : {}),
    });
    check(at, model.snapshot(), expired);
  }
}

describe('TableModel', () => {
  it.each<[string, Kernel]>([
    [
      'a quiet large table',
      { newPerSecond: 1000, timeoutSeconds: 10, sweepAtSeconds: 35, isWarm: true, background: 1e5 },
    ],
    [
      'packets that collect between sweeps',
      { newPerSecond: 8000, timeoutSeconds: 5, sweepAtSeconds: 20, isWarm: true, buckets: 262_144 },
    ],
    ['a start from an empty table', { newPerSecond: 500, timeoutSeconds: 10, sweepAtSeconds: 60, isWarm: false }],
  ])('follows the expired entries of %s to 8 %% of their peak', (_, kernel) => {
    let compared = 0;
    simulate(kernel, 400, (at, { live, expired, expiredPeak }, truth) => {
      // A sweep is known one tick later.
      if (at < 200 || (at - kernel.sweepAtSeconds) % 60 === 0) return;
      const hazard = kernel.buckets === undefined ? 0 : (2 * kernel.newPerSecond) / kernel.buckets;
      const peak = kernel.newPerSecond * (hazard === 0 ? 60 : -Math.expm1(-hazard * 60) / hazard);
      expect(Math.abs((expired ?? 0) - truth)).toBeLessThan(0.08 * peak);
      expect((expiredPeak ?? 0) / peak).toBeCloseTo(1, 1);
      expect(live).toBeGreaterThan(0);
      compared += 1;
    });
    expect(compared).toBeGreaterThan(500);
  });

  it('says nothing about expired entries before it saw a cycle of a table that was in use', () => {
    simulate({ newPerSecond: 100, timeoutSeconds: 10, sweepAtSeconds: 50, isWarm: true }, 49, (_, snapshot) => {
      expect(snapshot.live).toBeUndefined();
      expect(snapshot.expired).toBeUndefined();
    });
  });

  it('knows that nothing has expired in the first 10 s of an empty table', () => {
    simulate(
      { newPerSecond: 100, timeoutSeconds: 30, sweepAtSeconds: 60, isWarm: false },
      20,
      (at, { count, live, expired }) => {
        if (at < 1) return;
        expect(expired).toBe(at <= 10 ? 0 : undefined);
        expect(live).toBe(at <= 10 ? count : undefined);
      },
    );
  });

  it('does not take the first sweep after the start for the rate of a few seconds', () => {
    let peak: number | undefined;
    simulate({ newPerSecond: 100, timeoutSeconds: 10, sweepAtSeconds: 20, isWarm: true }, 40, (_, { expiredPeak }) => {
      peak = expiredPeak ?? peak;
    });
    expect(peak).toBeGreaterThan(4000);
    expect(peak).toBeLessThan(8000);
  });

  it('starts over when a dump has collected everything, and does not count its events as a rate', () => {
    const model = new TableModel({ initialCount: 5000 });
    const tick = { seconds: TICK, newEvents: 25, destroyEvents: 0, expiredDestroyEvents: 0 };
    for (let i = 1; i <= 40; i++) model.observe({ ...tick, atSeconds: i * TICK, count: 5000 });
    model.observe({
      ...tick,
      atSeconds: 10.25,
      destroyEvents: 2000,
      expiredDestroyEvents: 2000,
      count: 3000,
      reapedNow: true,
    });
    model.observe({ ...tick, atSeconds: 10.5, destroyEvents: 900, expiredDestroyEvents: 900, count: 2100 });
    expect(model.snapshot()).toMatchObject({ count: 2100, live: 2100, expired: 0 });
    expect(model.snapshot().expiredPeak).toBeUndefined();
  });

  it('carries the count on between two readings', () => {
    const model = new TableModel({ initialCount: 10 });
    expect(model.snapshot().count).toBeUndefined();
    const tick = { seconds: TICK, newEvents: 7, destroyEvents: 2, expiredDestroyEvents: 0 };
    model.observe({ ...tick, atSeconds: 0.25, count: 15 });
    model.observe({ ...tick, atSeconds: 0.5 });
    expect(model.snapshot().count).toBe(20);
  });

  it('counts blind entries down as they leave without a DESTROY', () => {
    const model = new TableModel({ initialCount: 1000 });
    let count = 1000;
    for (let i = 1; i <= 100; i++) {
      count += 10;
      if (i > 20 && i <= 70) count -= 10;
      model.observe({ atSeconds: i, seconds: 1, newEvents: 10, destroyEvents: 0, expiredDestroyEvents: 0, count });
    }
    expect(model.snapshot().blind).toBe(500);
  });

  it('keeps blind entries that are there when readings and events are out of step', () => {
    const model = new TableModel({ initialCount: 100 });
    let count = 100;
    for (let i = 1; i <= 200; i++) {
      count += 50;
      const late = i % 3 === 0 ? 30 : 0;
      model.observe({
        atSeconds: i,
        seconds: 1,
        newEvents: 50,
        destroyEvents: 0,
        expiredDestroyEvents: 0,
        count: count - late,
      });
    }
    expect(model.snapshot().blind).toBe(100);
  });

  it('is never negative, never grows blind entries, and always adds up', () => {
    const tick = fc.record({
      seconds: fc.double({ min: 0, max: 30, noNaN: true }),
      newEvents: fc.nat(50_000),
      destroyEvents: fc.nat(50_000),
      expiredRatio: fc.double({ min: 0, max: 1, noNaN: true }),
      count: fc.option(fc.nat(300_000), { nil: undefined }),
      reapedNow: fc.boolean(),
    });
    const host = fc.record({ initialCount: fc.nat(300_000), buckets: fc.integer({ min: 1, max: 1 << 20 }) });
    fc.assert(
      fc.property(host, fc.array(tick, { maxLength: 200 }), (settings, ticks) => {
        const model = new TableModel(settings);
        let atSeconds = 0;
        let blindBefore = Number.POSITIVE_INFINITY;
        for (const { expiredRatio, count, reapedNow, ...rest } of ticks) {
          atSeconds += rest.seconds;
          const expiredDestroyEvents = Math.floor(rest.destroyEvents * expiredRatio);
          const isReaped = reapedNow && expiredRatio > 0.9;
          model.observe({
            ...rest,
            atSeconds,
            expiredDestroyEvents,
            reapedNow: isReaped,
            ...(count === undefined ? {} : { count }),
          });
          const snapshot = model.snapshot();
          for (const value of Object.values(snapshot)) expect(value).toBeGreaterThanOrEqual(0);
          for (const value of Object.values(snapshot)) expect(value).toBeLessThan(Number.POSITIVE_INFINITY);
          if (snapshot.live !== undefined) {
            expect(snapshot.live + (snapshot.expired ?? Number.NaN)).toBeCloseTo(snapshot.count ?? Number.NaN, 6);
          }
          expect(snapshot.sweepIntervalSeconds ?? 60).toBeLessThanOrEqual(60);
          expect(snapshot.blind).toBeLessThanOrEqual(blindBefore);
          blindBefore = snapshot.blind;
        }
      }),
      { seed: 5 },
    );
  });
});
