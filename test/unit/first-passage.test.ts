import { describe, expect, it } from 'vitest';
import { FirstPassage } from '../../src/analysis/forecast/first-passage.js';

const path = (mean: readonly number[], variance: number, weight = 1) => ({
  horizons: mean.map((_, i) => i * 10),
  mean: Float64Array.from(mean),
  variance: new Float64Array(mean.length).fill(variance),
  weight,
});

describe('FirstPassage', () => {
  it('finds the moment between two horizons at which the mean passes max', () => {
    const passage = new FirstPassage([path([0, 100, 200, 300], 1)], 130);
    expect(passage.quantile(0.5)).toBeCloseTo(13, 1);
    expect(passage.reached.at(-1)).toBeCloseTo(1, 9);
  });

  it('is as uncertain as the count', () => {
    const passage = new FirstPassage([path([0, 100, 200, 300], 400)], 150);
    // 10 s are 100 entries, a standard deviation is 20.
    expect((passage.quantile(0.95) ?? 0) - (passage.quantile(0.05) ?? 0)).toBeCloseTo(2 * 1.645 * 2, 1);
  });

  it('does not forget that a sawtooth was above max', () => {
    const passage = new FirstPassage([path([0, 200, 50, 60], 1)], 100);
    expect([...passage.reached].map((probability) => Math.round(probability))).toEqual([0, 1, 1, 1]);
  });

  it('weighs courses', () => {
    const passage = new FirstPassage([path([0, 50, 60, 70], 1, 0.6), path([0, 100, 200, 300], 1, 0.4)], 150);
    expect(passage.reached.at(-1)).toBeCloseTo(0.4, 6);
    expect(passage.quantile(0.3)).toBeCloseTo(15, 0);
    expect(passage.quantile(0.5)).toBeUndefined();
  });
});
