/** The rivals of the scoreboard against values worked out by hand: a rival that is wrong would flatter us. */
import { describe, expect, it } from 'vitest';
import { Difference } from '../../evaluation/rivals/difference.js';
import { Fluid } from '../../evaluation/rivals/fluid.js';
import { Holt } from '../../evaluation/rivals/holt.js';
import { PredictLinear } from '../../evaluation/rivals/predict-linear.js';
import type { Rival } from '../../evaluation/rivals/rival.js';
import { RIVALS } from '../../evaluation/rivals/rivals.js';

function feed(rival: Rival, counts: readonly number[], newEvents = 0, destroyEvents = 0): Rival {
  counts.forEach((count, second) => {
    rival.observe(second, count, newEvents, destroyEvents);
  });
  return rival;
}

const times = (n: number, value: (i: number) => number) => Array.from({ length: n }, (_, i) => value(i));

describe('predict_linear', () => {
  it('is the least-squares line of its window, read at its end', () => {
    // y = 1, 2, 2, 5 at x = -3..0: mean 2.5, slope sum((x + 1.5) y) / 5 = 6 / 5 = 1.2, now 2.5 + 1.2 * 1.5 = 4.3.
    expect(feed(new PredictLinear(4), [1, 2, 2, 5]).secondsToFull(10)).toBeCloseTo(5.7 / 1.2, 12);
  });

  it('forgets what is older than its window', () => {
    const slid = feed(new PredictLinear(4), [900, 7, 0, 1, 2, 2, 5]);
    expect(slid.secondsToFull(10)).toBeCloseTo(5.7 / 1.2, 9);
  });

  it('needs two samples and a rise', () => {
    expect(feed(new PredictLinear(60), [5]).secondsToFull(10)).toBeUndefined();
    expect(feed(new PredictLinear(60), [5, 5, 5]).secondsToFull(10)).toBeUndefined();
    expect(feed(new PredictLinear(60), [5, 6]).secondsToFull(10)).toBeCloseTo(4, 12);
  });
});

describe('Holt', () => {
  it('smooths level and trend', () => {
    // Level .3 * 100 = 30, trend .05 * 30 = 1.5; then .3 * 200 + .7 * 31.5 = 82.05, .05 * 52.05 + .95 * 1.5 = 4.0275.
    expect(feed(new Holt(), [0, 100, 200]).secondsToFull(1000)).toBeCloseTo((1000 - 82.05) / 4.0275, 9);
  });

  it('says nothing of a level that falls', () => {
    expect(feed(new Holt(), [100, 50, 20]).secondsToFull(1000)).toBeUndefined();
  });
});

describe('difference', () => {
  it('divides what is free by the mean growth of ten minutes', () => {
    const counts = times(601, (i) => 1000 + 2 * i);
    expect(feed(new Difference(), counts).secondsToFull(3000)).toBeCloseTo((3000 - 2200) / 2, 9);
  });

  it('waits until it has ten minutes', () => {
    const counts = times(600, (i) => 1000 + 2 * i);
    expect(feed(new Difference(), counts).secondsToFull(3000)).toBeUndefined();
  });
});

describe('fluid M/M/inf', () => {
  it('crosses the limit on its way to the plateau', () => {
    // lambda 100, mu 50 / 1000: plateau 2000; (2000 - 1000) / (2000 - 1500) = 2.
    const fluid = feed(
      new Fluid(),
      times(60, () => 1000),
      100,
      50,
    );
    expect(fluid.secondsToFull(1500)).toBeCloseTo(Math.LN2 / 0.05, 9);
    expect(fluid.secondsToFull(2000)).toBeUndefined();
  });

  it('is a line while nothing leaves', () => {
    const fluid = feed(
      new Fluid(),
      times(60, (i) => 10 * i),
      10,
      0,
    );
    expect(fluid.secondsToFull(1000)).toBeCloseTo((1000 - 590) / 10, 9);
  });

  it('waits for a whole cycle of the collector', () => {
    const fluid = feed(
      new Fluid(),
      times(59, () => 1000),
      100,
      50,
    );
    expect(fluid.secondsToFull(1500)).toBeUndefined();
  });
});

it('lists each rival once', () => {
  expect(new Set(RIVALS.map(({ name }) => name)).size).toBe(RIVALS.length);
});
