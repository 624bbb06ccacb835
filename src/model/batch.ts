/**
 * A batch of conntrack events as columns: one ArrayBuffer, one typed array per field.
 *
 * C++ fills the columns once per drain, JavaScript reads them in place; there is never an object or a call per event.
 * Rows [0, newCount) are NEW events, rows [newCount, newCount + destroyCount) are DESTROY events, each in kernel order.
 * A batch is leased: what a record's subscriber does not copy before it returns is overwritten.
 * The layout here and the one in `native/column_layout.h` are compared when the addon is loaded.
 * Source of the fields: linux/netfilter/nfnetlink_conntrack.h, `enum ctattr_type`.
 */

/** Bytes per row of each column type. An address is 16 bytes in network order; IPv4 uses the first four. */
export const COLUMN_BYTES = { f64: 8, address: 16, u32: 4, u16: 2, u8: 1 } as const;

/**
 * The columns in memory order, widest first, so that each is aligned when the capacity is a multiple of eight.
 * A field whose `PRESENT` bit is clear holds 0.
 */
export const COLUMNS = [
  /** CTA_TIMESTAMP_START, seconds since 1970. Needs nf_conntrack_timestamp=1. */
  ['startSeconds', 'f64'],
  /** CTA_TIMESTAMP_STOP, seconds since 1970: the logical expiry, not the moment the entry was collected. */
  ['stopSeconds', 'f64'],
  /** CTA_TIMESTAMP_EVENT, seconds since 1970 (Linux 6.14). */
  ['eventSeconds', 'f64'],
  /** CTA_COUNTERS_ORIG / CTA_COUNTERS_REPLY. Need nf_conntrack_acct=1. */
  ['originalPackets', 'f64'],
  ['originalBytes', 'f64'],
  ['replyPackets', 'f64'],
  ['replyBytes', 'f64'],
  ['originalSource', 'address'],
  ['originalDestination', 'address'],
  ['replySource', 'address'],
  ['replyDestination', 'address'],
  /** CTA_ID: a hash, stable during life, used again at once by the same tuple, not unique. */
  ['id', 'u32'],
  /** CTA_STATUS: IPS_* bits. */
  ['status', 'u32'],
  /** CTA_TIMEOUT: seconds left. In a DESTROY only when the entry did not expire by time. */
  ['timeoutSeconds', 'u32'],
  /** CTA_MARK; the kernel leaves a mark of 0 out. */
  ['mark', 'u32'],
  /** nlmsg_pid: who asked ctnetlink for the change; 0 for packets and the garbage collector. */
  ['portid', 'u32'],
  /** `PRESENT` bits: which attributes the message carried. */
  ['present', 'u32'],
  /** Ports in host order. ICMP: source port = echo id, destination port = type << 8 | code. GRE: the call keys. */
  ['originalSourcePort', 'u16'],
  ['originalDestinationPort', 'u16'],
  ['replySourcePort', 'u16'],
  ['replyDestinationPort', 'u16'],
  /** CTA_ZONE; the kernel leaves zone 0 out. */
  ['zone', 'u16'],
  /** AF_INET 2 or AF_INET6 10. */
  ['family', 'u8'],
  /** IPPROTO_* number. */
  ['protocol', 'u8'],
  /** CTA_PROTOINFO_TCP_STATE: enum tcp_conntrack, 7 = TIME_WAIT. */
  ['tcpState', 'u8'],
] as const satisfies readonly (readonly [string, keyof typeof COLUMN_BYTES])[];

/** Bits of the `present` column. */
export const PRESENT = {
  originalTuple: 1 << 0,
  replyTuple: 1 << 1,
  id: 1 << 2,
  status: 1 << 3,
  timeout: 1 << 4,
  mark: 1 << 5,
  zone: 1 << 6,
  countersOriginal: 1 << 7,
  countersReply: 1 << 8,
  timestampStart: 1 << 9,
  timestampStop: 1 << 10,
  timestampEvent: 1 << 11,
  tcpState: 1 << 12,
  originalPorts: 1 << 13,
  replyPorts: 1 << 14,
  /** CTA_TUPLE_MASTER: the flow was expected (RELATED). */
  master: 1 << 15,
} as const;

/** Those of a row that has both its tuples, with their ports. */
export const TUPLES_PRESENT: number =
  PRESENT.originalTuple | PRESENT.replyTuple | PRESENT.originalPorts | PRESENT.replyPorts;

/** The same 16-byte addresses twice: `bytes` in network order for formatting, `words` (4 a row) for comparing. */
export interface AddressColumn {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

interface ColumnArrays {
  f64: Float64Array;
  address: AddressColumn;
  u32: Uint32Array;
  u16: Uint16Array;
  u8: Uint8Array;
}

/** One typed array per entry of `COLUMNS`. */
export type EventColumns = {
  readonly [C in (typeof COLUMNS)[number] as C[0]]: ColumnArrays[C[1]];
};

/** Columns with the number of rows that are filled. */
export interface EventBatch {
  readonly buffer: ArrayBuffer;
  readonly columns: EventColumns;
  /** Rows the buffer can hold. */
  readonly capacity: number;
  newCount: number;
  destroyCount: number;
}

/** Bytes one row takes over all columns. */
export const ROW_BYTES: number = COLUMNS.reduce((sum, [, type]) => sum + COLUMN_BYTES[type], 0);

/** Rows are a multiple of eight so that every column starts aligned. */
const CAPACITY_STEP = 8;

/** Allocates an empty batch. `capacity` is rounded up to a multiple of eight rows. */
export function createBatch(capacity: number): EventBatch {
  const rows = Math.ceil(capacity / CAPACITY_STEP) * CAPACITY_STEP;
  const buffer = new ArrayBuffer(rows * ROW_BYTES);
  let offset = 0;
  const columns = Object.fromEntries(
    COLUMNS.map(([name, type]) => {
      const column = viewColumn(buffer, type, offset, rows);
      offset += rows * COLUMN_BYTES[type];
      return [name, column];
    }),
  ) as unknown as EventColumns;
  return { buffer, columns, capacity: rows, newCount: 0, destroyCount: 0 };
}

function viewColumn(buffer: ArrayBuffer, type: keyof ColumnArrays, offset: number, rows: number) {
  switch (type) {
    case 'f64':
      return new Float64Array(buffer, offset, rows);
    case 'address':
      return { bytes: new Uint8Array(buffer, offset, rows * 16), words: new Uint32Array(buffer, offset, rows * 4) };
    case 'u32':
      return new Uint32Array(buffer, offset, rows);
    case 'u16':
      return new Uint16Array(buffer, offset, rows);
    case 'u8':
      return new Uint8Array(buffer, offset, rows);
  }
}
