import { describe, expect, it } from 'vitest';
import { Owners } from '../../src/analysis/owners/owners.js';
import { parseAddress } from '../../src/model/address.js';
import { OWNER_COUNTERS_MAX } from '../../src/model/limits.js';
import { type Owner, type OwnerSighting, ownerKey } from '../../src/model/owner.js';

const REDIS = { family: 2, protocol: 6, address: parseAddress('10.0.0.5')?.bytes ?? new Uint8Array(16), port: 6379 };

function ruby(pid = 4121, threads = 25): Owner {
  const parts = { unit: 'sidekiq.service', name: 'ruby', uid: 1000 };
  return { key: ownerKey(parts), ...parts, pid, startTicks: pid * 10, startUnixSeconds: 1000, threads };
}

function sighting(parts: Partial<OwnerSighting> = {}): OwnerSighting {
  const to = { family: 2, protocol: 6, destination: '10.0.0.5', port: 6379 };
  return { ...to, source: '10.0.0.9', direction: 'originated', count: 1, ...parts };
}

/** What is known after these. */
function knowledgeOf(...sightings: OwnerSighting[]) {
  const owners = new Owners();
  owners.observe(10, sightings);
  return owners.of(REDIS, 10);
}

describe('the owners of a destination', () => {
  it('are told with their shares, and with the share that could be told', () => {
    const curl: Owner = { key: 'uid 0/curl', uid: 0, name: 'curl', pid: 7, startTicks: 1 };
    const told = knowledgeOf(
      sighting({ count: 60, owner: ruby() }),
      sighting({ count: 20, owner: curl }),
      sighting({ count: 20 }),
    );
    expect(told?.owners.map(({ owner, shareRatio }) => [owner.key, shareRatio])).toEqual([
      ['sidekiq.service/ruby', 0.75],
      ['uid 0/curl', 0.25],
    ]);
    expect(told?.owners[0]?.owner).toEqual(ruby());
    expect(told?.attributedRatio).toBeCloseTo(0.8);
    expect(told?.forwardedRatio).toBe(0);
  });

  it('are not there for a destination that was never asked for', () => {
    expect(knowledgeOf()).toBeUndefined();
    expect(knowledgeOf(sighting({ port: 80, owner: ruby() }))).toBeUndefined();
    expect(knowledgeOf(sighting({ protocol: 17, owner: ruby() }))).toBeUndefined();
  });

  it('are nobody when all is forwarded', () => {
    const told = knowledgeOf({ ...sighting(), direction: 'forwarded', count: 5 });
    expect(told).toEqual({ owners: [], forwardedRatio: 1 });
  });

  it('share what is not forwarded', () => {
    const told = knowledgeOf(
      { ...sighting(), direction: 'forwarded', count: 30 },
      sighting({ count: 10, owner: ruby() }),
    );
    expect(told).toMatchObject({ attributedRatio: 1, forwardedRatio: 0.75, owners: [{ shareRatio: 1 }] });
  });

  it('have the flows whose process was gone but whose user and unit are theirs', () => {
    const told = knowledgeOf(
      sighting({ count: 30, owner: ruby() }),
      sighting({ count: 40, owner: { key: 'uid 1000', uid: 1000 } }),
      sighting({ count: 20, owner: { key: 'sidekiq.service', unit: 'sidekiq.service', uid: 1000 } }),
      sighting({ count: 10, owner: { key: 'uid 33', uid: 33 } }),
    );
    expect(told?.owners.map(({ owner, shareRatio }) => [owner.key, shareRatio])).toEqual([
      ['sidekiq.service/ruby', 0.9],
      ['uid 33', 0.1],
    ]);
    expect(told?.attributedRatio).toBe(1);
  });

  it('fade: what is usual now counts more', () => {
    const owners = new Owners();
    owners.observe(0, [sighting({ count: 100, owner: ruby() })]);
    owners.observe(600, [sighting({ count: 100, owner: { key: 'x', name: 'x' } })]);
    const [first, second] = owners.of(REDIS, 600)?.owners ?? [];
    expect(first?.owner.key).toBe('x');
    // exp(-600 / 120) of a hundred.
    expect(second?.shareRatio).toBeCloseTo(0.0067, 3);
    expect(owners.of(REDIS, 3600)).toBeUndefined();
  });

  it('stay known through TIME_WAIT, and the weights survive weeks', () => {
    const owners = new Owners();
    for (let day = 0; day < 20; day++) owners.observe(day * 86_400, [sighting({ count: 10, owner: ruby() })]);
    expect(owners.of(REDIS, 19 * 86_400 + 120)?.owners[0]?.shareRatio).toBe(1);
  });
});

describe('the process of an owner', () => {
  const of = (owners: Owners, at: number) => owners.of(REDIS, at)?.owners[0]?.owner;

  it('has its latest number of threads', () => {
    const owners = new Owners();
    owners.observe(0, [sighting({ owner: ruby(4121, 5) })]);
    owners.observe(1, [sighting({ owner: ruby(4121, 40) })]);
    expect(of(owners, 1)?.threads).toBe(40);
  });

  it('is not told when several take part alike', () => {
    const owners = new Owners();
    for (let i = 0; i < 100; i++) owners.observe(i / 10, [sighting({ owner: ruby(i % 2 === 0 ? 1 : 2) })]);
    expect(of(owners, 10)).toEqual({ key: 'sidekiq.service/ruby', unit: 'sidekiq.service', name: 'ruby', uid: 1000 });
  });

  it('is the one that has most of the flows', () => {
    const owners = new Owners();
    for (let i = 0; i < 100; i++) owners.observe(i / 10, [sighting({ owner: ruby(i % 10 === 0 ? 1 : 2) })]);
    expect(of(owners, 10)?.pid).toBe(2);
  });

  it('is another one half a minute after a restart', () => {
    const owners = new Owners();
    for (let i = 0; i < 1000; i++) owners.observe(i, [sighting({ count: 10, owner: ruby(1) })]);
    for (let i = 1000; i < 1030; i++) owners.observe(i, [sighting({ count: 10, owner: ruby(2) })]);
    expect(of(owners, 1030)?.pid).toBe(2);
    expect(owners.of(REDIS, 1030)?.owners).toHaveLength(1);
  });

  it('is not confused with one that had its pid before', () => {
    const owners = new Owners();
    owners.observe(0, [sighting({ owner: { ...ruby(1), startTicks: 5 } })]);
    owners.observe(1, [sighting({ count: 9, owner: { ...ruby(1), startTicks: 900 } })]);
    expect(of(owners, 1)?.startTicks).toBe(900);
  });
});

describe('many owners', () => {
  it('are not counted apart for each of too many sources', () => {
    const owners = new Owners();
    for (let i = 0; i < 1000; i++) {
      owners.observe(10, [sighting({ source: `127.0.${i >> 8}.${i & 255}`, owner: ruby() })]);
    }
    expect(owners.used).toBeLessThan(12);
    expect(owners.of(REDIS, 10)).toMatchObject({ owners: [{ shareRatio: 1 }], attributedRatio: 1 });
  });

  it('10,000 short-lived processes of one program are one owner', () => {
    const owners = new Owners();
    for (let i = 0; i < 10_000; i++) owners.observe(i / 1000, [sighting({ owner: ruby(i + 1) })]);
    const told = owners.of(REDIS, 10);
    expect(told?.owners).toHaveLength(1);
    expect(told?.owners[0]?.owner).not.toHaveProperty('pid');
  });

  it('are bounded, and the heavy ones stay with shares that are never too high', () => {
    const owners = new Owners();
    let heavy = 0;
    for (let i = 0; i < 20_000; i++) {
      const other = { key: `uid ${i}`, uid: i };
      const isHeavy = i % 4 === 0;
      heavy += isHeavy ? 1 : 0;
      owners.observe(10, [isHeavy ? sighting({ owner: ruby() }) : sighting({ port: 1 + (i % 60_000), owner: other })]);
    }
    const told = owners.of(REDIS, 10);
    expect(heavy).toBe(5000);
    expect(told?.owners[0]).toMatchObject({ owner: { key: 'sidekiq.service/ruby' }, shareRatio: 1 });
    expect(owners.used).toBeLessThanOrEqual(OWNER_COUNTERS_MAX);
  });
});
