/**
 * Metrics of who makes the entries: the busiest destinations and owners, and all others as one.
 *
 * Whoever can make flows can make names: each new one is a series that a server keeps for months. So only those with a real part are
 * named, a few of them, and the rest is `other`. Their sum is the whole, so a graph can be stacked.
 */
import type { SuspectDestination } from '../../analysis/diagnosis/suspects.js';
import type { Talker } from '../../analysis/talkers.js';
import { formatAddress, formatEndpoint } from '../../model/address.js';
import { METRIC_OWNERS_MAX, METRIC_SHARE_RATIO_MIN } from '../../model/limits.js';
import { isIcmp, transportName } from '../../model/protocol.js';
import type { TickObservation } from '../../pipeline/observed.js';
import type { Metric, MetricSample } from './metric.js';

const OTHER = 'other';

export const SHARE_METRICS: readonly Metric[] = [
  {
    ...{ name: 'ctwatch_destination_new_flows_per_second', kind: 'gauge', unit: '{flow}/s' },
    labels: ['transport', 'destination'],
    help: 'Entries made per second (time constant 10 s) to the busiest destinations; the rest is destination="other"',
    read: ({ tick }) => tick && newByDestination(tick),
  },
  {
    ...{ name: 'ctwatch_destination_entries', kind: 'gauge', unit: '{entry}', labels: ['transport', 'destination'] },
    help: 'Entries in the table to the destinations that have most of what matters now; the rest is destination="other"',
    read: ({ tick }) => tick && entriesByDestination(tick),
  },
  {
    ...{ name: 'ctwatch_owner_new_flows_per_second', kind: 'gauge', unit: '{flow}/s', labels: ['owner'] },
    help: 'Entries to the busiest destinations made per second by the unit, container or user and program that opens or accepts them; the rest, and what could not be told, is owner="other"',
    read: ({ tick }) => tick && newByOwner(tick),
  },
];

/** `tcp`, `10.0.0.5:6379`. */
function nameOf({ family, protocol, address, port }: Talker): { transport: string; destination: string } {
  const ip = formatAddress(family, address);
  return { transport: transportName(protocol), destination: formatEndpoint(ip, isIcmp(protocol) ? undefined : port) };
}

/** Of all destinations: what the first has over its share. */
function totalPerSecond({ top, rates }: TickObservation): number {
  const [first] = top;
  return first === undefined || !(first.shareRatio > 0)
    ? rates.newPerSecond.over10s
    : first.newPerSecond / first.shareRatio;
}

function newByDestination(tick: TickObservation): MetricSample[] {
  const named = tick.top.filter(
    // What may be somebody else's is no reason to be named.
    ({ shareRatio, errorRatio }) => shareRatio * (1 - errorRatio) >= METRIC_SHARE_RATIO_MIN,
  );
  const samples = named.map((talker) => ({ labels: nameOf(talker), value: talker.newPerSecond }));
  return withOther(samples, totalPerSecond(tick), { transport: OTHER, destination: OTHER });
}

function entriesByDestination({ findings, table }: TickObservation): MetricSample[] | undefined {
  const { count } = table;
  if (count === undefined) return undefined;
  const isNamed = ({ facts }: SuspectDestination) =>
    facts.entries >= METRIC_SHARE_RATIO_MIN * count && facts.entries > 0;
  const samples = findings.destinations
    .filter(isNamed)
    .map(({ talker, facts }) => ({ labels: nameOf(talker), value: Math.round(facts.entries) }));
  return withOther(samples, Math.round(count), { transport: OTHER, destination: OTHER });
}

function newByOwner(tick: TickObservation): MetricSample[] {
  const total = totalPerSecond(tick);
  const byOwner = new Map<string, number>();
  for (const { newPerSecond, owners } of tick.top) {
    const told = newPerSecond * (1 - (owners?.forwardedRatio ?? 0)) * (owners?.attributedRatio ?? 0);
    for (const { owner, shareRatio } of owners?.owners ?? []) {
      byOwner.set(owner.key, (byOwner.get(owner.key) ?? 0) + told * shareRatio);
    }
  }
  const named = [...byOwner]
    .filter(([owner, value]) => value >= METRIC_SHARE_RATIO_MIN * total && owner !== OTHER)
    .sort(([, a], [, b]) => b - a)
    .slice(0, METRIC_OWNERS_MAX);
  return withOther(
    named.map(([owner, value]) => ({ labels: { owner }, value })),
    total,
    { owner: OTHER },
  );
}

/** Estimates of parts may add up to a little more than the whole. */
function withOther(samples: MetricSample[], total: number, labels: MetricSample['labels']): MetricSample[] {
  const named = samples.reduce((sum, { value }) => sum + value, 0);
  return [...samples, { labels, value: Math.max(0, total - named) }];
}
