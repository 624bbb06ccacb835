import { expect, it } from 'vitest';
import { Arrivals } from '../../src/analysis/forecast/arrivals.js';
import { TREND_WINDOWS } from '../../src/analysis/forecast/trend.js';

it('reads a long ramp from the whole of its longest window, with ticks that jitter', () => {
  const longest = TREND_WINDOWS.at(-1) ?? 0;
  const arrivals = new Arrivals();
  let second = 0;
  for (let tick = 0; tick < 1100; tick++) {
    const seconds = tick % 2 === 0 ? 1.004 : 0.998;
    const flows = Math.round((100 + second / 2) * seconds);
    for (let flow = 0; flow < flows; flow++) arrivals.observe(0);
    arrivals.advance(seconds, flows);
    second += seconds;
  }
  const trend = arrivals.trend(0, 1);
  expect(Math.abs((trend?.windowSeconds ?? 0) / longest - 1)).toBeLessThan(0.02);
  expect(trend?.slope).toBeCloseTo(0.5, 2);
  expect(trend?.ratePerSecond).toBeCloseTo(100 + second / 2, -1);
});
