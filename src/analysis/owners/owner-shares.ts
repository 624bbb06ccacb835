/**
 * Counters of one destination as shares of its owners.
 *
 * A flow whose process was gone before it was found is told by its user, and maybe its unit, alone. It is counted for the programs of
 * that user and unit that were told in full, in proportion; where there is none, the user is an owner itself.
 */
import type { FlowDirection, Owner } from '../../model/owner.js';

/** One owner of a destination's new flows. */
export interface OwnerShare {
  /** With its process when most of its present flows are of that one. */
  readonly owner: Owner;
  /** Part of the destination's flows with an owner, 0..1. */
  readonly shareRatio: number;
}

export interface DestinationOwners {
  /** Most first. */
  readonly owners: readonly OwnerShare[];
  /** Part of the flows that are not forwarded whose owner could be told, 0..1; absent when all are. */
  readonly attributedRatio?: number;
  /** Part of all flows that this host only forwards, 0..1. */
  readonly forwardedRatio: number;
  /** Part of the flows that are not forwarded which this host accepted, 0..1; absent when it opened all. */
  readonly acceptedRatio?: number;
}

/** Flows that were looked up, with the same answer. Weights are of one moment, so that they can be compared. */
export interface OwnerCounter {
  /** `protocol address port`. */
  readonly destination: string;
  readonly source: string | undefined;
  readonly direction: FlowDirection;
  readonly owner: Owner | undefined;
  /** Flows that are certainly its own. */
  readonly weight: number;
}

/** Shares of these counters, which are all of one destination. */
export function shareOwners(counters: readonly OwnerCounter[]): DestinationOwners {
  const sum = (of: readonly OwnerCounter[]) => of.reduce((total, { weight }) => total + weight, 0);
  const forwarded = sum(counters.filter(({ direction }) => direction === 'forwarded'));
  const others = sum(counters) - forwarded;
  const accepted = sum(counters.filter(({ direction }) => direction === 'accepted'));
  const told = sum(counters.filter(({ owner }) => owner !== undefined));
  return {
    owners: divideOwners(counters),
    ...(others > 0 && { attributedRatio: Math.min(1, told / others) }),
    ...(accepted > 0 && { acceptedRatio: Math.min(1, accepted / others) }),
    forwardedRatio: forwarded + others > 0 ? forwarded / (forwarded + others) : 0,
  };
}

/** The owners of those with one, most first; their shares are 1 in sum. */
export function divideOwners(counters: readonly OwnerCounter[]): OwnerShare[] {
  const byKey = new Map<string, { owner: Owner; weight: number; largest: number }>();
  for (const { owner, weight } of counters) {
    if (owner === undefined || !(weight > 0)) continue;
    const known = byKey.get(owner.key);
    const largest = known === undefined || weight > known.largest;
    byKey.set(owner.key, {
      // What the most flows tell: the same program may be seen from several of the host's addresses.
      owner: largest ? owner : known.owner,
      weight: (known?.weight ?? 0) + weight,
      largest: largest ? weight : known.largest,
    });
  }
  const found = [...byKey.values()];
  const total = found.reduce((sum, { weight }) => sum + weight, 0);
  const shares = new Map(found.map(({ owner, weight }) => [owner, weight]));
  for (const { owner, weight } of found.filter(({ owner: { name } }) => name === undefined)) {
    const programs = found.filter(({ owner: program }) => program.name !== undefined && isOf(program, owner));
    const all = programs.reduce((sum, program) => sum + program.weight, 0);
    if (all === 0) continue;
    shares.delete(owner);
    for (const program of programs) {
      shares.set(program.owner, (shares.get(program.owner) ?? 0) + (weight * program.weight) / all);
    }
  }
  return [...shares]
    .map(([owner, weight]) => ({ owner, shareRatio: weight / total }))
    .sort((a, b) => b.shareRatio - a.shareRatio || (a.owner.key < b.owner.key ? -1 : 1));
}

/** Whether a program is one of a user and, where that is known, unit or container. */
function isOf(program: Owner, { uid, unit, container }: Owner): boolean {
  if (container !== undefined) return program.container === container;
  if (unit !== undefined) return program.unit === unit;
  return program.uid === uid;
}
