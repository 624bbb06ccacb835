/** Every metric there is, in the order in which they are told. `docs/metrics.md` and contrib/prometheus are checked against it. */
import { ALERT_METRICS, BURST_METRICS } from './alert-metrics.js';
import { LOSS_METRICS, OUTPUT_METRICS, PROCESS_METRICS, READER_METRICS } from './health-metrics.js';
import type { Metric } from './metric.js';
import { SHARE_METRICS } from './share-metrics.js';
import { FLOW_METRICS, FORECAST_METRICS, KERNEL_METRICS, TABLE_METRICS } from './table-metrics.js';

/** By what they are about. */
export const METRIC_GROUPS: Readonly<Record<string, readonly Metric[]>> = {
  'The table': TABLE_METRICS,
  Flows: FLOW_METRICS,
  Forecast: FORECAST_METRICS,
  Alerts: ALERT_METRICS,
  Bursts: BURST_METRICS,
  'Who makes the entries': SHARE_METRICS,
  'What the kernel counts': KERNEL_METRICS,
  'What ctwatch may have missed': LOSS_METRICS,
  'How ctwatch reads': READER_METRICS,
  'What ctwatch tells': OUTPUT_METRICS,
  'The process': PROCESS_METRICS,
};

export const METRICS: readonly Metric[] = Object.values(METRIC_GROUPS).flat();
