/** How a census keeps its groups: five words each, what tells entries apart packed into them. */
import type { EntryCounts } from './entry-counts.js';
import type { WordTable } from './word-table.js';

/** Least time left in each bin, seconds. */
export const REMAINING_FROM_SECONDS = [0, 10, 30, 60, 120, 300, 600, 3600, 86_400] as const;
/** The bin of entries that have no timeout (offloaded ones). */
export const NO_TIMEOUT = REMAINING_FROM_SECONDS.length;

/** States of other protocols than TCP, after its own ten; TCP_UNKNOWN: the kernel did not tell. */
export const STATE = { timeWait: 7, unreplied: 16, replied: 17, assured: 18, unknown: 19 } as const;
/** Numbers of directions and of NAT as groups have them. */
export const DIRECTIONS = ['inbound', 'outbound', 'forwarded', 'local'] as const;
export const NATS = ['none', 'source', 'destination', 'both'] as const;

/** Words of a group. A source, destination, zone or owner that is not kept is `FOLDED`. */
export const GROUP = { source: 0, destination: 1, traits: 2, zone: 3, owner: 4 } as const;
export const FOLDED = 0xffff_ffff;
/** A direction that is not known. */
export const NO_DIRECTION = 7;

/** Traits in a word: protocol 8 bits, state 5, direction 3, NAT 2, assured 1, time left 4. */
export const TRAIT = {
  protocol: { shift: 0, mask: 0xff },
  state: { shift: 8, mask: 0x1f },
  direction: { shift: 13, mask: 7 },
  nat: { shift: 16, mask: 3 },
  assured: { shift: 18, mask: 1 },
  remaining: { shift: 19, mask: 0xf },
} as const;

/** Keys with the entries of each. */
export interface KeyedCounts {
  readonly keys: WordTable;
  readonly entries: EntryCounts;
}

/** Everything that a census has counted. All but groups are exact. */
export interface CensusTables {
  readonly entries: number;
  /** Keys: four words of address, its family. */
  readonly source: KeyedCounts;
  /** Keys: four words of address, its family, protocol << 16 | port. */
  readonly destination: KeyedCounts;
  /** Keys: the word of traits. */
  readonly traits: KeyedCounts;
  /** Keys: see `GROUP`. */
  readonly group: KeyedCounts;
  readonly owners: readonly string[];
}
