import { describe, expect, it } from 'vitest';
import { DIAGNOSIS_CODES } from '../../src/model/alert-fields.js';
import {
  describeAlert,
  describeForecast,
  describeSample,
  describeTable,
  describeTalker,
  formatCount,
  formatRate,
  formatRatio,
  formatSeconds,
} from '../../src/pipeline/sentence.js';

const table = { count: 107_310, max: 262_144, used_ratio: 0.4094 };
const fills = { verdict: 'fills', seconds_to_full: 67, seconds_to_full_low: 58.2, seconds_to_full_high: 81 } as const;
const kernel = { drop: 0, early_drop: 0, insert_failed: 0, chain_toolong: 9, clash_resolve: 9, invalid: 9, error: 9 };
const culprit = {
  network: { transport: 'tcp' },
  destination: { ip: '10.0.0.5', port: 6379 },
  new_per_second: 1917.4,
  share_ratio: 0.83,
};
const burst = { since: '2026-11-23T14:02:07.000Z', ratio: 4.12 };
const parts = {
  ...({ basis: 'growth', diagnosis: 'unclear' } as const),
  phase: 'firing',
  severity: 'critical',
  table,
  growthPerSecond: 2310,
  forecast: fills,
  kernel,
  culprits: [],
  lost: 0,
} as const;

describe('numbers', () => {
  it.each([
    [0, '0'],
    [999.4, '999'],
    [107_310, '107,310'],
  ])('a count of %d is %s', (value, text) => expect(formatCount(value)).toBe(text));

  it.each([
    [0, '0 %'],
    [0.0004, '< 0.1 %'],
    [0.0005, '0.1 %'],
    [0.004, '0.4 %'],
    [0.4094, '41 %'],
    [1, '100 %'],
    [3.2, '320 %'],
  ])('a ratio of %d is %s', (value, text) => expect(formatRatio(value)).toBe(text));

  it.each([
    [0, '0/s'],
    [-0.04, '0/s'],
    [0.26, '0.3/s'],
    [9, '9/s'],
    [9.96, '10/s'],
    [2310.4, '2,310/s'],
    [-2.5, '-2.5/s'],
    [-1200, '-1,200/s'],
  ])('a rate of %d is %s', (value, text) => expect(formatRate(value)).toBe(text));

  it.each([
    [0.4, '0 s'],
    [67, '67 s'],
    [119, '119 s'],
    [120, '2 min'],
    [7199, '120 min'],
    [12_600, '3.5 h'],
    [86_400, '24 h'],
  ])('%d seconds are %s', (value, text) => expect(formatSeconds(value)).toBe(text));
});

describe('describeTable', () => {
  it('says how much of it is used, or as much of that as is known', () => {
    expect(describeTable(table)).toBe('107,310 of 262,144 entries (41 %)');
    expect(describeTable({ count: 5 })).toBe('5 entries');
    expect(describeTable({ max: 5 })).toBe('number of entries not known');
  });
});

describe('describeForecast', () => {
  it.each([
    [fills, 'full in 67 s (58-81 s)'],
    [{ verdict: 'fills', seconds_to_full: 67, seconds_to_full_low: 58 }, 'full in 67 s (58 s or later)'],
    [{ verdict: 'fills', seconds_to_full: 2, seconds_to_full_low: 1.6, seconds_to_full_high: 2.4 }, 'full in 2 s'],
    [{ verdict: 'fills', seconds_to_full: 300 }, 'full in 5 min'],
    [{ verdict: 'fills', seconds_to_full: 0, seconds_to_full_low: 0, seconds_to_full_high: 0 }, 'full'],
    [{ verdict: 'fills' }, 'filling'],
    [{ verdict: 'plateaus', plateau_ratio: 0.31 }, 'settles at 31 % at most'],
    [{ verdict: 'plateaus' }, 'not filling'],
    [{ verdict: 'drains' }, 'draining'],
    [{ verdict: 'unknown', reason: 'learning' }, 'forecast withheld: learning'],
    [{ verdict: 'unknown' }, 'forecast withheld: unknown'],
  ] as const)('%j: %s', (forecast, text) => expect(describeForecast(forecast)).toBe(text));
});

describe('describeTalker', () => {
  it('has a port where there are ports, and brackets around IPv6', () => {
    expect(describeTalker(culprit)).toBe('tcp to 10.0.0.5:6379');
    expect(describeTalker({ network: { transport: 'udp' }, destination: { ip: '2001:db8::1', port: 53 } })).toBe(
      'udp to [2001:db8::1]:53',
    );
    expect(describeTalker({ network: { transport: 'icmp' }, destination: { ip: '10.0.0.5' } })).toBe(
      'icmp to 10.0.0.5',
    );
  });
});

describe('describeSample', () => {
  it('gives the table, its growth with a sign, and the forecast', () => {
    expect(describeSample(table, 2310, fills)).toBe(
      '107,310 of 262,144 entries (41 %), +2,310/s, full in 67 s (58-81 s)',
    );
    expect(describeSample(table, -3, { verdict: 'drains' })).toMatch(/, -3\/s, draining$/);
  });
});

describe('describeAlert', () => {
  it('says the state, what grows since when, how long it will last, who, and what it looks like', () => {
    const known = { entries: 84_012, expected_entries: 50, states: { TIME_WAIT: 0.71, ESTABLISHED: 0.29 } };
    const told = { ...parts, name: 'time_to_full', burst, culprits: [{ ...culprit, ...known }] } as const;
    expect(describeAlert({ ...told, diagnosis: 'connection_churn' })).toBe(
      'conntrack table 41 % full (107,310 of 262,144) and growing 2,310/s since 14:02:07 (a burst, 4.1 times the ' +
        'usual rate): full in 67 s (58-81 s). 83 % of the growth is tcp to 10.0.0.5:6379: 84,012 entries against ' +
        'an expected 50, 71 % in TIME_WAIT. It looks like connections that are not being reused.',
    );
  });

  it('names the owner of most of it, in as many words as are known', () => {
    const owner = {
      ...{ process: { pid: 4121, name: 'ruby', threads: 25 }, service: { name: 'sidekiq.service' } },
      ...{ owner_ratio: 0.97, attributed_ratio: 0.9 },
    };
    const say = (owned: object) =>
      describeAlert({ ...parts, name: 'burst', burst, culprits: [{ ...culprit, ...owner, ...owned }] }).slice(
        describeAlert({ ...parts, name: 'burst', burst }).length,
      );
    expect(say({})).toBe(
      ' 83 % of the growth is tcp to 10.0.0.5:6379, opened by sidekiq.service (ruby, pid 4121, 25 threads).',
    );
    expect(say({ accepted_ratio: 0.9, service: undefined })).toMatch(/, accepted by ruby \(pid 4121, 25 threads\)\.$/);
    expect(say({ process: { name: 'ruby' } })).toMatch(/, opened by sidekiq\.service \(ruby\)\.$/);
    expect(say({ process: undefined, service: undefined, container: { id: 'c0ffee123456789' } })).toMatch(
      /, opened by container c0ffee123456\.$/,
    );
    expect(say({ process: undefined, service: undefined, user: { id: '33', name: 'www-data' } })).toMatch(
      /, opened by www-data\.$/,
    );
    expect(say({ attributed_ratio: 0.3 })).toContain('opened by sidekiq.service');
    expect(say({ attributed_ratio: 0.2 })).not.toContain('by');
    expect(say({ attributed_ratio: 0.4, owner_ratio: 0.8 })).not.toContain('by');
    expect(say({ process: undefined, service: undefined })).not.toContain('by');
  });

  it('is shorter when less is known', () => {
    const told = { ...parts, name: 'time_to_full', burst } as const;
    expect(describeAlert({ ...told, culprits: [culprit] })).toMatch(
      / 83 % of the growth is tcp to 10\.0\.0\.5:6379\.$/,
    );
    const held = { ...culprit, entries: 84_012 };
    expect(describeAlert({ ...told, culprits: [{ ...held, usual_entries: 48 }] })).toMatch(
      /6379: 84,012 entries, usually 48\.$/,
    );
    expect(describeAlert({ ...told, culprits: [{ ...held, usual_entries: 80_000 }] })).toMatch(
      /6379: 84,012 entries\.$/,
    );
    expect(describeAlert({ ...told, culprits: [{ ...held, states: { ESTABLISHED: 0.2 } }] })).toMatch(
      /84,012 entries\.$/,
    );
    expect(describeAlert({ ...told, culprits: [{ ...culprit, states: { SYN_SENT: 1 } }] })).toMatch(
      /6379: 100 % in SYN_SENT\.$/,
    );
  });

  it('tells a source whose flows go everywhere', () => {
    const scanner = {
      ...{ network: { transport: 'tcp' }, source: { ip: '10.0.0.9' }, share_ratio: 0.97 },
      states: { SYN_SENT: 0.98 },
    };
    expect(describeAlert({ ...parts, name: 'burst', burst, culprits: [scanner], diagnosis: 'scan' })).toMatch(
      / 97 % of the new entries are tcp from 10\.0\.0\.9 to many destinations, 98 % in SYN_SENT\. It looks like a scan\.$/,
    );
  });

  it('speaks of entries when the table does not grow, and of nobody when nobody stands out', () => {
    const said = describeAlert({ ...parts, name: 'usage', basis: 'entries', culprits: [culprit] });
    expect(said).toMatch(/ and growing 2,310\/s: full in .*\. 83 % of the entries are tcp to 10\.0\.0\.5:6379\.$/);
    expect(describeAlert({ ...parts, name: 'usage' })).toMatch(/81 s\)\.$/);
  });

  it('has words for every diagnosis but the unclear one', () => {
    const texts = DIAGNOSIS_CODES.map((diagnosis) => describeAlert({ ...parts, name: 'burst', diagnosis }));
    expect(new Set(texts).size).toBe(DIAGNOSIS_CODES.length);
    expect(texts.filter((text) => text.includes('It looks like'))).toHaveLength(DIAGNOSIS_CODES.length - 1);
  });

  it('does not call a table that shrinks growing', () => {
    expect(describeAlert({ ...parts, name: 'usage', growthPerSecond: -5 })).not.toContain('growing');
    expect(describeAlert({ ...parts, name: 'burst', growthPerSecond: -5, burst })).toContain(
      'of 262,144), in a burst since 14:02:07 (4.1 times the usual rate): full',
    );
  });

  it('says what is known of a table that does not answer', () => {
    expect(describeAlert({ ...parts, name: 'burst', table: {} })).toMatch(
      /^conntrack table of unknown size and growing/,
    );
    expect(describeAlert({ ...parts, name: 'burst', table: { count: 5 } })).toMatch(
      /^conntrack table with 5 entries and/,
    );
  });

  it('counts the damage that was done, and only that', () => {
    const said = describeAlert({ ...parts, name: 'dropping', kernel: { ...kernel, drop: 1200, insert_failed: 3 } });
    expect(said).toContain(' and growing 2,310/s, and losing connections: 1,200 packets dropped, 3 inserts failed.');
    expect(said).not.toContain('evicted');
  });

  it('says what a budget allows and what is there', () => {
    const budget = { destination: '10.0.0.5:6379', entries: 84_012, max_entries: 50 };
    const told = { ...parts, name: 'budget' } as const;
    expect(describeAlert({ ...told, budget })).toBe('10.0.0.5:6379 is over its budget: 84,012 entries, 50 allowed.');
    const owned = { ...budget, owner: 'sidekiq.service', transport: 'tcp', new_per_second: 7, max_new_per_second: 5 };
    expect(describeAlert({ ...told, budget: owned })).toBe(
      'sidekiq.service at tcp to 10.0.0.5:6379 is over its budget: 84,012 entries, 50 allowed; 7/s new entries, 5/s allowed.',
    );
    expect(describeAlert({ ...told, phase: 'resolved', budget: { owner: 'uid:33', max_entries: 5, entries: 3 } })).toBe(
      'uid:33 is within its budget again: 3 entries, 5 allowed.',
    );
  });

  it('says how many events are lost and what stays exact', () => {
    expect(describeAlert({ ...parts, name: 'loss', lost: 51_000 })).toBe(
      'events are being lost (51,000 so far): totals stay exact, details are sampled.',
    );
  });

  it('says what is over and how things are now', () => {
    const forecast = { verdict: 'plateaus', plateau_ratio: 0.31 } as const;
    const said = describeAlert({ ...parts, name: 'burst', phase: 'resolved', growthPerSecond: 0, forecast });
    expect(said).toBe('resolved burst: 107,310 of 262,144 entries (41 %), +0/s, settles at 31 % at most');
  });
});
