import { describe, expect, it } from 'vitest';
import { createRandom } from '../../evaluation/random.js';
import { LookupHazard } from '../../src/analysis/forecast/lookup-hazard.js';

const BUCKETS = 262_144;
const TICK = 0.25;

interface Second {
  readonly newPerSecond: number;
  /** True hazard. */
  readonly hazard: number;
}

/** Collections drawn from `expired` entries, for some time. */
function play(lookups: LookupHazard, seconds: number, expired: number, { newPerSecond, hazard }: Second, seed = 1) {
  const random = createRandom(seed);
  for (let tick = 0; tick < seconds / TICK; tick++) {
    lookups.observe({
      ...{ seconds: TICK, newEvents: newPerSecond * TICK, expiredEntries: expired },
      collected: random.poisson(expired * hazard * TICK),
    });
  }
  return lookups.estimate.perNewFlow * newPerSecond + lookups.estimate.perSecond;
}

describe('LookupHazard', () => {
  it('begins with one lookup for each new flow', () => {
    expect(new LookupHazard(BUCKETS).estimate).toEqual({ perNewFlow: 2 / BUCKETS, perSecond: 0 });
  });

  it.each([0.002, 0.02, 0.2])('learns a hazard of %s a second within half a minute', (hazard) => {
    const learned = play(new LookupHazard(BUCKETS), 30, 3000, { newPerSecond: 150, hazard });
    expect(learned / hazard).toBeGreaterThan(0.8);
    expect(learned / hazard).toBeLessThan(1.2);
  });

  it('sees within seconds that the lookups are our own flows, or that they are not', () => {
    const before = { newPerSecond: 150, hazard: 0.01 };
    const own = new LookupHazard(BUCKETS);
    play(own, 60, 3000, before);
    play(own, 11, 3000, { newPerSecond: 600, hazard: 0.04 });
    expect(own.estimate.perNewFlow * 600).toBeGreaterThan(0.8 * 0.04);
    const others = new LookupHazard(BUCKETS);
    play(others, 60, 3000, before);
    play(others, 11, 3000, { newPerSecond: 600, hazard: 0.01 });
    expect(others.estimate.perSecond).toBeGreaterThan(0.8 * 0.01);
  });

  it('follows others whose traffic changes', () => {
    const lookups = new LookupHazard(BUCKETS);
    play(lookups, 120, 1000, { newPerSecond: 90, hazard: 0.01 });
    const learned = play(lookups, 40, 1000, { newPerSecond: 90, hazard: 0.04 });
    expect(learned).toBeGreaterThan(0.03);
    expect(learned).toBeLessThan(0.05);
  });

  it('takes from a sweep how many had expired', () => {
    const lookups = new LookupHazard(BUCKETS);
    // Twice as many as modelled: the hazard is half of what it seemed.
    const seemed = play(lookups, 60, 1000, { newPerSecond: 100, hazard: 0.02 });
    lookups.endCycle(2000, 1000);
    const { perNewFlow, perSecond } = lookups.estimate;
    expect((perNewFlow * 100 + perSecond) / seemed).toBeCloseTo(0.5, 1);
  });

  it('says nothing new of a dump', () => {
    const lookups = new LookupHazard(BUCKETS);
    play(lookups, 60, 1000, { newPerSecond: 100, hazard: 0.02 });
    const { estimate } = lookups;
    lookups.cutCycle();
    lookups.endCycle(0, 1000);
    expect(lookups.estimate.perNewFlow).toBeCloseTo(estimate.perNewFlow, 4);
  });
});
