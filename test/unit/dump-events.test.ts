import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { Census } from '../../src/analysis/census/census.js';
import { CtwatchError } from '../../src/model/errors.js';
import { type CtEvent, EVENTS_VERSION, eventSchema } from '../../src/model/events.js';
import { censusEvent } from '../../src/pipeline/census-event.js';
import { dumpEvents } from '../../src/pipeline/dump-events.js';
import type { DumpObservation } from '../../src/pipeline/dump-watch.js';
import { formatCensus } from '../../src/views/census-table.js';
import { type EntrySpec, entriesOf, UNREPLIED } from '../support/entries.js';

const at = { monotonicSeconds: 1000, unixSeconds: 1_790_000_000 };
const table = { count: 9, max: 100 };
const dump: DumpObservation = { type: 'dump', at, purpose: 'census', durationSeconds: 0.1234, table, collected: 7 };
const entries: EntrySpec[] = [
  ...Array.from({ length: 6 }, () => ({ tcpState: 7, timeoutSeconds: 50 })),
  { tcpState: 3, timeoutSeconds: 430_000 },
  { protocol: 17, destination: '10.0.0.53', port: 53, status: UNREPLIED, timeoutSeconds: 20 },
  { source: '2001:db8::9', destination: '2001:db8::5', port: 443, tcpState: 3 },
];

function countedCensus(specs: readonly EntrySpec[] = entries): Census {
  const census = new Census({ addresses: ['10.0.0.9'] });
  census.observe(entriesOf(specs));
  return census;
}

/** As the sink makes a line of it. */
function lineOf(event: CtEvent) {
  const { unixSeconds, ...rest } = event;
  return v.parse(eventSchema, {
    ...rest,
    time: new Date(unixSeconds * 1000).toISOString(),
    host: 'web-1',
    v: EVENTS_VERSION,
  });
}

describe('a census', () => {
  it('is a line of its own', () => {
    const [event] = dumpEvents({ ...dump, census: countedCensus() }, undefined);
    expect(event && lineOf(event)).toMatchObject({
      type: 'census',
      level: 'info',
      msg: '9 entries: 67 % in TIME_WAIT, 78 % gone within 60 s; 78 % are tcp to 10.0.0.5:6379',
      trigger: 'alert',
      table: { count: 9, max: 100, used_ratio: 0.09, unassured_ratio: 0.1111 },
      entries: 9,
      collected: 7,
      duration_seconds: 0.123,
      time_wait_ratio: 0.6667,
      gone_60s_ratio: 0.7778,
      protocols: [
        { network: { transport: 'tcp' }, entries: 8, share_ratio: 0.8889 },
        { network: { transport: 'udp' }, entries: 1, share_ratio: 0.1111 },
      ],
      destinations: [
        {
          network: { transport: 'tcp' },
          destination: { ip: '10.0.0.5', port: 6379 },
          ...{ entries: 7, share_ratio: 0.7778, states: { TIME_WAIT: 6, ESTABLISHED: 1 } },
        },
        { destination: { ip: '10.0.0.53', port: 53 }, states: { UNREPLIED: 1 } },
        { destination: { ip: '2001:db8::5', port: 443 }, states: { ESTABLISHED: 1 } },
      ],
      owners: [{ owner: 'unknown', entries: 9, share_ratio: 1 }],
      remaining: [
        { remaining: { from_seconds: 10, to_seconds: 30 }, entries: 1 },
        { remaining: { from_seconds: 30, to_seconds: 60 }, entries: 6 },
        { remaining: { from_seconds: 86_400 }, entries: 1 },
        { remaining: {}, entries: 1 },
      ],
    });
  });

  it('takes the limit that is assumed', () => {
    const [event] = dumpEvents({ ...dump, census: countedCensus() }, 18);
    expect(event).toMatchObject({ table: { count: 9, max: 18, used_ratio: 0.5 } });
  });

  it('of an empty table says so', () => {
    const [event] = dumpEvents({ ...dump, census: countedCensus([]) }, undefined);
    expect(event && lineOf(event)).toMatchObject({ msg: 'no entries', entries: 0, destinations: [] });
  });

  it('that is not whole gives no line', () => {
    expect(dumpEvents(dump, undefined)).toEqual([]);
  });
});

describe('a notice', () => {
  it('tells how much a reap gave back', () => {
    const [event] = dumpEvents({ ...dump, purpose: 'reap', collected: 12_345 }, undefined);
    expect(event && lineOf(event)).toMatchObject({
      type: 'notice',
      msg: '12,345 expired entries were collected: the kernel was made to collect expired entries before the table is full (reap_at_ratio)',
      ...{ code: 'reaped', collected: 12_345, remedy: 'sudo sysctl -w net.netfilter.nf_conntrack_max=200' },
    });
  });

  it('tells that a dump failed, and why', () => {
    const error = new CtwatchError({ code: 'ERR_REQUEST_TIMEOUT', operation: 'dump' });
    const [event] = dumpEvents({ ...dump, error }, undefined);
    expect(event && lineOf(event)).toMatchObject({
      type: 'notice',
      level: 'warn',
      code: 'census_failed',
      remedy: error.remedy,
    });
  });
});

describe('at a terminal', () => {
  const common = {
    trigger: 'request',
    unixSeconds: 0,
    durationSeconds: 0.1,
    count: 9,
    max: 100,
    collected: 1200,
  } as const;

  it('is a table', () => {
    const by = { dimensions: ['destination', 'state'], rowsMax: 2 } as const;
    expect(formatCensus(censusEvent({ ...common, census: countedCensus(), by }), 'web-1')).toBe(
      `conntrack table of web-1: 9 of 100 entries (9 %), after about 1,200 expired ones were collected
67 % in TIME_WAIT, 78 % gone within 60 s, 11 % may be evicted when it is full

DESTINATION        STATE        ENTRIES  SHARE
tcp 10.0.0.5:6379  TIME_WAIT          6   67 %
tcp 10.0.0.5:6379  ESTABLISHED        1   11 %
2 others                              2   22 %
`,
    );
  });

  it.each([
    ['protocol', 'tcp'],
    ['state', 'TIME_WAIT'],
    ['address', '10.0.0.5'],
    ['port', 'tcp/6379'],
    ['source', '10.0.0.9'],
    ['direction', 'outbound'],
    ['nat', 'none'],
    ['zone', '0'],
    ['assured', 'yes'],
    ['owner', 'unknown'],
    ['remaining', '30 s to 60 s'],
  ] as const)('tells the %s in a column', (dimension, value) => {
    const by = { dimensions: [dimension], rowsMax: 1 };
    const text = formatCensus(censusEvent({ ...common, census: countedCensus(), by }), 'web-1');
    const [title = '', row = ''] = text.split('\n').slice(3);
    expect(title.startsWith(dimension.toUpperCase())).toBe(true);
    expect(row.startsWith(`${value} `)).toBe(true);
  });

  it('tells entries of the longest bin, and those without a timeout', () => {
    const by = { dimensions: ['remaining'], rowsMax: 9 } as const;
    const text = formatCensus(censusEvent({ ...common, census: countedCensus(), by }), 'web-1');
    expect(text).toContain('\n24 h or more ');
    expect(text).toContain('\nno timeout ');
  });

  it('says of an empty table no more than that', () => {
    const census = censusEvent({ ...common, count: 0, collected: undefined, census: countedCensus([]) });
    expect(formatCensus(census, 'web-1')).toBe('conntrack table of web-1: 0 of 100 entries (0 %)\n');
  });
});
