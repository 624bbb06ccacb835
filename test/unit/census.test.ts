import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Census } from '../../src/analysis/census/census.js';
import type { CensusCount, CensusRow } from '../../src/analysis/census/census-count.js';
import { CENSUS_DIMENSIONS, type CensusDimension } from '../../src/model/census-fields.js';
import { CENSUS_GROUPS_MAX, CENSUS_KEYS_MAX, CENSUS_OWNERS_MAX } from '../../src/model/limits.js';
import { ASSURED, type EntrySpec, entriesOf, REPLIED, UNREPLIED } from '../support/entries.js';

const ADDRESSES = ['10.0.0.9', '2001:db8::9'];

function censusOf(
  specs: readonly EntrySpec[],
  options: ConstructorParameters<typeof Census>[0] = { addresses: ADDRESSES },
) {
  const census = new Census(options);
  census.observe(entriesOf(specs));
  return census;
}

/** Rows as `values: entries`. */
function tell({ rows, other }: CensusCount): Record<string, number> {
  const told = rows.map(({ entries, shareRatio, ...values }) => [Object.values(values).map(textOf).join(' '), entries]);
  return Object.fromEntries([...told, ...(other ? [['other', other.entries]] : [])]);
}

const textOf = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value));

const incident: EntrySpec[] = [
  ...Array.from({ length: 6 }, () => ({ tcpState: 7, timeoutSeconds: 50 })),
  ...Array.from({ length: 3 }, () => ({ tcpState: 3, timeoutSeconds: 430_000 })),
  { source: '203.0.113.7', destination: '10.0.0.9', port: 443, tcpState: 1, status: UNREPLIED, timeoutSeconds: 100 },
  { protocol: 17, destination: '10.0.0.53', port: 53, status: UNREPLIED, timeoutSeconds: 20 },
  { protocol: 17, destination: '10.0.0.53', port: 53, status: REPLIED, timeoutSeconds: 25 },
  { protocol: 17, destination: '10.0.0.53', port: 53, status: ASSURED, timeoutSeconds: 40 },
  { protocol: 1, destination: '10.0.0.1', port: 2048, status: REPLIED, timeoutSeconds: 5 },
  { source: '2001:db8::9', destination: '2001:db8::5', port: 443, tcpState: 3 },
  {
    source: '192.168.1.4',
    destination: '198.51.100.1',
    port: 443,
    replyDestination: '10.0.0.9',
    tcpState: 3,
    timeoutSeconds: 3,
    zone: 4,
  },
];

describe('a census', () => {
  const census = censusOf(incident);

  it.each<[CensusDimension[], Record<string, number>]>([
    [['protocol'], { '6': 12, '17': 3, '1': 1 }],
    [['state'], { TIME_WAIT: 6, ESTABLISHED: 5, SYN_SENT: 1, UNREPLIED: 1, REPLIED: 2, ASSURED: 1 }],
    [
      ['destination'],
      {
        '10.0.0.5 6 6379': 9,
        '10.0.0.53 17 53': 3,
        '10.0.0.9 6 443': 1,
        '10.0.0.1 1': 1,
        '2001:db8::5 6 443': 1,
        '198.51.100.1 6 443': 1,
      },
    ],
    [['address'], { '10.0.0.5': 9, '10.0.0.53': 3, '10.0.0.9': 1, '10.0.0.1': 1, '2001:db8::5': 1, '198.51.100.1': 1 }],
    [['port'], { '6 6379': 9, '17 53': 3, '6 443': 3, '1': 1 }],
    [['source'], { '10.0.0.9': 13, '203.0.113.7': 1, '2001:db8::9': 1, '192.168.1.4': 1 }],
    [['direction'], { outbound: 14, inbound: 1, forwarded: 1 }],
    [['nat'], { none: 15, source: 1 }],
    [['zone'], { '0': 15, '4': 1 }],
    [['assured'], { true: 12, false: 4 }],
    [['owner'], { unknown: 16 }],
    [
      ['remaining'],
      {
        '{"fromSeconds":30,"toSeconds":60}': 7,
        '{"fromSeconds":86400}': 3,
        '{"fromSeconds":60,"toSeconds":120}': 1,
        '{"fromSeconds":10,"toSeconds":30}': 2,
        '{"fromSeconds":0,"toSeconds":10}': 2,
        '{}': 1,
      },
    ],
    [
      ['destination', 'state'],
      {
        '10.0.0.5 6 6379 TIME_WAIT': 6,
        '10.0.0.5 6 6379 ESTABLISHED': 3,
        '10.0.0.9 6 443 SYN_SENT': 1,
        '10.0.0.53 17 53 UNREPLIED': 1,
        '10.0.0.53 17 53 REPLIED': 1,
        '10.0.0.53 17 53 ASSURED': 1,
        '10.0.0.1 1 REPLIED': 1,
        '2001:db8::5 6 443 ESTABLISHED': 1,
        '198.51.100.1 6 443 ESTABLISHED': 1,
      },
    ],
  ])('counts by %j', (by, expected) => {
    expect(tell(census.count(by))).toEqual(expected);
  });

  it('tells what may be evicted, what waits, and what will be gone by itself', () => {
    expect(census.entries).toBe(16);
    expect(census.unassuredRatio).toBe(4 / 16);
    expect(census.timeWaitRatio).toBe(6 / 16);
    // Not an established one, nor an assured stream of udp: traffic renews their timeouts.
    expect(census.goneSoonRatio).toBe(9 / 16);
  });

  it('lists the most first and adds the rest up', () => {
    const { rows, other } = census.count(['destination'], 2);
    expect(rows.map(({ destination, entries, shareRatio }) => [destination, entries, shareRatio])).toEqual([
      ['10.0.0.5', 9, 9 / 16],
      ['10.0.0.53', 3, 3 / 16],
    ]);
    expect(other).toEqual({ values: 4, entries: 4, shareRatio: 4 / 16 });
    expect(census.count(['destination'], 6).other).toBeUndefined();
  });

  it('of nothing has no shares', () => {
    const empty = new Census();
    expect([empty.unassuredRatio, empty.timeWaitRatio, empty.goneSoonRatio]).toEqual([undefined, undefined, undefined]);
    expect(empty.count(['destination', 'state'])).toEqual({ rows: [] });
  });

  it('tells no direction without the addresses of the host', () => {
    expect(censusOf(incident, {}).count(['direction'])).toEqual({
      rows: [],
      other: { values: 1, entries: 16, shareRatio: 1 },
    });
  });

  it('tells a tcp entry without a state as such', () => {
    expect(tell(censusOf([{}]).count(['state']))).toEqual({ UNKNOWN: 1 });
  });

  it.each<[string, EntrySpec, string]>([
    [
      'what its own host opens to a service that is local behind NAT',
      { destination: '10.96.0.1', replySource: '10.0.0.9' },
      'local',
    ],
    [
      'what comes to the host and goes on by destination NAT',
      { source: '203.0.113.7', destination: '10.0.0.9', replySource: '172.17.0.2' },
      'forwarded',
    ],
    [
      'what a proxy on the host takes for another',
      { source: '192.168.1.4', destination: '203.0.113.7', replySource: '10.0.0.9' },
      'inbound',
    ],
  ])('tells %s as it is', (_, entry, direction) => {
    expect(tell(censusOf([entry]).count(['direction']))).toEqual({ [direction]: 1 });
  });

  it('adds ports of the ephemeral range up when each has little', () => {
    const few = Array.from({ length: 20 }, (_, i) => ({ destination: '10.0.0.7', port: 40_000 + i, tcpState: 3 }));
    const service = Array.from({ length: 5 }, () => ({ destination: '10.0.0.7', port: 50_051, tcpState: 3 }));
    const alone = { destination: '10.0.0.8', port: 45_000, tcpState: 3 };
    const census = censusOf([...few, ...service, alone, { protocol: 17, destination: '10.0.0.7', port: 40_000 }]);
    expect(tell(census.count(['destination']))).toEqual({
      '10.0.0.7 6': 20,
      '10.0.0.7 6 50051': 5,
      '10.0.0.8 6 45000': 1,
      '10.0.0.7 17 40000': 1,
    });
    expect(tell(census.count(['destination', 'state']))['10.0.0.7 6 ESTABLISHED']).toBe(20);
  });
});

describe('owners', () => {
  it('are told by whoever knows them', () => {
    const ownerOf = (columns: { originalDestinationPort: Uint16Array }, row: number) =>
      columns.originalDestinationPort[row] === 6379 ? 'sidekiq.service/ruby' : undefined;
    const census = censusOf(incident, { ownerOf });
    expect(tell(census.count(['owner']))).toEqual({ 'sidekiq.service/ruby': 9, unknown: 7 });
    expect(tell(census.count(['owner', 'state']))['sidekiq.service/ruby TIME_WAIT']).toBe(6);
  });

  it('beyond the limit are others', () => {
    const ownerOf = (_: unknown, row: number) => `owner ${row}`;
    const census = censusOf(
      Array.from({ length: CENSUS_OWNERS_MAX + 10 }, () => ({})),
      { ownerOf },
    );
    expect(census.count(['owner']).other).toMatchObject({ values: 1, entries: 10 });
  });
});

const entry: fc.Arbitrary<EntrySpec> = fc.record({
  protocol: fc.constantFrom(6, 17, 1, 47),
  source: fc.constantFrom('10.0.0.9', '10.0.0.8', '192.168.1.4'),
  destination: fc.constantFrom('10.0.0.5', '10.0.0.6', '10.0.0.9'),
  port: fc.constantFrom(0, 53, 443, 40_000, 40_001, 50_000),
  tcpState: fc.integer({ min: 0, max: 9 }),
  status: fc.constantFrom(ASSURED, REPLIED, UNREPLIED),
  timeoutSeconds: fc.constantFrom(undefined, 0, 9, 10, 59, 60, 3599, 90_000),
  zone: fc.constantFrom(0, 1, 65_535),
  replySource: fc.constantFrom('10.0.0.5', '10.0.0.9', '10.0.0.6'),
});
const dimension = fc.constantFrom(...CENSUS_DIMENSIONS);

function sumBy({ rows }: CensusCount, keep: (row: CensusRow) => string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const row of rows) sums.set(keep(row), (sums.get(keep(row)) ?? 0) + row.entries);
  return sums;
}

/** The values of a row in some dimensions, by the fields those have when counted alone. */
function valuesIn(fields: readonly string[], row: CensusRow): string {
  return JSON.stringify(fields.map((field) => row[field as keyof CensusRow]));
}

describe('any census', () => {
  it('has shares that sum to 1, and two dimensions together that agree with one alone', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 60 }), dimension, dimension, (entries, first, second) => {
        const census = censusOf(entries);
        const pair = census.count([first, second]);
        const alone = census.count([first]);
        for (const count of [pair, alone]) {
          const all = [...count.rows, ...(count.other ? [count.other] : [])];
          expect(all.reduce((sum, row) => sum + row.entries, 0)).toBe(entries.length);
          if (entries.length > 0) expect(all.reduce((sum, row) => sum + row.shareRatio, 0)).toBeCloseTo(1, 9);
        }
        // Both may tell of protocol and port; what the first does not tell when alone belongs to the second.
        const overlap: readonly CensusDimension[] = ['protocol', 'destination', 'port', 'address'];
        if (first !== second && overlap.includes(first) && overlap.includes(second)) return;
        const fields = [...new Set(alone.rows.flatMap((row) => Object.keys(row)))].filter(
          (field) => field !== 'entries' && field !== 'shareRatio',
        );
        const keep = (row: CensusRow) => valuesIn(fields, row);
        expect(sumBy(pair, keep)).toEqual(sumBy(alone, keep));
      }),
      { numRuns: 300 },
    );
  });

  it('is the same however its rows are divided into batches', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 40 }), fc.nat(40), dimension, (entries, at, by) => {
        const whole = censusOf(entries);
        const parts = new Census({ addresses: ADDRESSES });
        parts.observe(entriesOf(entries.slice(0, at)));
        parts.observe(entriesOf(entries.slice(at)));
        expect(parts.count([by])).toEqual(whole.count([by]));
      }),
      { numRuns: 100 },
    );
  });
});

describe('a census that finds no more room', () => {
  const chunk = 8192;
  const chunks = Math.ceil((CENSUS_GROUPS_MAX + 60_000) / chunk);
  const census = new Census({ addresses: ADDRESSES });
  const batch = entriesOf(
    Array.from({ length: chunk }, () => ({ tcpState: 1, status: UNREPLIED, timeoutSeconds: 100 })),
  );
  const { words } = batch.columns.originalSource;
  for (let i = 0; i < chunks; i++) {
    for (let row = 0; row < chunk; row++) {
      // A flood of spoofed sources; one in eight is a client that comes again and again, to other ports.
      words[row * 4] = row % 8 === 0 ? 0x0100_000a : Math.imul(i * chunk + row + 1, 0x9e37_79b1);
      batch.columns.originalDestinationPort[row] = row % 8 === 0 ? 1000 + ((i * 1024 + row / 8) % 30_000) : 443;
    }
    census.observe(batch);
  }
  const total = chunks * chunk;

  it('still counts exactly who has many, each kind, and all', () => {
    expect(census.entries).toBe(total);
    expect(census.folded).toBeGreaterThan(0);
    expect(census.count(['source'], 1).rows).toMatchObject([{ source: '10.0.0.1', entries: total / 8 }]);
    expect(census.count(['destination'], 1).rows).toMatchObject([{ port: 443, entries: (total * 7) / 8 }]);
    expect(tell(census.count(['state']))).toEqual({ SYN_SENT: total });
  });

  it('tells the others as at least so many', () => {
    const { rows, other } = census.count(['source'], 10);
    expect(rows.reduce((sum, row) => sum + row.entries, 0) + (other?.entries ?? 0)).toBe(total);
    expect(other?.values).toBe(CENSUS_KEYS_MAX - 10 + 1);
  });
});
