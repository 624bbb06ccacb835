/** The fields of a line from the numbers of an observation: names, rounding, and nothing that is not known. */
import type { DestinationOwners } from '../analysis/owners/owner-shares.js';
import type { Talker } from '../analysis/talkers.js';
import { formatAddress } from '../model/address.js';
import type {
  ForecastFields,
  KernelFields,
  RateFields,
  TableFields,
  TopFields,
  TotalsFields,
} from '../model/events.js';
import type { Owner } from '../model/owner.js';
import type { OwnerFields } from '../model/owner-fields.js';
import { isIcmp, transportName } from '../model/protocol.js';
import type { KernelCounters } from '../model/record.js';
import type { TickObservation } from './observed.js';

/** The numbers most lines carry. */
export function numbersOf(tick: TickObservation): { table: TableFields; rate: RateFields; forecast: ForecastFields } {
  return { table: tableFields(tick.table), rate: rateFields(tick), forecast: forecastFields(tick.forecast) };
}

/** `used_ratio` is of `max`, an assumed one included. */
export function tableFields(table: Partial<TickObservation['table']>): TableFields {
  const { count, max, live, expired, blind, unassuredRatio } = table;
  return {
    ...(count !== undefined && { count }),
    ...(max !== undefined && { max }),
    ...(count !== undefined && max !== undefined && { used_ratio: round(count / max, 4) }),
    ...(live !== undefined && { live: Math.round(live) }),
    ...(expired !== undefined && { expired: Math.round(expired) }),
    ...(blind !== undefined && { blind: Math.round(blind) }),
    ...(unassuredRatio !== undefined && { unassured_ratio: round(unassuredRatio, 4) }),
  };
}

function rateFields(tick: TickObservation): RateFields {
  const { rates, burst } = tick;
  const { newPerSecond, destroyPerSecond } = rates;
  return {
    new_per_second: round(newPerSecond.over10s, 1),
    destroy_per_second: round(destroyPerSecond.over10s, 1),
    net_per_second: round(rates.netPerSecond.over10s, 1),
    growth_per_second: round(growthPerSecond(tick), 1),
    new_per_second_1s: round(newPerSecond.over1s, 1),
    destroy_per_second_1s: round(destroyPerSecond.over1s, 1),
    new_per_second_1m: round(newPerSecond.over60s, 1),
    destroy_per_second_1m: round(destroyPerSecond.over60s, 1),
    ...(burst.baselinePerSecond !== undefined && { baseline_per_second: round(burst.baselinePerSecond, 1) }),
  };
}

function forecastFields(forecast: TickObservation['forecast']): ForecastFields {
  const { verdict, reason, secondsToFull, secondsToFullLow, secondsToFullHigh, secondsToDrop } = forecast;
  const { plateauCount, plateauRatio, probabilityFull10m } = forecast;
  return {
    verdict,
    ...(reason !== undefined && { reason }),
    ...(secondsToFull !== undefined && { seconds_to_full: round(secondsToFull, 1) }),
    ...(secondsToFullLow !== undefined && { seconds_to_full_low: round(secondsToFullLow, 1) }),
    ...(secondsToFullHigh !== undefined && { seconds_to_full_high: round(secondsToFullHigh, 1) }),
    ...(secondsToDrop !== undefined && { seconds_to_drop: round(secondsToDrop, 1) }),
    ...(plateauCount !== undefined && { plateau_count: Math.round(plateauCount) }),
    ...(plateauRatio !== undefined && { plateau_ratio: round(plateauRatio, 4) }),
    ...(probabilityFull10m !== undefined && { probability_full_10m: round(probabilityFull10m, 4) }),
  };
}

/** Destinations as ECS names them. */
export function topFields(talkers: readonly Talker[]): TopFields[] {
  return talkers.map(({ family, protocol, address, port, newPerSecond, shareRatio, errorRatio, owners }) => ({
    network: { transport: transportName(protocol) },
    destination: { ip: formatAddress(family, address), ...(!isIcmp(protocol) && { port }) },
    new_per_second: round(newPerSecond, 1),
    share_ratio: round(shareRatio, 4),
    error_ratio: round(errorRatio, 4),
    ...ownerFields(owners),
  }));
}

/** Whose they are: of the first owner, who has the most; empty when nothing was looked up. */
export function ownerFields(owners: DestinationOwners | undefined): OwnerFields {
  if (owners === undefined) return {};
  const [first] = owners.owners;
  const { attributedRatio, acceptedRatio, forwardedRatio } = owners;
  return {
    ...(first !== undefined && { ...partsOf(first.owner), owner_ratio: round(first.shareRatio, 4) }),
    ...(attributedRatio !== undefined && { attributed_ratio: round(attributedRatio, 4) }),
    ...(acceptedRatio !== undefined && { accepted_ratio: round(acceptedRatio, 4) }),
    ...(forwardedRatio > 0 && { forwarded_ratio: round(forwardedRatio, 4) }),
  };
}

function partsOf(owner: Owner): OwnerFields {
  const { key, unit, container, pod, uid, user } = owner;
  return {
    owner: key,
    ...(owner.name !== undefined && { process: processOf(owner) }),
    ...(unit !== undefined && { service: { name: unit } }),
    ...((container !== undefined || pod !== undefined) && {
      container: { ...(container !== undefined && { id: container }), ...(pod !== undefined && { pod }) },
    }),
    ...(uid !== undefined && { user: { id: String(uid), ...(user !== undefined && { name: user }) } }),
  };
}

function processOf({ pid, name, commandLine, threads, sockets, startUnixSeconds }: Owner): OwnerFields['process'] {
  return {
    ...(pid !== undefined && { pid }),
    ...(name !== undefined && { name }),
    ...(commandLine !== undefined && { command_line: commandLine }),
    ...(threads !== undefined && { threads }),
    ...(sockets !== undefined && { sockets }),
    ...(startUnixSeconds !== undefined && { start: isoTime(startUnixSeconds) }),
  };
}

/** Exact totals since the start. */
export function totalsFields({ totals, loss }: Pick<TickObservation, 'totals' | 'loss'>): TotalsFields {
  return {
    new: totals.newEvents,
    destroy: totals.destroyEvents,
    lost_new: loss.lostNew,
    lost_destroy: loss.lostDestroy,
    malformed: loss.malformed,
  };
}

/** Counters before anything moved. */
export const NO_INCREASE: KernelFields = {
  drop: 0,
  early_drop: 0,
  insert_failed: 0,
  chain_toolong: 0,
  clash_resolve: 0,
  invalid: 0,
  error: 0,
};

/** The sum of what is reported and an increase. */
export function addCounters(sum: KernelFields, increase: KernelCounters): KernelFields {
  return {
    drop: sum.drop + increase.drop,
    early_drop: sum.early_drop + increase.early_drop,
    insert_failed: sum.insert_failed + increase.insert_failed,
    chain_toolong: sum.chain_toolong + increase.chain_toolong,
    clash_resolve: sum.clash_resolve + increase.clash_resolve,
    invalid: sum.invalid + increase.invalid,
    error: sum.error + increase.error,
  };
}

/** Seconds since 1970 of a moment on the monotonic clock, as this tick sees both. */
export function unixAt({ at }: Pick<TickObservation, 'at'>, monotonicSeconds: number): number {
  return at.unixSeconds - (at.monotonicSeconds - monotonicSeconds);
}

/** ISO 8601, UTC, milliseconds. */
export function isoTime(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString();
}

/**
 * New minus destroyed entries at present: the new ones of the last second (of a burst just found, its own rate), the destroyed
 * ones of the last ten; after a sweep of the collector, or a dump, of the last minute.
 */
export function growthPerSecond({ rates, burstTransition, collectedByDump }: TickObservation): number {
  const { over10s, over60s } = rates.destroyPerSecond;
  const present = burstTransition?.phase === 'start' ? burstTransition.ratePerSecond : rates.newPerSecond.over1s;
  return present - (collectedByDump || over10s > SWEEP_FACTOR * over60s ? over60s : over10s);
}

/** A ten seconds' rate this many times the minute's is a sweep, not a trend. */
const SWEEP_FACTOR = 2;

/** Rounded to so many digits after the point. */
export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
