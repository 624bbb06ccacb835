/** A census for a person at a terminal: two lines about the table, then its entries by what was asked for, in columns. */

import { formatEndpoint } from '../model/address.js';
import type { CensusDimension, CensusGroup } from '../model/census-fields.js';
import type { EventOf } from '../model/events.js';
import { describeTable, formatCount, formatRatio, formatSeconds } from '../pipeline/sentence.js';

/** The text; lines end in a newline. */
export function formatCensus(census: EventOf<'census'>, where: string): string {
  const { table, entries, collected = 0, time_wait_ratio, gone_60s_ratio, by = [], groups = [] } = census;
  const head = `conntrack table of ${where}: ${describeTable({ ...table, count: table.count ?? entries })}`;
  const expired = collected > 0 ? `, after about ${formatCount(collected)} expired ones were collected` : '';
  const shares = [
    `${formatRatio(time_wait_ratio)} in TIME_WAIT`,
    `${formatRatio(gone_60s_ratio)} gone within 60 s`,
    ...(table.unassured_ratio === undefined
      ? []
      : [`${formatRatio(table.unassured_ratio)} may be evicted when it is full`]),
  ];
  if (entries === 0) return `${head}${expired}\n`;
  return `${head}${expired}\n${shares.join(', ')}\n\n${formatRows(by, groups)}`;
}

function formatRows(by: readonly CensusDimension[], groups: readonly CensusGroup[]): string {
  const titles = [...by.map((dimension) => dimension.toUpperCase()), 'ENTRIES', 'SHARE'];
  const rows = groups.map((group) => {
    const counts = [formatCount(group.entries), formatRatio(group.share_ratio)];
    if (group.other === undefined) return [...by.map((dimension) => formatCell(dimension, group)), ...counts];
    const others = group.other === 1 ? 'other' : 'others';
    return [`${formatCount(group.other)} ${others}`, ...by.slice(1).map(() => ''), ...counts];
  });
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [titles, ...rows]
    .map((row) => {
      const cells = row.map((cell, column) => {
        const width = widths[column] ?? 0;
        return column < by.length ? cell.padEnd(width) : cell.padStart(width);
      });
      return `${cells.join('  ')}\n`;
    })
    .join('');
}

function formatCell(dimension: CensusDimension, group: CensusGroup): string {
  const { network, destination, source, remaining } = group;
  switch (dimension) {
    case 'protocol':
      return network?.transport ?? '';
    case 'destination':
      return `${network?.transport ?? ''} ${formatEndpoint(destination?.ip ?? '', destination?.port)}`;
    case 'address':
      return destination?.ip ?? '';
    case 'port':
      return destination?.port === undefined ? (network?.transport ?? '') : `${network?.transport}/${destination.port}`;
    case 'source':
      return source?.ip ?? '';
    case 'direction':
      return network?.direction ?? '';
    case 'state':
      return group.state ?? '';
    case 'nat':
      return group.nat ?? '';
    case 'zone':
      return String(group.zone ?? '');
    case 'assured':
      return group.assured === true ? 'yes' : 'no';
    case 'owner':
      return group.owner ?? '';
    case 'remaining':
      return formatRemaining(remaining ?? {});
  }
}

function formatRemaining({ from_seconds: from, to_seconds: to }: NonNullable<CensusGroup['remaining']>): string {
  if (from === undefined) return 'no timeout';
  return to === undefined ? `${formatSeconds(from)} or more` : `${formatSeconds(from)} to ${formatSeconds(to)}`;
}
