/**
 * The metrics of a stream: served to Prometheus, pushed to an OpenTelemetry collector, or both, as the settings ask. A file of its own in
 * `dist/`, since the libraries it needs would double what every command loads. What fails is a notice and ends nothing.
 */
import { LISTEN_RETRY_MS } from '../model/limits.js';
import { type ListenAddress, parseListenAddress } from '../model/listen-address.js';
import type { OtlpSettings } from '../model/metrics-settings.js';
import type { Settings } from '../model/settings.js';
import { MetricsEndpoint } from '../sinks/metrics/metrics-endpoint.js';
import { MetricsState } from '../sinks/metrics/metrics-state.js';
import { OtlpPush } from '../sinks/metrics/otlp-push.js';
import type { OtlpSubject } from '../sinks/metrics/otlp-records.js';
import { FanOut, type OutputHealth, type Sink } from '../sinks/sink.js';
import type { EarlyNotices } from './notices.js';

export interface MetricsOptions extends OtlpSubject {
  readonly settings: Pick<Settings, 'metrics' | 'otlp'>;
  /** Takes notices; one may come before the `start` line. */
  readonly notices: Pick<EarlyNotices, 'tell'>;
  /** Of the stream's other sinks. */
  readonly outputs: () => readonly OutputHealth[];
}

export function openMetrics(options: MetricsOptions): Sink {
  const { settings, outputs } = options;
  const state = new MetricsState(outputs);
  const sinks = new FanOut([state]);
  const address = parseListenAddress(settings.metrics.listen ?? '');
  if (typeof address === 'object') sinks.add(serve(address, state, options));
  const { endpoint } = settings.otlp;
  if (endpoint !== undefined && endpoint !== '') {
    const push = openPush({ ...settings.otlp, endpoint }, state, options);
    if (push !== undefined) sinks.add(push);
  }
  return sinks;
}

/** Listens, and tries again while it cannot: an address in use may belong to the process before. */
function serve(address: ListenAddress, state: MetricsState, { notices }: MetricsOptions): Sink {
  const where = address.kind === 'unix' ? address.path : `${address.host} port ${address.port}`;
  let endpoint: MetricsEndpoint | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isTold = false;
  const open = async () => {
    const opening = new MetricsEndpoint(state);
    endpoint = opening;
    try {
      await opening.open(address);
      if (isTold) notices.tell('metrics_served', { detail: where, remedy: remedyFor(address), level: 'info' });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (!isTold)
        notices.tell('metrics_unavailable', {
          detail: `${where}: ${code ?? message}`,
          remedy: remedyFor(address, code),
        });
      isTold = true;
      timer = setTimeout(() => void open(), LISTEN_RETRY_MS).unref();
    }
  };
  void open();
  return {
    write: () => {},
    end: async () => {
      clearTimeout(timer);
      await endpoint?.close();
    },
  };
}

function remedyFor(address: ListenAddress, errno?: string): string {
  if (address.kind === 'tcp') return `ss -ltnp 'sport = :${address.port}'`;
  return errno === 'EEXIST' ? `ls -l ${address.path}` : `ss -lxp src ${address.path}`;
}

function openPush(
  settings: OtlpSettings & { readonly endpoint: string },
  state: MetricsState,
  { hostname, version, netns, notices }: MetricsOptions,
): Sink | undefined {
  const { origin, pathname } = new URL(settings.endpoint);
  // Without a password that the address may hold.
  const address = `${origin}${pathname}`.replace(/\/+$/, '');
  const remedy = `curl -i -X POST -H 'content-type: application/json' -d '{}' ${address}/v1/metrics`;
  const onChange = (failure?: string) =>
    failure === undefined
      ? notices.tell('otlp_restored', { detail: address, remedy, level: 'info' })
      : notices.tell('otlp_failing', { detail: `${address}${failure}`, remedy });
  try {
    return new OtlpPush({ settings, state, hostname, version, netns, onChange });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    notices.tell('otlp_failing', {
      detail: `${settings.ca_file}: ${code ?? message}`,
      remedy: `ls -l ${settings.ca_file}`,
    });
    return undefined;
  }
}
