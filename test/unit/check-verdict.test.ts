import { describe, expect, it } from 'vitest';
import type { ControlStatus } from '../../src/model/control.js';
import { parseRange } from '../../src/model/threshold-range.js';
import {
  type CheckReading,
  type CheckThresholds,
  judgeCheck,
  type ThresholdPair,
} from '../../src/views/check-verdict.js';
import { FIRING, STATUS } from '../support/status.js';

const pair = (warning?: string, critical?: string): ThresholdPair => {
  const range = (text: string | undefined) => {
    const parsed = text === undefined ? undefined : parseRange(text);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  };
  return { warning: range(warning), critical: range(critical) };
};
const NONE: CheckThresholds = { usage: {}, timeToFull: {} };
const DEFAULTS = pair('80', '90');

const used = (ratio: number) => ({ count: ratio * 1000, max: 1000, used_ratio: ratio });
const byDaemon = (more: Partial<ControlStatus> = {}): CheckReading => {
  const daemon = { ...STATUS, ...more };
  return { table: daemon.table, daemon };
};
const alert = (severity: 'warning' | 'critical') => ({ ...FIRING, severity });
const state = (reading: CheckReading, thresholds = NONE) => judgeCheck(reading, thresholds, DEFAULTS).state;

describe('without thresholds', () => {
  it("goes by the daemon's alerts, whatever the usage", () => {
    const table = used(0.99);
    expect(state(byDaemon({ table, alerts: [] }))).toBe('OK');
    expect(state(byDaemon({ alerts: [alert('warning')] }))).toBe('WARNING');
    expect(state(byDaemon({ alerts: [alert('warning'), alert('critical')] }))).toBe('CRITICAL');
  });

  it('names the alerts and since when', () => {
    const { reasons } = judgeCheck(byDaemon(), NONE, DEFAULTS);
    expect(reasons).toEqual(['time_to_full critical since 2026-11-23T14:02:11Z']);
  });

  it('does not wait for an alert to call a full table critical', () => {
    expect(state(byDaemon({ table: used(1), alerts: [] }))).toBe('CRITICAL');
    const { reasons } = judgeCheck(byDaemon({ table: used(5.08), alerts: [alert('warning')] }), NONE, DEFAULTS);
    expect(reasons[0]).toBe('the table is full');
  });

  it('does not call a table fine whose size nobody knows, but tells what is worse', () => {
    expect(state(byDaemon({ table: {}, alerts: [] }))).toBe('UNKNOWN');
    expect(state(byDaemon({ table: {}, alerts: [alert('warning')] }))).toBe('WARNING');
  });

  it.each([
    [0.8, 'OK'],
    [0.801, 'WARNING'],
    [0.9, 'WARNING'],
    [0.95, 'CRITICAL'],
  ])('without a daemon goes by usage: %d is %s', (ratio, expected) => {
    expect(state({ table: used(ratio) })).toBe(expected);
  });

  it('without a daemon and a limit knows nothing', () => {
    expect(state({ table: { count: 5 } })).toBe('UNKNOWN');
  });
});

describe('with thresholds', () => {
  it('on usage lets no alert decide', () => {
    const usage = pair('50', '60');
    expect(state(byDaemon({ table: used(0.4) }), { ...NONE, usage })).toBe('OK');
    expect(state(byDaemon({ table: used(0.55), alerts: [] }), { ...NONE, usage })).toBe('WARNING');
    expect(state({ table: used(0.61) }, { ...NONE, usage })).toBe('CRITICAL');
  });

  it('on the time to full: below is bad, never full is good, not known is UNKNOWN', () => {
    const timeToFull = pair('600:', '120:');
    const fills = (seconds_to_full?: number) =>
      byDaemon({ forecast: { verdict: 'fills', ...(seconds_to_full !== undefined && { seconds_to_full }) } });
    expect(state(fills(119), { ...NONE, timeToFull })).toBe('CRITICAL');
    expect(state(fills(120), { ...NONE, timeToFull })).toBe('WARNING');
    expect(state(fills(600), { ...NONE, timeToFull })).toBe('OK');
    expect(state(fills(), { ...NONE, timeToFull })).toBe('OK');
    expect(state(byDaemon({ forecast: { verdict: 'plateaus' } }), { ...NONE, timeToFull })).toBe('OK');
    expect(state(byDaemon({ forecast: { verdict: 'unknown' } }), { ...NONE, timeToFull })).toBe('UNKNOWN');
    expect(state({ table: used(0.1) }, { ...NONE, timeToFull })).toBe('UNKNOWN');
  });

  it('takes the worst of both, and something known over something unknown', () => {
    const timeToFull = pair('600:', '120:');
    const both = (usage: ThresholdPair) => judgeCheck({ table: used(0.7) }, { usage, timeToFull }, DEFAULTS);
    expect(both(pair('60', '80')).state).toBe('WARNING');
    expect(both(pair('80', '90'))).toEqual({ state: 'UNKNOWN', reasons: ['time to full is not known'] });
    expect(both(pair('50', '60')).reasons).toEqual(['usage breaks critical threshold 60', 'time to full is not known']);
  });
});
