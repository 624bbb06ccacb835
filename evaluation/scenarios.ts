/**
 * The incidents and the quiet hours that forecasts are judged on.
 *
 * An ordinary mix of traffic in a table of 65,536, and one thing that happens at `LEARN_SECONDS`. Rates are chosen so that a
 * scenario that fills does so about when its name says. "Buckets 65,536" is a small busy table, where lookups collect expired
 * entries within 10 s; "2 M buckets" is a large quiet one, where only the sweeps do and the count is a sawtooth.
 */
import type { Random } from './random.js';
import type { Life, Traffic } from './traffic.js';

/** What a scenario is scored on. The table of an `unknowable` one does not fill, but nobody could have known. */
export type ScenarioKind = 'fills' | 'never' | 'unknowable';

export interface Scenario {
  readonly name: string;
  /** What its scores are pooled by. */
  readonly family: 'spike' | 'growth' | 'flood' | 'new_class' | 'lifetimes' | 'steady' | 'periodic' | 'fault';
  readonly kind: ScenarioKind;
  /** One sentence for the report. */
  readonly description: string;
  readonly max: number;
  readonly buckets: number;
  readonly lookupsPerNew: number;
  /** The daemon's life before the event. */
  readonly learnSeconds: number;
  /** The longest it is watched from the event on. */
  readonly watchSeconds: number;
  /** At a time after the event (negative: before it). */
  readonly traffics: readonly Traffic[];
  readonly lostRatio?: (seconds: number) => number;
  readonly clockStepSeconds?: (seconds: number) => number;
  /** Beyond the scenarios that the figures to reach were set for: scored and shown beside them. */
  readonly isExtra?: true;
  /** Runs of it in a full evaluation; default all seeds. */
  readonly seedsMax?: number;
  /** Runs of it for each seed of a full evaluation: where one has few seconds to judge an interval by. Default 1. */
  readonly runsPerSeed?: number;
}

const MAX = 65_536;
const LEARN_SECONDS = 1800;
const WATCH_SECONDS = 2400;
const HOUR = 3600;

/** Where lookups meet what has expired within about 10 s, and where they do not. */
const BUSY = { buckets: 65_536, lookupsPerNew: 24 };
const QUIET = { buckets: 2_097_152, lookupsPerNew: 24 };

type Rate = (seconds: number) => number;

function tcp(active: (random: Random) => number, timeoutSeconds = 120): (random: Random) => Life {
  return (random) => ({ activeSeconds: active(random), timeoutSeconds, renewedSeconds: 300 });
}

const web = tcp((random) => 0.6 * Math.exp(random.normal()));
const reset = tcp((random) => random.exponential(1), 10);
const keepalive = tcp((random) => random.exponential(60));
const websocket = tcp((random) => 1200 * Math.exp(random.normal()));
const forever = (): Life => ({ activeSeconds: 1e8, timeoutSeconds: 120, renewedSeconds: 300 });
const datagram = (): Life => ({ activeSeconds: 0, timeoutSeconds: 30, renewedSeconds: 30 });
const halfOpen = (): Life => ({ activeSeconds: 0, timeoutSeconds: 60, renewedSeconds: 60 });
const request = (random: Random): Life => (random.uniform() < 0.12 ? reset(random) : web(random));

/** The ordinary mix at a total rate, each part multiplied by a function of time. */
function mix(perSecond: number, factor: Rate = () => 1, webFactor: Rate = factor): Traffic[] {
  const part =
    (share: number, of: Rate): Rate =>
    (seconds) =>
      perSecond * share * of(seconds);
  return [
    { protocol: 'tcp', port: 443, ratePerSecond: part(0.62, webFactor), life: request },
    { protocol: 'udp', port: 53, ratePerSecond: part(0.25, factor), life: datagram },
    { protocol: 'tcp', port: 8443, ratePerSecond: part(0.12, factor), life: keepalive },
    { protocol: 'tcp', port: 9000, ratePerSecond: part(0.01, factor), life: websocket },
  ];
}

const step =
  (factor: number, from = 0, to = Number.POSITIVE_INFINITY): Rate =>
  (s) =>
    s >= from && s < to ? factor : 1;
const ramp =
  (factor: number, seconds: number): Rate =>
  (s) =>
    1 + (factor - 1) * Math.min(1, Math.max(0, s / seconds));
const doubling =
  (seconds: number): Rate =>
  (s) =>
    s > 0 ? 2 ** (s / seconds) : 1;
const every =
  (period: number, length: number, factor: number): Rate =>
  (s) =>
    ((s % period) + period) % period < length ? factor : 1;
/** Between `low` and 1, highest half a period after the start. */
const diurnal =
  (period: number, low: number): Rate =>
  (s) =>
    low + ((1 - low) * (1 - Math.cos((2 * Math.PI * (s + LEARN_SECONDS)) / period))) / 2;
const from =
  (perSecond: number): Rate =>
  (s) =>
    s >= 0 ? perSecond : 0;

type Part = Partial<Scenario> & Pick<Scenario, 'name' | 'family' | 'kind' | 'description' | 'traffics'>;

function scenario(part: Part): Scenario {
  return { max: MAX, ...BUSY, learnSeconds: LEARN_SECONDS, watchSeconds: WATCH_SECONDS, ...part };
}

export const scenarios: readonly Scenario[] = [
  // Fill.
  scenario({
    ...{ name: 'spike4x_fills', family: 'spike', kind: 'fills' },
    description: 'Four times the usual traffic from one moment on; full about 90 s later.',
    traffics: mix(198, step(4)),
  }),
  scenario({
    ...{ name: 'spike3.3x_marginal_fill', family: 'spike', kind: 'fills' },
    description: '3.3 times the usual traffic, which just fills the table after two minutes.',
    traffics: mix(203, step(3.3)),
  }),
  scenario({
    ...{ name: 'spike4x_fills_sweepgc', family: 'spike', kind: 'fills', ...QUIET },
    description: 'Four times the usual traffic in a table that only sweeps collect.',
    traffics: mix(198, step(4)),
  }),
  scenario({
    ...{ name: 'spike3x_marginal_fill_sweepgc', family: 'spike', kind: 'fills', ...QUIET },
    description: 'Three times the usual traffic, just enough, in a table that only sweeps collect.',
    traffics: mix(196, step(3)),
  }),
  scenario({
    ...{ name: 'ramp7x30m_fills', family: 'growth', kind: 'fills' },
    description: 'All traffic grows evenly to seven times in half an hour.',
    traffics: mix(97, ramp(7, 1800)),
  }),
  scenario({
    ...{ name: 'leak25/s', family: 'growth', kind: 'fills' },
    description: '25 connections a second to a new port that are never closed.',
    traffics: [...mix(107), { protocol: 'tcp', port: 5432, ratePerSecond: from(25), life: forever }],
  }),
  scenario({
    ...{ name: 'synflood3000/s_fills', family: 'flood', kind: 'fills', runsPerSeed: 5 },
    description: '3,000 half-open connections a second to a port that nobody used before.',
    traffics: [...mix(115), { protocol: 'tcp', port: 8088, ratePerSecond: from(3000), life: halfOpen }],
  }),
  scenario({
    ...{ name: 'retrystorm_x2/90s', family: 'growth', kind: 'fills' },
    description: 'Requests that double every 90 s.',
    traffics: mix(55, () => 1, doubling(90)),
  }),
  scenario({
    ...{ name: 'wsstorm400/s_known', family: 'new_class', kind: 'fills' },
    description: '400 connections a second of a kind that is known to stay for 20 minutes.',
    traffics: [
      ...mix(95).slice(0, 3),
      { protocol: 'tcp', port: 9000, ratePerSecond: (s) => 0.95 + from(400)(s), life: websocket },
    ],
  }),
  scenario({
    ...{ name: 'newport_long250/s', family: 'new_class', kind: 'fills' },
    description: '250 connections a second that stay, to a port that nobody used before.',
    traffics: [
      ...mix(95),
      { protocol: 'tcp', port: 7000, ratePerSecond: from(250), life: tcp((random) => random.exponential(HOUR)) },
    ],
  }),
  scenario({
    ...{ name: 'backend_hang', family: 'lifetimes', kind: 'fills' },
    description: 'The requests to one port are no longer answered or closed.',
    traffics: mix(101).map((part) =>
      part.port === 443
        ? { ...part, hangsAtSeconds: 0, life: (random, s) => (s >= 0 ? forever() : request(random)) }
        : part,
    ),
  }),
  scenario({
    ...{ name: 'mixed_spike_and_leak', family: 'spike', kind: 'fills', isExtra: true },
    description: 'A leak of 40 a second that has run for ten minutes, then 2.5 times the usual traffic on top of it.',
    traffics: [
      ...mix(165, step(2.5)),
      { protocol: 'tcp', port: 5432, ratePerSecond: (s) => (s >= -600 ? 40 : 0), life: forever },
    ],
  }),
  scenario({
    ...{ name: 'restart_in_spike', family: 'fault', kind: 'fills', isExtra: true, learnSeconds: 30 },
    description: 'The daemon starts when three times the usual traffic has come for 30 s.',
    traffics: mix(190, step(3.6, -60)),
  }),
  scenario({
    ...{ name: 'loss_in_spike', family: 'fault', kind: 'fills', isExtra: true },
    description: 'Four times the usual traffic; 30 % of the events are lost from the 15th to the 45th second.',
    traffics: mix(198, step(4)),
    lostRatio: (s) => (s >= 15 && s < 45 ? 0.3 : 0),
  }),
  scenario({
    ...{ name: 'clock_step_in_spike', family: 'fault', kind: 'fills', isExtra: true },
    description: 'Four times the usual traffic; 20 s later the wall clock is set back an hour.',
    traffics: mix(198, step(4)),
    clockStepSeconds: (s) => (s >= 20 ? -HOUR : 0),
  }),
  // Never fill.
  scenario({
    ...{ name: 'steady60', family: 'steady', kind: 'never' },
    description: 'Even traffic that keeps the table at 60 %.',
    traffics: mix(325),
  }),
  scenario({
    ...{ name: 'spike4x_plateau85', family: 'spike', kind: 'never' },
    description: 'Four times the usual traffic that settles at 85 %.',
    traffics: mix(120, step(4)),
  }),
  scenario({
    ...{ name: 'spike4x_plateau85_sweepgc', family: 'spike', kind: 'never', ...QUIET },
    description: 'Four times the usual traffic whose sawtooth reaches 85 %.',
    traffics: mix(86.5, step(4)),
  }),
  scenario({
    ...{ name: 'ramp4x30m_plateau85', family: 'growth', kind: 'never' },
    description: 'All traffic grows evenly to four times in half an hour and stays there, at 85 %.',
    traffics: mix(124, ramp(4, 1800)),
  }),
  scenario({
    ...{ name: 'synflood500/s_plateau', family: 'flood', kind: 'unknowable' },
    description: '500 half-open connections a second to a new port; they time out before the table is full.',
    traffics: [...mix(115), { protocol: 'tcp', port: 8088, ratePerSecond: from(500), life: halfOpen }],
  }),
  scenario({
    ...{ name: 'newport_short350/s', family: 'new_class', kind: 'unknowable' },
    description: '350 flows a second to a new port that last 30 s.',
    traffics: [...mix(95), { protocol: 'udp', port: 7001, ratePerSecond: from(350), life: datagram }],
  }),
  scenario({
    ...{ name: 'spike4x_30s', family: 'spike', kind: 'unknowable' },
    description: 'Four times the usual traffic, enough to fill the table, that ends after 30 s.',
    traffics: mix(193, step(4, 0, 30)),
  }),
  scenario({
    ...{ name: 'cron5m_20x10s', family: 'periodic', kind: 'never' },
    description: 'Twenty times the usual traffic for 10 s every five minutes.',
    traffics: mix(100, every(300, 10, 20)),
  }),
  scenario({
    ...{ name: 'gc_sawtooth_93_sweepgc', family: 'steady', kind: 'never', ...QUIET },
    description: 'Even traffic whose sawtooth reaches 93 %.',
    traffics: mix(369),
  }),
  scenario({
    ...{ name: 'diurnal_12h_93', family: 'periodic', kind: 'never', seedsMax: 8, watchSeconds: 12 * HOUR },
    description: 'A smooth rise and fall within 12 hours, up to 93 %.',
    traffics: mix(485, diurnal(12 * HOUR, 0.25)),
  }),
  scenario({
    ...{
      name: 'diurnal_24h_cron',
      family: 'periodic',
      kind: 'never',
      isExtra: true,
      seedsMax: 2,
      watchSeconds: 24 * HOUR,
    },
    description:
      'A day with a job of eight times the traffic for 6 s every ten minutes, which takes the peak from 68 to 86 %.',
    max: 16_384,
    traffics: mix(80, (s) => diurnal(24 * HOUR, 0.25)(s) * every(600, 6, 8)(s)),
  }),
  scenario({
    ...{ name: 'dns_storm_plateau', family: 'flood', kind: 'never', isExtra: true },
    description: 'DNS queries of 22 times the usual rate that settle at about 70 %.',
    traffics: mix(150).map((part) =>
      part.port === 53 ? { ...part, ratePerSecond: (s: number) => 37.5 * step(22)(s) } : part,
    ),
  }),
  scenario({
    ...{ name: 'loss_steady', family: 'fault', kind: 'never', isExtra: true },
    description: 'Even traffic at 60 %; half of the events are lost for a minute.',
    traffics: mix(325),
    lostRatio: (s) => (s >= 0 && s < 60 ? 0.5 : 0),
  }),
  scenario({
    ...{ name: 'restart_steady', family: 'fault', kind: 'never', isExtra: true, learnSeconds: 5 },
    description: 'The daemon starts in even traffic at 80 %.',
    traffics: mix(417),
  }),
];
