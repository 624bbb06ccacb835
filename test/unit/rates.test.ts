import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../src/analysis/rates.js';

describe('RateMeter', () => {
  it('averages over what has been observed while younger than a window', () => {
    const meter = new RateMeter();
    for (let i = 0; i < 20; i++) meter.observe(0.25, 25, 5);
    const { newPerSecond, destroyPerSecond, netPerSecond } = meter.snapshot();
    expect(newPerSecond).toEqual({ over1s: 100, over10s: 100, over60s: 100 });
    expect(destroyPerSecond.over60s).toBe(20);
    expect(netPerSecond.over1s).toBe(80);
  });

  it('forgets what has left a window', () => {
    const meter = new RateMeter();
    for (let i = 0; i < 240; i++) meter.observe(0.25, 100, 0);
    for (let i = 0; i < 40; i++) meter.observe(0.25, 0, 0);
    const { newPerSecond } = meter.snapshot();
    expect(newPerSecond.over1s).toBe(0);
    expect(newPerSecond.over10s).toBe(0);
    expect(newPerSecond.over60s).toBeCloseTo((400 * 50) / 60, 6);
  });

  it('takes a long tick of a stalled reader as its own window', () => {
    const meter = new RateMeter();
    for (let i = 0; i < 8; i++) meter.observe(0.25, 10, 0);
    meter.observe(5, 1000, 0);
    expect(meter.snapshot().newPerSecond.over1s).toBe(200);
    expect(meter.snapshot().newPerSecond.over10s).toBeCloseTo(1080 / 7, 9);
  });

  it('keeps the events of a tick without length', () => {
    const meter = new RateMeter();
    meter.observe(0, 7, 0);
    meter.observe(1, 3, 0);
    expect(meter.snapshot().newPerSecond.over10s).toBe(10);
  });

  it('conserves every event over any ticks shorter than a minute together', () => {
    const tick = fc.record({
      seconds: fc.double({ min: 0.01, max: 0.5, noNaN: true }),
      newEvents: fc.nat(100_000),
      destroyEvents: fc.nat(100_000),
    });
    fc.assert(
      fc.property(fc.array(tick, { minLength: 1, maxLength: 100 }), (ticks) => {
        const meter = new RateMeter();
        for (const { seconds, newEvents, destroyEvents } of ticks) meter.observe(seconds, newEvents, destroyEvents);
        const seconds = ticks.reduce((sum, each) => sum + each.seconds, 0);
        const newEvents = ticks.reduce((sum, each) => sum + each.newEvents, 0);
        const destroyEvents = ticks.reduce((sum, each) => sum + each.destroyEvents, 0);
        const snapshot = meter.snapshot();
        expect(snapshot.newPerSecond.over60s * seconds).toBeCloseTo(newEvents, 3);
        expect(snapshot.destroyPerSecond.over60s * seconds).toBeCloseTo(destroyEvents, 3);
      }),
    );
  });

  it('stays bounded and right with ticks far shorter than planned', () => {
    const meter = new RateMeter();
    for (let i = 0; i < 5000; i++) meter.observe(0.01, 2, 1);
    expect(meter.snapshot().newPerSecond.over60s).toBeCloseTo(200, 6);
    expect(meter.snapshot().netPerSecond.over60s).toBeCloseTo(100, 6);
  });
});
