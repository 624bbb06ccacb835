import { describe, expect, it } from 'vitest';
import { burstLastsRatio, riseLastsRatio } from '../../src/analysis/forecast/persistence.js';

const NONE = { pastDurationsSeconds: [] };

describe('burstLastsRatio', () => {
  it('is 1 for no time, and falls with time', () => {
    expect(burstLastsRatio(NONE, 5, 0)).toBe(1);
    expect(burstLastsRatio(NONE, 5, 60)).toBeLessThan(burstLastsRatio(NONE, 5, 30));
  });

  it('takes what has lasted long to last long', () => {
    expect(burstLastsRatio(NONE, 600, 60)).toBeGreaterThan(burstLastsRatio(NONE, 1, 60));
    expect(burstLastsRatio(NONE, 0, 90)).toBeCloseTo(4 ** -0.2, 9);
  });

  it('learns from bursts that ended', () => {
    const short = { pastDurationsSeconds: [10, 10, 11, 9, 10, 10] };
    expect(burstLastsRatio(short, 2, 60)).toBeLessThan(0.2);
    expect(burstLastsRatio(short, 2, 5)).toBeGreaterThan(0.9);
    // None of them lasted as long as this one already has: they tell nothing more.
    expect(burstLastsRatio(short, 60, 60)).toBeCloseTo(burstLastsRatio(NONE, 60, 60), 9);
  });

  it('asks the bursts of its own kind when it belongs to one', () => {
    const kind = {
      periodSeconds: 300,
      times: 12,
      usualDurationSeconds: 10,
      usualEntriesAdded: 1000,
      usualPeakPerSecond: 200,
    };
    const active = { onsetSeconds: 0, ratePerSecond: 200, ratio: 10, expected: kind };
    const long = { pastDurationsSeconds: [900, 900, 900, 900] };
    expect(burstLastsRatio({ ...long, active }, 2, 60)).toBeLessThan(0.2);
    expect(burstLastsRatio(long, 2, 60)).toBeGreaterThan(0.9);
  });
});

describe('riseLastsRatio', () => {
  it('gives a rise even odds to last as long again as it has', () => {
    expect(riseLastsRatio(300, 300)).toBe(0.5);
    expect(riseLastsRatio(90, 10)).toBe(0.9);
  });

  it('trusts an old rise no longer than one of 400 s', () => {
    expect(riseLastsRatio(768, 400)).toBe(0.5);
  });

  it('is certain of no time at all', () => {
    expect(riseLastsRatio(0, 0)).toBe(1);
    expect(riseLastsRatio(0, 1)).toBe(0);
  });
});
