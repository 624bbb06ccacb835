/** The `census` line: what a dump counted, list by list, and the sentence that says it. */
import type { Census } from '../analysis/census/census.js';
import type { CensusCount, CensusRow } from '../analysis/census/census-count.js';
import type { CensusDimension, CensusGroup } from '../model/census-fields.js';
import type { EventOf } from '../model/events.js';
import { CENSUS_LISTED } from '../model/limits.js';
import { transportName } from '../model/protocol.js';
import { round, tableFields } from './fields.js';
import { describeTalker, formatCount, formatRatio } from './sentence.js';

type CensusEvent = EventOf<'census'>;

export interface CensusParts {
  readonly census: Census;
  readonly trigger: CensusEvent['trigger'];
  readonly unixSeconds: number;
  readonly durationSeconds: number;
  /** Entries that the kernel counts, expired ones included, and the limit; where they are known. */
  readonly count?: number | undefined;
  readonly max?: number | undefined;
  readonly collected?: number | undefined;
  /** Dimensions that somebody asked for, with the rows to list. */
  readonly by?: { readonly dimensions: readonly CensusDimension[]; readonly rowsMax: number };
}

/** The event of one census. */
export function censusEvent(parts: CensusParts): CensusEvent {
  const { census, count, max, collected, by } = parts;
  const { timeWaitRatio = 0, goneSoonRatio = 0, unassuredRatio, entries, folded } = census;
  const table = tableFields({
    ...(count !== undefined && { count }),
    ...(max !== undefined && { max }),
    ...(unassuredRatio !== undefined && { unassuredRatio }),
  });
  const list = (...dimensions: CensusDimension[]) => groupsOf(census.count(dimensions, CENSUS_LISTED));
  const destinations = census.count(['destination'], CENSUS_LISTED);
  return {
    type: 'census',
    level: 'info',
    unixSeconds: parts.unixSeconds,
    msg: describeCensus(census, destinations),
    trigger: parts.trigger,
    table,
    entries,
    ...(collected !== undefined && { collected }),
    duration_seconds: round(parts.durationSeconds, 3),
    time_wait_ratio: round(timeWaitRatio, 4),
    gone_60s_ratio: round(goneSoonRatio, 4),
    ...(folded > 0 && { folded }),
    protocols: list('protocol'),
    states: groupsOf(census.count(['protocol', 'state'])),
    destinations: withStates(census, destinations),
    sources: list('source'),
    owners: list('owner'),
    directions: list('direction'),
    nat: list('nat'),
    zones: list('zone'),
    remaining: groupsOf(inOrder(census.count(['remaining']))),
    ...(by !== undefined && { by: [...by.dimensions], groups: groupsOf(census.count(by.dimensions, by.rowsMax)) }),
  };
}

/** `84,012 entries: 71 % in TIME_WAIT, 64 % gone within 60 s; 83 % are tcp to 10.0.0.5:6379`. */
function describeCensus({ entries, timeWaitRatio, goneSoonRatio }: Census, { rows: [first] }: CensusCount): string {
  if (entries === 0) return 'no entries';
  const timeWait = timeWaitRatio === 0 ? '' : `${formatRatio(timeWaitRatio ?? 0)} in TIME_WAIT, `;
  const shares = `${timeWait}${formatRatio(goneSoonRatio ?? 0)} gone within 60 s`;
  const who = first && groupOf(first);
  const most =
    who?.network?.transport !== undefined && who.destination?.ip !== undefined
      ? `; ${formatRatio(first?.shareRatio ?? 0)} are ${describeTalker({
          network: { transport: who.network.transport },
          destination: {
            ip: who.destination.ip,
            ...(who.destination.port !== undefined && { port: who.destination.port }),
          },
        })}`
      : '';
  return `${formatCount(entries)} entries: ${shares}${most}`;
}

/** Rows as ECS names them, then one for all that have none. */
export function groupsOf({ rows, other }: CensusCount): CensusGroup[] {
  const groups = rows.map(groupOf);
  if (other === undefined) return groups;
  return [...groups, { entries: other.entries, share_ratio: round(other.shareRatio, 4), other: other.values }];
}

function groupOf(row: CensusRow): CensusGroup {
  const { protocol, direction, destination, port, source, remaining } = row;
  return {
    ...((protocol !== undefined || direction !== undefined) && {
      network: {
        ...(protocol !== undefined && { transport: transportName(protocol) }),
        ...(direction !== undefined && { direction }),
      },
    }),
    ...((destination !== undefined || port !== undefined) && {
      destination: { ...(destination !== undefined && { ip: destination }), ...(port !== undefined && { port }) },
    }),
    ...(source !== undefined && { source: { ip: source } }),
    ...(row.state !== undefined && { state: row.state }),
    ...(row.nat !== undefined && { nat: row.nat }),
    ...(row.zone !== undefined && { zone: row.zone }),
    ...(row.assured !== undefined && { assured: row.assured }),
    ...(row.owner !== undefined && { owner: row.owner }),
    ...(remaining !== undefined && {
      remaining: {
        ...(remaining.fromSeconds !== undefined && { from_seconds: remaining.fromSeconds }),
        ...(remaining.toSeconds !== undefined && { to_seconds: remaining.toSeconds }),
      },
    }),
    entries: row.entries,
    share_ratio: round(row.shareRatio, 4),
  };
}

/** Destinations with their entries by state. */
function withStates(census: Census, destinations: CensusCount): CensusGroup[] {
  const keyOf = ({ protocol, destination, port }: CensusRow) => `${protocol} ${destination} ${port}`;
  const states = new Map(destinations.rows.map((row) => [keyOf(row), {} as Record<string, number>]));
  for (const row of census.count(['destination', 'state']).rows) {
    const counted = states.get(keyOf(row));
    if (counted !== undefined && row.state !== undefined) counted[row.state] = row.entries;
  }
  return groupsOf(destinations).map((group, i) => {
    const row = destinations.rows[i];
    const counted = row && states.get(keyOf(row));
    return counted === undefined ? group : { ...group, states: counted };
  });
}

/** Bins of time left, shortest first, entries without a timeout last. */
function inOrder(count: CensusCount): CensusCount {
  const from = ({ remaining }: CensusRow) => remaining?.fromSeconds ?? Number.POSITIVE_INFINITY;
  return { ...count, rows: [...count.rows].sort((a, b) => from(a) - from(b)) };
}
