/** Metrics of ctwatch itself: what it read and lost, how long that took, what waits, and what the process uses. */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { byLabel, type Metric } from './metric.js';

export const LOSS_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_received_events_total', kind: 'counter', unit: '{event}', labels: ['kind'] },
    help: 'Conntrack events that were read',
    read: ({ tick }) => tick && byKind(tick.totals.newEvents, tick.totals.destroyEvents),
  },
  {
    ...{ name: 'ctwatch_lost_events_total', kind: 'counter', unit: '{event}', labels: ['kind'] },
    help: 'Conntrack events that the kernel dropped for want of buffer, exact; rates and totals have them all the same',
    read: ({ tick }) => tick && byKind(tick.loss.lostNew, tick.loss.lostDestroy),
  },
  {
    ...{ name: 'ctwatch_unknown_losses_total', kind: 'counter', unit: '{loss}' },
    help: 'Losses whose size the kernel did not tell',
    read: ({ tick }) => tick?.loss.unknownLosses,
  },
  {
    ...{ name: 'ctwatch_malformed_messages_total', kind: 'counter', unit: '{message}' },
    help: 'Messages of the kernel that could not be used',
    read: ({ tick }) => tick?.loss.malformed,
  },
  {
    ...{ name: 'ctwatch_lost_events_ratio', kind: 'gauge', unit: '1' },
    help: 'Share of the events of the last 10 s that were lost',
    read: ({ tick }) => tick?.lostRatio,
  },
];

export const READER_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_drains_total', kind: 'counter', unit: '{drain}' },
    help: 'Times that the event sockets were read until nothing was left',
    read: ({ tick }) => tick?.drains?.count,
  },
  {
    ...{ name: 'ctwatch_drain_seconds_total', kind: 'counter', unit: 's' },
    help: 'Time spent on that, the analysis of what was read included',
    read: ({ tick }) => tick?.drains?.seconds,
  },
  {
    ...{ name: 'ctwatch_drain_longest_seconds', kind: 'gauge', unit: 's' },
    help: 'The longest of them in the last minute or two',
    read: ({ longestDrain }) => longestDrain.peak(performance.now() / 1000),
  },
  {
    ...{ name: 'ctwatch_receive_buffer_bytes', kind: 'gauge', unit: 'By' },
    help: 'Granted to each of the two event sockets',
    read: ({ start }) => start?.receive_buffer_bytes,
  },
  {
    ...{ name: 'ctwatch_tick_age_seconds', kind: 'gauge', unit: 's' },
    help: 'Since the table was last looked at: a quarter of a second, one while nothing happens',
    read: (state) => state.tickAgeSeconds(),
  },
  {
    ...{ name: 'ctwatch_degraded', kind: 'gauge', unit: '1', labels: ['code'] },
    help: '1 for each limit of this host that the start line tells, see docs/errors.md',
    read: ({ start }) => start?.degraded.map(({ code }) => ({ labels: { code }, value: 1 })),
  },
];

export const OUTPUT_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_lines_total', kind: 'counter', unit: '{line}', labels: ['type'] },
    help: 'Lines of the stream by their type',
    read: ({ lines }) => byLabel('type', lines),
  },
  {
    ...{ name: 'ctwatch_notices_total', kind: 'counter', unit: '{notice}', labels: ['code'] },
    help: 'Notices by their code, see docs/errors.md',
    read: ({ notices }) => byLabel('code', notices),
  },
  {
    ...{ name: 'ctwatch_output_queue_bytes', kind: 'gauge', unit: 'By', labels: ['output'] },
    help: 'Text that waits for the reader of an output',
    read: ({ outputs }) => outputs().map(({ output, queuedBytes }) => ({ labels: { output }, value: queuedBytes })),
  },
  {
    ...{ name: 'ctwatch_lost_lines_total', kind: 'counter', unit: '{line}', labels: ['output'] },
    help: 'Lines that were dropped because the reader of an output was too slow',
    read: ({ outputs }) => outputs().map(({ output, lostLines }) => ({ labels: { output }, value: lostLines })),
  },
  {
    ...{ name: 'ctwatch_scrapes_total', kind: 'counter', unit: '{scrape}' },
    help: 'Times that metrics were asked for; absent unless they are served',
    read: ({ served }) => served?.scrapes,
  },
  {
    ...{ name: 'ctwatch_scrape_connections_refused_total', kind: 'counter', unit: '{connection}' },
    help: 'Connections for metrics that were one too many; absent unless they are served',
    read: ({ served }) => served?.refusedConnections,
  },
  {
    ...{ name: 'ctwatch_otlp_pushes_total', kind: 'counter', unit: '{push}', labels: ['result'] },
    help: 'Pushes to the OpenTelemetry collector that it took (ok) or not (failed); absent unless one is configured',
    read: ({ pushed }) =>
      pushed && [
        { labels: { result: 'ok' }, value: pushed.pushes - pushed.failedPushes },
        { labels: { result: 'failed' }, value: pushed.failedPushes },
      ],
  },
  {
    ...{ name: 'ctwatch_otlp_waiting_alerts', kind: 'gauge', unit: '{alert}' },
    help: 'Alerts that wait for the collector; absent unless one is configured',
    read: ({ pushed }) => pushed?.waitingAlerts,
  },
  {
    ...{ name: 'ctwatch_otlp_lost_alerts_total', kind: 'counter', unit: '{alert}' },
    help: 'Alerts that the collector never got; absent unless one is configured',
    read: ({ pushed }) => pushed?.lostAlerts,
  },
];

export const PROCESS_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_build_info', kind: 'gauge', unit: '1', labels: ['version', 'node', 'kernel'] },
    help: '1, with the versions of ctwatch, Node.js and the kernel',
    read: ({ start }) =>
      start && [{ labels: { version: start.version, node: process.versions.node, kernel: start.kernel }, value: 1 }],
  },
  {
    ...{ name: 'ctwatch_start_time_seconds', kind: 'gauge', unit: 's' },
    help: 'When the process was started, seconds since 1970',
    read: () => performance.timeOrigin / 1000,
  },
  {
    ...{ name: 'ctwatch_cpu_seconds_total', kind: 'counter', unit: 's', labels: ['mode'] },
    help: 'CPU time of all threads of the process',
    read: () => {
      const { user, system } = process.cpuUsage();
      return Object.entries({ user, system }).map(([mode, value]) => ({ labels: { mode }, value: value / 1e6 }));
    },
  },
  {
    ...{ name: 'ctwatch_resident_memory_bytes', kind: 'gauge', unit: 'By' },
    help: 'Memory of the process that is in RAM',
    read: () => process.memoryUsage.rss(),
  },
  {
    ...{ name: 'ctwatch_heap_memory_bytes', kind: 'gauge', unit: 'By' },
    help: 'Memory of JavaScript objects, those included that are garbage but not collected yet',
    read: () => getHeapStatistics().used_heap_size,
  },
  {
    ...{ name: 'ctwatch_event_loop_lag_seconds', kind: 'gauge', unit: 's', labels: ['statistic'] },
    help: 'How late timers are: median, p99 and max of the last minute or two',
    read: (state) => {
      const lag = state.process.lag();
      return lag && Object.entries(lag).map(([statistic, value]) => ({ labels: { statistic }, value }));
    },
  },
  {
    ...{ name: 'ctwatch_event_loop_active_seconds_total', kind: 'counter', unit: 's' },
    help: 'Time that the event loop was not waiting: its rate is how busy the one thread is',
    read: () => performance.eventLoopUtilization().active / 1000,
  },
];

function byKind(created: number, destroyed: number) {
  return [
    { labels: { kind: 'new' }, value: created },
    { labels: { kind: 'destroy' }, value: destroyed },
  ];
}
