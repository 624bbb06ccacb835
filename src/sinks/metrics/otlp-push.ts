/**
 * Metrics and alerts pushed to an OpenTelemetry collector (OTLP/HTTP, JSON), from the catalogue that Prometheus reads.
 *
 *   every interval ──> metrics ──┐                        ┌── taken: the alerts of it are forgotten
 *   alert ──> queue, 0.25 s ─────┴──> one push at a time ─┤
 *                                                         └── refused, late, no connection: alerts wait, metrics come with the next
 *
 * Counters are cumulative, so a push that failed costs points, no counts. The queue of alerts is bounded; beyond it the oldest go, and
 * are counted. One notice tells that a collector fails, one that it works again. The exporter's own attempts end with the timeout; a
 * collector that trickles an answer would outlive it, so its connections are cut then.
 */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import type { Resource } from '@opentelemetry/resources';
import type { CtEvent, EventOf } from '../../model/events.js';
import {
  OTLP_ALERT_DELAY_MS,
  OTLP_ALERTS_MAX,
  OTLP_ALERTS_PER_PUSH,
  OTLP_GRACE_MS,
  OUTPUT_END_TIMEOUT_MS,
} from '../../model/limits.js';
import type { OtlpSettings } from '../../model/metrics-settings.js';
import type { Sink } from '../sink.js';
import type { MetricsState } from './metrics-state.js';
import { describeResource, logOf, metricsOf, type OtlpSubject } from './otlp-records.js';

export interface OtlpPushOptions extends OtlpSubject {
  readonly settings: OtlpSettings & { readonly endpoint: string };
  readonly state: MetricsState;
  /** Called with the path and the reason when the collector begins to fail, without them when it takes what is sent again. */
  readonly onChange: (failure?: string) => void;
}

interface Exporter<T> {
  export(items: T, done: (result: { readonly code: number; readonly error?: Error }) => void): void;
}

/** Throws when the file of certificates cannot be read. */
export class OtlpPush implements Sink {
  readonly #options: OtlpPushOptions;
  readonly #agent: HttpAgent;
  readonly #resource: Resource;
  readonly #scope;
  readonly #metrics: OTLPMetricExporter;
  readonly #logs: OTLPLogExporter;
  readonly #counts = { pushes: 0, failedPushes: 0, waitingAlerts: 0, lostAlerts: 0 };
  #alerts: EventOf<'alert'>[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dueMs = 0;
  #pushing: Promise<void> | undefined;
  #failing = false;
  #ended = false;

  constructor(options: OtlpPushOptions) {
    const { endpoint, ca_file, headers = {}, timeout } = options.settings;
    this.#options = options;
    this.#resource = describeResource(options);
    this.#scope = { name: 'ctwatch', version: options.version };
    const ca = ca_file === undefined ? undefined : readFileSync(ca_file);
    const isTls = new URL(endpoint).protocol === 'https:';
    this.#agent = isTls ? new HttpsAgent({ keepAlive: true, ...(ca && { ca }) }) : new HttpAgent({ keepAlive: true });
    const exporter = (signal: string) => ({
      url: `${endpoint.replace(/\/+$/, '')}/v1/${signal}`,
      ...{ headers, timeoutMillis: timeout * 1000, concurrencyLimit: 1 },
      httpAgentOptions: () => this.#agent,
    });
    this.#metrics = new OTLPMetricExporter(exporter('metrics'));
    this.#logs = new OTLPLogExporter(exporter('logs'));
    options.state.pushed = this.#counts;
    this.#pushIn(options.settings.interval * 1000);
  }

  write(event: CtEvent): void {
    if (event.type !== 'alert' || !this.#options.settings.logs) return;
    this.#alerts.push(event);
    if (this.#alerts.length > OTLP_ALERTS_MAX) {
      this.#alerts.shift();
      this.#counts.lostAlerts++;
    }
    this.#counts.waitingAlerts = this.#alerts.length;
    // A collector that fails is not asked more often for it.
    if (!this.#failing) this.#pushIn(OTLP_ALERT_DELAY_MS);
  }

  /** Pushes once more, unless that takes long: what is left then is lost with the process. */
  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    const last = async () => {
      await this.#pushing;
      if (!this.#failing) await this.#push();
    };
    const late = new Promise((resolve) => setTimeout(resolve, OUTPUT_END_TIMEOUT_MS).unref());
    await Promise.race([last(), late]);
    this.#agent.destroy();
  }

  /** Sooner, if a push is due later. */
  #pushIn(ms: number): void {
    const dueMs = performance.now() + ms;
    if (this.#ended || this.#pushing !== undefined || (this.#timer !== undefined && this.#dueMs <= dueMs)) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pushing = this.#push().finally(() => {
        this.#pushing = undefined;
        this.#pushIn(
          this.#alerts.length > 0 && !this.#failing ? OTLP_ALERT_DELAY_MS : this.#options.settings.interval * 1000,
        );
      });
    }, ms).unref();
  }

  async #push(): Promise<void> {
    const failure = await this.#pushOnce().catch(reasonOf);
    this.#counts.pushes++;
    if (failure !== undefined) this.#counts.failedPushes++;
    if ((failure !== undefined) === this.#failing) return;
    this.#failing = failure !== undefined;
    // Nobody is told any more: the last line is written.
    if (!this.#ended) this.#options.onChange(failure);
  }

  /** Why it failed, in a few words; undefined when all of it was taken. */
  async #pushOnce(): Promise<string | undefined> {
    const { settings, state, version } = this.#options;
    const alerts = this.#alerts.slice(0, OTLP_ALERTS_PER_PUSH);
    const metrics = metricsOf(state, this.#resource, version, Date.now() / 1000);
    const logs = alerts.map((alert) => logOf(alert, this.#resource, this.#scope));
    let giveUp = (_: string) => {};
    const late = new Promise<string>((resolve) => {
      giveUp = resolve;
    });
    const timer = setTimeout(
      () => {
        giveUp('no whole answer in time');
        this.#agent.destroy();
      },
      settings.timeout * 1000 + OTLP_GRACE_MS,
    );
    const failures = await Promise.all([
      Promise.race([send(this.#metrics, metrics), late]),
      logs.length > 0 ? Promise.race([send(this.#logs, logs), late]) : undefined,
    ]);
    clearTimeout(timer);
    if (failures[1] === undefined) this.#forget(alerts);
    const [ofMetrics, ofLogs] = failures;
    if (ofMetrics !== undefined) return `/v1/metrics: ${ofMetrics}`;
    return ofLogs === undefined ? undefined : `/v1/logs: ${ofLogs}`;
  }

  #forget(alerts: readonly EventOf<'alert'>[]): void {
    // Some may have gone meanwhile, when there were too many.
    const sent = new Set(alerts);
    this.#alerts = this.#alerts.filter((alert) => !sent.has(alert));
    this.#counts.waitingAlerts = this.#alerts.length;
  }
}

/** The same of one request. */
function send<T>(exporter: Exporter<T>, items: T): Promise<string | undefined> {
  return new Promise((resolve) => {
    exporter.export(items, ({ code, error }) => resolve(code === 0 ? undefined : reasonOf(error)));
  });
}

function reasonOf(error: Error | undefined): string {
  const { code, message } = (error ?? new Error('no reason given')) as Error & { code?: string | number };
  const text = message.split('\n', 1)[0]?.slice(0, 200) ?? '';
  if (typeof code === 'number') return `HTTP ${code}${text === '' ? '' : ` ${text}`}`;
  return code === undefined ? text : code;
}
