import { describe, expect, it } from 'vitest';
import { Owners } from '../../src/analysis/owners/owners.js';
import { createBatch, type EventBatch } from '../../src/model/batch.js';
import type { OwnerSighting } from '../../src/model/owner.js';
import { batchOf } from '../support/records.js';

/** Rows of support/records.ts go from 10.0.0.9 to 10.0.0.5:6379. */
const flow = { family: 2, protocol: 6, destination: '10.0.0.5', port: 6379, count: 100 };
const opened = { ...flow, source: '10.0.0.9', direction: 'originated' } as const;

function countOwners(sightings: readonly OwnerSighting[], batch: EventBatch): Record<string, number> {
  const owners = new Owners();
  owners.observe(10, sightings);
  const counts: Record<string, number> = {};
  for (let row = 0; row < batch.newCount; row++) {
    const key = owners.ownerOf(batch.columns, row) ?? 'unknown';
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const entries = (count: number) =>
  batchOf(Array.from({ length: count }, (_, i) => ({ id: i, sourcePort: 32_768 + i })));
const owner = (key: string) => ({ key, name: key });

describe('the owner of an entry', () => {
  it('is who opens flows from its source to its destination', () => {
    expect(countOwners([{ ...opened, owner: owner('ruby') }], entries(100))).toEqual({ ruby: 100 });
  });

  it('is not known for another source, port or protocol', () => {
    const sightings: OwnerSighting[] = [
      { ...opened, source: '10.0.0.8', owner: owner('a') },
      { ...opened, port: 6380, owner: owner('b') },
      { ...opened, protocol: 17, owner: owner('c') },
      { ...opened, destination: '10.0.0.6', owner: owner('d') },
      { ...flow, direction: 'forwarded' },
    ];
    expect(countOwners(sightings, entries(10))).toEqual({ unknown: 10 });
  });

  it('is who accepts at its destination, whatever its source', () => {
    expect(countOwners([{ ...flow, direction: 'accepted', owner: owner('redis') }], entries(10))).toEqual({
      redis: 10,
    });
  });

  it('is divided among several as their looked-up flows were', () => {
    const sightings = [
      { ...opened, count: 70, owner: owner('a') },
      { ...opened, count: 30, owner: owner('b') },
    ];
    const counts = countOwners(sightings, entries(10_000));
    expect(counts['a']).toBeGreaterThan(6900);
    expect(counts['a']).toBeLessThan(7100);
    expect((counts['a'] ?? 0) + (counts['b'] ?? 0)).toBe(10_000);
  });

  it('is taken for like the others where most were told, not where few were', () => {
    const of = (told: number) =>
      countOwners(
        [
          { ...opened, count: told, owner: owner('a') },
          { ...opened, count: 100 - told },
        ],
        entries(10_000),
      );
    expect(of(80)).toEqual({ a: 10_000 });
    expect((of(10)['a'] ?? 0) / 10_000).toBeCloseTo(0.1, 1);
  });

  it('is found over IPv6', () => {
    const batch = createBatch(8);
    batch.newCount = 1;
    const { columns } = batch;
    columns.family[0] = 10;
    columns.protocol[0] = 6;
    columns.originalDestinationPort[0] = 443;
    columns.originalSource.bytes.set([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    columns.originalDestination.bytes.set([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    const to = { family: 10, protocol: 6, destination: '2001:db8::2', port: 443, count: 5 };
    const sightings: OwnerSighting[] = [
      { ...to, source: '2001:db8::1', direction: 'originated', owner: owner('curl') },
      { ...to, destination: '32.1.13.184', direction: 'accepted', owner: owner('wrong') },
    ];
    expect(countOwners(sightings, batch)).toEqual({ curl: 1 });
  });
});
