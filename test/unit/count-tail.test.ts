import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { likelihoodRatio, surprise } from '../../src/analysis/bursts/count-tail.js';

/** -ln P(N >= events), summed term by term. */
function exactSurprise(events: number, mean: number, phi: number): number {
  const size = phi > 1 ? mean / (phi - 1) : Number.POSITIVE_INFINITY;
  let log = phi > 1 ? -size * Math.log(phi) : -mean;
  let sum = 0;
  for (let n = 0; n < events + 4000; n++) {
    if (n > 0) log += phi > 1 ? Math.log(((size + n - 1) / n) * ((phi - 1) / phi)) : Math.log(mean / n);
    if (n >= events) sum += Math.exp(log);
  }
  return -Math.log(sum);
}

describe('surprise', () => {
  it.each([
    [12, 2.5, 1],
    [40, 10, 1],
    [100, 25, 1],
    [60, 10, 3],
    [100, 25, 3],
    [150, 10, 10],
    [400, 100, 10],
  ])('is within 0.15 nats of the exact tail: %d events at a mean of %d, phi %d', (events, mean, phi) => {
    expect(Math.abs(surprise(events, mean, phi) - exactSurprise(events, mean, phi))).toBeLessThan(0.15);
  });

  it('grows with the count, shrinks with the mean and the dispersion, and is never below the likelihood ratio', () => {
    const mean = fc.double({ min: 1, max: 1e5, noNaN: true });
    const factor = fc.double({ min: 2, max: 100, noNaN: true });
    const phi = fc.double({ min: 1, max: 50, noNaN: true });
    fc.assert(
      fc.property(mean, factor, phi, (expected, times, dispersion) => {
        const events = expected * times;
        const here = surprise(events, expected, dispersion);
        expect(Number.isFinite(here)).toBe(true);
        expect(here).toBeGreaterThanOrEqual(likelihoodRatio(events, expected, dispersion));
        expect(surprise(events * 1.5, expected, dispersion)).toBeGreaterThanOrEqual(here);
        expect(surprise(events, expected, dispersion * 2)).toBeLessThanOrEqual(here + 1e-9);
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('is 0 up to the mean and without one', () => {
    for (const [events, mean] of [
      [10, 10],
      [0, 0],
      [5, 0],
      [9, 10],
    ] as const) {
      expect(surprise(events, mean, 2)).toBe(0);
      expect(likelihoodRatio(events, mean, 2)).toBe(0);
    }
  });
});
