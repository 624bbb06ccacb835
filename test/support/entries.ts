/** Entries of a table as a dump gives them, from a few words about each. */
import { parseAddress } from '../../src/model/address.js';
import { createBatch, type EventBatch, PRESENT, TUPLES_PRESENT } from '../../src/model/batch.js';

export interface EntrySpec {
  readonly protocol?: number;
  readonly source?: string;
  readonly destination?: string;
  readonly port?: number;
  /** TCP only; absent: the kernel did not tell. */
  readonly tcpState?: number;
  /** IPS_* bits. Default: assured and seen in both directions. */
  readonly status?: number;
  /** Absent for an offloaded entry. */
  readonly timeoutSeconds?: number | undefined;
  readonly zone?: number;
  /** The reply tuple where NAT changed it. */
  readonly replySource?: string;
  readonly replyDestination?: string;
  readonly replyPort?: number;
}

export const ASSURED = 0x0e;
export const REPLIED = 0x0a;
export const UNREPLIED = 0x08;

/** Rows of these entries. */
export function entriesOf(specs: readonly EntrySpec[]): EventBatch {
  const batch = createBatch(Math.max(8, specs.length));
  batch.newCount = specs.length;
  const { columns } = batch;
  for (const [row, spec] of specs.entries()) {
    const { protocol = 6, source = '10.0.0.9', destination = '10.0.0.5', port = 6379, tcpState } = spec;
    const write = (column: (typeof columns)['originalSource'], text: string) =>
      column.bytes.set(parseAddress(text)?.bytes ?? [], row * 16);
    write(columns.originalSource, source);
    write(columns.originalDestination, destination);
    write(columns.replySource, spec.replySource ?? destination);
    write(columns.replyDestination, spec.replyDestination ?? source);
    columns.family[row] = source.includes(':') ? 10 : 2;
    columns.protocol[row] = protocol;
    columns.originalSourcePort[row] = columns.replyDestinationPort[row] = 1024 + (row % 60_000);
    columns.originalDestinationPort[row] = port;
    columns.replySourcePort[row] = spec.replyPort ?? port;
    columns.tcpState[row] = tcpState ?? 0;
    columns.status[row] = spec.status ?? ASSURED;
    columns.zone[row] = spec.zone ?? 0;
    columns.timeoutSeconds[row] = spec.timeoutSeconds ?? 0;
    columns.present[row] =
      TUPLES_PRESENT |
      PRESENT.status |
      (tcpState === undefined ? 0 : PRESENT.tcpState) |
      (spec.timeoutSeconds === undefined ? 0 : PRESENT.timeout);
  }
  return batch;
}
