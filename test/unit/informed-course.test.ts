/** What could be said at the time: the present course goes on. */
import { describe, expect, it } from 'vitest';
import { continued, informedCourse } from '../../evaluation/informed-course.js';
import type { SimulatedSettings } from '../../evaluation/simulated-source.js';
import type { Traffic } from '../../evaluation/traffic.js';

const traffic = (ratePerSecond: (seconds: number) => number): Traffic => ({
  ...{ protocol: 'tcp', port: 80, ratePerSecond },
  life: () => ({ activeSeconds: 1e6, timeoutSeconds: 120, renewedSeconds: 300 }),
});

describe('continued', () => {
  const rate = (of: (seconds: number) => number, now: number, then: number) =>
    continued(traffic(of), now).ratePerSecond(then);

  it('goes on along a line or by growth, and takes a step for none', () => {
    expect(rate((s) => 10 + s, 100, 200)).toBeCloseTo(210, 6);
    expect(rate((s) => 2 ** (s / 30), 60, 120)).toBeCloseTo(16, 6);
    expect(rate((s) => (s < 59.5 ? 10 : 40), 60, 120)).toBe(40);
    expect(rate((s) => Math.max(0, 100 - s), 50, 200)).toBe(0);
  });

  it('knows nothing of what comes', () => {
    expect(rate((s) => (s < 60 ? 10 : 40), 60, 120)).toBe(10);
    expect(rate((s) => Math.min(s, 60), 60, 120)).toBeCloseTo(120, 6);
  });
});

it('warns by the present course, whatever comes of it', () => {
  // 20 a second that stay: 1,000 after 50 s, if they did not stop after 30 s.
  const settings: SimulatedSettings = {
    traffics: [traffic((s) => (s < 30 ? 20 : 0))],
    ...{ max: 1000, buckets: 65_536, lookupsPerNew: 0, dispersion: 1, seed: 5, historySeconds: 0, lengthSeconds: 100 },
  };
  const answers = informedCourse(settings, [20, 40]);
  expect(answers.get(20)).toEqual({ isWarning: true, isCritical: true });
  expect(answers.get(40)).toEqual({ isWarning: false, isCritical: false });
  expect(informedCourse({ ...settings, max: 6000 }, [20]).get(20)).toEqual({ isWarning: true, isCritical: false });
});
