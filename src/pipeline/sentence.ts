/** The sentences of `msg`: numbers as a person reads them. What is not known makes a sentence shorter, never wrong. */
import { formatEndpoint } from '../model/address.js';
import type {
  AlertName,
  BudgetFields,
  CulpritFields,
  DiagnosisCode,
  ForecastFields,
  KernelFields,
  Severity,
  TableFields,
  TopFields,
} from '../model/events.js';

/** `107,310`. By hand: loading the tables of Intl would take a tenth of the time to start. */
export function formatCount(value: number): string {
  return Math.round(value)
    .toString()
    .replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `41 %`; near 0 and near 100 with one decimal, so that neither is said of what only comes close. */
export function formatRatio(ratio: number): string {
  const percent = ratio * 100;
  if (percent > 0 && percent < 0.05) return '< 0.1 %';
  if (percent > 99 && percent < 100) return `${Math.floor(percent * 10) / 10} %`;
  return `${percent > 0 && percent < 1 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** Per second: `2,310/s`, below 10 with one decimal. */
export function formatRate(perSecond: number): string {
  const digits = Math.abs(perSecond) < 9.95 ? Number(perSecond.toFixed(1)).toString() : formatCount(perSecond);
  return `${digits === '-0' ? '0' : digits}/s`;
}

/** `67 s`, `12 min`, `3.5 h`, `24 h`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Number((seconds / 3600).toFixed(1))} h`;
}

/** `107,310 of 262,144 entries (41 %)`. */
export function describeTable(table: TableFields): string {
  if (table.count === undefined) return 'number of entries not known';
  if (table.max === undefined || table.used_ratio === undefined) return `${formatCount(table.count)} entries`;
  return `${formatCount(table.count)} of ${formatCount(table.max)} entries (${formatRatio(table.used_ratio)})`;
}

/** `full in 67 s (58-81 s)`, `settles at 31 % at most`, `draining`, `forecast withheld: learning`. */
export function describeForecast(forecast: ForecastFields): string {
  switch (forecast.verdict) {
    case 'fills':
      if (forecast.seconds_to_full === undefined) return 'filling';
      if (forecast.seconds_to_full === 0) return 'full';
      return `full in ${formatSeconds(forecast.seconds_to_full)}${describeInterval(forecast)}`;
    case 'plateaus':
      return forecast.plateau_ratio === undefined
        ? 'not filling'
        : `settles at ${formatRatio(forecast.plateau_ratio)} at most`;
    case 'drains':
      return 'draining';
    case 'unknown':
      return `forecast withheld: ${forecast.reason ?? 'unknown'}`;
  }
}

function describeInterval({ seconds_to_full_low: low, seconds_to_full_high: high }: ForecastFields): string {
  if (low === undefined) return '';
  if (high === undefined) return ` (${formatSeconds(low)} or later)`;
  const [from, to] = [formatSeconds(low), formatSeconds(high)];
  // Rounded to one number it says no more than that.
  if (from === to) return '';
  // Once is enough for a unit that both share.
  const unit = to.slice(to.indexOf(' '));
  return from.endsWith(unit) ? ` (${from.slice(0, -unit.length)}-${to})` : ` (${from} to ${to})`;
}

/** `tcp to 10.0.0.5:6379`. */
export function describeTalker(talker: Pick<TopFields, 'network' | 'destination'>): string {
  return `${talker.network.transport} to ${formatEndpoint(talker.destination.ip, talker.destination.port)}`;
}

/** The whole of a `sample`. `growthPerSecond` is new minus destroyed entries, at present. */
export function describeSample(table: TableFields, growthPerSecond: number, forecast: ForecastFields): string {
  const growth = `${growthPerSecond < 0 ? '' : '+'}${formatRate(growthPerSecond)}`;
  return `${describeTable(table)}, ${growth}, ${describeForecast(forecast)}`;
}

interface AlertParts {
  readonly name: AlertName;
  readonly phase: 'firing' | 'resolved';
  readonly severity: Severity;
  readonly table: TableFields;
  /** New minus destroyed entries, at present. */
  readonly growthPerSecond: number;
  readonly forecast: ForecastFields;
  readonly kernel: KernelFields;
  /** The burst that is on, since an ISO 8601 time. */
  readonly burst?: { readonly since: string; readonly ratio: number } | undefined;
  readonly culprits: readonly CulpritFields[];
  /** What the culprits' shares are of. */
  readonly basis: 'growth' | 'entries';
  readonly diagnosis: DiagnosisCode;
  /** Events lost so far. */
  readonly lost: number;
  /** Only with the alert `budget`. */
  readonly budget?: BudgetFields | undefined;
}

/** The sentence of an alert: the state, what grows, how long it will last, and who. */
export function describeAlert(parts: AlertParts): string {
  if (parts.name === 'budget') return describeBudget(parts);
  if (parts.phase === 'resolved') {
    return `resolved ${parts.name}: ${describeSample(parts.table, parts.growthPerSecond, parts.forecast)}`;
  }
  return `${describeCondition(parts)}.${describeCulprit(parts)}${describeDiagnosis(parts.diagnosis)}`;
}

/** Who and what, as the sentences of an alert have it; empty when nobody stands out. */
export function describeFinding(parts: Pick<AlertParts, 'culprits' | 'basis' | 'diagnosis'>): string {
  return `${describeCulprit(parts)}${describeDiagnosis(parts.diagnosis)}`.trim();
}

/** ` 83 % of the growth is tcp to 10.0.0.5:6379: 84,012 entries against an expected 50, 71 % in TIME_WAIT.` */
function describeCulprit({ culprits: [culprit], basis }: Pick<AlertParts, 'culprits' | 'basis'>): string {
  if (culprit === undefined) return '';
  const { network, source, destination, share_ratio: share } = culprit;
  if (source !== undefined) {
    return ` ${formatRatio(share)} of the new entries are ${network.transport} from ${source.ip} to many destinations${describeStates(culprit)}.`;
  }
  if (destination === undefined) return '';
  const of = basis === 'growth' ? 'growth is' : 'entries are';
  const who = describeTalker({ network, destination });
  const held = `${describeEntries(culprit)}${describeStates(culprit)}`.replace(/^, /, '');
  return ` ${formatRatio(share)} of the ${of} ${who}${describeOwner(culprit)}${held === '' ? '' : `: ${held}`}.`;
}

/** `, opened by sidekiq.service (pid 4121, 25 threads)`; empty unless most of it is known to be of one owner. */
function describeOwner(culprit: CulpritFields): string {
  const { process, service, user, container, owner_ratio: part = 0, attributed_ratio: told = 0 } = culprit;
  if (part * told < OWNER_RATIO_MIN && (part < ONLY_RATIO_MIN || told < TOLD_RATIO_MIN)) return '';
  const name =
    service?.name ?? process?.name ?? (container?.id && `container ${container.id.slice(0, 12)}`) ?? user?.name;
  if (name === undefined) return '';
  const program = process?.name === undefined || process.name === name ? undefined : process.name;
  const { pid, threads } = process ?? {};
  const details = [
    pid === undefined ? program : `${program === undefined ? '' : `${program}, `}pid ${pid}`,
    threads === undefined ? undefined : `${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  ].filter((part) => part !== undefined);
  return `, ${(culprit.accepted_ratio ?? 0) > 0.5 ? 'accepted' : 'opened'} by ${name}${details.length > 0 ? ` (${details.join(', ')})` : ''}`;
}

/**
 * An owner is named when it is known to have half of the flows; or nearly all of a quarter, since most of the others closed before
 * they were looked up, which says nothing of whose they were.
 */
const OWNER_RATIO_MIN = 0.5;
const ONLY_RATIO_MIN = 0.9;
const TOLD_RATIO_MIN = 0.25;

/** Against the budget, or else against what is usual when it is more than that. */
function describeEntries({ entries, expected_entries: expected, usual_entries: usual }: CulpritFields): string {
  if (entries === undefined) return '';
  const held = `${formatCount(entries)} ${entries === 1 ? 'entry' : 'entries'}`;
  if (expected !== undefined) return `${held} against an expected ${formatCount(expected)}`;
  return usual !== undefined && entries > USUAL_FACTOR * usual ? `${held}, usually ${formatCount(usual)}` : held;
}

/** Below this what is there is about what usually is. */
const USUAL_FACTOR = 1.5;

function describeStates({ states = {} }: CulpritFields): string {
  const [state, share] = Object.entries(states).reduce((most, next) => (next[1] > most[1] ? next : most), ['', 0]);
  return share > STATE_RATIO_MIN ? `, ${formatRatio(share)} in ${state}` : '';
}

/** A state that fewer are in describes nobody. */
const STATE_RATIO_MIN = 0.3;

const DIAGNOSIS_TEXTS: Readonly<Record<DiagnosisCode, string>> = {
  connection_churn: 'connections that are not being reused',
  connection_leak: 'connections that are never closed',
  traffic_spike: 'many clients that want the same service at once',
  syn_flood: 'a SYN flood',
  scan: 'a scan',
  dead_backend: 'a backend that does not answer',
  dns_storm: 'a storm of DNS questions',
  udp_storm: 'a storm of UDP datagrams',
  timeout_artefact: 'connections whose peers are gone, whose entries wait for a timeout of days',
  unclear: '',
};

function describeDiagnosis(code: DiagnosisCode): string {
  return code === 'unclear' ? '' : ` It looks like ${DIAGNOSIS_TEXTS[code]}.`;
}

/** `tcp to 10.0.0.5:6379 has 84,012 entries, 50 are allowed; 2,402/s new entries, 5/s are allowed.` */
function describeBudget({ phase, budget = {} }: AlertParts): string {
  const { destination, transport, owner, entries, new_per_second: rate } = budget;
  const to =
    destination === undefined ? transport : `${transport === undefined ? '' : `${transport} to `}${destination}`;
  const who = [owner, to].filter((part) => part !== undefined).join(' at ');
  const held = [
    budget.max_entries === undefined || entries === undefined
      ? undefined
      : `${formatCount(entries)} entries, ${formatCount(budget.max_entries)} allowed`,
    budget.max_new_per_second === undefined || rate === undefined
      ? undefined
      : `${formatRate(rate)} new entries, ${formatRate(budget.max_new_per_second)} allowed`,
  ].filter((part) => part !== undefined);
  const state = phase === 'resolved' ? 'is within its budget again' : 'is over its budget';
  return `${who} ${state}${held.length > 0 ? `: ${held.join('; ')}` : ''}.`;
}

function describeCondition(parts: AlertParts): string {
  const growth = describeGrowth(parts);
  const state = `conntrack table ${describeFullness(parts.table)}`;
  switch (parts.name) {
    case 'usage':
      return `${state}, above the ${parts.severity} level${growth}: ${describeForecast(parts.forecast)}`;
    case 'time_to_full':
    case 'burst':
      return `${state}${growth}: ${describeForecast(parts.forecast)}`;
    case 'dropping':
      return `${state}${growth}, and losing connections: ${describeDamage(parts.kernel)}`;
    case 'budget':
      return describeBudget(parts);
    case 'loss':
      return `events are being lost (${formatCount(parts.lost)} so far): totals stay exact, details are sampled`;
  }
}

/** `41 % full (107,310 of 262,144)`. */
export function describeFullness(table: TableFields): string {
  const { count, max, used_ratio: used } = table;
  if (count === undefined) return 'of unknown size';
  if (max === undefined || used === undefined) return `with ${formatCount(count)} entries`;
  return `${formatRatio(used)} full (${formatCount(count)} of ${formatCount(max)})`;
}

function describeGrowth({ growthPerSecond, burst }: AlertParts): string {
  const growth = growthPerSecond > 0 ? ` and growing ${formatRate(growthPerSecond)}` : '';
  if (burst === undefined) return growth;
  const times = `${burst.ratio.toFixed(1)} times the usual rate`;
  const since = burst.since.slice(11, 19);
  return growth === '' ? `, in a burst since ${since} (${times})` : `${growth} since ${since} (a burst, ${times})`;
}

function describeDamage(kernel: KernelFields): string {
  const counted = [
    [kernel.drop, 'packets dropped'],
    [kernel.early_drop, 'entries evicted'],
    [kernel.insert_failed, 'inserts failed'],
  ] as const;
  const told = counted.filter(([count]) => count > 0).map(([count, text]) => `${formatCount(count)} ${text}`);
  return told.join(', ');
}
