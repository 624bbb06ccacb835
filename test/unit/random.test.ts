import { describe, expect, it } from 'vitest';
import { createRandom } from '../../evaluation/random.js';

function moments(draw: () => number, draws = 40_000) {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < draws; i++) {
    const value = draw();
    sum += value;
    squares += value * value;
  }
  const mean = sum / draws;
  return { mean, variance: squares / draws - mean * mean };
}

describe('createRandom', () => {
  it('gives the same stream for the same seed and another for the next', () => {
    const stream = (seed: number) => Array.from({ length: 4 }, createRandom(seed).uniform);
    expect(stream(1)).toEqual(stream(1));
    expect(stream(1)).not.toEqual(stream(2));
    expect(new Set([1, 2, 3, 4, 5].map((seed) => stream(seed)[0])).size).toBe(5);
  });

  it('fills the unit interval evenly', () => {
    const { uniform } = createRandom(3);
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 50_000; i++) {
      const tenth = Math.floor(10 * uniform());
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) expect(Math.abs(count - 5000)).toBeLessThan(300);
  });

  it.each([0.3, 4, 9.9, 10, 25, 400])('draws Poisson counts whose mean and variance are %d', (mean) => {
    const random = createRandom(7);
    const seen = moments(() => random.poisson(mean));
    expect(seen.mean / mean).toBeCloseTo(1, 1);
    expect(seen.variance / mean).toBeCloseTo(1, 1);
  });

  it.each([
    [2.5, 3],
    [25, 5],
    [250, 10],
  ])('draws negative binomial counts with mean %d and %d times the variance', (mean, phi) => {
    const random = createRandom(9);
    const seen = moments(() => random.negativeBinomial(mean, phi));
    expect(Math.abs(seen.mean / mean - 1)).toBeLessThan(0.03);
    expect(Math.abs(seen.variance / mean / phi - 1)).toBeLessThan(0.05);
  });

  it('draws normal and exponential variables', () => {
    const random = createRandom(5);
    const normal = moments(random.normal);
    expect(Math.abs(normal.mean)).toBeLessThan(0.02);
    expect(Math.abs(normal.variance - 1)).toBeLessThan(0.03);
    const waiting = moments(() => random.exponential(3));
    expect(Math.abs(waiting.mean - 3)).toBeLessThan(0.06);
    expect(Math.abs(waiting.variance - 9)).toBeLessThan(0.5);
  });
});
