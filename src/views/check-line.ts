/**
 * The line of a check: a state, a sentence, and performance data for graphs.
 *
 *   CONNTRACK CRITICAL - 41 % full (107,310 of 262,144), +2,310/s, full in 67 s (58-81 s). ... | 'used'=40.94%;80;90;0;100 ...
 *
 * Names of processes come from whoever runs them: what would end the line or begin the performance data is taken out.
 * Source: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios".
 */
import type { ControlStatus } from '../model/control.js';
import { formatRange, type ThresholdRange } from '../model/threshold-range.js';
import { describeForecast, describeFullness, describeTable, formatRate, formatSeconds } from '../pipeline/sentence.js';
import {
  type CheckReading,
  type CheckState,
  type CheckVerdict,
  percentOf,
  secondsToFull,
  type ThresholdPair,
} from './check-verdict.js';

export interface CheckLineParts {
  readonly reading: CheckReading;
  readonly verdict: CheckVerdict;
  /** As they are graphed; alerts may have decided. */
  readonly usage: ThresholdPair;
  readonly timeToFull: ThresholdPair;
  /** Why there is no daemon in the reading. */
  readonly missing?: string | undefined;
  readonly netns?: string | undefined;
  /** More lines: what is behind the first. */
  readonly verbose: boolean;
}

/** All that a check prints, the last line feed included. */
export function formatCheck(parts: CheckLineParts): string {
  const { reading, verdict, verbose } = parts;
  const { daemon } = reading;
  const first = `CONNTRACK ${verdict.state} - ${escapeText(describe(parts))} | ${performanceData(parts).join(' ')}`;
  return [first, ...(verbose && daemon !== undefined ? details(daemon) : [])].map((line) => `${line}\n`).join('');
}

/** The line of a check that could not look: status 3. */
export function formatUnknown(text: string): string {
  return `CONNTRACK UNKNOWN - ${escapeText(text)}\n`;
}

function describe({ reading, verdict, missing, netns }: CheckLineParts): string {
  const { table, daemon } = reading;
  const where = netns === undefined ? '' : `${netns}: `;
  const fullness = table.used_ratio === undefined ? describeTable(table) : describeFullness(table);
  const because = verdict.reasons.length > 0 ? `, ${verdict.reasons.join(', ')}` : '';
  if (daemon === undefined) return `${where}${fullness}, rates and forecast not known (${missing})${because}`;
  const growth = daemon.rate.growth_per_second;
  const course = `${growth < 0 ? '' : '+'}${formatRate(growth)}, ${describeForecast(daemon.forecast)}`;
  const finding = verdict.state === 'OK' || daemon.finding === undefined ? '' : `. ${daemon.finding}`;
  return `${where}${fullness}, ${course}${because}${finding}`;
}

/** `'label'=value[unit];warning;critical;minimum;maximum`. What is not known is absent. */
function performanceData({ reading, usage, timeToFull }: CheckLineParts): string[] {
  const { table, daemon } = reading;
  const seconds = secondsToFull(daemon?.forecast);
  return [
    ...(table.used_ratio === undefined ? [] : [datum('used', percentOf(table.used_ratio), '%', usage, '0;100')]),
    ...(table.count === undefined ? [] : [datum('entries', table.count, '', {}, `0;${table.max ?? ''}`)]),
    ...(seconds === undefined || !Number.isFinite(seconds)
      ? []
      : [datum('time_to_full', seconds, 's', timeToFull, '0;')]),
    ...(daemon === undefined ? [] : rates(daemon)),
  ];
}

function rates({ rate, totals }: ControlStatus): string[] {
  return [
    datum('new_per_second', rate.new_per_second, '', {}, '0;'),
    datum('destroy_per_second', rate.destroy_per_second, '', {}, '0;'),
    datum('growth_per_second', rate.growth_per_second, '', {}, ';'),
    datum('events_lost', totals.lost_new + totals.lost_destroy, 'c', {}, '0;'),
  ];
}

function datum(
  label: string,
  value: number,
  unit: string,
  { warning, critical }: ThresholdPair,
  bounds: string,
): string {
  const format = (range: ThresholdRange | undefined) => (range === undefined ? '' : formatRange(range));
  return `'${label}'=${value}${unit};${format(warning)};${format(critical)};${bounds}`.replace(/;+$/, '');
}

function details({ alerts, age_seconds, uptime_seconds, version, host, totals }: ControlStatus): string[] {
  const lost = `${totals.lost_new} NEW and ${totals.lost_destroy} DESTROY events lost`;
  return [
    `ctwatch ${version} on ${host}, up ${formatSeconds(uptime_seconds)}, reading ${age_seconds} s old, ${lost}`,
    ...alerts.flatMap(({ key, severity, since, msg, advice, reference }) => [
      `${severity} ${key} since ${since}: ${msg}`,
      ...advice.map((text) => `advice: ${text}`),
      ...(reference === undefined ? [] : [`see ${reference}`]),
    ]),
  ].map(escapeText);
}

/** In one line, without the sign that begins the performance data, and without the one that Nagios would make a colon. */
function escapeText(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  return line.replaceAll('|', '/').replaceAll(';', ',');
}

/** The exit status of a state. */
export function exitStatusOf(state: CheckState): 0 | 1 | 2 | 3 {
  return ({ OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3 } as const)[state];
}
