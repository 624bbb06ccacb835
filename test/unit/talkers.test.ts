import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TALKER_DECAY_SECONDS, Talkers } from '../../src/analysis/talkers.js';
import { createBatch } from '../../src/model/batch.js';

const batch = createBatch(8);

interface Destination {
  readonly family?: number;
  readonly protocol?: number;
  readonly address: readonly number[];
  readonly port: number;
}

function observe(talkers: Talkers, { family = 2, protocol = 6, address, port }: Destination, times = 1): void {
  const { columns } = batch;
  columns.family[0] = family;
  columns.protocol[0] = protocol;
  columns.originalDestinationPort[0] = port;
  columns.originalDestination.bytes.fill(0, 0, 16);
  columns.originalDestination.bytes.set(address);
  for (let i = 0; i < times; i++) talkers.observeNew(columns, 0);
}

const addressOf = (n: number) => [10, (n >> 16) & 255, (n >> 8) & 255, n & 255];

describe('Talkers', () => {
  it('reports rate and share of few destinations exactly', () => {
    const talkers = new Talkers();
    for (let tick = 0; tick < 400; tick++) {
      observe(talkers, { address: addressOf(1), port: 6379 }, 30);
      observe(talkers, { address: addressOf(2), port: 443 }, 10);
      talkers.advance(0.25);
    }
    const [first, second, ...rest] = talkers.snapshot(5);
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ family: 2, protocol: 6, port: 6379, errorRatio: 0 });
    expect([...(first?.address ?? [])]).toEqual([10, 0, 0, 1, ...Array(12).fill(0)]);
    expect(first?.newPerSecond).toBeCloseTo(120, 6);
    expect(first?.shareRatio).toBeCloseTo(0.75, 9);
    expect(second?.newPerSecond).toBeCloseTo(40, 6);
  });

  it('tells family, protocol, port and every word of the address apart, and ignores what is no key', () => {
    const talkers = new Talkers();
    const address = [...Array(16).keys()];
    observe(talkers, { address, port: 53 });
    observe(talkers, { address: [...address.slice(0, 4), 9, 9, 9, 9], port: 53 });
    expect(talkers.snapshot(9)).toHaveLength(1);
    observe(talkers, { address, port: 53, protocol: 17 });
    observe(talkers, { address, port: 54 });
    observe(talkers, { address, port: 53, family: 10 });
    for (const word of [0, 4, 8, 12]) {
      observe(talkers, { address: address.map((byte, i) => (i === word ? byte ^ 1 : byte)), port: 53, family: 10 });
    }
    expect(talkers.snapshot(99)).toHaveLength(8);
    observe(talkers, { address, port: 2048, protocol: 1 });
    observe(talkers, { address, port: 0, protocol: 1 });
    expect(talkers.snapshot(99).filter(({ protocol }) => protocol === 1)).toMatchObject([{ port: 0 }]);
  });

  it('never moves what it handed out', () => {
    const talkers = new Talkers();
    observe(talkers, { address: addressOf(1), port: 1 });
    const [before] = talkers.snapshot(1);
    for (let n = 0; n < 2000; n++) observe(talkers, { address: addressOf(1000 + n), port: 2 });
    expect([...(before?.address ?? [])].slice(0, 4)).toEqual([10, 0, 0, 1]);
  });

  it('holds its error bound against exact decayed counts, whatever comes', () => {
    const step = fc.record({ n: fc.nat(600), times: fc.integer({ min: 1, max: 5 }), advance: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 300, maxLength: 1500 }), (steps) => {
        const talkers = new Talkers();
        const exact = new Map<number, number>();
        let total = 0;
        for (const { n, times, advance } of steps) {
          observe(talkers, { address: addressOf(n), port: 80 }, times);
          exact.set(n, (exact.get(n) ?? 0) + times);
          total += times;
          if (!advance) continue;
          talkers.advance(0.25);
          const kept = Math.exp(-0.25 / TALKER_DECAY_SECONDS);
          for (const [key, weight] of exact) exact.set(key, weight * kept);
          total *= kept;
        }
        const found = talkers.snapshot(999);
        let sum = 0;
        for (const { address, shareRatio, errorRatio } of found) {
          const weight = shareRatio * total;
          const truth = exact.get(((address[1] ?? 0) << 16) | ((address[2] ?? 0) << 8) | (address[3] ?? 0)) ?? 0;
          expect(truth).toBeLessThanOrEqual(weight + 1e-6);
          expect(truth).toBeGreaterThanOrEqual(weight * (1 - errorRatio) - 1e-6);
          sum += weight;
        }
        // Space-saving loses nothing: the counters add up to the total, so the smallest is at most 1/256 of it.
        expect(sum).toBeCloseTo(total, 6);
        const watched = new Set(found.map(({ address }) => ((address[2] ?? 0) << 8) | (address[3] ?? 0)));
        for (const [n, weight] of exact) if (weight > total / 256 + 1e-6) expect(watched.has(n)).toBe(true);
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  it('keeps a heavy hitter on top of a scan of random destinations', () => {
    const talkers = new Talkers();
    let n = 0;
    for (let tick = 0; tick < 200; tick++) {
      observe(talkers, { address: [10, 0, 0, 5], port: 6379 }, 50);
      for (let i = 0; i < 200; i++) observe(talkers, { address: addressOf(++n + 65_536), port: n & 0xffff });
      talkers.advance(0.25);
    }
    const [top] = talkers.snapshot(1);
    expect(top?.port).toBe(6379);
    expect(top?.newPerSecond).toBeCloseTo(200, 0);
    expect(top?.shareRatio).toBeCloseTo(0.2, 2);
  });

  it('survives a day without running out of range', () => {
    const talkers = new Talkers();
    for (let second = 0; second < 86_400; second++) {
      if (second % 7 === 0) observe(talkers, { address: addressOf(second % 5), port: 80 }, 7);
      talkers.advance(1);
    }
    const total = talkers.snapshot(9).reduce((sum, { newPerSecond }) => sum + newPerSecond, 0);
    expect(total).toBeGreaterThan(0.5);
    expect(total).toBeLessThan(1.5);
  });
});

describe('growth', () => {
  const WEB = { address: [10, 0, 0, 1], port: 8080 };
  const REDIS = { address: [10, 0, 0, 5], port: 6379 };

  /** Seconds of steady traffic with a mark every four. */
  function steady(talkers: Talkers, seconds: number): void {
    for (let second = 1; second <= seconds; second++) {
      observe(talkers, WEB, 60);
      observe(talkers, REDIS, 2);
      talkers.advance(1);
      if (second % 4 === 0) talkers.mark();
    }
  }

  it('names who has grown, not who is large', () => {
    const talkers = new Talkers();
    steady(talkers, 12);
    observe(talkers, WEB, 60);
    observe(talkers, REDIS, 60);
    talkers.advance(1);
    expect(talkers.snapshot(1)[0]?.port).toBe(8080);
    const [first] = talkers.growth(1);
    expect(first?.port).toBe(6379);
    expect(first?.shareRatio).toBeGreaterThan(0.9);
  });

  it('is compared with what was usual before the longest window of a burst', () => {
    const talkers = new Talkers();
    steady(talkers, 12);
    // Two marks come while the burst grows; the third last is still from before.
    for (let second = 1; second <= 8; second++) {
      observe(talkers, WEB, 60);
      observe(talkers, REDIS, 100);
      talkers.advance(1);
      if (second % 4 === 0) talkers.mark();
    }
    expect(talkers.growth(1)[0]?.port).toBe(6379);
    expect(talkers.growth(1)[0]?.shareRatio).toBeGreaterThan(0.9);
  });

  it('is empty when nobody grows', () => {
    const talkers = new Talkers();
    steady(talkers, 60);
    expect(talkers.growth(5).filter(({ newPerSecond }) => newPerSecond > 61)).toEqual([]);
  });
});
