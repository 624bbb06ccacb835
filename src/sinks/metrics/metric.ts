/** What a metric is: its name, kind, unit, meaning and labels, and how its value is read. `metric-catalogue.ts` lists all of them. */
import type { MetricsState } from './metrics-state.js';

export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  /** `ctwatch_` and the rest in snake_case; the unit last, and `_total` after it for counters. */
  readonly name: string;
  /** A counter only grows while the process lives. */
  readonly kind: 'counter' | 'gauge';
  /** As OpenTelemetry writes units (UCUM): `s`, `By`, `1` for a ratio, `{entry}` for things that are counted. */
  readonly unit: string;
  /** One sentence, without its full stop. */
  readonly help: string;
  /** Labels of its series, in order. Default none. */
  readonly labels?: readonly string[];
  /** The present value or, with labels, one for each series. What is not known is left out, never 0. */
  read(state: MetricsState): number | undefined | readonly MetricSample[];
}

/** The series of a metric now. Empty: nothing is known. */
export function readMetric(metric: Metric, state: MetricsState): readonly MetricSample[] {
  const read = metric.read(state);
  const samples = typeof read === 'number' ? [{ labels: {}, value: read }] : (read ?? []);
  return samples.filter(({ value }) => Number.isFinite(value));
}

/** Series of a map whose keys are the values of one label. */
export function byLabel(label: string, counts: ReadonlyMap<string, number>): MetricSample[] {
  return [...counts].map(([key, value]) => ({ labels: { [label]: key }, value }));
}
