/**
 * How the columns of a batch are laid out in a recording. The tuples and the id have a coding of their own and are part of
 * format 1; every other column stands in one of three lists, which the header of a file repeats. So a reader fills a column
 * that an older file does not have with 0, and skips one that only a newer program knows.
 */
import { type COLUMNS, PRESENT } from '../model/batch.js';

type ColumnOf<T extends string> = Extract<(typeof COLUMNS)[number], readonly [string, T]>[0];
export type IntegerColumn = ColumnOf<'u8' | 'u16' | 'u32'>;
export type FloatColumn = ColumnOf<'f64'>;

export interface Layout {
  /** Small numbers that go together in few combinations: one byte a row names the combination. */
  readonly shape: readonly string[];
  /** Numbers that are mostly those of the last row with the same combination. */
  readonly usual: readonly string[];
  /** Times and counters: absent, or the difference to the row before. */
  readonly floats: readonly string[];
  /** Fields of `LossTotals` and `KernelCounters`. */
  readonly losses: readonly string[];
  readonly counters: readonly string[];
}

const SHAPE = ['family', 'protocol', 'tcpState', 'zone', 'status', 'portid', 'present'] as const;
const USUAL = ['timeoutSeconds', 'mark'] as const;
const FLOATS = [
  'eventSeconds',
  'startSeconds',
  'stopSeconds',
  'originalPackets',
  'originalBytes',
  'replyPackets',
  'replyBytes',
] as const;

const LOSSES = ['lostNew', 'lostDestroy', 'malformed', 'unknownLosses'] as const;
const COUNTERS = [
  'found',
  'invalid',
  'insert',
  'insert_failed',
  'drop',
  'early_drop',
  'error',
  'search_restart',
  'clash_resolve',
  'chain_toolong',
] as const;

/** The `PRESENT` bit without which a column holds 0 in a row. */
export const FLOAT_PRESENT: Readonly<Record<FloatColumn, number>> = {
  eventSeconds: PRESENT.timestampEvent,
  startSeconds: PRESENT.timestampStart,
  stopSeconds: PRESENT.timestampStop,
  originalPackets: PRESENT.countersOriginal,
  originalBytes: PRESENT.countersOriginal,
  replyPackets: PRESENT.countersReply,
  replyBytes: PRESENT.countersReply,
};

/** What this program writes. */
export const LAYOUT = { shape: SHAPE, usual: USUAL, floats: FLOATS, losses: LOSSES, counters: COUNTERS } as const;

/**
 * The streams of a block in the order of its directory; a later version may add some at the end. Like stands beside like,
 * low bytes apart from high ones, so that deflate finds its repetitions.
 */
export const DEFLATED_STREAMS = [
  'records',
  'shapes',
  'shapeValues',
  'usualValues',
  'floats',
  'sourceLow',
  'sourceHigh',
  'destinationLow',
  'destinationHigh',
  'portLow',
  'portHigh',
  'reply',
  'referenceLow',
  'referenceHigh',
] as const;

/** Streams without repetition, which deflate would only spend time on. */
export const STORED_STREAMS = ['ids', 'sourcePorts', 'replyPorts', 'addresses'] as const;

export const STREAMS = [...DEFLATED_STREAMS, ...STORED_STREAMS] as const;
export type StreamName = (typeof STREAMS)[number];

/** Bits of a row's flags, which are part of its shape. */
export const FLAG = {
  /** The reply tuple is not the original one turned round: in this address or port. */
  replySource: 1,
  replyDestination: 2,
  replySourcePort: 4,
  replyDestinationPort: 8,
  /** A DESTROY of a flow that is remembered: tuples and id are those of its NEW. */
  remembered: 16,
} as const;

/** Symbols of an address before the numbers of remembered ones. */
export const ADDRESS = {
  /** The one of the row before, in the same direction. */
  same: 0,
  /** Four bytes follow, the others are 0. */
  ipv4: 1,
  ipv6: 2,
  first: 3,
} as const;

/** How a column of floats is written for the rows of one kind in a batch. */
export const FLOAT_MODE = {
  zero: 0,
  /** Whole numbers. */
  integer: 1,
  /** Multiples of 2^-22: what a time since 1970 is in a double. */
  fixed: 2,
  raw: 3,
} as const;
export const FIXED_UNITS = 2 ** 22;

/** Largest whole number that is written as one: differences, folded, stay below 2^53. */
export const INTEGER_MAX = 2 ** 51;

/** Near enough to the time of the record for a difference of two such times to stay below 2^53 when folded: 8 years. */
export function isNear(seconds: number, unixSeconds: number): boolean {
  return Math.abs(seconds - unixSeconds) < 2 ** 28;
}
