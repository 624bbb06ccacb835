import { describe, expect, it } from 'vitest';
import { DumpWishes, type DumpWishesInput, type DumpWishesOptions } from '../../src/analysis/census/dump-wishes.js';
import { CENSUS_NEAR_SECONDS, CENSUS_SECONDS_MIN, DUMP_SECONDS_MIN } from '../../src/model/limits.js';
import { defaultSettings } from '../../src/model/settings.js';

const { alert } = defaultSettings;
const fills = (secondsToFull: number, probabilityFull10m = 1) =>
  ({ verdict: 'fills', secondsToFull, probabilityFull10m }) as const;
const plateaus = { verdict: 'plateaus' } as const;

/** Seconds at which each dump was wanted, asked four times a second. */
function wishesOf(
  options: Partial<DumpWishesOptions>,
  seconds: number,
  at: (second: number) => Partial<DumpWishesInput>,
) {
  const wishes = new DumpWishes({ alert, census: true, ...options });
  const wanted: [number, string][] = [];
  for (let second = 0; second <= seconds; second += 0.25) {
    const purpose = wishes.observe({
      monotonicSeconds: second,
      count: 0,
      max: 1000,
      forecast: plateaus,
      ...at(second),
    });
    if (purpose !== undefined) wanted.push([second, purpose]);
  }
  return wanted;
}

describe('a census', () => {
  it('is not wanted of a table that is far from full', () => {
    expect(wishesOf({}, 900, () => ({ count: 740, forecast: fills(1201) }))).toEqual([]);
    expect(wishesOf({}, 900, () => ({ count: undefined }))).toEqual([]);
    expect(wishesOf({}, 900, () => ({ count: 900, max: undefined }))).toEqual([]);
  });

  it.each([
    ['usage', { count: 760 }],
    ['time to full', { forecast: fills(1199) }],
    ['time to full, not probable yet', { forecast: fills(500, 0.1) }],
  ])('is wanted at once and seldom while the alert of %s is near', (_, input) => {
    expect(wishesOf({}, CENSUS_NEAR_SECONDS * 2, () => input)).toEqual([
      [0, 'census'],
      [CENSUS_NEAR_SECONDS, 'census'],
      [CENSUS_NEAR_SECONDS * 2, 'census'],
    ]);
  });

  it.each([
    ['usage', { count: 800 }],
    ['time to full', { forecast: fills(599, 0.5) }],
  ])('is wanted once a minute while the alert of %s fires', (_, input) => {
    expect(wishesOf({}, CENSUS_SECONDS_MIN * 2, () => input)).toEqual([
      [0, 'census'],
      [CENSUS_SECONDS_MIN, 'census'],
      [CENSUS_SECONDS_MIN * 2, 'census'],
    ]);
  });

  it('is not always near because the margin is larger than the level', () => {
    const low = { ...alert, usage: { ...alert.usage, warning_ratio: 0.04 } };
    expect(wishesOf({ alert: low }, 9, () => ({ count: 19 }))).toEqual([]);
    expect(wishesOf({ alert: low }, 9, () => ({ count: 20 }))).toEqual([[0, 'census']]);
  });

  it('of a moment ago is enough when the alert begins to fire', () => {
    const wanted = wishesOf({}, 100, (second) => ({ count: second < 20 ? 760 : 900 }));
    expect(wanted).toEqual([
      [0, 'census'],
      [CENSUS_SECONDS_MIN, 'census'],
    ]);
  });

  it('can be switched off', () => {
    expect(wishesOf({ census: false }, 100, () => ({ count: 900 }))).toEqual([]);
  });
});

describe('a reap', () => {
  const full = { count: 950, expired: 300 };

  it('is not wanted unless asked for', () => {
    expect(wishesOf({ census: false }, 100, () => full)).toEqual([]);
  });

  it('is wanted from its ratio on, while there is enough to collect, and not too often', () => {
    const options = { census: false, reapAtRatio: 0.9 };
    expect(wishesOf(options, DUMP_SECONDS_MIN, () => full)).toEqual([
      [0, 'reap'],
      [DUMP_SECONDS_MIN, 'reap'],
    ]);
    expect(wishesOf(options, 9, (second) => (second < 3 ? { count: 899, expired: 300 } : full))[0]).toEqual([
      3,
      'reap',
    ]);
    expect(wishesOf(options, 9, () => ({ count: 950, expired: 19 }))).toEqual([]);
    expect(wishesOf(options, 9, () => ({ count: 950 }))).toEqual([]);
    expect(wishesOf(options, 9, () => ({ ...full, max: undefined }))).toEqual([]);
  });

  it('is spared by a census, which collects as well', () => {
    const wanted = wishesOf({ reapAtRatio: 0.9 }, 9, () => full);
    expect(wanted).toEqual([
      [0, 'census'],
      [DUMP_SECONDS_MIN, 'reap'],
    ]);
  });
});

it('takes other settings from the next tick on, and remembers the last census', () => {
  const wishes = new DumpWishes({ alert, census: true });
  const near = { count: 900, max: 1000, forecast: plateaus };
  expect(wishes.observe({ ...near, monotonicSeconds: 0 })).toBe('census');
  wishes.configure({ alert, census: false });
  expect(wishes.observe({ ...near, monotonicSeconds: CENSUS_SECONDS_MIN })).toBeUndefined();
  wishes.configure({ alert, census: true });
  expect(wishes.observe({ ...near, monotonicSeconds: CENSUS_SECONDS_MIN - 1 })).toBeUndefined();
  expect(wishes.observe({ ...near, monotonicSeconds: CENSUS_SECONDS_MIN })).toBe('census');
});
