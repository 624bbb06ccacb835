import { describe, expect, it } from 'vitest';
import { type SightedLives, Sightings } from '../../src/analysis/forecast/sightings.js';
import { writeSurvival } from '../../src/analysis/forecast/survival.js';
import { createBatch, PRESENT } from '../../src/model/batch.js';
import { HOST } from '../support/records.js';

const { columns } = createBatch(8);
const ASSURED = 4;

interface Seen {
  readonly protocol?: number;
  readonly state?: number;
  readonly left: number;
  readonly isAssured?: boolean;
  readonly flows: number;
}

const see = (sightings: Sightings, ageSeconds: number, atSeconds: number, { protocol = 6, ...seen }: Seen) => {
  columns.protocol[0] = protocol;
  columns.tcpState[0] = seen.state ?? 0;
  columns.timeoutSeconds[0] = seen.left;
  columns.status[0] = seen.isAssured ? ASSURED : 0;
  columns.present[0] = PRESENT.timeout | PRESENT.status;
  for (let i = 0; i < seen.flows; i++) sightings.observe(atSeconds, 3, ageSeconds, columns, 0, true);
};
const gone = (sightings: Sightings, ageSeconds: number, atSeconds: number, flows: number) => {
  for (let i = 0; i < flows; i++) sightings.observe(atSeconds, 3, ageSeconds, columns, 0, false);
};
const sightingsOf = () => new Sightings(HOST.timeouts);
const [SYN_RECV, ESTABLISHED, TIME_WAIT, CLOSE] = [2, 3, 7, 8];

/** Survivors at some ages if only the sight counts. */
function survivors(lives: SightedLives | undefined, closing: -1 | 0 | 1, ages: readonly number[]): number[] {
  const hazards = lives?.hazards(closing);
  let left = 1;
  const all = Array.from({ length: 600 }, (_, age) => {
    const now = left;
    left *= 1 - (hazards?.(age) ?? 0);
    return now;
  });
  return ages.map((age) => Math.round((all[age] ?? 0) * 100) / 100);
}

describe('Sightings', () => {
  it('knows when half-open flows end, whatever the world', () => {
    const sightings = sightingsOf();
    see(sightings, 2.5, 100, { state: SYN_RECV, left: 57, flows: 40 });
    const lives = sightings.view(3, 6);
    expect(lives?.weight).toBeGreaterThan(0.9);
    expect(lives?.knownRatio).toBe(1);
    for (const world of [-1, 0, 1] as const) expect(survivors(lives, world, [3, 59, 63])).toEqual([1, 1, 0]);
  });

  it('takes established flows to stay, longer the more of them were still open at the second age', () => {
    const sightings = sightingsOf();
    see(sightings, 2.5, 100, { state: ESTABLISHED, left: 432_000, isAssured: true, flows: 100 });
    const young = sightings.view(3, 6);
    const [youngSlow, , youngFast] = ([-1, 0, 1] as const).map((world) => survivors(young, world, [120, 300]));
    expect(youngSlow).toEqual([1, 1]);
    expect(youngFast?.[0]).toBe(1);
    expect(youngFast?.[1]).toBeLessThan(0.3);
    see(sightings, 15.5, 100, { state: ESTABLISHED, left: 432_000, isAssured: true, flows: 400 });
    const old = sightings.view(3, 6);
    expect(survivors(old, 1, [120, 300])[1]).toBeGreaterThan(0.9);
    expect(old?.knownRatio).toBeGreaterThan(0.9);
    expect(young?.knownRatio).toBeLessThan(0.5);
  });

  it('takes UDP streams that have been silent to run out, and those that have not to stay', () => {
    const sightings = sightingsOf();
    see(sightings, 15.5, 100, { protocol: 17, left: 107, isAssured: true, flows: 20 });
    see(sightings, 15.5, 100, { protocol: 17, left: 119, isAssured: true, flows: 20 });
    expect(survivors(sightings.view(3, 17), -1, [118, 126, 130])).toEqual([1, 0.5, 0.5]);
  });

  it('knows at the first age how fast flows have closed so far, and does not hold it against those that stay', () => {
    const [none, many] = [sightingsOf(), sightingsOf()];
    see(none, 2.5, 100, { state: ESTABLISHED, left: 432_000, isAssured: true, flows: 200 });
    see(many, 2.5, 100, { state: ESTABLISHED, left: 432_000, isAssured: true, flows: 20 });
    see(many, 2.5, 100, { state: TIME_WAIT, left: 118, isAssured: true, flows: 180 });
    const leftAt = (sightings: Sightings) => survivors(sightings.view(3, 6), 0, [110, 160]);
    expect(leftAt(none)[1]).toBeGreaterThan(0.9);
    expect(leftAt(many)).toEqual([1, 0.02]);
    see(many, 15.5, 100, { state: ESTABLISHED, left: 432_000, isAssured: true, flows: 20 });
    see(many, 15.5, 100, { state: TIME_WAIT, left: 105, isAssured: true, flows: 180 });
    expect(leftAt(many)[1]).toBeGreaterThan(0.05);
  });

  it('reads how fast open flows close from how many are left', () => {
    const sightings = sightingsOf();
    const mean = 60;
    const openAt = (age: number) => Math.exp(-age / mean);
    for (const age of [2.5, 15.5]) {
      const open = Math.round(500 * openAt(age));
      see(sightings, age, 100, { state: ESTABLISHED, left: 432_000, isAssured: true, flows: open });
      see(sightings, age, 100, { state: TIME_WAIT, left: 115, isAssured: true, flows: 500 - open });
    }
    const lives = sightings.view(3, 6);
    // Half of the open ones have closed after 42 s, and are there for another two minutes.
    const [at140, at180, at240] = survivors(lives, 0, [140, 180, 240]);
    expect(at140).toBeGreaterThan(0.7);
    expect(at180).toBeGreaterThan(0.25);
    expect(at180).toBeLessThan(0.5);
    expect(at240).toBeLessThan(0.2);
  });

  it('tells reset flows from closed ones, and lets the second age decide', () => {
    const sightings = sightingsOf();
    see(sightings, 2.5, 100, { state: CLOSE, left: 9, flows: 30, isAssured: true });
    see(sightings, 2.5, 100, { state: TIME_WAIT, left: 118, flows: 30, isAssured: true });
    expect(survivors(sightings.view(3, 6), 0, [8, 14, 110, 124])).toEqual([1, 0.5, 0.5, 0]);
    gone(sightings, 15.5, 100, 15);
    see(sightings, 15.5, 100, { state: TIME_WAIT, left: 105, flows: 15, isAssured: true });
    expect(survivors(sightings.view(3, 6), 0, [8, 14, 110, 124])).toEqual([1, 0.5, 0.5, 0]);
  });

  it('takes UDP to end at what is left of its timeout, unless it is assured or renewed', () => {
    const unanswered = sightingsOf();
    see(unanswered, 2.5, 100, { protocol: 17, left: 27, flows: 20 });
    expect(survivors(unanswered.view(3, 17), 0, [29, 33])).toEqual([1, 0]);
    const stream = sightingsOf();
    see(stream, 2.5, 100, { protocol: 17, left: 119, isAssured: true, flows: 20 });
    expect(survivors(stream.view(3, 17), 1, [29, 120])).toEqual([1, 1]);
    const renewed = sightingsOf();
    see(renewed, 15.5, 100, { protocol: 17, left: 29, flows: 20 });
    expect(survivors(renewed.view(3, 17), 1, [33, 90])).toEqual([1, 1]);
  });

  it('tells by age what the kernel may evict', () => {
    const sightings = sightingsOf();
    see(sightings, 2.5, 100, { protocol: 17, left: 27, flows: 30 });
    see(sightings, 2.5, 100, { protocol: 17, left: 119, isAssured: true, flows: 10 });
    const ratios = sightings.view(3, 17)?.unassuredByAge();
    expect([ratios?.[2], ratios?.[20], ratios?.[40], ratios?.[512]]).toEqual([0.75, 0.75, 0, 0]);
  });

  it('forgets, keeps classes apart, and says nothing of what it has not seen', () => {
    const sightings = sightingsOf();
    expect(sightings.view(3, 6)).toBeUndefined();
    gone(sightings, 15.5, 100, 9);
    expect(sightings.view(3, 6)).toBeUndefined();
    see(sightings, 2.5, 100, { state: SYN_RECV, left: 57, flows: 40 });
    expect(sightings.view(4, 6)).toBeUndefined();
    see(sightings, 2.5, 1000, { state: TIME_WAIT, left: 117, isAssured: true, flows: 10 });
    expect(survivors(sightings.view(3, 6), 0, [70, 110])).toEqual([1, 1]);
    sightings.clear(3);
    expect(sightings.view(3, 6)).toBeUndefined();
  });

  it('takes the place of the worlds beyond what was observed, as far as it is to be believed', () => {
    const learned = {
      ...{ hazards: new Float64Array(513).fill(1e-4), frontierSeconds: 4, confirmedSeconds: 4 },
      ...{ protocol: 6, hazardRatio: 1 },
    };
    const at = (flows: number, world: 'expected' | 'stays' | 'short') => {
      const sightings = sightingsOf();
      see(sightings, 2.5, 100, { state: SYN_RECV, left: 57, flows });
      const sighted = sightings.view(3, 6);
      const curve = new Float64Array(700);
      writeSurvival(curve, { ...learned, ...(sighted && { sighted }) }, world, HOST.timeouts);
      return [curve[50] ?? 0, curve[70] ?? 0] as const;
    };
    for (const world of ['expected', 'stays', 'short'] as const) {
      const [before, after] = at(200, world);
      expect(before).toBeGreaterThan(0.95);
      expect(after).toBeLessThan(0.05);
    }
    expect(at(0, 'stays')[1]).toBeGreaterThan(0.99);
    expect(at(1, 'stays')[1]).toBeGreaterThan(0.5);
  });
});
