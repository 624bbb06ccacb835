import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatRange,
  isAlert,
  parseRange,
  parseUsageRange,
  type ThresholdRange,
} from '../../src/model/threshold-range.js';

const { POSITIVE_INFINITY: INF, NEGATIVE_INFINITY: NEG } = Number;
const ranged = (text: string): ThresholdRange => {
  const range = parseRange(text);
  if (typeof range === 'string') throw new Error(`${text}: ${range}`);
  return range;
};

describe('parseRange', () => {
  // The table of the guidelines, with what alerts and what does not.
  it.each([
    { text: '10', alerts: [-0.1, 10.1], quiet: [0, 5, 10] },
    { text: '10:', alerts: [9.9, -1, NEG], quiet: [10, 11, INF] },
    { text: '~:10', alerts: [10.1, INF], quiet: [10, -5, NEG] },
    { text: '10:20', alerts: [9.9, 20.1], quiet: [10, 15, 20] },
    { text: '@10:20', alerts: [10, 15, 20], quiet: [9.9, 20.1] },
    { text: '@10', alerts: [0, 10], quiet: [-0.1, 10.1] },
    { text: ':10', alerts: [-1, 11], quiet: [0, 10] },
    { text: '-5:-1.5', alerts: [-5.1, -1, 0], quiet: [-5, -2, -1.5] },
    { text: '~:', alerts: [], quiet: [NEG, 0, INF] },
    { text: '@~:', alerts: [NEG, 0, INF], quiet: [] },
    { text: '.5:1', alerts: [0.4], quiet: [0.5, 1] },
  ])('$text', ({ text, alerts, quiet }) => {
    const range = ranged(text);
    for (const value of alerts) expect(isAlert(value, range), `${value}`).toBe(true);
    for (const value of quiet) expect(isAlert(value, range), `${value}`).toBe(false);
  });

  it.each([
    '',
    ':',
    '@',
    '~',
    '10:~',
    'a',
    '1e3',
    '10-20',
    '10:20:30',
    ' 10',
    '10 ',
    '@@10',
    '1.2.3',
    '20:10',
    '--5',
    '0x10',
  ])('refuses "%s" and says why', (text) => expect(parseRange(text)).toEqual(expect.stringMatching(/range/)));

  it('reads again what formatRange writes, with the same meaning', () => {
    const end = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => Number(value.toFixed(3)) + 0);
    const low = fc.oneof(end, fc.constant(NEG));
    const high = fc.oneof(end, fc.constant(INF));
    const alerts = fc.constantFrom('outside' as const, 'inside' as const);
    const range = fc.record({ low, high, alerts }).filter((made) => made.low <= made.high);
    fc.assert(
      fc.property(range, end, (made, value) => {
        const again = ranged(formatRange(made));
        expect(again).toEqual(made);
        // Straight from the guidelines: alert if outside of start..end, both included; @ turns it round.
        const outside = value < made.low || value > made.high;
        expect(isAlert(value, again)).toBe(made.alerts === 'outside' ? outside : !outside);
      }),
    );
  });

  it('knows one zero', () => {
    expect(parseRange('-0')).toEqual(parseRange('0'));
    expect(parseRange('-0:-0')).toEqual(parseRange('0'));
  });

  it('takes any text without throwing, and what it takes it can write', () => {
    const text = fc.oneof(fc.string({ maxLength: 12 }), fc.stringMatching(/^@?[-~:.0-9]{0,10}$/));
    fc.assert(
      fc.property(text, (typed) => {
        const range = parseRange(typed);
        if (typeof range !== 'string') expect(parseRange(formatRange(range))).toEqual(range);
      }),
    );
  });
});

describe('formatRange', () => {
  it.each(['80', '10:', '~:10', '10:20', '@10:20', '~:', '@5', '0:', '0.0000001:', '5000000000000000000000'])(
    'keeps %s as it is',
    (text) => {
      expect(formatRange(ranged(text))).toBe(text);
    },
  );
});

describe('parseUsageRange', () => {
  it.each([
    ['80', '80'],
    ['80%', '80'],
    ['0.8', '80'],
    ['0.57:', '57:'],
    ['@0.1:0.29', '@10:29'],
    ['10:80', '10:80'],
    ['0.5%', '0.5'],
    ['10%:80%', '10:80'],
    ['1', '100'],
    ['1:90', '1:90'],
    ['~:0.9', '~:90'],
  ])('%s is %s percent', (text, percent) => {
    const range = parseUsageRange(text);
    expect(typeof range === 'string' ? range : formatRange(range)).toBe(percent);
  });

  it.each(['%', '80%%', '%80', '8%0', '~%:10', ''])('refuses "%s"', (text) => {
    expect(parseUsageRange(text)).toEqual(expect.any(String));
  });
});
