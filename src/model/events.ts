/**
 * The output contract: one schema per line type, from which the types, `ctwatch schema` and `docs/events.md` follow.
 *
 * Names are snake_case with the unit last; addresses, ports, transports use the Elastic Common Schema's names, nested.
 * A value that is not known is absent, never 0, -1 or "". Fields may be added; `v` is raised when one changes or leaves.
 */
import * as v from 'valibot';
import { ERROR_CODES } from './errors.js';

/** Version of the contract, `v` of every line. */
export const EVENTS_VERSION = 1;

const describe = v.description;
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const nonNegative = v.pipe(v.number(), v.minValue(0));
const ratio = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const timestamp = v.pipe(v.string(), v.isoTimestamp(), describe('ISO 8601, UTC, milliseconds'));

const head = {
  time: timestamp,
  level: v.picklist(['info', 'warn', 'error']),
  host: v.pipe(v.string(), describe('Name of the host')),
  v: v.pipe(v.literal(EVENTS_VERSION), describe('Version of this contract')),
  msg: v.pipe(v.string(), v.minLength(1), describe('One sentence for a person')),
  netns: v.optional(v.pipe(v.string(), describe('Network namespace, when it is not the own one'))),
};

const endpoint = v.object({
  ip: v.pipe(v.string(), describe('IPv4 or IPv6 address')),
  port: v.optional(v.pipe(count, v.maxValue(65_535))),
});

const network = v.object({
  transport: v.pipe(v.string(), describe('tcp, udp, icmp, ipv6-icmp, sctp, dccp, gre, udplite or the IANA number')),
  type: v.optional(v.picklist(['ipv4', 'ipv6'])),
});

const table = v.object({
  count: v.optional(v.pipe(count, describe('Entries the kernel counts, expired ones included'))),
  max: v.optional(v.pipe(count, describe('nf_conntrack_max, or the value of --assume-max'))),
  used_ratio: v.optional(v.pipe(nonNegative, describe('count / max; above 1 only with --assume-max'))),
  live: v.optional(v.pipe(count, describe('Entries that have not expired (model)'))),
  expired: v.optional(v.pipe(count, describe('Dead entries the kernel has not collected yet (model)'))),
  blind: v.optional(v.pipe(count, describe('Upper bound of entries that will send no DESTROY'))),
  unassured_ratio: v.optional(v.pipe(ratio, describe('Share the kernel may evict when the table is full'))),
});

const rate = v.object({
  new_per_second: v.pipe(nonNegative, describe('NEW events over the last 10 s, lost ones included')),
  destroy_per_second: v.pipe(nonNegative, describe('DESTROY events over the last 10 s, lost ones included')),
  net_per_second: v.pipe(v.number(), describe('new_per_second - destroy_per_second')),
  new_per_second_1s: nonNegative,
  destroy_per_second_1s: nonNegative,
  new_per_second_1m: nonNegative,
  destroy_per_second_1m: nonNegative,
  baseline_per_second: v.optional(v.pipe(nonNegative, describe('Usual rate of NEW events, absent until learned'))),
});

const totals = v.object({
  new: v.pipe(count, describe('NEW events received since the start')),
  destroy: v.pipe(count, describe('DESTROY events received since the start')),
  lost_new: v.pipe(count, describe('NEW events the kernel dropped for want of buffer, exact')),
  lost_destroy: v.pipe(count, describe('DESTROY events the kernel dropped for want of buffer, exact')),
  malformed: v.pipe(count, describe('Messages that could not be used')),
});

const kernelCounters = v.object({
  drop: v.pipe(count, describe('Packets dropped because the table was full')),
  early_drop: v.pipe(count, describe('Entries evicted to make room')),
  insert_failed: count,
  chain_toolong: count,
  clash_resolve: count,
  invalid: count,
  error: count,
});

const verdict = v.picklist(['fills', 'plateaus', 'drains', 'unknown']);

const forecast = v.object({
  verdict,
  reason: v.optional(v.pipe(v.string(), describe('Why the forecast is withheld or uncertain, a stable code'))),
  seconds_to_full: v.optional(v.pipe(nonNegative, describe('Median time until count reaches max'))),
  seconds_to_full_low: v.optional(v.pipe(nonNegative, describe('5 % quantile'))),
  seconds_to_full_high: v.optional(v.pipe(nonNegative, describe('95 % quantile; absent: it may never fill'))),
  seconds_to_drop: v.optional(v.pipe(nonNegative, describe('Time until no entry can be evicted either'))),
  plateau_count: v.optional(v.pipe(count, describe('Where the count settles if the rates stay'))),
  plateau_ratio: v.optional(v.pipe(nonNegative, describe('plateau_count / max'))),
  probability_full_10m: v.optional(ratio),
});

const top = v.object({
  network,
  destination: endpoint,
  new_per_second: nonNegative,
  share_ratio: v.pipe(ratio, describe('Share of all new entries')),
  error_ratio: v.optional(v.pipe(ratio, describe('By how much new_per_second may be too high'))),
});

const degraded = v.object({
  code: v.pipe(v.string(), describe('Stable code, see docs/errors.md')),
  text: v.string(),
  remedy: v.pipe(v.string(), describe('A command')),
});

const start = v.object({
  type: v.literal('start'),
  ...head,
  version: v.string(),
  kernel: v.pipe(v.string(), describe('Kernel release')),
  capabilities: v.array(v.string()),
  sysctls: v.object({
    nf_conntrack_buckets: v.optional(count),
    nf_conntrack_events: v.optional(count),
    nf_conntrack_acct: v.optional(count),
    nf_conntrack_timestamp: v.optional(count),
  }),
  receive_buffer_bytes: v.pipe(count, describe('Granted to each of the two event sockets')),
  receive_buffer_events: v.pipe(count, describe('Events that fit into one of them')),
  table,
  degraded: v.array(degraded),
});

const sample = v.object({
  type: v.literal('sample'),
  ...head,
  table,
  rate,
  totals,
  kernel: v.pipe(kernelCounters, describe('Increase since the sample before')),
  forecast,
  top: v.array(top),
});

const burst = v.object({
  type: v.literal('burst'),
  ...head,
  phase: v.picklist(['start', 'end']),
  onset: timestamp,
  rate_per_second: nonNegative,
  baseline_per_second: nonNegative,
  ratio: nonNegative,
  false_alarms_per_year: v.optional(v.pipe(nonNegative, describe('Expected at this significance'))),
  peak_per_second: v.optional(nonNegative),
  duration_seconds: v.optional(nonNegative),
  entries_added: v.optional(count),
  top: v.optional(v.array(top)),
});

const culprit = v.object({
  network,
  destination: endpoint,
  new_per_second: nonNegative,
  share_ratio: ratio,
  error_ratio: v.optional(ratio),
});

/** The conditions that can alert. */
export const ALERT_NAMES = ['time_to_full', 'usage', 'burst', 'dropping', 'loss'] as const;

const alert = v.object({
  type: v.literal('alert'),
  ...head,
  name: v.picklist(ALERT_NAMES),
  phase: v.picklist(['firing', 'resolved']),
  severity: v.picklist(['warning', 'critical']),
  key: v.pipe(v.string(), describe('Stable, for de-duplication')),
  since: timestamp,
  table,
  rate,
  forecast,
  kernel: v.optional(v.pipe(kernelCounters, describe('Increase while the condition held'))),
  totals: v.optional(totals),
  culprits: v.array(culprit),
  advice: v.array(v.object({ text: v.string() })),
});

const flow = v.object({
  type: v.literal('flow'),
  ...head,
  action: v.picklist(['new', 'destroy']),
  network,
  source: endpoint,
  destination: endpoint,
  reply: v.optional(v.object({ source: endpoint, destination: endpoint })),
  icmp: v.optional(v.object({ type: count, code: count, id: count })),
  nat: v.optional(v.picklist(['source', 'destination', 'both'])),
  conntrack: v.object({
    id: v.optional(count),
    zone: count,
    mark: count,
    status: v.optional(count),
    timeout_seconds: v.optional(count),
    tcp_state: v.optional(v.string()),
    portid: v.optional(v.pipe(count, describe('Netlink port of the process that changed it'))),
    related: v.optional(v.boolean()),
  }),
  started: v.optional(timestamp),
  ended: v.optional(v.pipe(v.picklist(['expired', 'deleted', 'evicted']), describe('How the entry left the table'))),
  duration_seconds: v.optional(nonNegative),
  bytes: v.optional(v.object({ original: nonNegative, reply: nonNegative })),
  packets: v.optional(v.object({ original: nonNegative, reply: nonNegative })),
});

const loss = v.object({
  type: v.literal('loss'),
  ...head,
  phase: v.picklist(['start', 'end']),
  cause: v.pipe(
    v.picklist(['receive_buffer', 'malformed', 'unknown', 'output']),
    describe('receive_buffer: the kernel dropped events; output: the reader of this stream was too slow'),
  ),
  lost_new: v.optional(count),
  lost_destroy: v.optional(count),
  malformed: v.optional(count),
  unknown_losses: v.optional(count),
  lost_lines: v.optional(v.pipe(count, describe('Lines of this stream that were dropped'))),
  lost_flow_lines: v.optional(v.pipe(count, describe('Of them, lines of type flow'))),
  less_certain: v.array(v.string()),
});

const notice = v.object({
  type: v.literal('notice'),
  ...head,
  code: v.pipe(v.string(), describe('Stable code, see docs/errors.md')),
  text: v.string(),
  remedy: v.pipe(v.string(), describe('A command')),
});

const stop = v.object({
  type: v.literal('stop'),
  ...head,
  reason: v.string(),
  error: v.optional(
    v.object({
      code: v.picklist(ERROR_CODES),
      operation: v.string(),
      errno: v.optional(v.string()),
      remedy: v.string(),
    }),
  ),
  totals,
  uptime_seconds: nonNegative,
});

/** Every line type by its `type`. */
export const EVENT_SCHEMAS = { start, sample, burst, alert, flow, loss, notice, stop } as const;

/** Any line. */
export const eventSchema = v.variant('type', [start, sample, burst, alert, flow, loss, notice, stop]);

export type EventType = keyof typeof EVENT_SCHEMAS;
type Line<T extends EventType> = v.InferOutput<(typeof EVENT_SCHEMAS)[T]>;
/** What the sink adds to each event. */
type SinkField = 'host' | 'v' | 'netns' | 'time';
type Body<T extends EventType> = T extends EventType
  ? Omit<Line<T>, SinkField> & { /** Seconds since 1970. */ readonly unixSeconds: number }
  : never;

/** An event as the pipeline makes it: a line without what the sink knows. */
export type CtEvent = Body<EventType>;
export type EventOf<T extends EventType> = Body<T>;
/** A line as it is printed. */
export type EventLine = v.InferOutput<typeof eventSchema>;

export type AlertName = (typeof ALERT_NAMES)[number];
export type Severity = 'warning' | 'critical';
export type TableFields = v.InferOutput<typeof table>;
export type RateFields = v.InferOutput<typeof rate>;
export type TotalsFields = v.InferOutput<typeof totals>;
export type KernelFields = v.InferOutput<typeof kernelCounters>;
export type ForecastFields = v.InferOutput<typeof forecast>;
export type TopFields = v.InferOutput<typeof top>;
export type Degraded = v.InferOutput<typeof degraded>;
