import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Endings, endingSurvivors, endingsWeight } from '../../src/analysis/forecast/endings.js';

const MIXED: Endings = {
  timeouts: [
    { seconds: 10, ratio: 0.25 },
    { seconds: 120, ratio: 0.75 },
  ],
  closingPerSecond: 0.1,
  flows: 990,
};

describe('endingSurvivors', () => {
  it('keeps all to the first timeout and lets each part fade after its own', () => {
    expect(endingSurvivors(MIXED, 10)).toBe(1);
    expect(endingSurvivors(MIXED, 20)).toBeCloseTo(0.75 + 0.25 * Math.exp(-1), 9);
    expect(endingSurvivors(MIXED, 150)).toBeCloseTo(0.25 * Math.exp(-14) + 0.75 * Math.exp(-3), 9);
  });
});

describe('endingsWeight', () => {
  it('grows with the flows that were seen', () => {
    expect(endingsWeight(undefined, 0, 1)).toBe(0);
    expect(endingsWeight({ ...MIXED, flows: 0 }, 0, 1)).toBe(0);
    expect(endingsWeight({ ...MIXED, flows: 10 }, 0, 1)).toBeCloseTo(0.5, 9);
    expect(endingsWeight(MIXED, 0, 1)).toBeCloseTo(0.99, 9);
  });

  it('is lost by evidence that lets end what has stayed, not by what has ended as it says', () => {
    expect(endingsWeight(MIXED, 100, endingSurvivors(MIXED, 100))).toBeCloseTo(0.99, 9);
    expect(endingsWeight(MIXED, 180, 1)).toBeLessThan(0.2);
    expect(endingsWeight(MIXED, 185, 0.001)).toBe(0);
  });

  it('is a probability for anything', () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.nat(2000), fc.nat(600), part, part, (flows, age, survivors, closingPerSecond) => {
        const weight = endingsWeight({ ...MIXED, flows, closingPerSecond }, age, survivors);
        expect(weight).toBeGreaterThanOrEqual(0);
        expect(weight).toBeLessThanOrEqual(1);
      }),
    );
  });
});
