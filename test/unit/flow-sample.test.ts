import { describe, expect, it } from 'vitest';
import { FlowSample, type SampledFlow } from '../../src/kernel/flow-sample.js';
import { createBatch, type EventBatch } from '../../src/model/batch.js';
import { batchOf, type FlowRow } from '../support/records.js';

/** `count` flows to `destinationPort`, ids from `id`. */
const flowsTo = (destinationPort: number, count: number, id = 1, more: Partial<FlowRow> = {}): FlowRow[] =>
  Array.from({ length: count }, (_, i) => ({ id: id + i, destinationPort, ...more }));

/** Alternates the rows of several lists as traffic would. */
function mix(...lists: readonly FlowRow[][]): FlowRow[] {
  return lists
    .flatMap((list) => list.map((row, i) => ({ row, at: (i + 0.5) / list.length })))
    .sort((a, b) => a.at - b.at)
    .map(({ row }) => row);
}

/** Feeds each second in ten batches and returns what was picked in each. */
function run(sample: FlowSample, seconds: number, rowsOf: (second: number) => FlowRow[], start = 100): SampledFlow[][] {
  return Array.from({ length: seconds }, (_, second) => {
    const rows = rowsOf(second);
    const size = Math.ceil(rows.length / 10);
    return Array.from({ length: 10 }, (_, i) => batchOf(rows.slice(i * size, (i + 1) * size))).flatMap((batch, i) =>
      sample.observe(batch, start + second + i / 10),
    );
  });
}

const portsOf = (picks: readonly SampledFlow[]) => picks.map(({ original }) => original.destinationPort);
const countOf = (picks: readonly SampledFlow[], port: number) => portsOf(picks).filter((p) => p === port).length;

describe('FlowSample', () => {
  it('picks every flow of a quiet host once, as a copy', () => {
    const sample = new FlowSample({ perSecond: 64, kinds: 'port' });
    const batch = batchOf([{ id: 7, destinationPort: 443, sourcePort: 40_112, protocol: 6 }], [{ id: 9 }]);
    batch.columns.zone[0] = 12;
    batch.columns.replySource.bytes.set([172, 16, 0, 4], 0);
    const picks = sample.observe(batch, 100.5);
    new Uint8Array(batch.buffer).fill(0xa5);
    const padded = (...address: number[]) => Uint8Array.from([...address, ...Array(12).fill(0)]);
    expect(picks).toEqual([
      {
        atSeconds: 100.5,
        family: 2,
        protocol: 6,
        zone: 12,
        id: 7,
        original: {
          source: padded(10, 0, 0, 9),
          destination: padded(10, 0, 0, 5),
          sourcePort: 40_112,
          destinationPort: 443,
        },
        reply: {
          source: padded(172, 16, 0, 4),
          destination: padded(10, 0, 0, 9),
          sourcePort: 443,
          destinationPort: 40_112,
        },
      },
    ]);
    expect(sample.observe(batchOf([], [{ id: 7 }]), 100.6)).toEqual([]);
    const ids = run(sample, 20, (second) => flowsTo(443, 8, second * 8), 101).map((picked) =>
      picked.map(({ id }) => id),
    );
    expect(ids).toEqual(Array.from({ length: 20 }, (_, s) => Array.from({ length: 8 }, (_, i) => s * 8 + i)));
  });

  it('never picks more than asked for in a second, and uses half of it evenly over the second', () => {
    const sample = new FlowSample({ perSecond: 64, kinds: 'port' });
    const bySecond = run(sample, 12, (second) => flowsTo(443, 5000, second * 5000));
    for (const [second, picks] of bySecond.entries()) {
      expect(picks.length).toBeLessThanOrEqual(64);
      if (second === 0) continue;
      const places = picks.map(({ id }) => id - second * 5000);
      expect(places.filter((place) => place < 2500).length).toBeGreaterThanOrEqual(16);
      expect(places.filter((place) => place >= 2500).length).toBeGreaterThanOrEqual(15);
      expect(Math.max(...places)).toBeGreaterThan(4500);
    }
  });

  it('stays within its bound at a thousand kinds and a hundred thousand flows a second', () => {
    const sample = new FlowSample({ perSecond: 64, kinds: 'port' });
    const rows = Array.from({ length: 100_000 }, (_, i) => ({ id: i, destinationPort: 1 + (i % 1000) }));
    for (const picks of run(sample, 3, () => rows)) {
      expect(picks.length).toBeGreaterThanOrEqual(32);
      expect(picks.length).toBeLessThanOrEqual(64);
    }
  });

  it('picks a kind at its first flow, however busy the others are, and goes on with it', () => {
    const sample = new FlowSample({ perSecond: 64, kinds: 'port' });
    const busy = (second: number) => flowsTo(443, 20_000, second * 20_000);
    run(sample, 10, busy);
    const bySecond = run(sample, 8, (s) => mix(busy(s), flowsTo(9000, 20, 5_000_000 + s * 20)), 110);
    const first = bySecond[0]?.find(({ original }) => original.destinationPort === 9000);
    expect(first?.id).toBe(5_000_000);
    const picked = bySecond.map((picks) => countOf(picks, 9000));
    expect(picked[0]).toBeGreaterThanOrEqual(4);
    expect(picked.slice(1).reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(2);
    expect(bySecond.every((picks) => countOf(picks, 443) >= 30)).toBe(true);
  });

  it('gives each of many kinds its turn, the kinds that others came before too', () => {
    const sample = new FlowSample({ perSecond: 64, kinds: 'port' });
    const ports = Array.from({ length: 100 }, (_, i) => 2000 + i);
    const picks = run(sample, 20, (s) => mix(...ports.map((port, i) => flowsTo(port, 50, s * 5000 + i * 50)))).flat();
    expect(new Set(portsOf(picks)).size).toBe(100);
  });

  it('tells destinations apart when asked to', () => {
    const rows = (second: number) =>
      mix(flowsTo(443, 20_000, second * 20_000), flowsTo(443, 10, 9_000_000 + second * 10, { destination: 77 }));
    const toSmall = (picks: SampledFlow[][]) =>
      picks.flat().filter(({ original }) => original.destination[3] === 77).length;
    const byDestination = run(new FlowSample({ perSecond: 64, kinds: 'destination' }), 12, rows);
    const byPort = run(new FlowSample({ perSecond: 64, kinds: 'port' }), 12, rows);
    expect(toSmall(byDestination)).toBeGreaterThanOrEqual(5);
    expect(toSmall(byPort)).toBeLessThan(toSmall(byDestination));
  });

  it('tells IPv6 destinations apart by all of their words, and IPv4 ones only by their address', () => {
    const picksOf = (prepare: (batch: EventBatch, row: number) => void, family: number) => {
      const sample = new FlowSample({ perSecond: 2, kinds: 'destination' });
      const batch = createBatch(8);
      batch.newCount = 8;
      for (let row = 0; row < 8; row++) {
        batch.columns.family[row] = family;
        prepare(batch, row);
      }
      // One even pick; of the turns one a second is left.
      return Array.from({ length: 8 }, (_, second) => sample.observe(batch, 100 + second).length).reduce(
        (a, b) => a + b,
      );
    };
    const setWord = (word: number) => (batch: EventBatch, row: number) => {
      batch.columns.originalDestination.words[row * 4 + word] = row + 1;
    };
    const alike = picksOf(setWord(3), 2);
    for (const word of [0, 1, 2, 3]) expect(picksOf(setWord(word), 10)).toBeGreaterThan(alike);
  });

  it('thins a flood that begins in the middle of a second, and takes a clock that stands still', () => {
    const sample = new FlowSample({ perSecond: 16, kinds: 'port' });
    run(sample, 5, (s) => flowsTo(443, 10, s * 10));
    const flood = run(sample, 3, (s) => flowsTo(80, 50_000, s * 50_000), 105);
    expect(flood.map((picks) => picks.length).every((n) => n > 7 && n <= 16)).toBe(true);
    const still = Array.from({ length: 50 }, () => sample.observe(batchOf(flowsTo(80, 100)), 108)).flat();
    expect(still.length).toBeLessThanOrEqual(16);
  });
});
