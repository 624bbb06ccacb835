import { afterEach, describe, expect, it } from 'vitest';
import { type ConntrackSocket, openConntrackSocket } from '../../src/kernel/addon.js';
import { liveSource } from '../../src/kernel/live-source.js';
import { createBatch, type EventBatch, PRESENT } from '../../src/model/batch.js';
import { LOOKUP_AGES_SECONDS, RECV_BUFFER_BYTES } from '../../src/model/limits.js';
import { readToEnd } from '../support/batch-source-contract.js';
import { countEntries, createNamespace, type Namespace, removeNamespaces } from './namespace.js';
import { addDestinationNat, createEntries, flushTable, ping, tcpConnections, udp6Flows, udpFlows } from './traffic.js';

const sockets: ConntrackSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await removeNamespaces();
});

function openSocket(namespace: Namespace): ConntrackSocket {
  const socket = openConntrackSocket({ netns: namespace.name, recvBufferBytes: 1 << 20 });
  sockets.push(socket);
  return socket;
}

/** Everything the kernel has, as a batch that can be asked for. */
async function dump(socket: ConntrackSocket, capacity = 1024): Promise<EventBatch> {
  const batch = createBatch(capacity);
  await socket.dumpStart(false);
  batch.newCount = await socket.dumpRead(batch.buffer, batch.capacity);
  while ((await socket.dumpRead(createBatch(8).buffer, 8)) > 0);
  return batch;
}

/** The rows as they are now; what comes back first was found. */
async function lookUp(socket: ConntrackSocket, batch: EventBatch, flows = batch.newCount): Promise<EventBatch> {
  const [found, gone] = await socket.lookup(batch.buffer, batch.capacity, flows);
  batch.newCount = found;
  batch.destroyCount = gone;
  return batch;
}

function rowsTo({ columns, newCount, destroyCount }: EventBatch, port: number) {
  const all = Array.from({ length: newCount + destroyCount }, (_, row) => ({
    ...{ row, isFound: row < newCount, port: columns.originalDestinationPort[row] },
    ...{ id: columns.id[row], state: columns.tcpState[row], seconds: columns.timeoutSeconds[row] ?? 0 },
    ...{ status: columns.status[row] ?? 0, zone: columns.zone[row], family: columns.family[row] },
    ...{ protocol: columns.protocol[row], present: columns.present[row] ?? 0 },
  }));
  return all.filter((row) => row.port === port);
}

const ASSURED = 4;

describe('lookup', () => {
  it('tells the state of TCP flows, what is left of their timeout and whether they are assured', async () => {
    const namespace = await createNamespace();
    const socket = openSocket(namespace);
    await tcpConnections(namespace, { count: 5, port: 7000 });
    await tcpConnections(namespace, { count: 4, port: 7001, close: 'reset' });
    const answer = await lookUp(socket, await dump(socket));
    const closed = rowsTo(answer, 7000);
    expect(closed).toHaveLength(5);
    for (const row of closed) {
      expect(row).toMatchObject({ isFound: true, state: 7, family: 2, protocol: 6 });
      expect(row.seconds).toBeGreaterThan(100);
      expect(row.seconds).toBeLessThanOrEqual(120);
      expect(row.status & ASSURED).toBe(ASSURED);
    }
    const reset = rowsTo(answer, 7001);
    expect(reset).toHaveLength(4);
    for (const row of reset) {
      expect(row).toMatchObject({ isFound: true, state: 8 });
      expect(row.seconds).toBeLessThanOrEqual(10);
    }
  });

  it('tells that a TCP flow is open, and one that nobody answers half open', async () => {
    const namespace = await createNamespace();
    const socket = openSocket(namespace);
    // Dropped behind the hook at which its entry is confirmed.
    await namespace.exec('nft', ['-f', '-'], {
      input: `table inet refuse {
        chain in { type filter hook input priority 0; tcp dport 7003 drop; }
      }`,
    });
    const program = `
      const net = require('node:net');
      net.createServer(() => {}).listen(7002, () => {
        for (let i = 0; i < 3; i++) net.connect(7002, '127.0.0.1');
        for (let i = 0; i < 2; i++) net.connect(7003, '127.0.0.1').on('error', () => {});
        setTimeout(() => console.log('ready'), 300);
      });`;
    const child = namespace.spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const answer = await lookUp(socket, await dump(socket));
    const open = rowsTo(answer, 7002);
    expect(open.map(({ state }) => state)).toEqual([3, 3, 3]);
    for (const { seconds, status } of open) {
      expect(seconds).toBeGreaterThan(400_000);
      expect(status & ASSURED).toBe(ASSURED);
    }
    const unanswered = rowsTo(answer, 7003);
    expect(unanswered.map(({ state }) => state)).toEqual([1, 1]);
    for (const { seconds, status } of unanswered) {
      expect(seconds).toBeLessThanOrEqual(120);
      expect(status & ASSURED).toBe(0);
    }
  });

  it('finds UDP and ICMP over both families, 100 of them in one request', async () => {
    const namespace = await createNamespace();
    const socket = openSocket(namespace);
    await udpFlows(namespace, { count: 60, dport: 7004 });
    await udp6Flows(namespace, { count: 40, port: 7005 });
    await ping(namespace);
    await ping(namespace, '::1');
    const asked = await dump(socket);
    const before = asked.newCount;
    const answer = await lookUp(socket, asked);
    expect([answer.newCount, answer.destroyCount]).toEqual([before, 0]);
    const udp = rowsTo(answer, 7004);
    expect(udp).toHaveLength(60);
    expect(new Set(udp.map(({ id }) => id)).size).toBe(60);
    expect(udp.every(({ seconds, status }) => seconds <= 30 && seconds > 20 && (status & ASSURED) === 0)).toBe(true);
    expect(rowsTo(answer, 7005).map(({ family }) => family)).toEqual(Array(40).fill(10));
    const { columns } = answer;
    const protocols = Array.from({ length: answer.newCount }, (_, row) => columns.protocol[row]);
    expect(protocols.filter((protocol) => protocol === 1 || protocol === 58).sort()).toEqual([1, 58]);
  });

  it('says that a flow is gone when it was deleted, or has expired, which collects it', async () => {
    const namespace = await createNamespace();
    const socket = openSocket(namespace);
    await namespace.sysctl('net.netfilter.nf_conntrack_udp_timeout', 1);
    await udpFlows(namespace, { count: 20, dport: 7006 });
    const asked = await dump(socket);
    await new Promise((resolve) => setTimeout(resolve, 1600));
    // The collector, or a dump of another namespace, may have been there first.
    expect(await countEntries(namespace)).toBeLessThanOrEqual(20);
    const answer = await lookUp(socket, asked);
    expect([answer.newCount, answer.destroyCount]).toEqual([0, 20]);
    for (const row of rowsTo(answer, 7006)) {
      expect(row).toMatchObject({ isFound: false, protocol: 17, seconds: 0, status: 0 });
      expect(row.present & PRESENT.timeout).toBe(0);
      expect(row.present & PRESENT.originalTuple).toBe(PRESENT.originalTuple);
    }
    expect(await countEntries(namespace)).toBe(0);
    await namespace.sysctl('net.netfilter.nf_conntrack_udp_timeout', 30);
    await udpFlows(namespace, { count: 5, dport: 7006 });
    const later = await dump(socket);
    await flushTable(namespace);
    const flushed = await lookUp(socket, later);
    expect([flushed.newCount, flushed.destroyCount]).toEqual([0, 5]);
  });

  it('finds a flow in its zone only, and by its original tuple whatever NAT made of it', async () => {
    const namespace = await createNamespace({ conntrack: false });
    await namespace.exec('nft', ['-f', '-'], {
      input: `table inet t {
        chain raw { type filter hook output priority -300; udp dport 7007 ct zone set 7; }
        chain rawin { type filter hook prerouting priority -300; udp dport 7007 ct zone set 7; }
        chain out { type filter hook output priority 0; ct state new accept; }
      }`,
    });
    await addDestinationNat(namespace, {
      ...{ transport: 'tcp', address: '127.0.0.2', port: 7008 },
      to: { address: '127.0.0.1', port: 7009 },
    });
    const socket = openSocket(namespace);
    await udpFlows(namespace, { count: 3, dport: 7007 });
    await tcpConnections(namespace, { count: 2, port: 7008, host: '127.0.0.2', serverPort: 7009 });
    const asked = await dump(socket);
    const answer = await lookUp(socket, asked);
    expect(rowsTo(answer, 7007).map(({ zone, isFound }) => [zone, isFound])).toEqual(Array(3).fill([7, true]));
    const translated = rowsTo(answer, 7008);
    expect(translated.map(({ state, isFound }) => [state, isFound])).toEqual(Array(2).fill([7, true]));
    expect(answer.columns.replySourcePort[translated[0]?.row ?? 0]).toBe(7009);
    answer.columns.zone.fill(0, 0, answer.newCount);
    const elsewhere = await lookUp(socket, answer);
    expect(rowsTo(elsewhere, 7007).map(({ isFound }) => isFound)).toEqual([false, false, false]);
    expect(rowsTo(elsewhere, 7008).map(({ isFound }) => isFound)).toEqual([true, true]);
  });

  it('takes no flow for another: a tuple that is the reply of one that is there is gone', async () => {
    const namespace = await createNamespace();
    const socket = openSocket(namespace);
    await udpFlows(namespace, { count: 2, dport: 7010 });
    const asked = await dump(socket);
    const { columns } = asked;
    for (let row = 0; row < asked.newCount; row++) {
      const at = row * 16;
      const source = columns.originalSource.bytes.slice(at, at + 16);
      columns.originalSource.bytes.set(columns.originalDestination.bytes.slice(at, at + 16), at);
      columns.originalDestination.bytes.set(source, at);
      const port = columns.originalSourcePort[row] ?? 0;
      columns.originalSourcePort[row] = columns.originalDestinationPort[row] ?? 0;
      columns.originalDestinationPort[row] = port;
      columns.id[row] = 0;
    }
    const answer = await lookUp(socket, asked);
    expect([answer.newCount, answer.destroyCount]).toEqual([0, 2]);
  });

  it('needs a whole batch, and an open socket', async () => {
    const namespace = await createNamespace();
    const socket = openSocket(namespace);
    const { buffer } = createBatch(8);
    expect(() => socket.lookup(buffer, 8, 9)).toThrow(RangeError);
    expect(() => socket.lookup(buffer, 7, 1)).toThrow(RangeError);
    expect(await socket.lookup(buffer, 8, 0)).toEqual([0, 0]);
    socket.close();
    await expect(socket.lookup(buffer, 8, 1)).rejects.toMatchObject({ errno: 'EBADF' });
  });
});

describe('the live source', () => {
  it('looks up young flows at both ages, and nothing while nothing is new', async () => {
    const namespace = await createNamespace();
    const records = await readToEnd({
      source: liveSource({ netns: namespace.name, recvBufferBytes: RECV_BUFFER_BYTES, poisonReleased: true }),
      afterOpen: async (abort) => {
        await udpFlows(namespace, { count: 6, dport: 7011 });
        await new Promise((resolve) => setTimeout(resolve, (LOOKUP_AGES_SECONDS[1] + 3) * 1000));
        abort('test over');
      },
    });
    const lookups = records.flatMap((record) => (record.type === 'lookups' ? [record] : []));
    expect(lookups.map(({ batch }) => rowsTo(batch, 7011).length)).toEqual([6, 6]);
    for (const [i, { batch, ageSeconds }] of lookups.entries()) {
      expect(ageSeconds).toBeGreaterThanOrEqual(LOOKUP_AGES_SECONDS[i] ?? 0);
      expect(ageSeconds).toBeLessThan((LOOKUP_AGES_SECONDS[i] ?? 0) + 2);
      for (const { isFound, seconds } of rowsTo(batch, 7011)) {
        expect(isFound).toBe(true);
        expect(Math.abs(seconds + ageSeconds - 30)).toBeLessThan(2);
      }
    }
  });
});

describe('a dump that lists nothing', () => {
  it('lists none of what lives, takes none of it away, and collects what has expired', async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 300, 600);
    await createEntries(namespace, 200, 1);
    const socket = openSocket(namespace);
    const { columns, buffer, capacity } = createBatch(64);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await socket.dumpStart(true);
    expect(await socket.dumpRead(buffer, capacity)).toBe(0);
    expect(columns.id.every((id) => id === 0)).toBe(true);
    expect((await socket.stats()).table.count).toBe(300);
    expect((await dump(socket)).newCount).toBe(300);
  });
});
