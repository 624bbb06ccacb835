import { closeSync, openSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type ConntrackSocket,
  DRAIN_STATUS,
  type KeptDescriptors,
  openConntrackSocket,
  type SocketOptions,
} from '../../src/kernel/addon.js';
import { createBatch } from '../../src/model/batch.js';
import { createNamespace, type Namespace, removeNamespaces } from './namespace.js';
import { flushTable, udpFlows } from './traffic.js';

/** Holds 51 events, and less than the flows below. */
const SMALL_BYTES = 32 * 1024;
const sockets: ConntrackSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await removeNamespaces();
});

function open(namespace: Namespace, options: Partial<SocketOptions> = {}): ConntrackSocket {
  const socket = openConntrackSocket({ recvBufferBytes: SMALL_BYTES, netns: namespace.name, keep: true, ...options });
  sockets.push(socket);
  return socket;
}

function keptOf(socket: ConntrackSocket): KeptDescriptors {
  const { kept } = socket.info;
  if (kept === undefined) throw new Error('nothing is to be kept');
  return kept;
}

/** Reads all that is queued: rows of this call, losses of this socket's time. */
function drain(socket: ConntrackSocket) {
  const batch = createBatch(4096);
  const status = new Float64Array(DRAIN_STATUS.length);
  const of = (name: keyof typeof DRAIN_STATUS) => status[DRAIN_STATUS[name]] ?? Number.NaN;
  let rows = 0;
  let destroyed = 0;
  do {
    socket.drain(batch.buffer, batch.capacity, status);
    rows += of('newCount');
    destroyed += of('destroyCount');
  } while (of('more') === 1);
  return { rows, destroyed, lost: of('lostNew'), lostDestroy: of('lostDestroy'), unknown: of('unknownLosses') };
}

describe('event sockets of an earlier process', () => {
  it('have every event since, as a row or as a loss, and no loss twice', async () => {
    const namespace = await createNamespace();
    await namespace.sysctl('net.netfilter.nf_conntrack_events', 2);
    const first = open(namespace);
    await udpFlows(namespace, { count: 1000 });
    const before = drain(first);
    expect(before.rows + before.lost).toBe(1000);
    expect(before.lost).toBeGreaterThan(0);

    await udpFlows(namespace, { count: 700, dport: 30_000 });
    const second = open(namespace, { kept: keptOf(first) });
    first.close();
    await udpFlows(namespace, { count: 50, dport: 30_001 });
    const after = drain(second);
    expect(after.lost).toBeGreaterThan(0);
    expect(after.rows + after.lost).toBe(750);
    expect(after.unknown).toBe(0);

    // Of all of them, those whose NEW was lost included, somebody will hear the end.
    await flushTable(namespace);
    const third = open(namespace, { kept: keptOf(second), recvBufferBytes: 8 * 1024 * 1024 });
    second.close();
    const end = drain(third);
    expect(end.destroyed + end.lostDestroy).toBe(1750);
    expect(third.info.recvBufferBytes).toBe(16 * 1024 * 1024);
  });

  it('say how far they were read, and how many entries are blind', async () => {
    const namespace = await createNamespace();
    const first = open(namespace);
    expect(first.info).not.toHaveProperty('resumed');
    drain(first);
    first.remember(42);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const second = open(namespace, { kept: keptOf(first) });
    expect(second.info.resumed?.blind).toBe(42);
    expect(second.info.resumed?.seconds).toBeGreaterThanOrEqual(0.05);
    expect(second.info.resumed?.seconds).toBeLessThan(20);
    expect(second.info).not.toHaveProperty('refusal');
  });

  it('count a loss of unknown size when nobody knows what was told before', async () => {
    const namespace = await createNamespace();
    const first = open(namespace);
    await udpFlows(namespace, { count: 1000 });
    drain(first);
    const second = open(namespace, { kept: { ...keptOf(first), memory: -1 } });
    expect(second.info.resumed).toEqual({});
    await udpFlows(namespace, { count: 20, dport: 30_000 });
    expect(drain(second)).toMatchObject({ rows: 20, lost: 0, unknown: 1 });
    // It begins a memory of its own.
    const third = open(namespace, { kept: keptOf(second) });
    expect(drain(third).unknown).toBe(0);
  });

  it('are not taken when they do not fit: new ones are opened, and the reason is told', async () => {
    const [namespace, other] = [await createNamespace(), await createNamespace()];
    const file = openSync('/dev/null', 'r');
    const kept = keptOf(open(namespace));
    const misfits: [KeptDescriptors, RegExp][] = [
      [keptOf(open(other)), /another network namespace/],
      [{ ...kept, new: kept.destroy, destroy: kept.new }, /subscribed to something else/],
      [{ ...kept, destroy: kept.new }, /subscribed to something else/],
      [{ ...kept, new: file }, /no netlink socket/],
      [{ ...kept, destroy: -1 }, /no netlink socket/],
      [{ new: 9999, destroy: 9998, memory: 9997 }, /no netlink socket/],
    ];
    for (const [misfit, reason] of misfits) {
      const socket = open(namespace, { kept: misfit });
      expect(socket.info.refusal).toMatch(reason);
      expect(socket.info).not.toHaveProperty('resumed');
      await udpFlows(namespace, { count: 5 });
      expect(drain(socket)).toMatchObject({ rows: 5, lost: 0, unknown: 0 });
    }
    closeSync(file);
  });
});
