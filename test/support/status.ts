/** What a daemon answers in the middle of an incident, and the alert that it tells. */
import type { ControlStatus } from '../../src/model/control.js';

export const FIRING: ControlStatus['alerts'][number] = {
  ...{ name: 'time_to_full', severity: 'critical', key: 'time_to_full' },
  ...{ since: '2026-11-23T14:02:11.000Z', msg: 'conntrack table 38 % full' },
  advice: ['use a pool of connections'],
  reference: '/usr/share/doc/ctwatch/runbook/time_to_full.md',
};

export const STATUS: ControlStatus = {
  v: 1,
  version: '0.1.0',
  host: 'web-1',
  time: '2026-11-23T14:02:31.004Z',
  age_seconds: 0.2,
  uptime_seconds: 7200,
  table: { count: 107_310, max: 262_144, used_ratio: 0.4094 },
  rate: {
    ...{ new_per_second: 2402.1, destroy_per_second: 92, net_per_second: 2310.1, growth_per_second: 2310 },
    ...{ new_per_second_1s: 2400, destroy_per_second_1s: 90, new_per_second_1m: 1711.8, destroy_per_second_1m: 92 },
  },
  forecast: { verdict: 'fills', seconds_to_full: 67, seconds_to_full_low: 58.2, seconds_to_full_high: 81 },
  totals: { new: 1_840_211, destroy: 1_733_021, lost_new: 3, lost_destroy: 4, malformed: 0 },
  alerts: [FIRING],
  finding: '83 % of the growth is tcp to 10.0.0.5:6379. It looks like connections that are not being reused.',
  thresholds: {
    usage: { warning_ratio: 0.8, critical_ratio: 0.9 },
    time_to_full: { warning_seconds: 600, critical_seconds: 120 },
  },
};
