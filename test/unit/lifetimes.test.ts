import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forecast } from '../../src/analysis/forecast/forecast.js';
import { Lifetimes, type LifetimesView } from '../../src/analysis/forecast/lifetimes.js';
import { createBatch, PRESENT } from '../../src/model/batch.js';
import { TRACKED_FLOWS_MAX } from '../../src/model/limits.js';

const { columns } = createBatch(8);

interface Flow {
  readonly n: number;
  readonly port?: number;
  readonly protocol?: number;
  readonly present?: number;
}

/** Puts a flow into row 0; the id is a bijective hash of `n`, as the kernel's is of the tuple. */
function put({ n, port = 80, protocol = 6, present = 0 }: Flow): void {
  columns.id[0] = Math.imul(n, 0x9e3779b1) >>> 0;
  columns.family[0] = 2;
  columns.protocol[0] = protocol;
  columns.present[0] = present;
  columns.originalSource.words[0] = n >>> 16;
  columns.originalSourcePort[0] = n & 0xffff;
  columns.originalDestinationPort[0] = port;
}

function born(lifetimes: Lifetimes, at: number, flow: Flow): void {
  put(flow);
  lifetimes.observeNew(at, columns, 0);
}

function died(lifetimes: Lifetimes, at: number, flow: Flow): void {
  put(flow);
  lifetimes.observeDestroy(at, columns, 0);
}

const classOf = (view: LifetimesView, port: number) => {
  const found = view.classes.find((each) => each.port === port);
  if (!found) throw new Error(`no class for port ${port}`);
  return found;
};

const entriesIn = (view: LifetimesView) =>
  view.classes.reduce((sum, each) => sum + each.expired + each.liveByAge.reduce((a, b) => a + b, 0), 0);

interface Run {
  readonly perSecond: number;
  readonly untilSeconds: number;
  readonly lifeSeconds: (n: number) => number;
  readonly port?: (n: number) => number;
  readonly copies?: number;
  readonly tickSeconds?: number;
}

/** Even traffic in a table whose entries are collected at once. Returns the lifetimes and the entries in the table. */
function run({ perSecond, untilSeconds, lifeSeconds, port = () => 80, copies = 1, tickSeconds = 0.25 }: Run) {
  const lifetimes = new Lifetimes({ buckets: 16 });
  const ending = new Map<number, number[]>();
  let [n, count] = [0, 0];
  const flow = (k: number) => ({ n: k, port: port(Math.floor(k / copies)) });
  for (let tick = 1; tick * tickSeconds <= untilSeconds; tick++) {
    const at = tick * tickSeconds;
    const births = Math.round(perSecond * tickSeconds) * copies;
    for (let i = 0; i < births; i++, n++) {
      born(lifetimes, at, flow(n));
      const end = tick + Math.max(1, Math.round(lifeSeconds(Math.floor(n / copies)) / tickSeconds));
      ending.set(end, [...(ending.get(end) ?? []), n]);
    }
    const ended = ending.get(tick) ?? [];
    for (const k of ended) died(lifetimes, at, flow(k));
    count += births - ended.length;
    lifetimes.advance({ atSeconds: at, seconds: tickSeconds, newEvents: births });
  }
  return { lifetimes, count };
}

const secondsToFull = ({ lifetimes, count }: ReturnType<typeof run>, max: number, uptimeSeconds: number) =>
  forecast({
    ...{ table: { count, max, blind: 0 }, lifetimes: lifetimes.view(), uptimeSeconds, lostRatio: 0 },
    burst: { pastDurationsSeconds: [] },
  });

describe('Lifetimes', () => {
  it('accounts for every entry in the table', () => {
    const { lifetimes, count } = run({ perSecond: 40, untilSeconds: 200, lifeSeconds: (n) => 20 + (n % 50) });
    expect(entriesIn(lifetimes.view())).toBeCloseTo(count, 6);
    expect(lifetimes.trackedCount).toBe(count);
  });

  it('learns a lifetime as the age at which entries leave', () => {
    const view = run({ perSecond: 40, untilSeconds: 200, lifeSeconds: () => 30 }).lifetimes.view();
    const { hazards } = classOf(view, 80);
    const until = (age: number) => hazards.subarray(0, age).reduce((left, hazard) => left * (1 - hazard), 1);
    expect(until(28)).toBeGreaterThan(0.9);
    expect(until(34)).toBeLessThan(0.05);
  });

  it('keeps classes of different ports apart', () => {
    const view = run({
      ...{ perSecond: 80, untilSeconds: 200 },
      lifeSeconds: (n) => (n % 2 ? 10 : 150),
      port: (n) => (n % 2 ? 53 : 443),
    }).lifetimes.view();
    const survivors = (port: number) =>
      classOf(view, port)
        .hazards.subarray(0, 60)
        .reduce((left, hazard) => left * (1 - hazard), 1);
    expect(survivors(53)).toBeLessThan(0.05);
    expect(survivors(443)).toBeGreaterThan(0.95);
    expect(classOf(view, 53).trend.ratePerSecond).toBeCloseTo(40, 6);
  });

  it('stands for lost events by those that were seen', () => {
    const lifetimes = new Lifetimes({ buckets: 16 });
    for (let n = 0, at = 1; at <= 20; at++) {
      for (let i = 0; i < 50; i++, n++) born(lifetimes, at, { n });
      // Half of the NEW events did not arrive.
      lifetimes.advance({ atSeconds: at, seconds: 1, newEvents: 100 });
    }
    const view = lifetimes.view();
    expect(classOf(view, 80).trend.ratePerSecond).toBeCloseTo(100, 6);
    expect(entriesIn(view)).toBeCloseTo(2000, -2);
  });

  it('takes lost ends from the entries that the seen ones were like', () => {
    const lifetimes = new Lifetimes({ buckets: 16 });
    for (let n = 0; n < 1000; n++) born(lifetimes, 0.5, { n });
    lifetimes.advance({ atSeconds: 0.5, seconds: 0.5, newEvents: 1000 });
    for (let n = 0; n < 300; n++) died(lifetimes, 20, { n });
    lifetimes.advance({ atSeconds: 20, seconds: 19.5, newEvents: 0, lostDestroyEvents: 300 });
    lifetimes.advance({ atSeconds: 22, seconds: 2, newEvents: 0 });
    // The first 30 flows of a port are of the protocol's rest, and more than all of those cannot have ended.
    expect(entriesIn(lifetimes.view())).toBeCloseTo(430, -1);
  });

  it('thins the sample instead of growing, and stays right', () => {
    const lifetimes = new Lifetimes();
    const flows = TRACKED_FLOWS_MAX * 3;
    for (let n = 0; n < flows; n++) born(lifetimes, 1, { n, port: 1000 + (n % 10) });
    lifetimes.advance({ atSeconds: 1, seconds: 1, newEvents: flows });
    expect(lifetimes.trackedCount).toBeLessThanOrEqual(TRACKED_FLOWS_MAX);
    expect(entriesIn(lifetimes.view()) / flows).toBeCloseTo(1, 1);
  });

  it('knows that a key that comes again lost its end, and that a late end is that of the old owner', () => {
    const lifetimes = new Lifetimes();
    born(lifetimes, 1, { n: 7 });
    born(lifetimes, 9, { n: 7 });
    expect(lifetimes.trackedCount).toBe(1);
    died(lifetimes, 9, { n: 7, present: PRESENT.timeout });
    expect(lifetimes.trackedCount).toBe(1);
    died(lifetimes, 40, { n: 7 });
    expect(lifetimes.trackedCount).toBe(0);
  });

  it('does not hang on a gap of a year', () => {
    const { lifetimes } = run({ perSecond: 10, untilSeconds: 20, lifeSeconds: () => 30 });
    lifetimes.advance({ atSeconds: 31_536_000, seconds: 31_535_980, newEvents: 5 });
    born(lifetimes, 31_536_001, { n: 99_999 });
    lifetimes.advance({ atSeconds: 31_536_002, seconds: 2, newEvents: 1 });
    expect(Number.isFinite(entriesIn(lifetimes.view()))).toBe(true);
  });
});

describe('a forecast from them', () => {
  const growing: Run = { perSecond: 40, untilSeconds: 250, lifeSeconds: (n) => (n % 4 ? 20 : 5000) };

  it('is the same when all counts and max are four times as large', () => {
    const once = secondsToFull(run(growing), 6000, 250);
    const fourTimes = secondsToFull(run({ ...growing, copies: 4 }), 24_000, 250);
    expect(once.verdict).toBe('fills');
    // Four copies of a flow are four flows that are known better, so only the guessed part may move.
    expect((fourTimes.secondsToFull ?? 0) / (once.secondsToFull ?? 1)).toBeCloseTo(1, 1);
  });

  it('does not change when one class is two of the same kind', () => {
    const one = secondsToFull(run(growing), 6000, 250);
    const two = secondsToFull(run({ ...growing, port: (n) => (n % 8 < 4 ? 80 : 81) }), 6000, 250);
    expect((two.secondsToFull ?? 0) / (one.secondsToFull ?? 1)).toBeCloseTo(1, 1);
  });

  it('is no wider with more data of the same kind', () => {
    const width = (untilSeconds: number) => {
      const { lifetimes, count } = run({ perSecond: 40, untilSeconds, lifeSeconds: () => 1e6 });
      const { secondsToFullLow: low = 0, secondsToFullHigh: high = 0 } = secondsToFull(
        { lifetimes, count },
        count + 8000,
        untilSeconds,
      );
      return high - low;
    };
    expect(width(260)).toBeGreaterThan(0);
    expect(width(520)).toBeLessThanOrEqual(width(260) + 0.5);
  });

  it('does not depend on the length of the ticks', () => {
    const quick = secondsToFull(run(growing), 6000, 250);
    const slow = secondsToFull(run({ ...growing, tickSeconds: 1 }), 6000, 250);
    expect((slow.secondsToFull ?? 0) / (quick.secondsToFull ?? 1)).toBeCloseTo(1, 1);
  });

  it('has no time that is negative, infinite or no number, whatever comes', () => {
    const step = fc.record({
      seconds: fc.oneof(
        fc.constant(0),
        fc.double({ min: -0.5, max: 5, noNaN: true }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
      ),
      born: fc.nat(40),
      died: fc.nat(40),
      lost: fc.nat(1000),
      lostDestroy: fc.nat(1000),
      count: fc.nat(100_000),
      reapedNow: fc.boolean(),
    });
    const host = fc.record({
      max: fc.integer({ min: 1, max: 0xffff_ffff }),
      buckets: fc.integer({ min: 1, max: 2 ** 31 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), host, (steps, { max, buckets }) => {
        const lifetimes = new Lifetimes({ buckets });
        let [at, n] = [1000, 0];
        for (const each of steps) {
          at += each.seconds;
          for (let i = 0; i < each.born; i++, n++)
            born(lifetimes, at, { n, port: n % 5, protocol: [6, 17, 1, 47][n % 4] ?? 6 });
          for (let i = 0; i < each.died; i++) died(lifetimes, at, { n: (n * 7 + i) % (n + 1), port: i % 5 });
          lifetimes.advance({
            ...{ atSeconds: at, seconds: each.seconds, newEvents: each.born + each.lost, reapedNow: each.reapedNow },
            lostDestroyEvents: each.lostDestroy,
          });
          const answer = forecast({
            ...{ table: { count: each.count, max, blind: each.count }, lifetimes: lifetimes.view(), lostRatio: 0 },
            ...{ uptimeSeconds: at - 1000, burst: { pastDurationsSeconds: [3] }, buckets },
          });
          for (const [name, value] of Object.entries(answer)) {
            if (typeof value === 'number') expect(value, name).toBeGreaterThanOrEqual(0);
            if (typeof value === 'number') expect(Number.isFinite(value), `${name} ${value}`).toBe(true);
          }
          expect(lifetimes.expiredEntries(each.count, each.count)).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 25, seed: 7 },
    );
  }, 60_000);
});
