import { describe, expect, it } from 'vitest';
import { type TickPart, TickParts } from '../../src/analysis/bursts/tick-parts.js';

/** The parts of a tick that tell nothing. */
function end(parts: TickParts, atSeconds: number, newEvents: number, lostEvents: number): TickPart[] {
  const seen: TickPart[] = [];
  expect(parts.end(atSeconds, newEvents, lostEvents, (part) => void seen.push(part))).toBeUndefined();
  return seen;
}

describe('TickParts', () => {
  it('cuts at the last drain near the middle', () => {
    const parts = new TickParts(10);
    for (const [at, events] of [
      [10.025, 3],
      [10.109375, 12],
      [10.125, 14],
      [10.1875, 20],
    ] as const)
      parts.observe(at, events);
    expect(end(parts, 10.25, 30, 0)).toEqual([
      { atSeconds: 10.125, seconds: 0.125, newEvents: 14, isLast: false },
      { atSeconds: 10.25, seconds: 0.125, newEvents: 16, isLast: true },
    ]);
  });

  it('leaves a tick whole without a drain near its middle, and forgets the cut of the tick before', () => {
    const parts = new TickParts(0);
    parts.observe(0.125, 5);
    end(parts, 0.25, 9, 0);
    parts.observe(0.45, 8);
    expect(end(parts, 0.5, 8, 0)).toEqual([{ atSeconds: 0.5, seconds: 0.25, newEvents: 8, isLast: true }]);
  });

  it('leaves a tick whole in which events were lost, or whose rest is too short for a part', () => {
    const parts = new TickParts(0);
    parts.observe(0.125, 5);
    expect(end(parts, 0.25, 9, 4)).toEqual([{ atSeconds: 0.25, seconds: 0.25, newEvents: 13, isLast: true }]);
    parts.observe(0.375, 5);
    expect(end(parts, 0.4375, 6, 0)).toEqual([{ atSeconds: 0.4375, seconds: 0.1875, newEvents: 6, isLast: true }]);
  });

  it('leaves what comes after something told to the next part, once', () => {
    const parts = new TickParts(0);
    parts.observe(0.125, 5);
    expect(parts.end(0.25, 9, 0, ({ newEvents }) => `told ${newEvents}`)).toBe('told 5');
    parts.observe(0.375, 2);
    expect(end(parts, 0.5, 3, 0)).toEqual([
      { atSeconds: 0.375, seconds: 0.25, newEvents: 6, isLast: false },
      { atSeconds: 0.5, seconds: 0.125, newEvents: 1, isLast: true },
    ]);
    expect(end(parts, 0.75, 1, 0)).toEqual([{ atSeconds: 0.75, seconds: 0.25, newEvents: 1, isLast: true }]);
  });

  it('tells what only the second part shows', () => {
    const parts = new TickParts(0);
    parts.observe(0.125, 5);
    expect(parts.end(0.25, 9, 0, ({ atSeconds }) => (atSeconds > 0.2 ? atSeconds : undefined))).toBe(0.25);
  });
});
