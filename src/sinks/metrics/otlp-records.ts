/** Metrics and alerts as the OpenTelemetry SDK has them: data points of the catalogue, and a log record for each alert. */
import type { HrTime } from '@opentelemetry/api';
import type { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { CtEvent, EventOf } from '../../model/events.js';
import { type Metric, type MetricSample, readMetric } from './metric.js';
import { METRICS } from './metric-catalogue.js';
import type { MetricsState } from './metrics-state.js';

export type LogRecord = Parameters<OTLPLogExporter['export']>[0][number];

/** Numbers of the log data model of OpenTelemetry. */
const SEVERITIES: Readonly<Record<CtEvent['level'], number>> = { info: 9, warn: 13, error: 17 };

/** ValueType.DOUBLE. */
const DOUBLE = 1;

export interface OtlpSubject {
  readonly hostname: string;
  readonly version: string;
  /** The watched namespace, when it is not the own one. */
  readonly netns?: string | undefined;
}

/** Who sends: names of the semantic conventions. */
export function describeResource({ hostname, version, netns }: OtlpSubject): Resource {
  return resourceFromAttributes({
    'service.name': 'ctwatch',
    'service.version': version,
    'service.instance.id': netns === undefined ? hostname : `${hostname}/${netns}`,
    'host.name': hostname,
    ...(netns !== undefined && { 'ctwatch.netns': netns }),
  });
}

/** Everything in the catalogue of which something is known. */
export function metricsOf(
  state: MetricsState,
  resource: Resource,
  version: string,
  unixSeconds: number,
): ResourceMetrics {
  const startTime = timeOf(performance.timeOrigin / 1000);
  const endTime = timeOf(unixSeconds);
  const metrics = METRICS.flatMap((metric) => {
    const samples = readMetric(metric, state);
    return samples.length === 0 ? [] : [dataOf(metric, samples, startTime, endTime)];
  });
  return { resource, scopeMetrics: [{ scope: { name: 'ctwatch', version }, metrics }] };
}

function dataOf(metric: Metric, samples: readonly MetricSample[], startTime: HrTime, endTime: HrTime): MetricData {
  const { name, help, unit, kind } = metric;
  const points = {
    descriptor: { name, description: help, unit, valueType: DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPoints: samples.map(({ labels, value }) => ({ startTime, endTime, attributes: { ...labels }, value })),
  };
  return kind === 'counter'
    ? { ...points, dataPointType: DataPointType.SUM, isMonotonic: true }
    : { ...points, dataPointType: DataPointType.GAUGE };
}

/** The sentence is the body, the other fields of the line are its attributes, under their names. */
export function logOf(
  alert: EventOf<'alert'>,
  resource: Resource,
  scope: LogRecord['instrumentationScope'],
): LogRecord {
  const { type, level, unixSeconds, msg, ...fields } = alert;
  return {
    hrTime: timeOf(unixSeconds),
    hrTimeObserved: timeOf(unixSeconds),
    severityNumber: SEVERITIES[level],
    severityText: level.toUpperCase(),
    eventName: `ctwatch.${type}`,
    body: msg,
    attributes: fields as LogRecord['attributes'],
    droppedAttributesCount: 0,
    resource,
    instrumentationScope: scope,
  };
}

function timeOf(unixSeconds: number): HrTime {
  const seconds = Math.floor(unixSeconds);
  return [seconds, Math.round((unixSeconds - seconds) * 1e9)];
}
