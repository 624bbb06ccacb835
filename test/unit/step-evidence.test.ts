import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dispersion } from '../../src/analysis/bursts/dispersion.js';
import { QuietHistory } from '../../src/analysis/bursts/quiet-history.js';
import { isStep, natsOverRise, natsOverSmallStep, type StepQuestion } from '../../src/analysis/bursts/step-evidence.js';

const PART = 0.125;
const USUAL = 100;

/** 40 s of traffic without noise, whose rate over usual is `factor` so many seconds before the end; the window is the last `seconds`. */
function question(factor: (beforeSeconds: number) => number, seconds: number, phi = 1): StepQuestion {
  const history = new QuietHistory();
  for (let k = 320; k >= 1; k--) history.push(PART, USUAL * PART * factor((k - 0.5) * PART));
  const dispersion = new Dispersion(phi);
  return { history, dispersion, ticks: Math.round(seconds / PART), usualPerSecond: USUAL, ratio: 4 };
}

const step = (factor: number, seconds: number) => (before: number) => (before < seconds ? factor : 1);

describe('natsOverSmallStep', () => {
  it('is nearly the log likelihood ratio of the window itself, when it is all that is more than usual', () => {
    const nats = natsOverSmallStep(question(step(4, 0.5), 0.5));
    expect(nats).toBeCloseTo(200 * Math.log(2) - 100, 0);
  });

  it('counts half as much where the dispersion is twice as large', () => {
    const [plain, clumpy] = [1, 2].map((phi) => natsOverSmallStep(question(step(4, 1), 1, phi)));
    expect((clumpy ?? 0) / (plain ?? 1)).toBeCloseTo(0.5, 1);
  });

  it('speaks for the small step in a high quarter of a second of one that is older', () => {
    const high = (before: number) => (before < 0.25 ? 3.2 : before < 2 ? 2 : 1);
    expect(natsOverSmallStep(question(step(3.2, 0.25), 0.25))).toBeGreaterThan(4);
    expect(natsOverSmallStep(question(high, 0.25))).toBeLessThan(-50);
  });
});

describe('natsOverRise', () => {
  it('tells a step from a rise that takes 20 s', () => {
    const rise = (before: number) => 1 + 3 * Math.min(1, Math.max(0, (16 - before) / 20));
    expect(natsOverRise(question(step(4, 2), 2))).toBeGreaterThan(50);
    expect(natsOverRise(question(rise, 4))).toBeLessThan(-50);
  });

  it('knows a rise whatever block it began in', () => {
    fc.assert(
      fc.property(fc.double({ min: 6, max: 19, noNaN: true }), fc.integer({ min: 4, max: 64 }), (since, ticks) => {
        const rise = (before: number) => 1 + (3 * Math.max(0, since - before)) / 20;
        const asked = question(rise, ticks * PART);
        // A step that began when it did is told from it as well.
        expect(natsOverRise(asked)).toBeLessThan(-50);
        expect(natsOverRise(question(step(4, since), ticks * PART))).toBeGreaterThan(50);
      }),
      { numRuns: 100, seed: 5 },
    );
  });
});

describe('isStep', () => {
  it('takes four times since half a second for one, and neither a doubling nor a rise', () => {
    expect(isStep(question(step(4, 0.5), 0.5))).toBe(true);
    expect(isStep(question(step(2, 0.5), 0.5))).toBe(false);
    // At its top a rise looks more like four times than like twice: only that it rose speaks against it.
    const rise = question((before) => 1 + 3 * Math.max(0, (19.5 - before) / 20), 4);
    expect(natsOverSmallStep(rise)).toBeGreaterThan(5);
    expect(isStep(rise)).toBe(false);
  });

  it('asks more of a single half of a tick than of the same events over phi in two', () => {
    const part = { ...question(step(3.4, PART), PART), usualPerSecond: USUAL };
    expect(natsOverSmallStep(part)).toBeGreaterThan(4.2);
    expect(isStep(part)).toBe(false);
  });
});
