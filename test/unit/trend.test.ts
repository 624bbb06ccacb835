import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../evaluation/random.js';
import { type BinnedCounts, fitTrend, TREND_BINS, TREND_WINDOWS } from '../../src/analysis/forecast/trend.js';

/** The windows of a rate that ends now, with the noise of a seed or none. `rate` takes seconds before now. */
function windowsOf(rate: (secondsAgo: number) => number, longest: number, seed?: number): BinnedCounts[] {
  const random = seed === undefined ? undefined : createRandom(seed);
  const tenths = Array.from({ length: longest * 10 }, (_, i) => {
    const mean = rate((i + 0.5) / 10) / 10;
    return random ? random.poisson(mean) : mean;
  });
  return TREND_WINDOWS.filter((seconds) => seconds <= longest).map((seconds) => {
    const size = Math.ceil((seconds * 10) / TREND_BINS);
    const bins = Math.floor((seconds * 10) / size);
    const counts = Array.from({ length: bins }, (_, bin) =>
      tenths.slice((bins - 1 - bin) * size, (bins - bin) * size).reduce((sum, count) => sum + count, 0),
    );
    return { counts, binSeconds: size / 10 };
  });
}

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

describe('fitTrend', () => {
  it('reads an even rate from the longest window, without a slope', () => {
    for (const seed of seeds) {
      const trend = fitTrend(
        windowsOf(() => 100, 768, seed),
        1,
      );
      expect(trend?.ratePerSecond).toBeGreaterThan(95);
      expect(trend?.ratePerSecond).toBeLessThan(105);
      expect(Math.abs(trend?.slope ?? 1) * 768).toBeLessThan(15);
    }
  });

  it('reaches back to a step and not beyond', () => {
    for (const seed of seeds) {
      const trend = fitTrend(
        windowsOf((ago) => (ago < 40 ? 400 : 100), 768, seed),
        1,
      );
      expect(trend?.ratePerSecond).toBeGreaterThan(360);
      expect(trend?.ratePerSecond).toBeLessThan(440);
      expect(trend?.windowSeconds).toBeLessThanOrEqual(48);
    }
  });

  it('does not take a step within a bin for growth either', () => {
    let taken = 0;
    for (let onset = 18; onset < 60; onset++) {
      for (let seed = 1; seed <= 40; seed++) {
        const trend = fitTrend(
          windowsOf((ago) => (ago < onset ? 8 : 2), 128, 1000 * seed + onset),
          1,
        );
        if ((trend?.exponentialWeight ?? 0) * (trend?.believedRatio ?? 0) > 0.5) taken += 1;
      }
    }
    // Of 1,680; it was 15 when a step had to be between two bins.
    expect(taken).toBeLessThanOrEqual(4);
  });

  it('does not take a step of a small class for growth', () => {
    let growing = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const trend = fitTrend(
        windowsOf((ago) => (ago < 25 ? 5 : 1.2), 256, seed),
        1,
      );
      if ((trend?.slope ?? 0) * 60 > 5) growing += 1;
    }
    expect(growing).toBeLessThanOrEqual(6);
  });

  it('follows a ramp', () => {
    for (const seed of seeds) {
      const trend = fitTrend(
        windowsOf((ago) => 600 - 0.5 * ago, 768, seed),
        1,
      );
      expect(trend?.slope).toBeGreaterThan(0.4);
      expect(trend?.slope).toBeLessThan(0.6);
      expect(trend?.ratePerSecond).toBeGreaterThan(585);
      expect(trend?.ratePerSecond).toBeLessThan(615);
    }
  });

  it('tells exponential growth from a line when it is far enough', () => {
    for (const seed of seeds) {
      const trend = fitTrend(
        windowsOf((ago) => 400 * 2 ** (-ago / 90), 256, seed),
        1,
      );
      expect(trend?.exponentialWeight).toBeGreaterThan(0.9);
      expect(trend?.growth).toBeGreaterThan(0.0066);
      expect(trend?.growth).toBeLessThan(0.0088);
    }
  });

  it('believes growth as far as chance does not explain it', () => {
    const believed = (change: number) =>
      fitTrend(
        windowsOf((ago) => 100 * (1 + change * Math.max(-1, -ago / 256)), 256),
        1,
      )?.believedRatio;
    expect(believed(0.05)).toBe(0);
    expect(believed(0.12)).toBeGreaterThan(0);
    expect(believed(0.12)).toBeLessThan(0.6);
    expect(believed(0.5)).toBe(1);
  });

  it('keeps to a growth that has lasted, whatever a short window happens to say', () => {
    let kept = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const trend = fitTrend(
        windowsOf((ago) => (ago < 240 ? 300 * 2 ** (-ago / 90) : 47), 768, seed),
        1,
      );
      if ((trend?.exponentialWeight ?? 0) > 0.9) kept += 1;
    }
    expect(kept).toBeGreaterThanOrEqual(96);
  });

  it('knows an even rate better the longer it lasts', () => {
    const errorOf = (longest: number) =>
      fitTrend(
        windowsOf(() => 50, longest),
        1,
      )?.rateError ?? 0;
    expect(errorOf(64)).toBeLessThan(errorOf(16));
    expect(errorOf(768)).toBeLessThan(errorOf(64));
  });

  it('has a rate that is a number and not negative for any counts', () => {
    const window = fc.record({
      counts: fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: TREND_BINS }),
      binSeconds: fc.double({ min: 0.01, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.array(window, { minLength: 1, maxLength: 8 }),
        fc.double({ min: 1, max: 1000, noNaN: true }),
        (windows, dispersion) => {
          const trend = fitTrend(windows, dispersion);
          for (const value of Object.values(trend ?? {})) expect(Number.isFinite(value)).toBe(true);
          expect(trend?.ratePerSecond).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });
});
