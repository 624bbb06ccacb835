import { describe, expect, it } from 'vitest';
import { createRandom, type Random } from '../../evaluation/random.js';
import { AGE_BINS, AGES_SECONDS, Hazards, type PriorHazards } from '../../src/analysis/forecast/hazards.js';

interface Kernel {
  readonly newPerSecond: (second: number) => number;
  /** Whole seconds after its birth in which a flow expires. */
  readonly lifeSeconds: (random: Random, second: number) => number;
  /** Sweeps come every so many seconds; 0: never. */
  readonly sweepEverySeconds: number;
  /** Hazard of a lookup, per second. */
  readonly lookupHazard?: number;
  readonly untilSeconds: number;
  readonly prior?: PriorHazards;
}

interface Played {
  readonly hazards: Hazards;
  /** In the table at the end, by age bin. */
  readonly aliveByAge: Float64Array;
  /** Those of them that have expired. */
  readonly expired: number;
  /** `hazardRatio` at the end of each second. */
  readonly ratios: readonly number[];
}

const NO_PRIOR: PriorHazards = new Float64Array(AGE_BINS).fill(1e-4);

function play({ newPerSecond, lifeSeconds, sweepEverySeconds, lookupHazard = 0, untilSeconds, prior }: Kernel): Played {
  const random = createRandom(7);
  const hazards = new Hazards();
  let entries: { born: number; ends: number }[] = [];
  const ratios: number[] = [];
  let aliveByAge = new Float64Array(AGE_BINS);
  let windowSeconds = 1;
  const met = -Math.expm1(-lookupHazard);
  for (let second = 0; second < untilSeconds; second++) {
    const rate = newPerSecond(second);
    for (let i = 0; i < rate; i++) entries.push({ born: second, ends: second + lifeSeconds(random, second) });
    const isSwept = sweepEverySeconds > 0 && second % sweepEverySeconds === sweepEverySeconds - 1;
    aliveByAge = new Float64Array(AGE_BINS);
    entries = entries.filter(({ born, ends }) => {
      const isCollected = ends <= second && (isSwept || random.uniform() < met);
      const age = second - born;
      if (isCollected) hazards.collect(age);
      else aliveByAge[Math.min(age, AGES_SECONDS)] = (aliveByAge[Math.min(age, AGES_SECONDS)] ?? 0) + 1;
      return !isCollected;
    });
    hazards.relearn(prior ?? NO_PRIOR);
    const agesEnd = 1 + aliveByAge.findLastIndex((entries, bin) => entries > 0 && bin < AGES_SECONDS);
    hazards.close({ aliveByAge, agesEnd, newPerSecond: rate, windowSeconds, lookupHazard, isSwept, sweepSeconds: 0 });
    ratios.push(hazards.hazardRatio);
    windowSeconds = isSwept ? 1 : windowSeconds + 1;
  }
  hazards.relearn(prior ?? NO_PRIOR);
  return { hazards, aliveByAge, expired: entries.filter(({ ends }) => ends < untilSeconds).length, ratios };
}

/** Part that is live at each age. */
function survivalOf(hazards: Hazards): number[] {
  let survivors = 1;
  return Array.from(hazards.describe().hazards, (hazard) => {
    const now = survivors;
    survivors *= 1 - hazard;
    return now;
  });
}

const meanOf = (survival: readonly number[]) => survival.slice(0, AGES_SECONDS).reduce((a, b) => a + b, 0) - 1;
const always = (value: number) => () => value;
const fixed = (seconds: number) => () => seconds;
const exponential = (mean: number) => (random: Random) => Math.floor(random.exponential(mean));

describe('Hazards', () => {
  it('learns a fixed lifetime of which each end is seen at once as one age at which everything leaves', () => {
    const kernel = { newPerSecond: always(50), lifeSeconds: fixed(30), sweepEverySeconds: 1, untilSeconds: 200 };
    const survival = survivalOf(play(kernel).hazards);
    expect(survival[28]).toBeGreaterThan(0.97);
    expect(survival[32]).toBeLessThan(0.03);
  });

  it.each([10, 30, 45, 100, 120])(
    'learns a fixed lifetime of %s s to 4 s although a sweep a minute tells it',
    (life) => {
      const kernel = { newPerSecond: always(40), lifeSeconds: fixed(life), sweepEverySeconds: 60, untilSeconds: 900 };
      const survival = survivalOf(play(kernel).hazards);
      expect(Math.abs(meanOf(survival) - life)).toBeLessThan(4);
      expect(survival[life - 8]).toBeGreaterThan(0.8);
      expect(survival[life + 8]).toBeLessThan(0.25);
    },
  );

  it.each([
    [1, 0],
    [60, 0],
    [60, 0.3],
    [12, 0.01],
  ])('learns an exponential lifetime with sweeps every %s s and a hazard of %s', (sweepEverySeconds, lookupHazard) => {
    const kernel = { newPerSecond: always(60), lifeSeconds: exponential(30), untilSeconds: 900 };
    const survival = survivalOf(play({ ...kernel, sweepEverySeconds, lookupHazard }).hazards);
    for (const age of [10, 20, 40, 60, 90]) {
      expect(Math.abs((survival[age] ?? 0) - Math.exp(-age / 30)), `${age} s`).toBeLessThan(0.06);
    }
  });

  it('tells those that end early from those that stay', () => {
    const kernel = {
      newPerSecond: always(60),
      lifeSeconds: (random: Random) => (random.uniform() < 0.3 ? 10 : 120),
      sweepEverySeconds: 60,
      untilSeconds: 900,
    };
    const survival = survivalOf(play(kernel).hazards);
    expect(Math.abs((survival[50] ?? 0) - 0.7)).toBeLessThan(0.05);
    expect(Math.abs((survival[100] ?? 0) - 0.7)).toBeLessThan(0.08);
    expect(survival[140]).toBeLessThan(0.1);
  });

  it('counts flows that still live as survivors of the ages they reached as far as a lookup would have met them', () => {
    const kernel = { newPerSecond: always(60), lifeSeconds: fixed(500), sweepEverySeconds: 60, untilSeconds: 100 };
    const { hazards, frontierSeconds } = play({ ...kernel, lookupHazard: 0.2 }).hazards.describe();
    expect(hazards.slice(0, 60).every((hazard) => hazard < 0.001)).toBe(true);
    expect(frontierSeconds).toBeGreaterThan(95);
    expect(frontierSeconds).toBeLessThanOrEqual(100);
    // Without lookups whoever ended since the sweep at 60 s is still there.
    expect(play(kernel).hazards.describe().frontierSeconds).toBe(60);
  });

  it('takes those for ended whose timeout is over until a sweep or lookups tell otherwise', () => {
    const prior: PriorHazards = new Float64Array(AGE_BINS).map((_, bin) => (bin === 40 ? 0.97 : 1e-4));
    const kernel = { newPerSecond: always(60), lifeSeconds: fixed(40), sweepEverySeconds: 0, untilSeconds: 90, prior };
    const { hazards, aliveByAge, expired } = play({ ...kernel, lookupHazard: 0.002 });
    const told = aliveByAge.reduce((sum, entries, bin) => sum + entries * (1 - (hazards.liveRatios[bin] ?? 1)), 0);
    expect(expired).toBeGreaterThan(2500);
    expect(Math.abs(told / expired - 1)).toBeLessThan(0.1);
  });

  it('knows that what survived a long sweep may have ended behind it', () => {
    const hazards = new Hazards();
    const aliveByAge = new Float64Array(AGE_BINS);
    const prior: PriorHazards = new Float64Array(AGE_BINS).map((_, bin) => (bin === 20 ? 1 : 0));
    // 100 a second end at 20 s; a sweep of 4 s leaves half of those that ended meanwhile.
    for (let age = 0; age < 20; age++) aliveByAge[age] = 100;
    for (let age = 20; age < 24; age++) aliveByAge[age] = [88, 62, 38, 12][age - 20] ?? 0;
    hazards.relearn(prior);
    const second = { aliveByAge, agesEnd: 24, newPerSecond: 100, windowSeconds: 60, lookupHazard: 0, isSwept: true };
    hazards.close({ ...second, sweepSeconds: 4 });
    expect(hazards.expiredEntries).toBeGreaterThan(150);
    hazards.relearn(prior);
    expect(hazards.describe().hazards[20]).toBeCloseTo(1, 2);
  });

  it('goes with the prior where it has seen nothing', () => {
    const prior: PriorHazards = new Float64Array(AGE_BINS).fill(0.01).fill(0.7, 120, 121);
    const kernel = {
      newPerSecond: always(60),
      lifeSeconds: fixed(500),
      sweepEverySeconds: 60,
      untilSeconds: 30,
      ...{ lookupHazard: 0.2, prior },
    };
    const { hazards } = play(kernel).hazards.describe();
    expect(hazards[120]).toBeCloseTo(0.7, 9);
    expect(hazards[200]).toBeCloseTo(0.01, 9);
    expect(hazards[5]).toBeLessThan(0.002);
  });

  it.each([
    [60, 0],
    [60, 0.02],
  ])('knows how many of the entries have expired (sweeps every %s s, a hazard of %s)', (every, lookupHazard) => {
    const kernel = { newPerSecond: always(60), lifeSeconds: exponential(40), sweepEverySeconds: every, lookupHazard };
    for (const sinceSeconds of [10, 30, 55]) {
      const { hazards, aliveByAge, expired } = play({ ...kernel, untilSeconds: 600 + sinceSeconds });
      const told = aliveByAge.reduce((sum, entries, bin) => sum + entries * (1 - (hazards.liveRatios[bin] ?? 1)), 0);
      expect(Math.abs(told / expired - 1), `${told} for ${expired}`).toBeLessThan(0.1);
    }
  });

  it('takes flows that do not end any more for live ones, not for expired ones', () => {
    const hangs = (_: Random, second: number) => (second < 500 ? 30 : 5000);
    const kernel = { newPerSecond: always(60), lifeSeconds: hangs, sweepEverySeconds: 60, lookupHazard: 0.1 };
    const { hazards, aliveByAge } = play({ ...kernel, untilSeconds: 700 });
    expect(hazards.hazardRatio).toBeLessThan(0.3);
    const told = aliveByAge.reduce((sum, entries, bin) => sum + entries * (1 - (hazards.liveRatios[bin] ?? 1)), 0);
    expect(told).toBeLessThan(100);
  });

  it('forgets everything when the class goes to another port', () => {
    const kernel = { newPerSecond: always(60), lifeSeconds: fixed(10), sweepEverySeconds: 5, untilSeconds: 100 };
    const { hazards } = play(kernel);
    expect(hazards.exposure[5]).toBeGreaterThan(0);
    hazards.clear();
    hazards.relearn(NO_PRIOR);
    expect(hazards.isActive).toBe(false);
    expect(hazards.describe().frontierSeconds).toBe(0);
    for (const hazard of hazards.describe().hazards) expect(hazard).toBeCloseTo(1e-4, 9);
    expect(hazards.hazardRatio).toBe(1);
    expect(hazards.expiredEntries).toBe(0);
    expect(hazards.liveRatios[10]).toBe(1);
  });
});

describe('the ratio of hazards', () => {
  const kernel = { newPerSecond: always(60), lifeSeconds: exponential(30), untilSeconds: 600 };

  it.each([
    [1, 0],
    [60, 0],
    [60, 0.05],
  ])(
    'is 1 while everything goes on as learned (sweeps every %s s, a hazard of %s)',
    (sweepEverySeconds, lookupHazard) => {
      const { ratios } = play({ ...kernel, sweepEverySeconds, lookupHazard });
      expect(ratios.slice(300).filter((ratio) => ratio !== 1)).toEqual([]);
    },
  );

  it('falls at the sweeps that bring too little when ends stop coming', () => {
    const hangs = (random: Random, second: number) => (second < 500 ? Math.floor(random.exponential(30)) : 10_000);
    const { ratios } = play({ ...kernel, lifeSeconds: hangs, sweepEverySeconds: 15, untilSeconds: 590 });
    expect(ratios[499]).toBe(1);
    expect(ratios[589]).toBeLessThan(0.6);
  });

  it('goes by the last sweep alone where that tells of many flows', () => {
    const hangs = (_: Random, second: number) => (second < 500 ? 30 : 10_000);
    const { ratios } = play({ ...kernel, lifeSeconds: hangs, sweepEverySeconds: 60, untilSeconds: 600 });
    // Half of those that the sweep at 539 s tells of were born before.
    expect(ratios[539]).toBeGreaterThan(0.2);
    expect(ratios[599]).toBeLessThan(0.02);
  });

  it('rises when more end than was learned', () => {
    const shorter = (random: Random, second: number) => Math.floor(random.exponential(second < 500 ? 60 : 10));
    const { ratios } = play({ ...kernel, lifeSeconds: shorter, sweepEverySeconds: 15, untilSeconds: 540 });
    expect(ratios[499]).toBe(1);
    expect(Math.max(...ratios.slice(505))).toBeGreaterThan(1.5);
  });
});
