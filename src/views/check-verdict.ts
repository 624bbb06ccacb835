/**
 * How bad it is, in the words of the monitoring plugins: by thresholds when there are any, else by the alerts of the daemon (a full
 * table needs none), else by how full the table is. What a threshold is on and nobody knows makes it UNKNOWN, unless something known is worse.
 */
import type { ControlStatus } from '../model/control.js';
import type { ForecastFields, TableFields } from '../model/events.js';
import { formatRange, isAlert, type ThresholdRange } from '../model/threshold-range.js';

/** In the order of their exit statuses. */
export const CHECK_STATES = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;
export type CheckState = (typeof CHECK_STATES)[number];

/** Usage in percent, time to full in seconds; undefined: not judged. */
export interface CheckThresholds {
  readonly usage: ThresholdPair;
  readonly timeToFull: ThresholdPair;
}

export interface ThresholdPair {
  readonly warning?: ThresholdRange | undefined;
  readonly critical?: ThresholdRange | undefined;
}

/** What is known: all by a daemon, the table alone by the kernel. */
export interface CheckReading {
  readonly table: TableFields;
  readonly daemon?: ControlStatus;
}

export interface CheckVerdict {
  readonly state: CheckState;
  /** Why, beside the state of the table. */
  readonly reasons: readonly string[];
}

/** Judges; `fallback` is the usage to go by when there is no daemon and no threshold. */
export function judgeCheck(
  { table, daemon }: CheckReading,
  thresholds: CheckThresholds,
  fallback: ThresholdPair,
): CheckVerdict {
  const { usage, timeToFull } = thresholds;
  const usedPercent = table.used_ratio === undefined ? undefined : percentOf(table.used_ratio);
  const judged = [
    ...(isSet(usage) ? [judgePair('usage', usedPercent, usage)] : []),
    ...(isSet(timeToFull) ? [judgePair('time to full', secondsToFull(daemon?.forecast), timeToFull)] : []),
  ];
  if (judged.length > 0) return worstOf(judged);
  if (daemon !== undefined) return judgeAlerts(daemon);
  return judgePair('usage', usedPercent, fallback);
}

/** Without the digits that only binary fractions have. */
export function percentOf(ratio: number): number {
  return Number((ratio * 100).toFixed(2));
}

/** Infinite when the table does not fill; undefined when nobody knows. */
export function secondsToFull(forecast: ForecastFields | undefined): number | undefined {
  if (forecast === undefined || forecast.verdict === 'unknown') return undefined;
  return forecast.verdict === 'fills'
    ? (forecast.seconds_to_full ?? Number.POSITIVE_INFINITY)
    : Number.POSITIVE_INFINITY;
}

function judgeAlerts({ alerts, table }: ControlStatus): CheckVerdict {
  const severities = alerts.map(({ severity }): CheckState => (severity === 'critical' ? 'CRITICAL' : 'WARNING'));
  const reasons = alerts.map(({ key, severity, since }) => `${key} ${severity} since ${since.slice(0, 19)}Z`);
  if (table.count === undefined)
    return worstOf([{ state: 'UNKNOWN', reasons }, ...severities.map((state) => ({ state, reasons: [] }))]);
  // An alert fires when it has held for some seconds; a full table drops packets now.
  if (table.max !== undefined && table.count >= table.max && !severities.includes('CRITICAL'))
    return { state: 'CRITICAL', reasons: ['the table is full', ...reasons] };
  return { state: severities.reduce(worse, 'OK'), reasons };
}

function judgePair(name: string, value: number | undefined, { warning, critical }: ThresholdPair): CheckVerdict {
  if (value === undefined) return { state: 'UNKNOWN', reasons: [`${name} is not known`] };
  const broken = (state: CheckState, range: ThresholdRange): CheckVerdict => ({
    state,
    reasons: [`${name} breaks ${state.toLowerCase()} threshold ${formatRange(range)}`],
  });
  if (critical !== undefined && isAlert(value, critical)) return broken('CRITICAL', critical);
  if (warning !== undefined && isAlert(value, warning)) return broken('WARNING', warning);
  return { state: 'OK', reasons: [] };
}

export function isSet({ warning, critical }: ThresholdPair): boolean {
  return warning !== undefined || critical !== undefined;
}

const RANK: Readonly<Record<CheckState, number>> = { OK: 0, UNKNOWN: 1, WARNING: 2, CRITICAL: 3 };

function worse(a: CheckState, b: CheckState): CheckState {
  return RANK[b] > RANK[a] ? b : a;
}

function worstOf(verdicts: readonly CheckVerdict[]): CheckVerdict {
  return {
    state: verdicts.map(({ state }) => state).reduce(worse, 'OK'),
    reasons: verdicts.flatMap(({ reasons }) => reasons),
  };
}
