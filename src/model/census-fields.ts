/**
 * The fields of a `census` line: the table counted by each of its dimensions, and by any two that somebody asked for.
 * Each list has its own schema, so that a reader knows which fields to expect in it.
 */
import * as v from 'valibot';
import { count, describe, endpoint, network, nonNegative, ratio, table } from './event-fields.js';

/** Names of the census's dimensions, as `ctwatch who --by` takes them. */
export const CENSUS_DIMENSIONS = [
  'protocol',
  'state',
  'destination',
  'address',
  'port',
  'source',
  'direction',
  'nat',
  'zone',
  'assured',
  'owner',
  'remaining',
] as const;
export type CensusDimension = (typeof CENSUS_DIMENSIONS)[number];

/** What the rows of a count may be told by. */
const groupFields = {
  network: v.object({ ...network.entries, transport: v.optional(network.entries.transport) }),
  destination: v.object({
    ip: v.optional(endpoint.entries.ip),
    port: v.optional(
      v.pipe(
        count,
        v.maxValue(65_535),
        describe('Absent without ports, and where those of the ephemeral range are added up'),
      ),
    ),
  }),
  source: v.object({ ip: endpoint.entries.ip }),
  state: v.pipe(v.string(), describe('TCP: by the name of the kernel; others: UNREPLIED, REPLIED or ASSURED')),
  nat: v.pipe(v.picklist(['none', 'source', 'destination', 'both']), describe('What NAT changed')),
  zone: v.pipe(count, describe('Conntrack zone')),
  assured: v.pipe(v.boolean(), describe('False: the kernel may evict it when the table is full')),
  owner: v.pipe(v.string(), describe('Who opened or accepted it; unknown when it could not be told')),
  remaining: v.pipe(
    v.object({
      from_seconds: v.optional(v.pipe(nonNegative, describe('At least; absent for entries without a timeout'))),
      to_seconds: v.optional(v.pipe(nonNegative, describe('Less than; absent for the longest'))),
    }),
    describe('Time left until it expires'),
  ),
  states: v.pipe(v.record(v.string(), count), describe('Entries by state')),
} as const;
type GroupField = keyof typeof groupFields;

/** A list of counts by these fields. The last row may stand for all others and then has none of them. */
function counts<const F extends readonly GroupField[]>(text: string, fields: F) {
  const chosen = Object.fromEntries(fields.map((name) => [name, v.optional(groupFields[name])])) as {
    [K in F[number]]: v.OptionalSchema<(typeof groupFields)[K], undefined>;
  };
  const group = v.object({
    ...chosen,
    entries: v.pipe(count, describe('Entries of the table')),
    share_ratio: v.pipe(ratio, describe('Share of all entries')),
    other: v.optional(v.pipe(count, describe('The row stands for at least so many values that have no row'))),
  });
  return v.pipe(v.array(group), describe(text));
}
const allCounts = counts('By what was asked for, most first', Object.keys(groupFields) as GroupField[]);

/** What a `census` line carries besides what every line has. */
export const censusFields = {
  type: v.literal('census'),
  trigger: v.pipe(v.picklist(['alert', 'request']), describe('An alert was near or firing, or somebody asked')),
  table,
  entries: v.pipe(count, describe('Entries that were listed')),
  collected: v.optional(
    v.pipe(count, describe('Expired entries that listing the table made the kernel collect, about')),
  ),
  duration_seconds: v.pipe(nonNegative, describe('How long listing took')),
  time_wait_ratio: v.pipe(ratio, describe('Share in TIME_WAIT')),
  gone_60s_ratio: v.pipe(ratio, describe('Share that expires within 60 s and does not renew its timeout')),
  folded: v.optional(v.pipe(count, describe('Entries whose source or destination was one too many to be kept'))),
  protocols: counts('By transport protocol', ['network']),
  states: counts('By protocol and state', ['network', 'state']),
  destinations: counts('By destination, most first', ['network', 'destination', 'states']),
  sources: counts('By source, most first', ['source']),
  owners: counts('By owner, most first', ['owner']),
  directions: counts('By direction', ['network']),
  nat: counts('By what NAT changed', ['nat']),
  zones: counts('By conntrack zone', ['zone']),
  remaining: counts('By the time that is left', ['remaining']),
  by: v.optional(v.pipe(v.array(v.picklist(CENSUS_DIMENSIONS)), describe('What `ctwatch who --by` asked for'))),
  groups: v.optional(allCounts),
} as const;

export type CensusGroup = v.InferOutput<typeof allCounts>[number];
