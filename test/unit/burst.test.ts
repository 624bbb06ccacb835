import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BurstDetector,
  type BurstEnd,
  type BurstStart,
  type BurstTransition,
} from '../../src/analysis/bursts/burst.js';

const SETTINGS = { ratio: 4, minRatePerSecond: 20, falseAlarmsPerYear: 1 };
const TICK = 0.25;

/** mulberry32: a small seeded generator, so that every statistical test is exact. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Poisson by counting exponential gaps; with `clump` events arrive in groups, which makes variance over mean `clump`. */
function countFrom(random: () => number, mean: number, clump = 1): number {
  let count = 0;
  let at = 0;
  for (;;) {
    at += Math.log(1 / (1 - random()));
    if (at >= mean / clump) return count;
    count += clump;
  }
}

interface Run {
  readonly seed: number;
  readonly untilSeconds: number;
  readonly ratePerSecond: (atSeconds: number) => number;
  readonly clump?: number;
  readonly offsetSeconds?: number;
  readonly tickSeconds?: number;
}

function run({ seed, untilSeconds, ratePerSecond, clump = 1, offsetSeconds = 0, tickSeconds = TICK }: Run) {
  const random = randomFrom(seed);
  const detector = new BurstDetector(SETTINGS);
  const transitions: { at: number; transition: BurstTransition }[] = [];
  for (let tick = 1; tick * tickSeconds <= untilSeconds; tick++) {
    const at = tick * tickSeconds;
    const newEvents = countFrom(random, ratePerSecond(at) * tickSeconds, clump);
    const transition = detector.observe(at + offsetSeconds, tickSeconds, newEvents);
    if (transition) transitions.push({ at, transition });
  }
  return { detector, transitions };
}

const starts = (result: ReturnType<typeof run>) =>
  result.transitions.filter(({ transition }) => transition.phase === 'start');
function firstStart(result: ReturnType<typeof run>): BurstStart {
  for (const { transition } of result.transitions) if (transition.phase === 'start') return transition;
  throw new Error('no burst was found');
}

const seeds = Array.from({ length: 60 }, (_, i) => i + 1);
const step = (onset: number, low: number, high: number) => (at: number) => (at > onset ? high : low);

describe('BurstDetector finds', () => {
  it('a 4x step at 100/s after 15 s of traffic, typically in 0.3 s and always within 2 s', () => {
    const delays = seeds.map((seed) => {
      const result = run({ seed, untilSeconds: 25, ratePerSecond: step(15, 100, 400) });
      return (starts(result)[0]?.at ?? Number.POSITIVE_INFINITY) - 15;
    });
    delays.sort((a, b) => a - b);
    expect(delays[0]).toBeGreaterThan(0);
    expect(delays[30]).toBeLessThanOrEqual(0.5);
    expect(delays.at(-1)).toBeLessThanOrEqual(2);
  });

  it('the onset, the rate and the baseline of it', () => {
    for (const seed of seeds.slice(0, 20)) {
      const start = firstStart(run({ seed, untilSeconds: 25, ratePerSecond: step(15, 100, 400) }));
      expect(Math.abs(start.onsetSeconds - 15)).toBeLessThanOrEqual(0.5);
      expect(start.baselinePerSecond).toBeGreaterThan(85);
      expect(start.baselinePerSecond).toBeLessThan(125);
      expect(start.ratio).toBeGreaterThan(3);
      expect(start.ratio).toBeLessThan(5.5);
      expect(start.falseAlarmsPerYear).toBeLessThanOrEqual(1);
    }
  });

  it('a 4x step of clumpy traffic (variance 5 times the mean) within 4 s', () => {
    for (const seed of seeds) {
      const result = run({ seed, untilSeconds: 130, ratePerSecond: step(120, 200, 800), clump: 5 });
      expect(starts(result)).toHaveLength(1);
      expect(starts(result)[0]?.at).toBeLessThanOrEqual(124);
    }
  });

  it.each([TICK, TICK / 2])('every 10x step at 3/s within 3 s, in ticks of %d s', (tickSeconds) => {
    for (const seed of seeds) {
      const found = run({ seed, untilSeconds: 130, ratePerSecond: step(120, 3, 30), tickSeconds });
      expect(starts(found)[0]?.at, `seed ${seed}`).toBeLessThanOrEqual(123);
    }
  });

  it('a rise to 4x that takes 2 s, typically in 2.4 s and always within 6 s', () => {
    const rise = (at: number) => 100 * (1 + 3 * Math.min(1, Math.max(0, (at - 60) / 2)));
    const delays = seeds.map((seed) => {
      const found = run({ seed, untilSeconds: 70, ratePerSecond: rise, clump: 3, tickSeconds: TICK / 2 });
      return (starts(found)[0]?.at ?? Number.POSITIVE_INFINITY) - 60;
    });
    const sorted = delays.toSorted((a, b) => a - b);
    expect(sorted[30]).toBeLessThanOrEqual(2.4);
    expect(sorted.at(-1)).toBeLessThanOrEqual(6);
  });

  it('traffic on a host known to be idle', () => {
    const result = run({ seed: 1, untilSeconds: 45, ratePerSecond: step(40, 0, 60) });
    expect(starts(result)[0]?.at).toBeLessThan(42);
    expect(firstStart(result).baselinePerSecond).toBe(0);
  });
});

describe('BurstDetector stays quiet', () => {
  it('while it learns, and knows no baseline then', () => {
    const { detector, transitions } = run({ seed: 3, untilSeconds: 9.5, ratePerSecond: step(5, 0, 500) });
    expect(transitions).toEqual([]);
    expect(detector.snapshot()).toEqual({ pastDurationsSeconds: [] });
  });

  it('when traffic starts shortly after it did', () => {
    for (const seed of seeds) {
      const result = run({ seed, untilSeconds: 60, ratePerSecond: step(1 + (seed % 20), 0, 300) });
      expect(starts(result)).toEqual([]);
    }
  });

  it('on a handful of connections on an empty host', () => {
    const handful = (at: number) => (at > 60 && at <= 60.5 ? 30 : 0);
    for (const seed of seeds) expect(starts(run({ seed, untilSeconds: 70, ratePerSecond: handful }))).toEqual([]);
  });

  it('on 2x steps, with at most one exception in a hundred', () => {
    for (const [rate, clump] of [
      [30, 1],
      [100, 1],
      [100, 5],
      [1000, 10],
    ] as const) {
      const fired = seeds.flatMap((seed) =>
        starts(run({ seed, untilSeconds: 80, ratePerSecond: step(60, rate, 2 * rate), clump })),
      );
      expect(fired.length / seeds.length).toBeLessThan(0.02);
    }
  });

  it('on any rise to 4x that takes 30 s or more', () => {
    const cases = fc.record({
      seed: fc.nat(1e6),
      rate: fc.integer({ min: 5, max: 500 }),
      rampSeconds: fc.integer({ min: 30, max: 120 }),
    });
    fc.assert(
      fc.property(cases, ({ seed, rate, rampSeconds }) => {
        const ramp = (at: number) => rate * (1 + 3 * Math.min(1, Math.max(0, (at - 40) / rampSeconds)));
        expect(starts(run({ seed, untilSeconds: 60 + rampSeconds, ratePerSecond: ramp }))).toEqual([]);
      }),
      { numRuns: 60, seed: 11 },
    );
  });

  // 4 h each: enough to catch a detector that is too nervous, far too little to prove one false alarm a year.
  it.each([
    [100, 1],
    [100, 5],
    [10, 3],
    [10, 10],
    [1, 1],
  ])('on hours of steady noise at %d/s with dispersion %d', (rate, clump) => {
    expect(starts(run({ seed: 99, untilSeconds: 4 * 3600, ratePerSecond: () => rate, clump }))).toEqual([]);
  });

  it('on a day that swings by 60 %', () => {
    const swing = (at: number) => 50 * (1 + 0.6 * Math.sin((at / 7200) * 2 * Math.PI));
    expect(starts(run({ seed: 5, untilSeconds: 7200, ratePerSecond: swing, clump: 2 }))).toEqual([]);
  });
});

describe('BurstDetector ends a burst', () => {
  it('when the rate falls back, with peak, duration and entries', () => {
    const pulse = (at: number) => (at > 60 && at <= 80 ? 400 : 100);
    const { transitions, detector } = run({ seed: 2, untilSeconds: 100, ratePerSecond: pulse });
    expect(transitions.map(({ transition }) => transition.phase)).toEqual(['start', 'end']);
    const end = transitions[1]?.transition as BurstEnd;
    expect(transitions[1]?.at).toBeLessThan(85);
    expect(end.reason).toBe('over');
    expect(detector.snapshot().pastDurationsSeconds).toEqual([end.durationSeconds]);
    expect(end.durationSeconds).toBeCloseTo(20, 0);
    expect(end.entriesAdded / 6000).toBeCloseTo(1, 1);
    expect(end.peakPerSecond).toBeGreaterThan(400);
    expect(end.ratePerSecond).toBeLessThan(130);
    expect(detector.snapshot().active).toBeUndefined();
  });

  it('when it has lasted ten minutes, as the new usual rate', () => {
    const result = run({ seed: 2, untilSeconds: 900, ratePerSecond: step(60, 100, 400) });
    expect(result.transitions.map(({ transition }) => transition.phase)).toEqual(['start', 'end']);
    expect(result.transitions[1]?.at).toBeCloseTo(660, 0);
    expect(result.transitions[1]?.transition).toMatchObject({ reason: 'usual' });
    expect(result.detector.snapshot().pastDurationsSeconds).toEqual([expect.closeTo(600, 0)]);
    expect(result.detector.snapshot().baselinePerSecond).toBeGreaterThan(370);
  });

  it('and finds the next one', () => {
    const pulses = (at: number) => (at % 60 > 50 ? 500 : 100);
    const { transitions } = run({ seed: 4, untilSeconds: 240, ratePerSecond: pulses });
    expect(transitions.map(({ transition }) => transition.phase).filter((phase) => phase === 'start')).toHaveLength(4);
  });

  it('shows the burst in the snapshot while it lasts', () => {
    const { detector } = run({ seed: 6, untilSeconds: 62, ratePerSecond: step(60, 100, 400) });
    expect(detector.snapshot().active?.ratio).toBeGreaterThan(3);
    expect(detector.snapshot().baselinePerSecond).toBeLessThan(120);
  });
});

describe('BurstDetector expects', () => {
  const pulses = (at: number, seconds = 10, rate = 500) => (at > 60 && at % 300 <= seconds ? rate : 100);

  it('a burst that came three times at one distance, without calling it news', () => {
    const { transitions } = run({ seed: 5, untilSeconds: 2000, ratePerSecond: (at) => pulses(at) });
    const told = starts({ transitions, detector: new BurstDetector(SETTINGS) }).map(({ transition }) =>
      transition.phase === 'start' ? transition.expected?.times : undefined,
    );
    expect(told).toEqual([undefined, undefined, undefined, 4, 5, 6]);
  });

  it('shows it in the snapshot for the forecast', () => {
    const { detector } = run({ seed: 5, untilSeconds: 1504, ratePerSecond: (at) => pulses(at) });
    const { active, pastDurationsSeconds } = detector.snapshot();
    expect(active?.expected?.times).toBe(5);
    expect(active?.expected?.periodSeconds).toBeCloseTo(300, 0);
    expect(active?.expected?.usualDurationSeconds).toBeCloseTo(10, 0);
    expect((active?.expected?.usualEntriesAdded ?? 0) / 4000).toBeCloseTo(1, 1);
    expect(pastDurationsSeconds).toHaveLength(4);
  });

  it.each([
    ['longer', (at: number) => pulses(at, at > 1400 ? 120 : 10)],
    ['larger', (at: number) => pulses(at, 10, at > 1400 ? 2500 : 500)],
  ] as const)('no burst that is %s than its kind: that is news', (outgrown, ratePerSecond) => {
    const { transitions, detector } = run({ seed: 5, untilSeconds: 1560, ratePerSecond });
    const news = starts({ transitions, detector }).filter(({ transition }) => 'outgrown' in transition);
    expect(news.map(({ transition }) => transition)).toMatchObject([{ outgrown, expected: { times: 5 } }]);
    expect(news[0]?.at).toBeLessThan(1500 + 31);
    expect(detector.snapshot().active?.expected).toBeUndefined();
  });
});

describe('BurstDetector', () => {
  it('does not care what time it is', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: -4096, max: 1 << 20 }), (seed, offsetSeconds) => {
        const shape = { seed, untilSeconds: 40, ratePerSecond: step(20, 100, 400) };
        const [here] = starts(run(shape));
        const [there] = starts(run({ ...shape, offsetSeconds }));
        expect(there?.at).toBe(here?.at);
        expect((there?.transition.onsetSeconds ?? 0) - offsetSeconds).toBeCloseTo(
          here?.transition.onsetSeconds ?? 0,
          6,
        );
      }),
      { numRuns: 20, seed: 3 },
    );
  });

  it('finds a multiple of what it finds', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 2, max: 50 }), (seed, factor) => {
        const plain = run({ seed, untilSeconds: 30, ratePerSecond: step(20, 100, 400) });
        const scaled = run({ seed, untilSeconds: 30, ratePerSecond: step(20, 100 * factor, 400 * factor) });
        expect(starts(scaled)).toHaveLength(starts(plain).length);
        expect(starts(scaled)[0]?.at).toBeLessThanOrEqual(22);
      }),
      { numRuns: 20, seed: 3 },
    );
  });

  it('handles ticks of any length', () => {
    const random = randomFrom(8);
    const detector = new BurstDetector(SETTINGS);
    let at = 0;
    let found: BurstTransition | undefined;
    while (at < 70 && !found) {
      const seconds = random() < 0.1 ? 1.5 * random() : 0.02 + 0.4 * random();
      const rate = at + seconds > 60 ? 400 : 100;
      at += seconds;
      found = detector.observe(at, seconds, countFrom(random, rate * seconds));
    }
    expect(at).toBeGreaterThan(60);
    expect(at).toBeLessThan(63);
  });

  it('gives finite numbers for ticks of any length and counts of any size', () => {
    const tick = fc.record({
      seconds: fc.oneof(fc.double({ min: 0, max: 2 }), fc.constantFrom(0, -1, 3600, 1e9, Number.NaN, 1e-9)),
      events: fc.oneof(fc.nat(2000), fc.constantFrom(0, -5, 1e9, 1e15, Number.NaN, Number.POSITIVE_INFINITY)),
      jumpSeconds: fc.constantFrom(0, 0, 0, 0, -1000, 1e6),
    });
    fc.assert(
      fc.property(fc.array(tick, { maxLength: 300 }), (ticks) => {
        const detector = new BurstDetector(SETTINGS);
        let at = 0;
        for (const { seconds, events, jumpSeconds } of ticks) {
          at += (Number.isNaN(seconds) ? 0 : seconds) + jumpSeconds;
          const { baselinePerSecond, active } = detector.snapshot();
          const numbers = { ...detector.observe(at, seconds, events), baselinePerSecond, ...active };
          for (const value of Object.values(numbers)) {
            if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
          }
          expect(baselinePerSecond ?? 0).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 200, seed: 7 },
    );
  });

  it('sees the same in ticks that are joined, a tick later at most', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 2, max: 4 }), (seed, parts) => {
        const random = randomFrom(seed);
        const whole = new BurstDetector(SETTINGS);
        const parted = new BurstDetector(SETTINGS);
        const found = { whole: Number.NaN, parted: Number.NaN };
        for (let k = 1; k <= 200; k++) {
          const seconds = TICK * parts;
          const counts = Array.from({ length: parts }, () => countFrom(random, (k > 100 ? 400 : 100) * TICK));
          const at = k * seconds;
          const sum = counts.reduce((total, count) => total + count, 0);
          if (whole.observe(at, seconds, sum)) found.whole ||= at;
          counts.forEach((count, i) => {
            const partAt = at - seconds + (i + 1) * TICK;
            if (parted.observe(partAt, TICK, count)) found.parted ||= partAt;
          });
        }
        expect(found.whole - found.parted).toBeGreaterThanOrEqual(0);
        expect(found.whole - found.parted).toBeLessThanOrEqual(2 * TICK * parts);
      }),
      { numRuns: 30, seed: 2 },
    );
  });

  it('ends no burst and stretches none when the clock jumps', () => {
    const detector = new BurstDetector(SETTINGS);
    let jump = 0;
    const phases: string[] = [];
    for (let tick = 1; tick <= 400; tick++) {
      if (tick === 300) jump = 5000;
      const newEvents = tick > 240 && tick <= 320 ? 100 : 25;
      const transition = detector.observe(tick * TICK + jump, TICK, newEvents);
      if (transition) phases.push(transition.phase);
      if (transition?.phase === 'end') expect(transition).toMatchObject({ reason: 'over', durationSeconds: 20 });
    }
    expect(phases).toEqual(['start', 'end']);
  });

  it('keeps what is usual when its settings change, and judges by the new ones', () => {
    const startsAfter = (settings: typeof SETTINGS) => {
      const detector = new BurstDetector({ ...SETTINGS, ratio: 50 });
      const found: BurstTransition[] = [];
      for (let tick = 1; tick <= 400; tick++) {
        if (tick === 200) detector.configure(settings);
        const transition = detector.observe(tick * TICK, TICK, tick > 240 ? 100 : 25);
        if (transition) found.push(transition);
      }
      return found;
    };
    expect(startsAfter({ ...SETTINGS, ratio: 50 })).toEqual([]);
    expect(startsAfter(SETTINGS)).toMatchObject([{ phase: 'start', baselinePerSecond: 100, onsetSeconds: 60 }]);
  });
});
