import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGE_BINS } from '../../src/analysis/forecast/hazards.js';
import {
  CURVE_SECONDS,
  type LearnedLives,
  learnedRatioOf,
  shiftSurvival,
  type World,
  writeSurvival,
} from '../../src/analysis/forecast/survival.js';

const learned = (frontierSeconds: number, hazard: (bin: number) => number, protocol = 6) => ({
  ...{ frontierSeconds, confirmedSeconds: frontierSeconds, protocol, hazardRatio: 1 },
  hazards: Float64Array.from({ length: AGE_BINS }, (_, bin) => hazard(bin)),
});

function curveOf(of: ReturnType<typeof learned> & Pick<LearnedLives, 'sighted'>, world: World): Float64Array {
  const curve = new Float64Array(CURVE_SECONDS);
  writeSurvival(curve, of, world, {});
  return curve;
}

const atTimeWait = (bin: number) => (bin >= 120 && bin < 122 ? 0.99 : 0);

describe('writeSurvival', () => {
  it('is the same in all worlds as far as it is learned', () => {
    const known = learned(AGE_BINS, atTimeWait);
    expect(curveOf(known, 'stays')).toEqual(curveOf(known, 'expected'));
    expect(curveOf(known, 'short')).toEqual(curveOf(known, 'expected'));
    expect(curveOf(known, 'expected')[119]).toBe(1);
    expect(curveOf(known, 'expected')[125]).toBeLessThan(0.001);
  });

  it('guesses beyond: the next timeout of any kind, what is usual, or for good', () => {
    const young = learned(20, atTimeWait);
    expect(curveOf(young, 'short')[40]).toBeLessThan(0.001);
    expect(curveOf(young, 'expected')[119]).toBe(1);
    expect(curveOf(young, 'expected')[130]).toBeLessThan(0.001);
    expect(curveOf(young, 'stays').at(-1)).toBe(1);
  });

  it('lets go on what has gone on for a minute', () => {
    const fading = learned(200, () => 0.02);
    expect(curveOf(fading, 'expected')[300]).toBeCloseTo(0.98 ** 300, 9);
  });

  it('follows a ratio of hazards', () => {
    const half = { ...learned(AGE_BINS, () => 0.02), hazardRatio: 0.5 };
    expect(curveOf(half, 'expected')[100]).toBeCloseTo(0.98 ** 50, 9);
    const young = { ...learned(200, () => 0.02), hazardRatio: 0.5 };
    expect(curveOf(young, 'expected')[400]).toBeCloseTo(0.98 ** 200, 9);
  });

  it('falls from 1 for any hazards', () => {
    const any = fc.record({
      frontier: fc.integer({ min: 0, max: AGE_BINS }),
      hazard: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(any, fc.constantFrom<World>('expected', 'stays', 'short'), ({ frontier, hazard }, world) => {
        const curve = curveOf(
          learned(frontier, (bin) => (bin % 7 === 0 ? hazard : 0)),
          world,
        );
        expect(curve[0]).toBe(1);
        for (let age = 1; age < curve.length; age++) expect(curve[age]).toBeLessThanOrEqual(curve[age - 1] ?? 0);
      }),
      { numRuns: 30 },
    );
  });
});

describe('what look-ups of young flows suggest', () => {
  const sighted = {
    ...{ weight: 1, knownRatio: 1, fromSeconds: 15 },
    hazards: () => () => 0.01,
    unassuredByAge: () => new Float64Array(AGE_BINS),
  };
  const survivorsAt = (age: number, frontierSeconds: number) =>
    curveOf({ ...learned(frontierSeconds, () => 0), confirmedSeconds: 0, sighted }, 'expected')[age] ?? 0;

  it('counts beyond the ages that flows have outlived', () => {
    expect(survivorsAt(115, 100)).toBeLessThan(0.5);
    expect(survivorsAt(115, 200)).toBe(1);
    expect(survivorsAt(300, 200)).toBeLessThan(0.5);
  });

  it('knows how fast flows close from those that have been there for long, once there are', () => {
    expect(survivorsAt(400, 300)).toBe(1);
    const closing = { ...learned(300, () => 0.002), confirmedSeconds: 0, sighted };
    const after = curveOf(closing, 'expected');
    expect((after[400] ?? 0) / (after[300] ?? 1)).toBeCloseTo(0.998 ** 100, 9);
    expect((curveOf(closing, 'short')[400] ?? 1) / (after[300] ?? 1)).toBeLessThan(0.5);
  });

  it('does not count where flows have reached every age', () => {
    expect(survivorsAt(CURVE_SECONDS - 1, AGE_BINS)).toBe(1);
  });
});

describe('shiftSurvival', () => {
  it('moves the end of what was in the timeout', () => {
    const curve = curveOf(
      learned(AGE_BINS, (bin) => (bin === 10 ? 0.1 : atTimeWait(bin))),
      'expected',
    );
    shiftSurvival(curve, { protocol: 6, fromSeconds: 120, toSeconds: 30 });
    expect(curve[9]).toBe(1);
    expect(curve[29]).toBeCloseTo(0.9, 9);
    expect(curve[35]).toBeLessThan(0.001);
    shiftSurvival(curve, { protocol: 6, fromSeconds: 30, toSeconds: 240 });
    expect(curve[239]).toBeCloseTo(0.9, 9);
    expect(curve[245]).toBeLessThan(0.001);
  });
});

describe('learnedRatioOf', () => {
  it('is what was seen to end, or what has been watched for three minutes', () => {
    expect(learnedRatioOf(learned(0, () => 0))).toBe(0);
    expect(learnedRatioOf(learned(AGE_BINS, atTimeWait))).toBeGreaterThan(0.99);
    expect(learnedRatioOf(learned(185, () => 0))).toBe(1);
  });
});
