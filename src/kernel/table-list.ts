/**
 * One census of a live namespace, without listening to its events: what `ctwatch who` reads. Nothing is subscribed to, so the kernel
 * does no work for it but the dump.
 */
import { performance } from 'node:perf_hooks';
import { OWNER_LOOKUPS_PER_SECOND_MAX, OWNER_WHO_CPU_SECONDS, RECV_BUFFER_BYTES } from '../model/limits.js';
import type { CensusRecord, OwnersRecord } from '../model/record.js';
import { openConntrackSocket, toCtwatchError } from './addon.js';
import { TableDumps } from './dumps.js';
import { openOwnerLookups } from './owner-lookups.js';

export interface TableListOptions {
  /** Name under /run/netns; the process's own namespace when absent. */
  readonly netns?: string | undefined;
  /** Takes each record; a batch is readable only while it runs. */
  readonly next: (record: CensusRecord | OwnersRecord) => void;
}

/**
 * Lists the table once, as `census` records from `begin` to `end`, with `owners` of some of the entries before them. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN while it opens another namespace:
 * the first is missing in the `end` record, what fails before it throws a `CtwatchError`.
 */
export async function listTable({ netns, next }: TableListOptions): Promise<void> {
  const socket = openConntrackSocket({ recvBufferBytes: RECV_BUFFER_BYTES, netns, listen: false });
  try {
    const readClocks = () => ({ monotonicSeconds: performance.now() / 1000, unixSeconds: Date.now() / 1000 });
    const owners = openOwnerLookups(socket, {
      ...{ lookupsPerSecond: OWNER_LOOKUPS_PER_SECOND_MAX, commandLine: false, cpuSeconds: OWNER_WHO_CPU_SECONDS },
    });
    const dumps = new TableDumps({
      socket,
      emit: (record) => record.type === 'census' && next(record),
      lookUp: async (batch) => {
        await owners.observeEntries(batch, performance.now() / 1000);
        const record = owners.takeRecord(readClocks(), true);
        if (record !== undefined) next(record);
      },
      readClocks,
      isClosed: () => false,
    });
    await dumps.list('census');
  } catch (error) {
    throw toCtwatchError(error, 'ERR_KERNEL_SOURCE');
  } finally {
    socket.close();
  }
}
