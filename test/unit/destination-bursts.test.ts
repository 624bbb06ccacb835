import { describe, expect, it } from 'vitest';
import { createRandom } from '../../evaluation/random.js';
import type { BurstSnapshot } from '../../src/analysis/bursts/burst.js';
import { type DestinationBurst, DestinationBursts } from '../../src/analysis/bursts/destination-bursts.js';
import { Talkers } from '../../src/analysis/talkers.js';
import { createBatch } from '../../src/model/batch.js';

const SETTINGS = { ratio: 4, minRatePerSecond: 20, falseAlarmsPerYear: 0.25 };
const TICK = 0.25;
const { columns } = createBatch(8);
const QUIET: BurstSnapshot = { pastDurationsSeconds: [] };
const TOTAL: BurstSnapshot = {
  pastDurationsSeconds: [],
  active: { onsetSeconds: 60, ratePerSecond: 400, ratio: 4 },
};

interface Run {
  readonly seed?: number;
  readonly untilSeconds: number;
  readonly destinations: number;
  /** Rate of destination `n` (port 1000 + n). */
  readonly ratePerSecond: (n: number, atSeconds: number) => number;
  readonly total?: (atSeconds: number) => BurstSnapshot;
}

function play({ seed = 1, untilSeconds, destinations, ratePerSecond, total = () => QUIET }: Run) {
  const random = createRandom(seed);
  const talkers = new Talkers();
  const bursts = new DestinationBursts(SETTINGS);
  const told: (DestinationBurst & { readonly at: number })[] = [];
  columns.family[0] = 2;
  columns.protocol[0] = 6;
  for (let tick = 1; tick * TICK <= untilSeconds; tick++) {
    const at = tick * TICK;
    for (let n = 0; n < destinations; n++) {
      columns.originalDestinationPort[0] = 1000 + n;
      for (let left = random.poisson(ratePerSecond(n, at) * TICK); left > 0; left--) talkers.observeNew(columns, 0);
    }
    for (const burst of bursts.observe(at, TICK, talkers, total(at))) told.push({ ...burst, at });
    talkers.advance(TICK);
  }
  return told.map(({ at, destination, transition }) => ({ at, port: destination.port, ...transition }));
}

const pulse = (n: number, who: number, at: number) => (n === who && at > 60 && at <= 75 ? 200 : 20);

describe('DestinationBursts', () => {
  it('tells the one among twenty that goes to ten times its rate, once, and its end', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const told = play({ seed, untilSeconds: 90, destinations: 20, ratePerSecond: (n, at) => pulse(n, 7, at) });
      expect(told.map(({ phase, port }) => [phase, port])).toEqual([
        ['start', 1007],
        ['end', 1007],
      ]);
      expect(told[0]?.at).toBeLessThanOrEqual(63.5);
      expect(told[0]?.onsetSeconds).toBeCloseTo(60, 0);
      expect(told[0]?.baselinePerSecond).toBeLessThan(30);
      expect(told[1]).toMatchObject({ reason: 'over' });
    }
  });

  it('leaves it to the total when that bursts too', () => {
    const ratePerSecond = (n: number, at: number) => pulse(n, 2, at);
    const total = (at: number) => (at > 61.5 && at < 78 ? TOTAL : QUIET);
    expect(play({ untilSeconds: 90, destinations: 5, ratePerSecond, total })).toEqual([]);
  });

  it('finds a destination that was not there before, and that its level becomes usual', () => {
    const ratePerSecond = (n: number, at: number) => (n < 10 ? 30 : at > 60 ? 100 : 0);
    const told = play({ untilSeconds: 680, destinations: 11, ratePerSecond });
    expect(told.map(({ phase, port }) => [phase, port])).toEqual([
      ['start', 1010],
      ['end', 1010],
    ]);
    expect(told[0]?.at).toBeLessThan(66);
    expect(told[1]).toMatchObject({ reason: 'usual' });
  });

  it('finds one beyond the 32 that are watched as soon as it is among the busiest', () => {
    const ratePerSecond = (n: number, at: number) => (n === 45 ? (at > 60 && at <= 75 ? 300 : 6) : 30);
    const told = play({ untilSeconds: 85, destinations: 60, ratePerSecond });
    expect(told.map(({ phase, port }) => [phase, port])).toEqual([
      ['start', 1045],
      ['end', 1045],
    ]);
  });

  it('knows a periodic one although its detector has gone in between', () => {
    const ratePerSecond = (n: number, at: number) =>
      n === 300 ? (at % 300 > 290 ? 200 : 0) : at % 50 < 25 ? 0.3 : 0.6;
    const told = play({ untilSeconds: 1800, destinations: 301, ratePerSecond });
    const times = told.filter(({ phase }) => phase === 'start').map(({ expected }) => expected?.times);
    expect(times).toEqual([undefined, undefined, undefined, 4, 5, 6]);
  });

  it('is quiet while all rates are steady or start with the program', () => {
    for (let seed = 1; seed <= 3; seed++) {
      expect(play({ seed, untilSeconds: 400, destinations: 60, ratePerSecond: (n) => 2 ** (n / 8) })).toEqual([]);
    }
  });
});
