/** The oracle: what chance alone leaves open. */
import { expect, it } from 'vitest';
import { foretell } from '../../evaluation/oracle.js';
import type { SimulatedSettings } from '../../evaluation/simulated-source.js';
import { World } from '../../evaluation/world.js';

/** 20 flows a second that stay for good: 600 after 30 s; a table of 1,000 is full after 50 s. */
const settings: SimulatedSettings = {
  traffics: [
    {
      ...{ protocol: 'tcp', port: 80, ratePerSecond: () => 20 },
      life: () => ({ activeSeconds: 1e6, timeoutSeconds: 120, renewedSeconds: 300 }),
    },
  ],
  ...{ max: 1000, buckets: 65_536, lookupsPerNew: 0, dispersion: 1, seed: 5, historySeconds: 0, lengthSeconds: 100 },
};

function full(world: World, max: number): number {
  while (world.count < max) world.step();
  return world.atSeconds;
}

it('knows the rates that come, but not chance', () => {
  const truth = full(new World(settings), settings.max);
  const told = foretell(settings, [10, 40]);
  // The spread of 800 and 200 arrivals at 20/s: sqrt(800) / 20 and sqrt(200) / 20 seconds.
  expect(Math.abs(10 + (told.get(10) ?? 0) - truth)).toBeLessThan(3 * 1.4);
  expect(Math.abs(40 + (told.get(40) ?? 0) - truth)).toBeLessThan(3 * 0.7);
  expect(told).toEqual(foretell(settings, [40, 10]));
});

it('tells that a table does not fill', () => {
  const [traffic] = settings.traffics;
  if (!traffic) throw new Error('no traffic');
  const stops = { ...traffic, ratePerSecond: (seconds: number) => (seconds < 30 ? 20 : 0) };
  expect(foretell({ ...settings, traffics: [stops] }, [10]).get(10)).toBe(Infinity);
});

it('plays futures that leave the present alone', () => {
  const world = new World(settings);
  while (world.atSeconds < 20) world.step();
  const { count, live } = world;
  const futures = [1, 2, 2].map((seed) => full(world.fork(seed, 60), 900));
  expect(futures[0]).not.toBe(futures[1]);
  expect(futures[1]).toBe(futures[2]);
  expect([world.count, world.live, world.atSeconds]).toEqual([count, live, 20]);
});
