/** One question to the kernel: how full is the table. No events are asked for, so the kernel does no work for it beyond the answer. */
import { RECV_BUFFER_BYTES } from '../model/limits.js';
import type { TableStats } from '../model/record.js';
import { openConntrackSocket, toCtwatchError } from './addon.js';

/**
 * Count and limit of the namespace `netns` (default: the own one). Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN for another namespace.
 * Throws a `CtwatchError`.
 */
export async function readTableStats(netns: string | undefined): Promise<TableStats> {
  const socket = openConntrackSocket({ recvBufferBytes: RECV_BUFFER_BYTES, netns, listen: false });
  try {
    return (await socket.stats()).table;
  } catch (error) {
    throw toCtwatchError(error, 'ERR_KERNEL_SOURCE');
  } finally {
    socket.close();
  }
}
