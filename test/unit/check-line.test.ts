import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ControlStatus } from '../../src/model/control.js';
import { type CheckLineParts, exitStatusOf, formatCheck, formatUnknown } from '../../src/views/check-line.js';
import { FIRING, STATUS } from '../support/status.js';

const above = (high: number) => ({ low: 0, high, alerts: 'outside' }) as const;
const below = (low: number) => ({ low, high: Number.POSITIVE_INFINITY, alerts: 'outside' }) as const;
const parts: CheckLineParts = {
  reading: { table: STATUS.table, daemon: STATUS },
  verdict: { state: 'CRITICAL', reasons: ['time_to_full critical since 2026-11-23T14:02:11Z'] },
  usage: { warning: above(80), critical: above(90) },
  timeToFull: { warning: below(600), critical: below(120) },
  verbose: false,
};
const withDaemon = (more: Partial<ControlStatus>): CheckLineParts => {
  const daemon = { ...STATUS, ...more };
  return { ...parts, reading: { table: daemon.table, daemon } };
};

/** One datum as the guidelines have it: label, number with a unit, thresholds as ranges, bounds as numbers. */
const RANGE = String.raw`@?(?:(?:~|-?[\d.]+):)?(?:-?[\d.]+)?`;
const DATUM = new RegExp(
  String.raw`^'[a-z_]+'=-?[\d.]+(?:%|s|c|)(?:;(?:${RANGE})?(?:;(?:${RANGE})?(?:;(?:-?[\d.]+)?(?:;(?:-?[\d.]+)?)?)?)?)?$`,
);

describe('formatCheck', () => {
  it('says the state, the table, where it goes, why and who, and has performance data', () => {
    expect(formatCheck(parts)).toBe(
      'CONNTRACK CRITICAL - 41 % full (107,310 of 262,144), +2,310/s, full in 67 s (58-81 s)' +
        ', time_to_full critical since 2026-11-23T14:02:11Z' +
        '. 83 % of the growth is tcp to 10.0.0.5:6379. It looks like connections that are not being reused.' +
        " | 'used'=40.94%;80;90;0;100 'entries'=107310;;;0;262144 'time_to_full'=67s;600:;120:;0" +
        " 'new_per_second'=2402.1;;;0 'destroy_per_second'=92;;;0 'growth_per_second'=2310 'events_lost'=7c;;;0\n",
    );
  });

  it('accuses nobody while all is well', () => {
    const line = formatCheck({ ...parts, verdict: { state: 'OK', reasons: [] } });
    expect(line).toMatch(/^CONNTRACK OK - 41 % full \(107,310 of 262,144\), \+2,310\/s, full in 67 s \(58-81 s\) \| /);
  });

  it('leaves out what is not known', () => {
    const line = formatCheck(withDaemon({ table: { count: 5 }, forecast: { verdict: 'unknown', reason: 'learning' } }));
    expect(line).toContain(' - 5 entries, +2,310/s, forecast withheld: learning');
    expect(line).not.toMatch(/'used'|'time_to_full'/);
    expect(line).toContain("'entries'=5;;;0 ");
  });

  it('has no time to full of a table that never fills', () => {
    expect(formatCheck(withDaemon({ forecast: { verdict: 'drains' } }))).not.toContain("'time_to_full'");
  });

  it('says without a daemon that rates are not known, and why, and graphs no rates', () => {
    const line = formatCheck({
      ...{ ...parts, reading: { table: STATUS.table }, verdict: { state: 'OK', reasons: [] }, netns: 'web' },
      missing: '/run/ctwatch/ctwatch.sock: no ctwatch answers (ENOENT)',
    });
    expect(line).toBe(
      'CONNTRACK OK - web: 41 % full (107,310 of 262,144), rates and forecast not known' +
        " (/run/ctwatch/ctwatch.sock: no ctwatch answers (ENOENT)) | 'used'=40.94%;80;90;0;100 'entries'=107310;;;0;262144\n",
    );
  });

  it('tells with -v each alert as it was told, losses and the age of the reading', () => {
    const [, ...lines] = formatCheck({ ...parts, verbose: true })
      .trimEnd()
      .split('\n');
    expect(lines).toEqual([
      'ctwatch 0.1.0 on web-1, up 2 h, reading 0.2 s old, 3 NEW and 4 DESTROY events lost',
      'critical time_to_full since 2026-11-23T14:02:11.000Z: conntrack table 38 % full',
      'advice: use a pool of connections',
      'see /usr/share/doc/ctwatch/runbook/time_to_full.md',
    ]);
  });

  it('is one line with one bar and well-formed data, whatever a process calls itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (name, msg) => {
        const hostile = withDaemon({
          finding: `tcp, opened by ${name} |'used'=0%\n`,
          alerts: [{ ...FIRING, msg: `${msg}\r\n|x=1` }],
        });
        const lines = formatCheck({ ...hostile, verbose: true }).split('\n');
        expect(lines).toHaveLength(6);
        const [text, data, ...rest] = (lines[0] ?? '').split(' | ');
        expect(rest).toEqual([]);
        expect(`${text}${lines[1]}${lines[2]}`).not.toMatch(/[|;\r\n]/);
        for (const datum of (data ?? '').split(' ')) expect(datum).toMatch(DATUM);
      }),
    );
  });
});

describe('formatUnknown', () => {
  it('is a line of a plugin', () => {
    expect(formatUnknown('no | answer\nat; all')).toBe('CONNTRACK UNKNOWN - no / answer at, all\n');
  });
});

describe('exitStatusOf', () => {
  it.each([
    ['OK', 0],
    ['WARNING', 1],
    ['CRITICAL', 2],
    ['UNKNOWN', 3],
  ] as const)('%s is %d', (state, status) => expect(exitStatusOf(state)).toBe(status));
});
