import { describe, expect, it } from 'vitest';
import { askOracle, DOUBLINGS_MAX } from '../../evaluation/bursts/burst-oracle.js';

const BUSY = { median: 0.3, p95: 0.5 };
const poisson = { ratePerSecond: 100, phi: 1, clumps: 'instants' } as const;

describe('askOracle', () => {
  it('says that four times is told from twice at 100/s in 0.3 s, if arrivals are independent', () => {
    const { delays, doublingsRatio } = askOracle(poisson, BUSY, 200);
    expect(delays.median).toBeLessThan(0.3);
    expect(delays.p95).toBeLessThan(0.5);
    expect(doublingsRatio).toBeLessThan(DOUBLINGS_MAX / 10);
  });

  it('says that it cannot be when they come in clumps of three', () => {
    const { delays, doublingsRatio } = askOracle({ ...poisson, phi: 3 }, BUSY, 200);
    expect(delays.median).toBeGreaterThan(0.3);
    expect(doublingsRatio).toBe(1);
  });

  it('calls more doublings a burst the less time it has', () => {
    const quiet = { ...poisson, ratePerSecond: 10 };
    const [hasty, patient] = [0.95, 2].map(
      (median) => askOracle(quiet, { median, p95: 2 * median }, 200).doublingsRatio,
    );
    expect(patient ?? 1).toBeLessThan((hasty ?? 0) / 3);
  });

  // With a usual rate that is too low it would find any burst at once.
  it('has chance to rule out as well: at 10/s and phi 3 that takes longer than telling four times from twice', () => {
    const clumpy = { ratePerSecond: 10, phi: 3, clumps: 'instants' } as const;
    expect(askOracle(clumpy, { median: 2, p95: 8 }, 50).doublingsRatio).toBe(1);
    expect(askOracle(clumpy, { median: 2.7, p95: 8 }, 50).doublingsRatio).toBeLessThan(0.2);
  });

  // The weight of a run of four times stands for a doubling: an equal share by counting doublings would need millions of runs.
  it('is as fast as the rate allows: ten times as much traffic takes no longer than a tick and a half', () => {
    expect(askOracle({ ...poisson, ratePerSecond: 1000 }, BUSY, 200).delays.p95).toBeLessThan(0.375);
  });
});
