/** Metrics as text for Prometheus: its own format 0.0.4, or OpenMetrics 1.0.0 when the scraper asks for it. prom-client writes both. */
import { Counter, Gauge, Registry } from 'prom-client';
import { type Metric, readMetric } from './metric.js';
import { METRICS } from './metric-catalogue.js';
import type { MetricsState } from './metrics-state.js';

export type ExpositionFormat = 'prometheus' | 'openmetrics';

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

/** What a scraper wants, from its Accept header. */
export function chooseFormat(accept: string | undefined): ExpositionFormat {
  return accept?.includes('application/openmetrics-text') === true ? 'openmetrics' : 'prometheus';
}

/** All metrics as they are now. One of which nothing is known has no lines. */
export async function formatMetrics(state: MetricsState, format: ExpositionFormat): Promise<string> {
  // A registry of one reading: a series that is gone cannot stay behind.
  const registry = new Registry();
  if (format === 'openmetrics') registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  for (const metric of METRICS) addSamples(registry, metric, state);
  return await registry.metrics();
}

function addSamples(registry: Registry, metric: Metric, state: MetricsState): void {
  const samples = readMetric(metric, state);
  if (samples.length === 0) return;
  const { name, help, kind, labels: labelNames = [] } = metric;
  const options = { name, help, labelNames, registers: [registry] };
  if (kind === 'counter') {
    const counter = new Counter(options);
    for (const { labels, value } of samples) counter.inc(labels, value);
  } else {
    const gauge = new Gauge(options);
    for (const { labels, value } of samples) gauge.set(labels, value);
  }
}
