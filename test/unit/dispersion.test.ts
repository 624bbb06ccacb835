import { describe, expect, it } from 'vitest';
import { createRandom } from '../../evaluation/random.js';
import { Dispersion } from '../../src/analysis/bursts/dispersion.js';

const PRIOR_PHI = 1.5;

/** Ten minutes of steady traffic in eighths of a second, each held against the mean of the half minute before it. */
function learn(seed: number, ratePerSecond: number, phi: number): Dispersion {
  const random = createRandom(seed);
  const dispersion = new Dispersion(PRIOR_PHI);
  const counts: number[] = [];
  for (let part = 1; part <= 4800; part++) {
    const before = counts.slice(-240);
    const seconds = before.length / 8;
    const events = random.negativeBinomial(ratePerSecond / 8, phi);
    if (seconds >= 2) dispersion.observe(1 / 8, events, before.reduce((a, b) => a + b, 0) / seconds, seconds);
    counts.push(events);
  }
  return dispersion;
}

const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

describe('Dispersion', () => {
  it.each([1, 3, 10, 100])('learns that %d/s come alone', (ratePerSecond) => {
    for (const seed of seeds) expect(learn(seed, ratePerSecond, 1).phi(1), `seed ${seed}`).toBeLessThan(1.4);
  });

  it.each([3, 10, 100])('learns that %d/s come in threes', (ratePerSecond) => {
    const mean = seeds.reduce((sum, seed) => sum + learn(seed, ratePerSecond, 3).phi(1), 0) / seeds.length;
    expect(mean).toBeGreaterThan(2.7);
    expect(mean).toBeLessThan(3.8);
  });

  it('keeps what it was told on a host without traffic', () => {
    expect(learn(1, 0, 1).phi(1)).toBe(PRIOR_PHI);
  });
});
