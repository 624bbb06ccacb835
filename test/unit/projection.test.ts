import { describe, expect, it } from 'vitest';
import { AGE_BINS } from '../../src/analysis/forecast/hazards.js';
import type { ClassLifetimes, LifetimesView } from '../../src/analysis/forecast/lifetimes.js';
import { project } from '../../src/analysis/forecast/projection.js';

const TREND = {
  ...{ ratePerSecond: 100, slope: 0, growth: 0, exponentialWeight: 0, believedRatio: 0 },
  ...{ windowSeconds: 60, rateError: 1, slopeError: 0 },
};

function collectorOf(sinceSweepSeconds: number, perNewFlow: number, perSecond = 0): LifetimesView['collector'] {
  return {
    ...{ sinceSweepSeconds, intervalSeconds: 60, untilSweepSeconds: 60 - sinceSweepSeconds, isPhaseKnown: true },
    isHazardKnown: true,
    lookups: { perNewFlow, perSecond },
  };
}

/** Entries that live for exactly `lifeSeconds`, in a steady state of 100 new ones a second; `expired` wait for the sweep. */
function view(lifeSeconds: number, sinceSweepSeconds: number, change: Partial<LifetimesView> = {}): LifetimesView {
  const liveByAge = Float64Array.from({ length: AGE_BINS }, (_, bin) => (bin > 0 && bin <= lifeSeconds ? 100 : 0));
  const learned: ClassLifetimes = {
    ...{
      protocol: 6,
      port: 80,
      index: 0,
      frontierSeconds: AGE_BINS,
      confirmedSeconds: AGE_BINS,
      hazardRatio: 1,
      endsRatio: 1,
    },
    hazards: Float64Array.from({ length: AGE_BINS }, (_, bin) => (bin >= lifeSeconds ? 1 : 0)),
    ...{ liveByAge, expired: 100 * sinceSweepSeconds, trend: TREND },
  };
  return {
    ...{ classes: [learned], pooled: new Map(), newPerSecond: 100, dispersion: 1, observedSeconds: 1000, timeouts: {} },
    initial: { isDumped: true, closingAt: () => 0, renewedAt: () => 0, unassuredAt: () => 0, expiredSince: () => 0 },
    collector: collectorOf(sinceSweepSeconds, 0),
    assumed: [],
    ...change,
  };
}

const at = (path: ReturnType<typeof project>, seconds: number) =>
  path.mean[path.horizons.indexOf(seconds)] ?? Number.NaN;

function projectOf(lifetimes: LifetimesView, count: number) {
  return project({ count, blind: 0, lifetimes, uptimeSeconds: 1000 }, 'expected');
}

describe('project', () => {
  it('follows the sawtooth of a table that only sweeps collect', () => {
    const path = projectOf(view(30, 20), 5000);
    expect(at(path, 0)).toBe(5000);
    // 3,000 are live; 100 more expire each second until the sweep, 40 s from now, takes them.
    expect(at(path, 10)).toBeCloseTo(6000, -2);
    expect(at(path, 40)).toBeCloseTo(9000, -2);
    expect(at(path, 42)).toBeCloseTo(3200, -2);
    expect(at(path, 100)).toBeCloseTo(9000, -2);
  });

  it('lets what a timeout ends leave second by second, whatever ages it is added up by', () => {
    const lifetimes = view(120, 0, { collector: collectorOf(0, 0, 1000) });
    const [learned] = lifetimes.classes as [ClassLifetimes];
    const path = projectOf({ ...lifetimes, classes: [{ ...learned, trend: { ...TREND, ratePerSecond: 0 } }] }, 12_000);
    for (const seconds of [5, 13, 30, 46, 75, 90]) expect(at(path, seconds)).toBeCloseTo(12_000 - 100 * seconds, -1);
  });

  it('is flat when lookups collect as fast as entries expire', () => {
    const collector = collectorOf(20, 0.01);
    const lifetimes = view(30, 1, { collector });
    const path = projectOf(lifetimes, 3100);
    for (const seconds of [5, 20, 36, 58, 90, 300]) expect(Math.abs(at(path, seconds) - 3100)).toBeLessThan(130);
    const others = projectOf({ ...lifetimes, collector: collectorOf(20, 0, 1) }, 3100);
    for (const seconds of [5, 20, 36, 58, 90, 300]) expect(at(others, seconds)).toBeCloseTo(at(path, seconds));
  });

  it('adds what comes and what grows', () => {
    const forever = view(5000, 0);
    const path = projectOf(forever, 51_200);
    expect(at(path, 100) - at(path, 0)).toBeCloseTo(10_000, -2);
    const [learned] = forever.classes as [ClassLifetimes];
    const growing = { ...learned, trend: { ...TREND, slope: 1, windowSeconds: 600 } };
    const faster = projectOf({ ...forever, classes: [growing] }, 51_200);
    expect(at(faster, 100) - at(path, 100)).toBeCloseTo(5000, -2);
  });

  it('has a course right after a sweep, before any look-up could have met an expired entry', () => {
    const unknown = { ...collectorOf(0, 0), isHazardKnown: false };
    for (const collector of [unknown, { ...unknown, sinceSweepSeconds: 10 }]) {
      const idle = { ...view(30, 0, { collector }), newPerSecond: 0 };
      for (const lifetimes of [idle, { ...idle, newPerSecond: 100 }]) {
        expect(projectOf(lifetimes, 3000).mean.every(Number.isFinite)).toBe(true);
      }
    }
  });

  it('ends growth after twice the time that it was seen', () => {
    const forever = view(5000, 0);
    const [learned] = forever.classes as [ClassLifetimes];
    const short = { ...learned, trend: { ...TREND, slope: 1, windowSeconds: 50 } };
    const path = projectOf({ ...forever, classes: [short] }, 51_200);
    // 100 s of growth to 200/s, then 200/s.
    expect(at(path, 200) - at(path, 100)).toBeCloseTo(20_000, -2);
  });

  it('moves the ends of entries with an assumed timeout', () => {
    const assumed = [{ protocol: 6, fromSeconds: 120, toSeconds: 30 }];
    const collector = collectorOf(0, 0.1);
    const path = projectOf(view(120, 0, { assumed, collector }), 12_000);
    expect(at(path, 300)).toBeCloseTo(3000, -3);
  });

  it('is less sure the farther it looks', () => {
    const { horizons, variance } = projectOf(view(5000, 0), 51_200);
    // At a sweep it matters when exactly that comes.
    const between = [...variance].filter((_, i) => (horizons[i] ?? 0) % 60 !== 0);
    for (let i = 1; i < between.length; i++) expect(between[i]).toBeGreaterThanOrEqual(between[i - 1] ?? 0);
  });

  it('is less sure of what the lookups of others collect, and of the peak at a sweep', () => {
    const spread = (collector: LifetimesView['collector'], seconds: number) => {
      const { horizons, variance } = projectOf(view(30, 20, { collector }), 5000);
      return Math.sqrt(variance[horizons.indexOf(seconds)] ?? Number.NaN);
    };
    const own = spread(collectorOf(20, 0.0002), 38);
    expect(spread(collectorOf(20, 0, 0.02), 38)).toBeGreaterThan(1.5 * own);
    expect(spread(collectorOf(20, 0), 40)).toBeGreaterThan(spread(collectorOf(20, 0), 38));
  });

  it('is hardly sure of what lookups collect before a sweep has shown what they leave', () => {
    const spread = (isHazardKnown: boolean) => {
      const collector = { ...collectorOf(20, 0.0002), isHazardKnown };
      const { horizons, variance } = projectOf(view(30, 20, { collector }), 5000);
      return Math.sqrt(variance[horizons.indexOf(30)] ?? Number.NaN);
    };
    expect(spread(false)).toBeGreaterThan(3 * spread(true));
  });

  it('has the peak of a sweep between two seconds, and what expires behind it', () => {
    const collector = { ...collectorOf(20, 0), untilSweepSeconds: 39.5 };
    const path = projectOf(view(30, 20, { collector }), 5000);
    // 100 a second: the peak is at 39.5 s, 50 more expire until 40 s.
    expect(at(path, 40) - at(path, 38)).toBeCloseTo(150, 0);
    expect(at(path, 42) - (5000 - 2000)).toBeCloseTo(250, -1);
  });
});
