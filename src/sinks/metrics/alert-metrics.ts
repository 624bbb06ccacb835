/** Metrics of bursts and alerts, with the sentence of each alert that fires. */
import { ALERT_NAMES } from '../../model/alert-fields.js';
import { METRIC_SENTENCE_CHARS } from '../../model/limits.js';
import { boundText } from '../../model/printable-text.js';
import type { Metric } from './metric.js';

const SEVERITIES = ['warning', 'critical'] as const;

export const BURST_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_burst_active', kind: 'gauge', unit: '1' },
    help: '1 while entries are made several times faster than usual, else 0',
    read: ({ tick }) => tick && Number(tick.burst.active !== undefined),
  },
  {
    ...{ name: 'ctwatch_burst_ratio', kind: 'gauge', unit: '1' },
    help: 'Rate of new entries over the usual one; absent unless a burst is on',
    read: ({ tick }) => tick?.burst.active?.ratio,
  },
  {
    ...{ name: 'ctwatch_bursts_total', kind: 'counter', unit: '{burst}', labels: ['scope'] },
    help: 'Bursts that began: of all new entries (total), or of one destination alone (destination)',
    read: ({ bursts, start }) =>
      start && Object.entries(bursts).map(([scope, value]) => ({ labels: { scope }, value })),
  },
];

export const ALERT_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_alerts_firing', kind: 'gauge', unit: '{alert}', labels: ['name', 'severity'] },
    help: 'Alerts that fire now, by condition and severity; several budgets may',
    read: ({ firing, start }) =>
      start &&
      eachAlert(
        (name, severity) =>
          [...firing.values()].filter((alert) => alert.name === name && alert.severity === severity).length,
      ),
  },
  {
    ...{ name: 'ctwatch_alerts_total', kind: 'counter', unit: '{alert}', labels: ['name', 'severity'] },
    help: 'Alerts that began to fire, or to fire with this severity',
    read: ({ alerts, start }) => start && eachAlert((name, severity) => alerts.get(`${name} ${severity}`) ?? 0),
  },
  {
    ...{
      name: 'ctwatch_alert_info',
      kind: 'gauge',
      unit: '1',
      labels: ['name', 'severity', 'key', 'sentence', 'runbook'],
    },
    help: '1 for each alert that fires, with the sentence it was told with last and the address of its runbook page; no series when none fires',
    read: ({ firing }) =>
      [...firing.values()].map(({ name, severity, key, msg, rule }) => ({
        // To Prometheus an empty label is none.
        labels: { name, severity, key, sentence: shorten(msg), runbook: rule?.reference ?? '' },
        value: 1,
      })),
  },
];

function eachAlert(read: (name: (typeof ALERT_NAMES)[number], severity: (typeof SEVERITIES)[number]) => number) {
  return ALERT_NAMES.flatMap((name) =>
    SEVERITIES.map((severity) => ({ labels: { name, severity }, value: read(name, severity) })),
  );
}

/** Without control characters, and not longer than a label should be. */
function shorten(text: string): string {
  return boundText(new TextEncoder().encode(text), METRIC_SENTENCE_CHARS);
}
