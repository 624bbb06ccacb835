import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BurstSnapshot } from '../../src/analysis/bursts/burst.js';
import { agedForecast, type Forecast, type ForecastInput, forecast } from '../../src/analysis/forecast/forecast.js';
import { AGE_BINS } from '../../src/analysis/forecast/hazards.js';
import { Lifetimes } from '../../src/analysis/forecast/lifetimes.js';
import { TableModel } from '../../src/analysis/table.js';
import { createBatch, PRESENT } from '../../src/model/batch.js';

const TICK = 0.25;
const { columns } = createBatch(8);

const PAST: BurstSnapshot = { pastDurationsSeconds: [] };

interface Scenario {
  readonly protocol?: number;
  readonly newPerSecond: (atSeconds: number) => number;
  readonly lifeSeconds: (n: number) => number;
  readonly max: number;
  readonly untilSeconds: number;
  /** A burst is told to the forecast half a second after this. */
  readonly onsetSeconds?: number;
  readonly initial?: { readonly count: number; readonly leavesWithinSeconds: number };
  /** Expired entries wait for a sweep every 60 s, as in a large table; otherwise lookups collect them at once. */
  readonly isSwept?: boolean;
}

function put(n: number, protocol: number): void {
  columns.id[0] = Math.imul(n, 0x9e3779b1) >>> 0;
  columns.family[0] = 2;
  columns.protocol[0] = protocol;
  columns.originalSource.words[0] = n >>> 16;
  columns.originalSourcePort[0] = n & 0xffff;
  columns.originalDestinationPort[0] = 443;
}

/** A kernel without chance: runs a scenario until it is over or the table full, and forecasts every second. */
function run(scenario: Scenario): { answers: { at: number; count: number; answer: Forecast }[]; fullAt: number } {
  const { protocol = 6, max, onsetSeconds, initial, isSwept } = scenario;
  // A table of few buckets: whatever expires is met at once. One of very many: nothing is, until the sweep.
  const buckets = isSwept === true ? 1_000_000_000 : 16;
  const lifetimes = new Lifetimes({ buckets });
  const table = new TableModel(initial?.count ?? 0);
  const ending = new Map<number, number[]>();
  const answers: { at: number; count: number; answer: Forecast }[] = [];
  let count = initial?.count ?? 0;
  for (let i = 0; i < count; i++) {
    put(i, protocol);
    columns.tcpState[0] = 7;
    columns.present[0] = PRESENT.timeout;
    columns.timeoutSeconds[0] = ((initial?.leavesWithinSeconds ?? 0) * i) / count;
    lifetimes.observeEntry(0, columns, 0);
  }
  columns.present[0] = 0;
  let [n, due] = [0, 0];
  for (let tick = 1; tick * TICK <= scenario.untilSeconds; tick++) {
    const at = tick * TICK;
    let newEvents = 0;
    for (due += scenario.newPerSecond(at) * TICK; due >= 1; due--, n++, newEvents++) {
      put(n, protocol);
      lifetimes.observeNew(at, columns, 0);
      const expiry = at + scenario.lifeSeconds(n);
      const end = Math.ceil((isSwept ? Math.ceil(expiry / 60) * 60 : expiry) / TICK);
      ending.set(end, [...(ending.get(end) ?? []), n]);
    }
    const ended = ending.get(tick) ?? [];
    for (const k of ended) {
      put(k, protocol);
      lifetimes.observeDestroy(at, columns, 0);
    }
    const blindGone =
      initial && at < initial.leavesWithinSeconds ? (initial.count / initial.leavesWithinSeconds) * TICK : 0;
    count += newEvents - ended.length - blindGone;
    lifetimes.advance({ atSeconds: at, seconds: TICK, newEvents });
    table.observe({ newEvents, destroyEvents: ended.length, count, max });
    if (count >= max) return { answers, fullAt: at };
    if (tick % 4 !== 0) continue;
    const isBurst = onsetSeconds !== undefined && at >= onsetSeconds + 0.5;
    const burst: BurstSnapshot = isBurst ? { ...PAST, active: { onsetSeconds, ratePerSecond: 400, ratio: 4 } } : PAST;
    const view = lifetimes.view(burst.active?.onsetSeconds);
    const answer = forecast({
      ...{ table: table.snapshot(), lifetimes: view, uptimeSeconds: at, burst, lostRatio: 0, buckets },
      ...(isBurst && { burstAgeSeconds: at - onsetSeconds }),
    });
    answers.push({ at, count, answer });
  }
  return { answers, fullAt: Number.POSITIVE_INFINITY };
}

const always = (value: number) => () => value;
const EMPTY: ForecastInput = {
  table: { blind: 0 },
  lifetimes: new Lifetimes().view(),
  uptimeSeconds: 100,
  burst: PAST,
  lostRatio: 0,
};

describe('forecast', () => {
  it('sees a burst fill an empty table 3 s after its onset, and never before', () => {
    const { answers, fullAt } = run({
      newPerSecond: (at) => (at <= 15 ? 100 : 400),
      lifeSeconds: always(120),
      max: 16_000,
      untilSeconds: 60,
      onsetSeconds: 15,
    });
    expect(fullAt).toBeCloseTo(51.25, 1);
    for (const { at, answer } of answers) {
      if (at <= 15) {
        expect(['plateaus', 'unknown']).toContain(answer.verdict);
        // Some are taken to end before TIME_WAIT does.
        if (answer.verdict === 'plateaus') expect(answer.plateauRatio).toBeGreaterThan(0.55);
        if (answer.verdict === 'plateaus') expect(answer.plateauRatio).toBeLessThan(0.8);
      }
      if (at < 18) continue;
      expect(answer.verdict).toBe('fills');
      expect(Math.abs((answer.secondsToFull ?? 0) - (fullAt - at))).toBeLessThan(2);
      // The ends of a tick are outside of its interval.
      expect(answer.secondsToFullLow).toBeLessThanOrEqual(fullAt - at + TICK / 20);
      expect(answer.secondsToFullHigh).toBeGreaterThanOrEqual(fullAt - at - TICK / 20);
    }
  });

  it('never says that a rate fills whose plateau is below max, from an empty table on', () => {
    // The kernel's timeouts: what an entry without an application's own pace stays for.
    const timeouts = fc.constantFrom(
      { protocol: 6, lifeSeconds: 60 },
      { protocol: 6, lifeSeconds: 120 },
      { protocol: 17, lifeSeconds: 30 },
      { protocol: 17, lifeSeconds: 120 },
      { protocol: 1, lifeSeconds: 30 },
    );
    fc.assert(
      fc.property(
        timeouts,
        fc.integer({ min: 20, max: 150 }),
        fc.double({ min: 0.3, max: 0.85, noNaN: true }),
        (flow, rate, used) => {
          const { answers } = run({
            protocol: flow.protocol,
            newPerSecond: always(rate),
            lifeSeconds: always(flow.lifeSeconds),
            max: Math.ceil((rate * flow.lifeSeconds) / used),
            untilSeconds: 200,
          });
          for (const { answer } of answers) expect(answer.verdict).not.toBe('fills');
          expect(answers.at(-1)?.answer.verdict).toBe('plateaus');
          const plateauRatio = answers.at(-1)?.answer.plateauRatio ?? 0;
          expect(plateauRatio).toBeGreaterThan(0.93 * used);
          expect(plateauRatio).toBeLessThan(used * (1 + 4 / flow.lifeSeconds));
        },
      ),
      { numRuns: 10, seed: 2 },
    );
  }, 60_000);

  it('counts on the wait for collection before it has seen any', () => {
    // 60/s x (120 s + up to 60 s): 10,800 at the peak, 7,200 without the wait; some may end at the shorter timeouts.
    const scenario = { newPerSecond: always(60), lifeSeconds: always(120), untilSeconds: 40, isSwept: true };
    const roomy = run({ ...scenario, max: 12_500 });
    for (const { answer } of roomy.answers) expect(answer.verdict).not.toBe('fills');
    expect(roomy.answers.at(-1)?.answer.plateauCount).toBeGreaterThan(9800);
    expect(roomy.answers.at(-1)?.answer.plateauCount).toBeLessThan(11_000);
    expect(run({ ...scenario, max: 9_000 }).answers.at(-1)?.answer.verdict).not.toBe('plateaus');
  });

  it('does not call a table draining that rises first', () => {
    const { answers } = run({
      newPerSecond: always(100),
      lifeSeconds: always(30),
      protocol: 17,
      max: 100_000,
      untilSeconds: 20,
      initial: { count: 3000, leavesWithinSeconds: 400 },
    });
    expect(answers.at(-1)?.answer.verdict).toBe('plateaus');
  });

  it('nor when lifetimes follow no timeout at all, once it has seen them', () => {
    const { answers } = run({
      newPerSecond: always(60),
      lifeSeconds: (n) => 5 + ((n * 7919) % 170),
      max: 7500,
      untilSeconds: 400,
    });
    for (const { answer } of answers) expect(answer.verdict).not.toBe('fills');
    expect(answers.at(-1)?.answer.plateauCount).toBeCloseTo(60 * 90, -3);
  });

  it('doubts that a rise goes on for longer than it has been seen', () => {
    const { answers, fullAt } = run({
      newPerSecond: (at) => 50 + Math.max(0, at - 100) / 4,
      lifeSeconds: always(60),
      max: 12_000,
      untilSeconds: 1000,
    });
    const told = answers.filter(({ at, answer }) => at > 300 && answer.verdict === 'fills');
    expect(fullAt).toBe(730);
    const early = told.filter(({ answer }) => (answer.secondsToFull ?? 0) > 400);
    const late = told.filter(({ answer }) => (answer.secondsToFull ?? 0) < 100);
    expect(early.length).toBeGreaterThan(0);
    for (const { answer } of early) expect(answer.probabilityFull10m).toBeLessThan(0.4);
    expect(late.length).toBeGreaterThan(50);
    for (const { answer } of late) expect(answer.probabilityFull10m).toBeGreaterThan(0.8);
  });

  it('raises no alarm on exponential growth that may be chance', () => {
    const table = { count: 40_000, max: 65_536, blind: 0 };
    const lifetimes = new Lifetimes();
    for (let n = 0, at = TICK; at <= 200; at += TICK) {
      for (let i = 0; i < 100; i++, n++) {
        put(n, 6);
        lifetimes.observeNew(at, columns, 0);
      }
      lifetimes.advance({ atSeconds: at, seconds: TICK });
    }
    const view = lifetimes.view();
    const ask = (believedRatio: number, burstAgeSeconds?: number) => {
      const growth = { slope: 2, growth: 0.02, exponentialWeight: 1, believedRatio, windowSeconds: 200 };
      // Even they settle well below max.
      const hazards = new Float64Array(AGE_BINS).fill(0.01);
      const classes = view.classes.map((learned) => ({
        ...{ ...learned, hazards, frontierSeconds: AGE_BINS, confirmedSeconds: AGE_BINS },
        trend: { ...learned.trend, ...growth },
      }));
      const burst = { ...PAST, active: { onsetSeconds: 0, ratePerSecond: 400, ratio: 4 } };
      const since = burstAgeSeconds === undefined ? {} : { burst, burstAgeSeconds };
      return forecast({ ...EMPTY, table, lifetimes: { ...view, classes }, ...since });
    };
    const sure = ask(1).probabilityFull10m ?? 0;
    expect(ask(0.3).verdict).toBe('fills');
    expect(sure).toBeGreaterThan(0.8);
    expect(ask(0.3).probabilityFull10m).toBeCloseTo(0.3 * sure, 2);
    // Nor on what the step of a burst explains.
    expect(ask(1, 250).probabilityFull10m).toBeGreaterThan(0.6);
    expect(ask(1, 150).probabilityFull10m).toBeLessThan(0.01);
  });

  it('sees a step fill without a burst when the lifetimes are known', () => {
    const { answers, fullAt } = run({
      newPerSecond: (at) => (at <= 250 ? 50 : 110),
      lifeSeconds: always(120),
      max: 9000,
      untilSeconds: 400,
    });
    expect(Number.isFinite(fullAt)).toBe(true);
    for (const { at, answer } of answers) {
      if (at <= 250) expect(answer.verdict).not.toBe('fills');
      if (at < 265) continue;
      expect(answer.verdict).toBe('fills');
      expect(Math.abs((answer.secondsToFull ?? 0) - (fullAt - at))).toBeLessThan(0.15 * (fullAt - at) + 3);
    }
  });

  it('adds the peak of expired entries that wait for their collection', () => {
    // 50/s stay 10 s and then up to 60 s more: 500 live, 3,500 at the peak.
    const scenario = { newPerSecond: always(50), lifeSeconds: always(10), max: 3300, untilSeconds: 590, isSwept: true };
    const higher = run({ ...scenario, max: 6000 }).answers.at(-1)?.answer;
    expect(higher?.verdict).toBe('plateaus');
    const tight = run(scenario);
    expect(tight.answers.at(-1)?.answer.verdict).toBe('fills');
    expect(Number.isFinite(tight.fullAt)).toBe(true);
    expect(higher?.plateauCount).toBeGreaterThan(2900);
    expect(higher?.plateauCount).toBeLessThan(4000);
  });

  it('sees initial entries leave', () => {
    const { answers } = run({
      newPerSecond: always(10),
      lifeSeconds: always(120),
      max: 10_000,
      untilSeconds: 30,
      initial: { count: 6000, leavesWithinSeconds: 120 },
    });
    expect(answers.at(-1)?.answer.verdict).toBe('drains');
    expect(answers.at(-1)?.answer.plateauCount).toBeLessThan(2500);
  });

  it('calls a full table full', () => {
    const table = { count: 100, max: 100, blind: 0 };
    expect(forecast({ ...EMPTY, table })).toMatchObject({ verdict: 'fills', secondsToFull: 0, probabilityFull10m: 1 });
    expect(forecast({ ...EMPTY, table, lostRatio: 1, uptimeSeconds: 0 }).secondsToFullHigh).toBe(0);
  });

  it('tells full from dropping when it is known how much may be evicted', () => {
    const lifetimes = { ...EMPTY.lifetimes, newPerSecond: 10 };
    const table = { count: 1000, max: 1000, blind: 0 };
    const secondsToDrop = (ratio: number, arrivingRatio: number, buckets?: number) =>
      forecast({
        ...EMPTY,
        ...{ lifetimes, table, unassured: { ratio, arrivingRatio } },
        ...(buckets !== undefined && { buckets }),
      }).secondsToDrop;
    expect(forecast({ ...EMPTY, table }).secondsToDrop).toBeUndefined();
    // Assured entries: dropped as soon as it is full.
    expect(secondsToDrop(0, 0)).toBe(0);
    // 450 entries beyond the 5 % that are found too rarely, 10 of them a second.
    expect(secondsToDrop(0.5, 0)).toBeCloseTo(45, 6);
    // Half of the new ones take their place.
    expect(secondsToDrop(0.5, 0.5)).toBeCloseTo(90, 6);
    // A flood that is never answered evicts itself.
    expect(secondsToDrop(0.5, 1)).toBeUndefined();
    // In a table of very many buckets early drop finds nothing to evict.
    expect(secondsToDrop(0.5, 0, 1_000_000)).toBe(0);
  });

  it('counts what will have come until it is full among what may be evicted', () => {
    const [count, max] = [6000, 7500];
    const lifetimes = new Lifetimes({ buckets: 16 });
    for (let tick = 1; tick <= 240; tick++) {
      for (let i = 0; i < 25; i++) {
        put(tick * 25 + i, 6);
        lifetimes.observeNew(tick * TICK, columns, 0);
      }
      lifetimes.advance({ atSeconds: tick * TICK, seconds: TICK, newEvents: 25 });
    }
    const input: ForecastInput = {
      ...{ table: { count, max, blind: 0 }, lifetimes: lifetimes.view(), uptimeSeconds: 60 },
      ...{ burst: { ...PAST, active: { onsetSeconds: 0, ratePerSecond: 100, ratio: 4 } }, burstAgeSeconds: 60 },
      ...{ lostRatio: 0, buckets: 16 },
    };
    const assured = forecast({ ...input, unassured: { ratio: 0, arrivingRatio: 0 } });
    expect(assured.verdict).toBe('fills');
    expect(assured.secondsToDrop).toBe(assured.secondsToFull);
    const half = forecast({ ...input, unassured: { ratio: 0, arrivingRatio: 0.2 } });
    const grown = 0.2 * (max - count) - Math.LN2;
    expect(half.secondsToDrop).toBeCloseTo((half.secondsToFull ?? 0) + grown / (100 * 0.8), -1);
    expect(forecast({ ...input, unassured: { ratio: 0.9, arrivingRatio: 1 } }).secondsToDrop).toBeUndefined();
  });

  it('says why it says nothing', () => {
    expect(forecast(EMPTY)).toEqual({ verdict: 'unknown', reason: 'no_table' });
    expect(forecast({ ...EMPTY, table: { blind: 0, count: 5 } })).toEqual({ verdict: 'unknown', reason: 'no_max' });
    const table = { blind: 0, count: 5, max: 100 };
    expect(forecast({ ...EMPTY, table, lostRatio: 0.7 })).toEqual({ verdict: 'unknown', reason: 'loss' });
    expect(forecast({ ...EMPTY, table, uptimeSeconds: 1 })).toEqual({ verdict: 'unknown', reason: 'learning' });
  });

  it('orders its interval, and a higher max is never reached sooner', () => {
    const lifetimes = new Lifetimes();
    for (let n = 0, at = 0; at < 30; at += TICK) {
      for (let i = 0; i < 50; i++, n++) {
        put(n, n % 3 ? 6 : 17);
        lifetimes.observeNew(at, columns, 0);
      }
      lifetimes.advance({ atSeconds: at, seconds: TICK });
    }
    const burst = { ...PAST, active: { onsetSeconds: 20, ratePerSecond: 200, ratio: 4 } };
    const ask = (max: number) =>
      forecast({ ...EMPTY, table: { count: 6000, max, blind: 0 }, lifetimes: lifetimes.view(20), burst });
    const limits = fc.tuple(fc.integer({ min: 6001, max: 100_000 }), fc.integer({ min: 0, max: 50_000 }));
    fc.assert(
      fc.property(limits, ([max, more]) => {
        const [low, high] = [ask(max), ask(max + more)];
        expect(high.probabilityFull10m).toBeLessThanOrEqual((low.probabilityFull10m ?? 0) + 1e-9);
        for (const each of [low, high]) {
          if (each.verdict !== 'fills') continue;
          expect(each.secondsToFullLow).toBeLessThanOrEqual(each.secondsToFull ?? -1);
          expect(each.secondsToFull).toBeLessThanOrEqual(each.secondsToFullHigh ?? -1);
          // Half a tick later on average, and as wide as the tick at least.
          expect((each.secondsToFullHigh ?? 0) - (each.secondsToFull ?? 0)).toBeGreaterThanOrEqual(TICK * 0.95);
        }
        if (high.verdict !== 'fills') return;
        expect(low.verdict).toBe('fills');
        expect(high.secondsToFull).toBeGreaterThanOrEqual((low.secondsToFull ?? 0) - 1e-9);
        expect(high.secondsToFullLow).toBeGreaterThanOrEqual((low.secondsToFullLow ?? 0) - 1e-9);
      }),
      { numRuns: 100, seed: 3 },
    );
  });
});

describe('agedForecast', () => {
  it('brings full nearer with time, and nothing else', () => {
    const made = {
      verdict: 'fills',
      secondsToFull: 12,
      secondsToFullLow: 0.5,
      secondsToFullHigh: 40,
      probabilityFull10m: 0.9,
    } as const;
    expect(agedForecast(made, 0)).toEqual(made);
    const later = { secondsToFull: 11.25, secondsToFullLow: 0, secondsToFullHigh: 39.25 };
    expect(agedForecast(made, 0.75)).toEqual({ ...made, ...later });
    expect(agedForecast({ verdict: 'plateaus', plateauCount: 7 }, 5)).toEqual({ verdict: 'plateaus', plateauCount: 7 });
  });
});
