/**
 * One census of a live namespace, without listening to its events: what `ctwatch who` reads. Nothing is subscribed to, so the kernel
 * does no work for it but the dump.
 */
import { performance } from 'node:perf_hooks';
import { RECV_BUFFER_BYTES } from '../model/limits.js';
import type { CensusRecord } from '../model/record.js';
import { openConntrackSocket, toCtwatchError } from './addon.js';
import { TableDumps } from './dumps.js';

export interface TableListOptions {
  /** Name under /run/netns; the process's own namespace when absent. */
  readonly netns?: string | undefined;
  /** Takes each record; a batch is readable only while it runs. */
  readonly next: (record: CensusRecord) => void;
}

/**
 * Lists the table once, as `census` records from `begin` to `end`. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN while it opens another namespace:
 * the first is missing in the `end` record, what fails before it throws a `CtwatchError`.
 */
export async function listTable({ netns, next }: TableListOptions): Promise<void> {
  const socket = openConntrackSocket({ recvBufferBytes: RECV_BUFFER_BYTES, netns, listen: false });
  try {
    const dumps = new TableDumps({
      socket,
      emit: (record) => record.type === 'census' && next(record),
      readClocks: () => ({ monotonicSeconds: performance.now() / 1000, unixSeconds: Date.now() / 1000 }),
      isClosed: () => false,
    });
    await dumps.list('census');
  } catch (error) {
    throw toCtwatchError(error, 'ERR_KERNEL_SOURCE');
  } finally {
    socket.close();
  }
}
