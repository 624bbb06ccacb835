import { describe, expect, it } from 'vitest';
import { Lifetimes } from '../../src/analysis/forecast/lifetimes.js';
import { playWhatIf, WhatIfs } from '../../src/analysis/forecast/what-if.js';
import { batchOf } from '../support/records.js';

/** Ten minutes of flows that each stay 120 s as in TIME_WAIT: 20/s to port 6379 and 5/s to port 80. */
function watched(seconds = 600): Lifetimes {
  const lifetimes = new Lifetimes();
  const born: { id: number; destinationPort: number; at: number }[] = [];
  let id = 1;
  for (let second = 0; second < seconds; second++) {
    const rows = Array.from({ length: 25 }, (_, i) => ({ id: id++, destinationPort: i < 20 ? 6379 : 80 }));
    const gone = [];
    while (born[0] !== undefined && born[0].at <= second - 120)
      gone.push(born.shift() ?? { id: 0, destinationPort: 0 });
    born.push(...rows.map((row) => ({ ...row, at: second })));
    const { columns, newCount, destroyCount } = batchOf(rows, gone);
    for (let row = 0; row < newCount; row++) lifetimes.observeNew(second, columns, row);
    for (let row = newCount; row < newCount + destroyCount; row++) lifetimes.observeDestroy(second, columns, row);
    lifetimes.advance({ atSeconds: second + 1, seconds: 1, newEvents: 25, reapedNow: second % 60 === 59 });
  }
  return lifetimes;
}

describe('playWhatIf', () => {
  const lifetimes = watched().view();
  const input = { table: { count: 3000, max: 3500, blind: 0 }, lifetimes, uptimeSeconds: 600 };
  const redis = { protocol: 6, port: 6379, newPerSecond: 20 };

  const withoutCount = (newPerSecond: number) =>
    playWhatIf({ ...input, culprit: { ...redis, newPerSecond } })?.withoutCount ?? 0;
  /** Nothing is taken away. */
  const asItIs = withoutCount(0);

  it('settles lower with a shorter TIME_WAIT, by what its timeout is shorter', () => {
    const { timeWaitCount = 0 } = playWhatIf({ ...input, culprit: redis }) ?? {};
    expect(asItIs).toBeGreaterThan(1000);
    expect(timeWaitCount / asItIs).toBeLessThan(0.6);
    expect(timeWaitCount / asItIs).toBeGreaterThan(0.2);
    const short = { ...lifetimes, timeouts: { tcp: { time_wait: 30 } } } as unknown as typeof lifetimes;
    expect(playWhatIf({ ...input, lifetimes: short, culprit: redis })).not.toHaveProperty('timeWaitCount');
  });

  it("takes away the part of a port's traffic that is the culprit's", () => {
    expect(withoutCount(20) / asItIs).toBeCloseTo(0.2, 1);
    expect(withoutCount(10) / asItIs).toBeCloseTo(0.6, 1);
    expect(playWhatIf({ ...input, culprit: undefined })).not.toHaveProperty('withoutCount');
  });

  it('has nothing to say of a table that does not answer', () => {
    expect(playWhatIf({ ...input, table: { blind: 0 }, culprit: redis })).toBeUndefined();
  });

  it('plays while the table heads for its limit, and seldom', () => {
    const whatIfs = new WhatIfs();
    const play = (atSeconds: number, plateauCount: number) => {
      whatIfs.play(atSeconds, { plateauCount }, { ...input, culprit: redis });
      return whatIfs.last.whatIf;
    };
    expect(play(0, 2700)).toBeUndefined();
    const first = play(1, 2900);
    expect(first).toBeDefined();
    expect(play(5, 3400)).toBe(first);
    expect(play(7, 3400)).not.toBe(first);
    const web = { ...redis, port: 80, newPerSecond: 5 };
    whatIfs.play(8, { plateauCount: 3400 }, { ...input, culprit: web });
    expect(whatIfs.last.whatIf?.withoutCount).toBeGreaterThan(2 * (first?.withoutCount ?? 0));
    expect(play(9, 100)).toBeUndefined();
  });
});
