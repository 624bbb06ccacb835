/**
 * The output contract: one schema per line type, from which the types, `ctwatch schema` and `docs/events.md` follow.
 *
 * Names are snake_case with the unit last; addresses, ports, transports use the Elastic Common Schema's names, nested.
 * A value that is not known is absent, never 0, -1 or "". Fields may be added; `v` is raised when one changes or leaves.
 */
import * as v from 'valibot';
import { ALERT_NAMES, advice, budget, culprit, type DIAGNOSIS_CODES, diagnosis } from './alert-fields.js';
import { censusFields } from './census-fields.js';
import { configFields, failure, resumed } from './config-fields.js';
import { count, describe, endpoint, file, network, nonNegative, ratio, table, timestamp } from './event-fields.js';
import { ownerFields } from './owner-fields.js';

/** Version of the contract, `v` of every line. */
export const EVENTS_VERSION = 1;

const head = {
  time: timestamp,
  level: v.pipe(v.picklist(['info', 'warn', 'error']), describe('How much it wants to be read')),
  host: v.pipe(v.string(), describe('Name of the host')),
  v: v.pipe(v.literal(EVENTS_VERSION), describe('Version of this contract')),
  msg: v.pipe(v.string(), v.minLength(1), describe('One sentence for a person')),
  netns: v.optional(v.pipe(v.string(), describe('Network namespace, when it is not the own one'))),
};

const rate = v.object({
  new_per_second: v.pipe(nonNegative, describe('NEW events over the last 10 s, lost ones included')),
  destroy_per_second: v.pipe(nonNegative, describe('DESTROY events over the last 10 s, lost ones included')),
  net_per_second: v.pipe(v.number(), describe('new_per_second - destroy_per_second')),
  growth_per_second: v.pipe(
    v.number(),
    describe(
      'New minus destroyed entries at present, as msg tells: new ones of the last second, destroyed ones without the jump of a sweep',
    ),
  ),
  new_per_second_1s: v.pipe(nonNegative, describe('The same over the last second')),
  destroy_per_second_1s: v.pipe(nonNegative, describe('The same over the last second')),
  new_per_second_1m: v.pipe(nonNegative, describe('The same over the last minute')),
  destroy_per_second_1m: v.pipe(nonNegative, describe('The same over the last minute')),
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
  insert_failed: v.pipe(count, describe('Entries that could not be inserted, mostly because another packet was first')),
  chain_toolong: v.pipe(count, describe('Entries refused because their hash chain was too long')),
  clash_resolve: v.pipe(count, describe('Races between two packets of one flow that were resolved')),
  invalid: v.pipe(count, describe('Packets that fit no entry')),
  error: v.pipe(count, describe('Packets whose tracking failed, such as malformed ICMP')),
});

const verdict = v.pipe(
  v.picklist(['fills', 'plateaus', 'drains', 'unknown']),
  describe('Where the table is going at the present rate; unknown: withheld, see reason'),
);

const forecast = v.object({
  verdict,
  reason: v.optional(v.pipe(v.string(), describe('Why the verdict is unknown, a stable code, see docs/errors.md'))),
  seconds_to_full: v.optional(v.pipe(nonNegative, describe('Median time until count reaches max'))),
  seconds_to_full_low: v.optional(v.pipe(nonNegative, describe('5 % quantile'))),
  seconds_to_full_high: v.optional(
    v.pipe(nonNegative, describe('95 % quantile of the cases in which it fills at all')),
  ),
  seconds_to_drop: v.optional(v.pipe(nonNegative, describe('Time until no entry can be evicted either'))),
  plateau_count: v.optional(
    v.pipe(count, describe('Where the count settles at most if the rates stay, expired entries included')),
  ),
  plateau_ratio: v.optional(v.pipe(nonNegative, describe('plateau_count / max'))),
  probability_full_10m: v.optional(v.pipe(ratio, describe('Probability that it is full within 10 minutes'))),
});

const top = v.object({
  network,
  destination: endpoint,
  new_per_second: v.pipe(nonNegative, describe('New entries, recent ones weigh more (time constant 10 s)')),
  share_ratio: v.pipe(ratio, describe('Share of all new entries')),
  error_ratio: v.optional(v.pipe(ratio, describe('By how much new_per_second may be too high'))),
  ...ownerFields,
});

/** Who grew: what `top` tells, judged on another whole. */
const grown = v.object({
  ...top.entries,
  share_ratio: v.pipe(ratio, describe('Share of the growth')),
});

const degraded = v.object({
  code: v.pipe(v.string(), describe('Stable code, see docs/errors.md')),
  text: v.pipe(v.string(), describe('What it means for the numbers')),
  remedy: v.pipe(v.string(), describe('A command')),
});

const start = v.object({
  type: v.literal('start'),
  ...head,
  version: v.pipe(v.string(), describe('Version of ctwatch')),
  kernel: v.pipe(v.string(), describe('Kernel release')),
  capabilities: v.pipe(v.array(v.string()), describe('Effective capabilities that matter here')),
  sysctls: v.object({
    nf_conntrack_buckets: v.optional(v.pipe(count, describe('Size of the hash table'))),
    nf_conntrack_events: v.optional(
      v.pipe(count, describe('0 none, 1 always, 2 only for entries born while somebody listens')),
    ),
    nf_conntrack_acct: v.optional(v.pipe(count, describe('1: flows have packets and bytes'))),
    nf_conntrack_timestamp: v.optional(v.pipe(count, describe('1: flows have the time of their start and end'))),
  }),
  receive_buffer_bytes: v.pipe(count, describe('Granted to each of the two event sockets')),
  receive_buffer_events: v.pipe(count, describe('Events that fit into one of them')),
  table,
  resumed,
  degraded: v.pipe(v.array(degraded), describe('What this host does not allow, so what cannot be said')),
});

const sample = v.object({
  type: v.literal('sample'),
  ...head,
  table,
  rate,
  totals,
  kernel: v.pipe(kernelCounters, describe('Increase since the sample before')),
  forecast,
  top: v.pipe(v.array(top), describe('Destinations with the most new entries, most first')),
});

const burst = v.object({
  type: v.literal('burst'),
  ...head,
  phase: v.pipe(v.picklist(['start', 'end']), describe('It began, or it is over')),
  reason: v.optional(
    v.pipe(
      v.picklist(['over', 'usual', 'larger', 'longer']),
      describe('At the end: over, or the new level is the usual one. At the start: an expected burst outgrew its kind'),
    ),
  ),
  network: v.optional(v.pipe(network, describe('Only when one destination bursts and the total does not'))),
  destination: v.optional(v.pipe(endpoint, describe('The same'))),
  ...ownerFields,
  expected: v.optional(
    v.pipe(
      v.object({
        period_seconds: v.pipe(nonNegative, describe('Time between two of its kind')),
        times: v.pipe(count, describe('Which of its kind it is')),
        usual_duration_seconds: v.pipe(nonNegative, describe('How long one of its kind lasts')),
        usual_entries_added: v.pipe(count, describe('What one of its kind adds')),
      }),
      describe('It was the turn of a periodic burst; no alert without a reason'),
    ),
  ),
  onset: v.pipe(timestamp, describe('When the burst began, ISO 8601, UTC')),
  rate_per_second: v.pipe(nonNegative, describe('New entries since the onset; at the end over the last seconds')),
  baseline_per_second: v.pipe(nonNegative, describe('The usual rate before it')),
  ratio: v.pipe(nonNegative, describe('Rate, at the end peak, over baseline')),
  false_alarms_per_year: v.optional(v.pipe(nonNegative, describe('Expected at this significance'))),
  peak_per_second: v.optional(v.pipe(nonNegative, describe('At the end: largest mean over a second'))),
  duration_seconds: v.optional(v.pipe(nonNegative, describe('At the end: from the onset'))),
  entries_added: v.optional(v.pipe(count, describe('At the end: new entries beyond the usual number'))),
  top: v.optional(v.pipe(v.array(grown), describe('The destination that grew most'))),
  diagnosis: v.optional(
    v.pipe(
      diagnosis,
      describe(
        'What it looks like; absent when one destination bursts. At the start mostly unclear: an alert tells more',
      ),
    ),
  ),
  advice: v.optional(v.pipe(advice, describe('At the start: what would help; absent when one destination bursts'))),
});

const alert = v.object({
  type: v.literal('alert'),
  ...head,
  name: v.pipe(v.picklist(ALERT_NAMES), describe('The condition')),
  phase: v.pipe(
    v.picklist(['firing', 'resolved']),
    describe('firing again: its severity changed, or what it looks like became clear'),
  ),
  severity: v.pipe(v.picklist(['warning', 'critical']), describe('When resolved: the one that ended')),
  key: v.pipe(v.string(), describe('Stable, for de-duplication')),
  since: v.pipe(timestamp, describe('When the condition began to hold, ISO 8601, UTC')),
  rule: v.optional(
    v.object({ reference: v.pipe(v.string(), describe('Address of its runbook page, see runbook_url')) }),
  ),
  table,
  rate,
  forecast,
  kernel: v.optional(v.pipe(kernelCounters, describe('Increase while it fires; only with the alert dropping'))),
  totals: v.optional(v.pipe(totals, describe('Only with the alert loss'))),
  budget: v.optional(v.pipe(budget, describe('Only with the alert budget'))),
  culprits: v.pipe(v.array(culprit), describe('Who has at least a tenth of the share, most first')),
  diagnosis: v.optional(v.pipe(diagnosis, describe('What it looks like; absent when resolved'))),
  advice,
});

const census = v.object({ ...censusFields, ...head });

const byDirection = v.object({
  original: v.pipe(nonNegative, describe('From source to destination')),
  reply: v.pipe(nonNegative, describe('Back')),
});

const flow = v.object({
  type: v.literal('flow'),
  ...head,
  action: v.pipe(v.picklist(['new', 'destroy']), describe('The entry was made or has left the table')),
  network,
  source: v.pipe(endpoint, describe('Who opened it (original direction)')),
  destination: v.pipe(endpoint, describe('Where it was addressed (original direction)')),
  reply: v.optional(
    v.pipe(v.object({ source: endpoint, destination: endpoint }), describe('The reply direction, NAT applied')),
  ),
  icmp: v.optional(
    v.object({
      type: v.pipe(count, describe('ICMP or ICMPv6 type')),
      code: v.pipe(count, describe('ICMP or ICMPv6 code')),
      id: v.pipe(count, describe('Echo identifier')),
    }),
  ),
  nat: v.optional(v.pipe(v.picklist(['source', 'destination', 'both']), describe('What NAT changed'))),
  conntrack: v.object({
    id: v.optional(v.pipe(count, describe('A hash: stable while the entry lives, not unique'))),
    zone: v.pipe(count, describe('Conntrack zone')),
    mark: v.pipe(count, describe('Conntrack mark')),
    status: v.optional(v.pipe(count, describe('IPS_* bits of nf_conntrack_common.h'))),
    timeout_seconds: v.optional(v.pipe(count, describe('Time left'))),
    tcp_state: v.optional(v.pipe(v.string(), describe('Last TCP state, by the name of the kernel'))),
    portid: v.optional(v.pipe(count, describe('Netlink port of the process that changed it'))),
    related: v.optional(v.pipe(v.boolean(), describe('It was expected by another flow'))),
  }),
  started: v.optional(v.pipe(timestamp, describe('When it was made, ISO 8601, UTC; needs nf_conntrack_timestamp=1'))),
  ended: v.optional(v.pipe(v.picklist(['expired', 'deleted', 'evicted']), describe('How the entry left the table'))),
  duration_seconds: v.optional(v.pipe(nonNegative, describe('How long it lived; needs nf_conntrack_timestamp=1'))),
  bytes: v.optional(v.pipe(byDirection, describe('Needs nf_conntrack_acct=1'))),
  packets: v.optional(v.pipe(byDirection, describe('Needs nf_conntrack_acct=1'))),
});

const loss = v.object({
  type: v.literal('loss'),
  ...head,
  phase: v.pipe(v.picklist(['start', 'end']), describe('It began, or it is over')),
  cause: v.pipe(
    v.picklist(['receive_buffer', 'malformed', 'unknown', 'recording', 'output']),
    describe(
      'receive_buffer: the kernel dropped events; recording: the disk of a recording was too slow; output: the reader of this stream, or the disk of a file of lines, was',
    ),
  ),
  lost_new: v.optional(v.pipe(count, describe('NEW events since it began, exact'))),
  lost_destroy: v.optional(v.pipe(count, describe('DESTROY events since it began, exact'))),
  malformed: v.optional(v.pipe(count, describe('Messages that could not be used since it began'))),
  unknown_losses: v.optional(v.pipe(count, describe('Losses since it began whose size the kernel did not tell'))),
  lost_lines: v.optional(v.pipe(count, describe('Lines of this stream that were dropped'))),
  lost_flow_lines: v.optional(v.pipe(count, describe('Of them, lines of type flow'))),
  less_certain: v.pipe(v.array(v.string()), describe('Fields that are less certain')),
  file: v.optional(file),
});

const notice = v.object({
  type: v.literal('notice'),
  ...head,
  ...degraded.entries,
  file: v.optional(file),
  collected: v.optional(
    v.pipe(count, describe('With the code reaped: expired entries that the kernel collected, about')),
  ),
});

const config = v.object({ ...configFields, ...head });

const stop = v.object({
  type: v.literal('stop'),
  ...head,
  reason: v.pipe(v.string(), describe('The signal, or what ended it')),
  error: v.optional(failure),
  totals,
  uptime_seconds: v.pipe(nonNegative, describe('Since the start line')),
});

/** Every line type by its `type`. */
export const EVENT_SCHEMAS = { start, sample, burst, alert, census, flow, loss, notice, config, stop } as const;

/** Any line. */
export const eventSchema = v.variant('type', [start, sample, burst, alert, census, flow, loss, notice, config, stop]);

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

export type DiagnosisCode = (typeof DIAGNOSIS_CODES)[number];
export type AlertName = (typeof ALERT_NAMES)[number];
export type Severity = 'warning' | 'critical';
export type TableFields = v.InferOutput<typeof table>;
export type RateFields = v.InferOutput<typeof rate>;
export type TotalsFields = v.InferOutput<typeof totals>;
export type KernelFields = v.InferOutput<typeof kernelCounters>;
export type ForecastFields = v.InferOutput<typeof forecast>;
export type TopFields = v.InferOutput<typeof top>;
export type BudgetFields = v.InferOutput<typeof budget>;
export type CulpritFields = v.InferOutput<typeof culprit>;
export type DiagnosisFields = v.InferOutput<typeof diagnosis>;
export type Degraded = v.InferOutput<typeof degraded>;
