import { describe, expect, it } from 'vitest';
import { sumOverAges, sumsBelowAges } from '../../src/analysis/forecast/age-sums.js';

const VALUES = Float64Array.of(1, 2, 4);

describe('sumOverAges', () => {
  it('weighs each value, by 1 when nothing else is said', () => {
    expect(sumOverAges(VALUES)).toBe(7);
    expect(sumOverAges(VALUES, Float64Array.of(0.5, 0, 1))).toBe(4.5);
    expect(sumOverAges(new Float64Array())).toBe(0);
  });
});

describe('sumsBelowAges', () => {
  it('holds what is younger, up to all', () => {
    expect([...sumsBelowAges(VALUES)]).toEqual([0, 1, 3, 7]);
  });
});
