import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../evaluation/random.js';
import { Collector, type CollectorSnapshot, SWEEP_SECONDS } from '../../src/analysis/forecast/collector.js';

const TICK = 0.25;
/** The collector removes 32,000 entries a second. */
const SWEPT_PER_TICK = 8000;

interface Kernel {
  readonly newPerSecond: (atSeconds: number) => number;
  readonly lifeSeconds: number;
  /** h = this * new flows a second. */
  readonly hazardPerNew: number;
  readonly sweepAtSeconds: number;
  readonly sweepEverySeconds?: number;
  readonly dumpAtSeconds?: number;
  readonly buckets?: number;
  readonly seed?: number;
}

interface Moment {
  readonly atSeconds: number;
  readonly collector: CollectorSnapshot;
  readonly justSwept: boolean;
  /** The kernel swept in this tick. */
  readonly isSweeping: boolean;
}

/** A table that is in use since long before second 0, its collections drawn at random. */
function play(kernel: Kernel, untilSeconds: number, startSeconds = -200): Moment[] {
  const { newPerSecond, lifeSeconds, hazardPerNew, sweepAtSeconds, sweepEverySeconds = SWEEP_SECONDS } = kernel;
  const random = createRandom(kernel.seed ?? 1);
  const collector = new Collector(kernel.buckets);
  const moments: Moment[] = [];
  let expired = 0;
  let left = 0;
  for (let tick = startSeconds / TICK + 1; tick * TICK <= untilSeconds; tick++) {
    const atSeconds = tick * TICK;
    const rate = newPerSecond(atSeconds);
    expired +=
      atSeconds - lifeSeconds < startSeconds ? 0 : random.poisson(newPerSecond(atSeconds - lifeSeconds) * TICK);
    const expiredEntries = expired;
    const met = Math.min(expired, random.poisson(expired * -Math.expm1(-hazardPerNew * rate * TICK)));
    expired -= met;
    const phase = (((atSeconds - sweepAtSeconds) % sweepEverySeconds) + sweepEverySeconds) % sweepEverySeconds;
    const isDump = atSeconds === kernel.dumpAtSeconds;
    if (phase === 0 || isDump) left = expired;
    const isSweeping = left > 0 && !isDump;
    const swept = Math.min(left, expired, isDump ? left : SWEPT_PER_TICK);
    left -= swept;
    expired -= swept;
    if (atSeconds <= 0) continue;
    collector.observe({
      ...{ atSeconds, seconds: TICK, newEvents: random.poisson(rate * TICK), reapedNow: isDump },
      ...{ expiredDestroyEvents: met + swept, expiredEntries },
    });
    moments.push({ atSeconds, collector: collector.snapshot(), justSwept: collector.justSwept, isSweeping });
  }
  return moments;
}

const always = (value: number) => () => value;
const QUIET: Kernel = { newPerSecond: always(100), lifeSeconds: 30, hazardPerNew: 1e-6, sweepAtSeconds: 20 };

describe('Collector', () => {
  it.each<[string, Kernel]>([
    ['a quiet large table', QUIET],
    ['a table whose lookups collect as much as its sweeps', { ...QUIET, hazardPerNew: 1 / SWEEP_SECONDS / 100 }],
    ['a few flows a second', { ...QUIET, newPerSecond: always(5) }],
    ['sweeps of many ticks', { ...QUIET, newPerSecond: always(2000), hazardPerNew: 1e-8 }],
  ])('sees each sweep of %s as it happens, and no other', (_, kernel) => {
    const moments = play(kernel, 400).filter(({ atSeconds }) => atSeconds > 10);
    for (const { isSweeping, justSwept, collector, atSeconds } of moments) {
      expect(justSwept, `${atSeconds} s`).toBe(isSweeping);
      if (isSweeping) expect(collector.sinceSweepSeconds).toBe(0);
      else if (atSeconds > 25) expect(collector.sinceSweepSeconds).toBeLessThanOrEqual(SWEEP_SECONDS);
    }
    expect(moments.filter(({ isSweeping }) => isSweeping).length).toBeGreaterThanOrEqual(7);
    expect(moments.at(-1)?.collector.isPhaseKnown).toBe(true);
    expect(moments.at(-1)?.collector.intervalSeconds).toBe(SWEEP_SECONDS);
  });

  it('knows no phase before the first sweep', () => {
    for (const { atSeconds, collector } of play(QUIET, 60)) {
      expect(collector.isPhaseKnown).toBe(atSeconds > 20);
      if (atSeconds < 20) expect(collector.sinceSweepSeconds).toBe(atSeconds);
    }
  });

  it('measures the interval of a table that is swept more often', () => {
    const { collector } = play({ ...QUIET, sweepEverySeconds: 12 }, 100).at(-1) as Moment;
    expect(collector.intervalSeconds).toBe(12);
  });

  it('takes the first collections of a table that was empty for nothing but that', () => {
    // Nothing ends for 30 s, then lookups collect some 2/s.
    const moments = play({ ...QUIET, hazardPerNew: 2e-5, sweepAtSeconds: 60 }, 300, 0);
    const swept = moments.filter(({ justSwept }) => justSwept).map(({ atSeconds }) => atSeconds);
    expect(swept).toEqual([60, 120, 180, 240, 300]);
  });

  it('takes a step of the rate for a sweep no longer than one can last', () => {
    // Lookups do it all; ten times the traffic ends from second 130 on.
    const kernel = { ...QUIET, newPerSecond: (at: number) => (at < 100 ? 100 : 1000), hazardPerNew: 0.01 };
    const moments = play(kernel, 300).filter(({ atSeconds }) => atSeconds > 125 && atSeconds < 175);
    const swept = moments.filter(({ justSwept }) => justSwept).length * TICK;
    expect(swept).toBeLessThanOrEqual(12 + TICK);
    expect(moments.at(-1)?.collector.sinceSweepSeconds).toBeGreaterThan(25);
  });

  it('starts over after a dump, which is no sweep of the collector', () => {
    const moments = play({ ...QUIET, dumpAtSeconds: 50 }, 200);
    const at = (seconds: number) => moments.find(({ atSeconds }) => atSeconds === seconds) as Moment;
    expect(at(50).justSwept).toBe(true);
    expect(at(50).collector.sinceSweepSeconds).toBe(0);
    expect(at(75).collector.sinceSweepSeconds).toBe(25);
    expect(at(80).justSwept).toBe(true);
    expect(at(80.5).collector.intervalSeconds).toBe(SWEEP_SECONDS);
    expect(at(190).collector.intervalSeconds).toBe(SWEEP_SECONDS);
  });

  it('expects the next sweep where the last one puts it, whatever a dump collects in between', () => {
    const moments = play({ ...QUIET, dumpAtSeconds: 50 }, 200);
    const left = (seconds: number) =>
      moments.find(({ atSeconds }) => atSeconds === seconds)?.collector.untilSweepSeconds ?? Number.NaN;
    // Swept at 20, 80, 140.
    expect(left(60)).toBeCloseTo(20, 0);
    expect(left(90)).toBeCloseTo(50, 0);
  });

  it('waits for a sweep that must show, however long ago the dump was', () => {
    // Nothing has expired at the first sweep, 10 s after the start; the second comes at 70 s.
    const moments = play({ ...QUIET, sweepAtSeconds: 10, dumpAtSeconds: 0.25 }, 100, 0);
    expect(moments.find(({ justSwept, atSeconds }) => justSwept && atSeconds > 1)?.atSeconds).toBe(70);
  });

  it('is not told another interval by the dump of another', () => {
    const { newPerSecond } = QUIET;
    const collector = new Collector(65_536);
    const intervals: number[] = [];
    for (let tick = 1; tick <= 1200; tick++) {
      const atSeconds = tick * TICK;
      // Swept at 60, 120, 180, ..., by a dump at 200.
      const isSwept = atSeconds % 60 === 0 || atSeconds === 200;
      const expiredDestroyEvents = isSwept ? 1000 : 1;
      collector.observe({ atSeconds, seconds: TICK, newEvents: newPerSecond(0) * TICK, expiredDestroyEvents });
      if (atSeconds > 130) intervals.push(collector.snapshot().intervalSeconds);
    }
    expect(new Set(intervals.slice(0, (235 - 130) / TICK))).toEqual(new Set([60]));
  });

  it('knows how much a sweep of some ticks has left', () => {
    const collector = new Collector(65_536);
    for (let tick = 1; tick <= 60; tick++) {
      collector.observe({ atSeconds: tick, seconds: 1, newEvents: 100, expiredDestroyEvents: 2, expiredEntries: 3000 });
    }
    const left = [1000, 1000, 1000].map((expiredDestroyEvents, i) => {
      collector.observe({
        ...{ atSeconds: 61 + i, seconds: 1, newEvents: 100, expiredEntries: 3000 },
        expiredDestroyEvents,
      });
      return collector.unsweptRatio;
    });
    expect(left[0]).toBeCloseTo(2 / 3);
    expect(left[1]).toBeCloseTo(1 / 3);
    expect(left[2]).toBe(0);
  });

  it('takes a sweep that shares the collector with others for one, to its end', () => {
    const collector = new Collector(65_536);
    const observe = (atSeconds: number, expiredDestroyEvents: number) =>
      collector.observe({ ...{ atSeconds, seconds: 1, newEvents: 600, expiredEntries: 10_000 }, expiredDestroyEvents });
    for (let second = 1; second <= 60; second++) observe(second, 300);
    const swept = [2500, 1200, 1500, 1100, 300].map((events, i) => {
      observe(61 + i, events);
      return collector.justSwept;
    });
    expect(swept).toEqual([true, true, true, true, false]);
  });

  it('never says it waits longer than the kernel does', () => {
    const rates = fc.array(fc.nat(2000), { minLength: 100, maxLength: 800 });
    fc.assert(
      fc.property(rates, fc.constantFrom(0.01, TICK, 1, 7, 100), (events, seconds) => {
        const collector = new Collector(65_536);
        for (const [i, expiredDestroyEvents] of events.entries()) {
          collector.observe({ atSeconds: i * seconds, seconds, newEvents: expiredDestroyEvents, expiredDestroyEvents });
          const { sinceSweepSeconds, intervalSeconds, untilSweepSeconds, lookups } = collector.snapshot();
          expect(intervalSeconds).toBeGreaterThanOrEqual(3);
          expect(intervalSeconds).toBeLessThanOrEqual(SWEEP_SECONDS + 4);
          expect(sinceSweepSeconds).toBeGreaterThanOrEqual(0);
          expect(sinceSweepSeconds).toBeLessThanOrEqual(SWEEP_SECONDS + 2 * (seconds + 12));
          expect(untilSweepSeconds).toBeGreaterThanOrEqual(0);
          expect(untilSweepSeconds).toBeLessThanOrEqual(intervalSeconds);
          for (const hazard of [lookups.perNewFlow, lookups.perSecond]) {
            expect(hazard).toBeGreaterThanOrEqual(0);
            expect(hazard).toBeLessThan(Number.POSITIVE_INFINITY);
          }
        }
      }),
      { numRuns: 30, seed: 6 },
    );
  });
});

/** Of a second in which `newPerSecond` flows come. */
function hazardOf(moment: Moment | undefined, newPerSecond: number): number {
  const { perNewFlow, perSecond } = moment?.collector.lookups ?? { perNewFlow: Number.NaN, perSecond: Number.NaN };
  return perNewFlow * newPerSecond + perSecond;
}

describe('the hazard of a lookup', () => {
  it('is at first what one lookup for each new flow would give', () => {
    expect(new Collector(1000).snapshot().lookups).toEqual({ perNewFlow: 0.002, perSecond: 0 });
    expect(new Collector(undefined).snapshot().lookups.perNewFlow).toBe(2 / 262_144);
    expect(new Collector(0).snapshot().lookups.perNewFlow).toBe(2 / 262_144);
  });

  it.each([0.05, 0.5, 3, 10])('is learned to 10 percent when it is %s a cycle', (perCycle) => {
    const hazardPerNew = perCycle / SWEEP_SECONDS / 1000;
    for (const seed of [1, 2, 3]) {
      const kernel = { ...QUIET, newPerSecond: always(1000), hazardPerNew, buckets: 65_536, seed };
      const moments = play(kernel, 600);
      const learned = hazardOf(moments.at(-1), 1000) / 1000 / hazardPerNew;
      expect(learned).toBeGreaterThan(0.9);
      expect(learned).toBeLessThan(1.1);
    }
  });

  it('is large when no sweep ever shows', () => {
    // Collected in the tick in which it expires: a sweep finds nothing.
    const moments = play({ ...QUIET, hazardPerNew: 1 }, 400);
    expect(moments.at(-1)?.collector.isPhaseKnown).toBe(false);
    expect(hazardOf(moments.at(-1), 100) * SWEEP_SECONDS).toBeGreaterThan(25);
  });
});
