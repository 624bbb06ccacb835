import { describe, expect, it } from 'vitest';
import { Cohorts } from '../../src/analysis/forecast/cohorts.js';
import { AGE_BINS, AGES_SECONDS } from '../../src/analysis/forecast/hazards.js';

const at = (bins: Float64Array): Record<number, number> =>
  Object.fromEntries([...bins].flatMap((value, bin) => (value === 0 ? [] : [[bin, value]])));

/** One entry born in each of the seconds before `second`. */
function grow(second: number): Cohorts {
  const cohorts = new Cohorts();
  for (let now = 0; now < second; now++) {
    cohorts.add(3, now);
    cohorts.age(now);
  }
  return cohorts;
}

describe('Cohorts', () => {
  it('tells entries by their age, in the ring and beyond', () => {
    const cohorts = new Cohorts();
    cohorts.add(3, 7);
    cohorts.add(3, 7);
    for (let second = 7; second < 10; second++) cohorts.age(second);
    cohorts.add(3, 10);
    expect(at(cohorts.entriesByAge(3, 10))).toEqual({ 0: 1, 3: 2 });
    for (let second = 10; second < 7 + AGES_SECONDS; second++) cohorts.age(second);
    expect(at(cohorts.entriesByAge(3, 7 + AGES_SECONDS))).toEqual({ [AGES_SECONDS - 3]: 1, [AGE_BINS - 1]: 2 });
    expect(cohorts.total(3)).toBe(3);
  });

  it('turns the ring at any second', () => {
    const cohorts = grow(3 * AGES_SECONDS + 5);
    const ages = cohorts.entriesByAge(3, 3 * AGES_SECONDS + 5);
    expect([...ages.subarray(0, AGES_SECONDS)]).toEqual([0, ...Array.from({ length: AGES_SECONDS - 1 }, () => 1)]);
    expect(ages[AGES_SECONDS]).toBe(2 * AGES_SECONDS + 6);
    expect(cohorts.total(3)).toBe(3 * AGES_SECONDS + 5);
  });

  it('takes parts of entries out, and never tells less than none', () => {
    const cohorts = grow(5);
    cohorts.withdraw(3, 2, 1.5, 5);
    cohorts.withdraw(3, 4, 0.25, 5);
    expect(at(cohorts.entriesByAge(3, 5))).toEqual({ 1: 0.75, 2: 1, 4: 1, 5: 1 });
    expect(cohorts.total(3)).toBe(3.25);
  });

  it('knows which classes are empty', () => {
    const cohorts = grow(2);
    expect(cohorts.total(2)).toBe(0);
    cohorts.withdraw(3, 0, 1, 2);
    cohorts.withdraw(3, 1, 1, 2);
    expect(cohorts.total(3)).toBe(0);
  });

  it('joins one class to another', () => {
    const cohorts = grow(2);
    cohorts.add(5, 2);
    cohorts.reassign(3, 5);
    expect(at(cohorts.entriesByAge(5, 2))).toEqual({ 0: 1, 1: 1, 2: 1 });
    expect([cohorts.total(3), cohorts.total(5)]).toEqual([0, 3]);
  });

  it('weighs the flows of a second in which others were lost, until its cell is used again', () => {
    const cohorts = new Cohorts();
    cohorts.add(3, 8);
    cohorts.weigh(2, 8);
    cohorts.weigh(4, 8);
    expect(at(cohorts.entriesNow(3, 10, 0))).toEqual({ 2: 3 });
    for (let second = 8; second < 8 + AGES_SECONDS; second++) cohorts.age(second);
    cohorts.add(3, 8 + AGES_SECONDS);
    expect(cohorts.entriesNow(3, 8 + AGES_SECONDS, 0)[0]).toBe(1);
  });

  it('lets each cohort pass on to the next age within a second', () => {
    const cohorts = new Cohorts();
    for (let i = 0; i < 4; i++) cohorts.add(3, 0);
    expect(at(cohorts.entriesNow(3, 5, 0.25))).toEqual({ 5: 3, 6: 1 });
    expect(at(cohorts.entriesNow(3, AGES_SECONDS - 1, 0.5))).toEqual({ [AGES_SECONDS - 1]: 2, [AGES_SECONDS]: 2 });
  });
});
