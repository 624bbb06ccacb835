import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGES_SECONDS, Lifetimes, type LifetimesView } from '../../src/analysis/lifetimes.js';
import { createBatch, PRESENT } from '../../src/model/batch.js';
import { TRACKED_FLOWS_MAX } from '../../src/model/limits.js';

const { columns } = createBatch(8);

interface Flow {
  readonly n: number;
  readonly port?: number;
  readonly protocol?: number;
  readonly id?: number;
  readonly present?: number;
}

/** Puts a flow into row 0; the id is a bijective hash of `n`, as the kernel's is of the tuple. */
function put({ n, port = 80, protocol = 6, id = Math.imul(n, 0x9e3779b1) >>> 0, present = 0 }: Flow): void {
  columns.id[0] = id;
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

const mass = (view: LifetimesView) =>
  view.classes.reduce((sum, each) => sum + each.aliveOlder + each.aliveByAge.reduce((a, b) => a + b, 0), 0);

/** `perSecond` flows a second; each lives as long as `lifeSeconds` says. */
function run(
  perSecond: number,
  untilSeconds: number,
  lifeSeconds: (n: number) => number,
  port?: (n: number) => number,
) {
  const lifetimes = new Lifetimes();
  const ending = new Map<number, number[]>();
  let n = 0;
  const flow = (k: number) => ({ n: k, port: port?.(k) ?? 80 });
  for (let at = 0; at < untilSeconds; at++) {
    for (let i = 0; i < perSecond; i++, n++) {
      born(lifetimes, at + 0.1, flow(n));
      const end = at + lifeSeconds(n);
      ending.set(end, [...(ending.get(end) ?? []), n]);
    }
    for (const k of ending.get(at) ?? []) died(lifetimes, at + 0.2, flow(k));
    lifetimes.advance(at + 0.5, 1);
  }
  return lifetimes;
}

describe('Lifetimes', () => {
  it('learns a fixed lifetime as one age at which everything leaves', () => {
    const { hazards, frontierSeconds } = classOf(run(50, 120, () => 30).view(), 80);
    expect(hazards.slice(0, 30).every((hazard) => hazard === 0)).toBe(true);
    expect(hazards[30]).toBeGreaterThan(0.97);
    expect(frontierSeconds).toBeGreaterThan(30);
    expect(frontierSeconds).toBeLessThan(34);
  });

  it('learns the hazard of an exponential lifetime', () => {
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state + 1) / (2 ** 32 + 1);
    };
    const { hazards } = classOf(run(200, 300, () => Math.floor(-20 * Math.log(random()))).view(), 80);
    for (let age = 0; age < 40; age++) expect(hazards[age]).toBeCloseTo(1 - Math.exp(-1 / 20), 1);
    const mean = hazards.slice(0, 40).reduce((a, b) => a + b, 0) / 40;
    expect(mean).toBeCloseTo(1 - Math.exp(-1 / 20), 2);
  });

  it('takes flows that still live as survivors of the ages they reached', () => {
    const { hazards, frontierSeconds } = classOf(run(100, 15, () => 120).view(), 80);
    expect(hazards.slice(0, 14).every((hazard) => hazard === 0)).toBe(true);
    expect(frontierSeconds).toBeGreaterThanOrEqual(13);
    expect(frontierSeconds).toBeLessThanOrEqual(15);
  });

  it('keeps classes of different ports apart', () => {
    const view = run(
      100,
      60,
      (n) => (n % 2 ? 5 : 20),
      (n) => (n % 2 ? 53 : 443),
    ).view();
    expect(classOf(view, 53).hazards[5]).toBeGreaterThan(0.9);
    expect(classOf(view, 443).hazards[5]).toBeLessThan(0.1);
    expect(classOf(view, 443).hazards[20]).toBeGreaterThan(0.9);
  });

  it('shares arrivals by class, lost events included', () => {
    const lifetimes = new Lifetimes();
    for (let at = 0; at < 20; at++) {
      for (let i = 0; i < 40; i++) born(lifetimes, at + 0.1, { n: at * 40 + i, port: i % 4 ? 443 : 53 });
      lifetimes.advance(at + 0.9, 1, 80);
    }
    const { arrivals, classes } = lifetimes.view();
    expect(arrivals.newPerSecond).toBeCloseTo(80, 6);
    const total = classes.reduce((sum, { index }) => sum + (arrivals.classNewPerSecond[index] ?? 0), 0);
    expect(total).toBeCloseTo(80, 6);
    const share = (arrivals.classNewPerSecond[classOf(lifetimes.view(), 443).index] ?? 0) / 80;
    expect(share).toBeGreaterThan(0.7);
  });

  it('reads the rate since the onset of a burst', () => {
    const lifetimes = new Lifetimes();
    for (let at = 0; at < 30; at++) lifetimes.advance(at, 1, at > 27 ? 300 : 100);
    expect(lifetimes.view(27).arrivals.newPerSecond).toBe(300);
  });

  it('thins the sample instead of growing, and stays right', () => {
    const view = run(3000, 40, () => 10).view();
    expect(view.factor).toBeGreaterThan(1);
    expect(mass(view) * view.factor).toBeGreaterThan(27_000);
    expect(mass(view) * view.factor).toBeLessThan(33_000);
    expect(classOf(view, 80).hazards[10]).toBeGreaterThan(0.95);
  });

  it('is not confused by two flows with one id', () => {
    const lifetimes = new Lifetimes();
    for (let i = 0; i < 50; i++) born(lifetimes, 0, { n: i, id: 0 });
    expect(lifetimes.trackedCount).toBe(50);
    died(lifetimes, 1, { n: 7, id: 0 });
    expect(lifetimes.trackedCount).toBe(49);
  });

  it('takes a key that comes again as a lost DESTROY, and a late DESTROY of its old owner as just that', () => {
    const lifetimes = new Lifetimes();
    for (const n of Array(30).keys()) born(lifetimes, 0, { n });
    for (const n of Array(30).keys()) born(lifetimes, 10, { n });
    for (const n of Array(30).keys()) died(lifetimes, 10.01, { n, present: PRESENT.timeout });
    expect(lifetimes.trackedCount).toBe(30);
    lifetimes.advance(11.5, 1);
    const { hazards, aliveByAge } = classOf(lifetimes.view(), 80);
    expect(hazards[10]).toBeGreaterThan(0.9);
    expect(hazards[0]).toBeLessThan(0.05);
    expect(aliveByAge[1]).toBe(30);
  });

  it('tells how many initial entries should be left, from their remaining timeouts', () => {
    const lifetimes = new Lifetimes();
    expect(lifetimes.view().initialRemaining).toBeUndefined();
    for (let n = 0; n < 120; n++) {
      put({ n });
      columns.tcpState[0] = n < 100 ? 7 : 3;
      columns.timeoutSeconds[0] = n < 100 ? n + 1 : 20;
      lifetimes.observeEntry(0, columns, 0);
    }
    lifetimes.advance(0, 1);
    expect(lifetimes.view().initialRemaining?.(0)).toBe(1);
    expect(lifetimes.view().initialRemaining?.(51)).toBeCloseTo(70 / 120, 6);
    expect(lifetimes.view().initialRemaining?.(600)).toBeCloseTo(20 / 120, 6);
  });

  it('conserves flows and keeps hazards between 0 and 1, whatever comes', () => {
    const step = fc.record({
      kind: fc.constantFrom('new', 'new', 'destroy', 'advance'),
      n: fc.nat(200),
      port: fc.constantFrom(53, 80, 443),
      protocol: fc.constantFrom(6, 17, 1, 47),
      seconds: fc.integer({ min: 0, max: 400 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const lifetimes = new Lifetimes();
        let at = 5;
        for (const { kind, seconds, ...flow } of steps) {
          if (kind === 'new') born(lifetimes, at, flow);
          else if (kind === 'destroy') died(lifetimes, at, flow);
          else {
            at += seconds / 100;
            lifetimes.advance(at, seconds / 100);
          }
        }
        at += AGES_SECONDS / 2;
        lifetimes.advance(at, 1);
        const view = lifetimes.view();
        expect(mass(view)).toBe(lifetimes.trackedCount);
        expect(lifetimes.trackedCount).toBeLessThanOrEqual(TRACKED_FLOWS_MAX);
        for (const { hazards, aliveByAge } of view.classes) {
          expect(hazards.every((hazard) => hazard >= 0 && hazard <= 1)).toBe(true);
          expect(aliveByAge.every((flows) => flows >= 0)).toBe(true);
        }
      }),
      { numRuns: 50, seed: 1 },
    );
  });
});
