import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../evaluation/random.js';
import { type PastBurst, Recurrence } from '../../src/analysis/bursts/recurrence.js';

const LIKE = { durationSeconds: 10, entriesAdded: 900, peakPerSecond: 200 };
const at = (onsetSeconds: number, like: Partial<PastBurst> = {}): PastBurst => ({ ...LIKE, ...like, onsetSeconds });

/** Which bursts were expected when they began. */
function play(bursts: readonly PastBurst[], recurrence = new Recurrence()): boolean[] {
  return bursts.map((burst) => {
    const expected = recurrence.expect(burst.onsetSeconds) !== undefined;
    recurrence.observe(burst);
    return expected;
  });
}

describe('Recurrence', () => {
  it('learns any period from a minute to a day from three bursts and counts them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 86_400 }), fc.integer({ min: 0, max: 1e6 }), (period, from) => {
        const recurrence = new Recurrence();
        const turns = Array.from({ length: 12 }, (_, i) => at(from + i * period + (i % 3) * 0.5));
        expect(play(turns.slice(0, 11), recurrence)).toEqual([false, false, false, ...Array(8).fill(true)]);
        const expected = recurrence.expect(turns[11]?.onsetSeconds ?? 0);
        expect(expected).toMatchObject({ times: 12, usualDurationSeconds: 10, usualEntriesAdded: 900 });
        expect(Math.abs((expected?.periodSeconds ?? 0) / period - 1)).toBeLessThan(0.02);
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('does not learn from two, from unlike ones, or from periods below a minute', () => {
    expect(play([at(0), at(300)])).toEqual([false, false]);
    expect(play([0, 300, 600, 900].map((s, i) => at(s, { entriesAdded: 100 * 10 ** i })))).not.toContain(true);
    expect(play([0, 300, 600, 900].map((s, i) => at(s, { durationSeconds: 2 * 10 ** i })))).not.toContain(true);
    expect(play([0, 20, 40].map((s) => at(s)))).not.toContain(true);
  });

  it('forgives two missed turns, not four', () => {
    expect(play([0, 300, 600, 1500].map((s) => at(s)))).toEqual([false, false, false, true]);
    expect(play([0, 300, 600, 2100].map((s) => at(s)))).toEqual([false, false, false, false]);
  });

  it('follows a job that starts some time after its last end', () => {
    let onset = 0;
    const bursts = Array.from({ length: 40 }, (_, i) => {
      onset += 300 + i / 4;
      return at(onset);
    });
    expect(play(bursts).slice(3)).not.toContain(false);
  });

  it('keeps two jobs with different periods apart', () => {
    const five = Array.from({ length: 48 }, (_, i) => at(i * 300));
    const hourly = Array.from({ length: 4 }, (_, i) =>
      at(1000 + i * 3600, { entriesAdded: 9000, durationSeconds: 60 }),
    );
    const all = [...five, ...hourly].sort((a, b) => a.onsetSeconds - b.onsetSeconds);
    const recurrence = new Recurrence();
    play(all, recurrence);
    expect(recurrence.expect(48 * 300)?.periodSeconds).toBeCloseTo(300, 0);
    expect(recurrence.expect(1000 + 4 * 3600)).toMatchObject({ times: 5, usualEntriesAdded: 9000 });
  });

  it('takes hardly one in two hundred bursts at random times for one of a kind', () => {
    let bursts = 0;
    let expected = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const random = createRandom(seed);
      let onset = 0;
      const past = Array.from({ length: 60 }, () => {
        onset += 20 + random.exponential(400);
        return at(onset, { entriesAdded: 500 + random.uniform() * 400 });
      });
      expected += play(past).filter((isExpected) => isExpected).length;
      bursts += past.length;
    }
    expect(expected / bursts).toBeLessThan(0.005);
  });

  it('stays bounded and sane for any input', () => {
    const burst = fc.record({
      onsetSeconds: fc.double({ noNaN: true, min: -1e9, max: 1e9 }),
      durationSeconds: fc.double({ noNaN: true, min: 0, max: 600 }),
      entriesAdded: fc.double({ noNaN: true, min: 0, max: 1e7 }),
      peakPerSecond: fc.double({ noNaN: true, min: 0, max: 1e6 }),
    });
    fc.assert(
      fc.property(fc.array(burst, { maxLength: 200 }), fc.double({ noNaN: true }), (bursts, when) => {
        const recurrence = new Recurrence();
        for (const past of bursts) recurrence.observe(past);
        const expected = recurrence.expect(when);
        if (expected === undefined) return;
        expect(expected.periodSeconds).toBeGreaterThan(0);
        for (const value of Object.values(expected)) expect(Number.isFinite(value)).toBe(true);
      }),
      { numRuns: 100, seed: 4 },
    );
  });
});
