/** Metrics of the table: what is in it, what comes and goes, what the kernel counts, where it is heading. */
import type { WindowedRate } from '../../analysis/rates.js';
import type { KernelCounters } from '../../model/record.js';
import type { Metric, MetricSample } from './metric.js';

export const TABLE_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_conntrack_entries', kind: 'gauge', unit: '{entry}' },
    help: 'Entries in the connection-tracking table, expired ones included',
    read: ({ tick }) => round(tick?.table.count),
  },
  {
    ...{ name: 'ctwatch_conntrack_max_entries', kind: 'gauge', unit: '{entry}' },
    help: 'Entries that fit: nf_conntrack_max, or the value of --assume-max',
    read: ({ tick }) => tick?.table.max,
  },
  {
    ...{ name: 'ctwatch_conntrack_used_ratio', kind: 'gauge', unit: '1' },
    help: 'Entries over entries that fit',
    read: ({ tick }) => over(tick?.table.count, tick?.table.max),
  },
  {
    ...{ name: 'ctwatch_conntrack_live_entries', kind: 'gauge', unit: '{entry}' },
    help: 'Entries that have not expired, estimated',
    read: ({ tick }) => round(tick?.table.live),
  },
  {
    ...{ name: 'ctwatch_conntrack_expired_entries', kind: 'gauge', unit: '{entry}' },
    help: 'Dead entries that the kernel has not collected yet, estimated',
    read: ({ tick }) => round(tick?.table.expired),
  },
  {
    ...{ name: 'ctwatch_conntrack_blind_entries', kind: 'gauge', unit: '{entry}' },
    help: 'Most entries from before the start that may leave without an event',
    read: ({ tick }) => round(tick?.table.blind),
  },
  {
    ...{ name: 'ctwatch_conntrack_unassured_ratio', kind: 'gauge', unit: '1' },
    help: 'Share of the entries that the kernel may evict from a full table',
    read: ({ tick }) => tick?.table.unassuredRatio,
  },
];

export const FLOW_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_new_flows_total', kind: 'counter', unit: '{flow}' },
    help: 'Entries that were made, exact: those of lost events included',
    read: ({ tick }) => tick && tick.totals.newEvents + tick.loss.lostNew,
  },
  {
    ...{ name: 'ctwatch_destroyed_flows_total', kind: 'counter', unit: '{flow}' },
    help: 'Entries that have left, exact: those of lost events included',
    read: ({ tick }) => tick && tick.totals.destroyEvents + tick.loss.lostDestroy,
  },
  {
    ...{ name: 'ctwatch_new_flows_per_second', kind: 'gauge', unit: '{flow}/s', labels: ['window'] },
    help: 'Entries made per second, over the last second, ten seconds and minute',
    read: ({ tick }) => tick && windows(tick.rates.newPerSecond),
  },
  {
    ...{ name: 'ctwatch_destroyed_flows_per_second', kind: 'gauge', unit: '{flow}/s', labels: ['window'] },
    help: 'Entries gone per second, over the last second, ten seconds and minute',
    read: ({ tick }) => tick && windows(tick.rates.destroyPerSecond),
  },
  {
    ...{ name: 'ctwatch_usual_new_flows_per_second', kind: 'gauge', unit: '{flow}/s' },
    help: 'Entries usually made per second; absent until learned',
    read: ({ tick }) => tick?.burst.baselinePerSecond,
  },
];

const KERNEL_HELP: Readonly<Partial<Record<keyof KernelCounters, string>>> = {
  drop: 'Packets that the kernel dropped because the table was full',
  early_drop: 'Entries that the kernel evicted to make room',
  insert_failed: 'Entries that could not be inserted, mostly because another packet was first',
  chain_toolong: 'Entries refused because their hash chain was too long',
  clash_resolve: 'Races between two packets of one flow that were resolved',
  search_restart: 'Look-ups that had to begin again because the table was being resized',
  invalid: 'Packets that fit no entry',
  error: 'Packets whose tracking failed, such as malformed ICMP',
};

/** Increase since the start of ctwatch, so that the kernel's 32-bit counters never wrap here. */
export const KERNEL_METRICS: readonly Metric[] = Object.entries(KERNEL_HELP).map(([counter, help]) => ({
  ...{ name: `ctwatch_kernel_${counter}_total`, kind: 'counter', unit: '{event}', help },
  read: ({ kernel }) => kernel?.[counter as keyof KernelCounters],
}));

const VERDICTS = ['fills', 'plateaus', 'drains', 'unknown'] as const;

export const FORECAST_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_forecast_verdict', kind: 'gauge', unit: '1', labels: ['verdict'] },
    help: 'Where the table is going at the present course: 1 for the verdict that holds, 0 for the others',
    read: ({ tick }) =>
      tick && VERDICTS.map((verdict) => ({ labels: { verdict }, value: Number(tick.forecast.verdict === verdict) })),
  },
  {
    ...{ name: 'ctwatch_forecast_withheld', kind: 'gauge', unit: '1', labels: ['reason'] },
    help: 'Why the verdict is unknown, see docs/errors.md; absent while it is known',
    read: ({ tick }) =>
      tick?.forecast.reason === undefined ? undefined : [{ labels: { reason: tick.forecast.reason }, value: 1 }],
  },
  {
    ...{ name: 'ctwatch_forecast_time_to_full_seconds', kind: 'gauge', unit: 's' },
    help: 'Median time until the table is full; absent unless it fills',
    read: ({ tick }) => tick?.forecast.secondsToFull,
  },
  {
    ...{ name: 'ctwatch_forecast_time_to_full_low_seconds', kind: 'gauge', unit: 's' },
    help: 'Time until the table is full, 5 % quantile',
    read: ({ tick }) => tick?.forecast.secondsToFullLow,
  },
  {
    ...{ name: 'ctwatch_forecast_time_to_full_high_seconds', kind: 'gauge', unit: 's' },
    help: 'Time until the table is full, 95 % quantile of the cases in which it fills at all',
    read: ({ tick }) => tick?.forecast.secondsToFullHigh,
  },
  {
    ...{ name: 'ctwatch_forecast_time_to_drop_seconds', kind: 'gauge', unit: 's' },
    help: 'Time until no entry can be evicted either and packets are dropped',
    read: ({ tick }) => tick?.forecast.secondsToDrop,
  },
  {
    ...{ name: 'ctwatch_forecast_full_within_10m_ratio', kind: 'gauge', unit: '1' },
    help: 'Probability that the table is full within 10 minutes',
    read: ({ tick }) => tick?.forecast.probabilityFull10m,
  },
  {
    ...{ name: 'ctwatch_forecast_plateau_entries', kind: 'gauge', unit: '{entry}' },
    help: 'Entries the table settles at, at most, if the rates stay',
    read: ({ tick }) => round(tick?.forecast.plateauCount),
  },
  {
    ...{ name: 'ctwatch_forecast_plateau_ratio', kind: 'gauge', unit: '1' },
    help: 'The same over the entries that fit; above 1 when it would not settle in time',
    read: ({ tick }) => tick?.forecast.plateauRatio,
  },
];

function round(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value);
}

function over(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || whole === undefined ? undefined : part / whole;
}

function windows({ over1s, over10s, over60s }: WindowedRate): MetricSample[] {
  const byWindow = { '1s': over1s, '10s': over10s, '1m': over60s };
  return Object.entries(byWindow).map(([window, value]) => ({ labels: { window }, value }));
}
