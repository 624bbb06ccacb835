import { afterEach, describe, expect, it } from 'vitest';
import { liveSource } from '../../src/kernel/live-source.js';
import { RECV_BUFFER_BYTES } from '../../src/model/limits.js';
import type { SourceRecord } from '../../src/model/record.js';
import { readFlow } from '../../src/pipeline/flow.js';
import { itIsABatchSource, readToEnd } from '../support/batch-source-contract.js';
import { createNamespace, listEntries, type Namespace, removeNamespaces, witnessEvents } from './namespace.js';
import { addDestinationNat, flushTable, ping, tcpConnections, udp6Flows, udpFlows } from './traffic.js';

afterEach(removeNamespaces);

function liveOf(namespace: Namespace, recvBufferBytes = RECV_BUFFER_BYTES) {
  return liveSource({ netns: namespace.name, recvBufferBytes, poisonReleased: true });
}

/** Watches while `traffic` runs, then lets everything arrive. */
function watchWhile(namespace: Namespace, traffic: () => Promise<unknown>, recvBufferBytes?: number) {
  return readToEnd({
    source: liveOf(namespace, recvBufferBytes),
    afterOpen: async (abort) => {
      await traffic();
      abort('test over');
    },
  });
}

function flowsOf(records: readonly SourceRecord[]) {
  return records.flatMap((record) => {
    if (record.type !== 'batch') return [];
    const { columns, newCount, destroyCount } = record.batch;
    return Array.from({ length: newCount + destroyCount }, (_, row) =>
      readFlow(columns, row, row < newCount ? 'new' : 'destroy', record.at.unixSeconds),
    );
  });
}

function totalsOf(records: readonly SourceRecord[]) {
  const sum = { new: 0, destroy: 0, lostNew: 0, lostDestroy: 0, malformed: 0 };
  for (const record of records) {
    if (record.type === 'batch') {
      sum.new += record.batch.newCount;
      sum.destroy += record.batch.destroyCount;
    }
    if (record.type === 'tick') Object.assign(sum, record.loss);
  }
  return sum;
}

describe('as a batch source', () => {
  itIsABatchSource(async () => ({
    source: liveOf(await createNamespace()),
    afterOpen: (abort) => void setTimeout(() => abort('test over'), 300),
  }));
});

describe('counts', () => {
  it('sees every event that an independent reader sees', async () => {
    const namespace = await createNamespace();
    const witness = await witnessEvents(namespace);
    const records = await watchWhile(namespace, async () => {
      await udpFlows(namespace, { count: 800, rate: 800 });
      await witness.waitFor(800);
    });
    const ids = (await witness.stop()).map(({ type, line }) => `${type} ${/id=(\d+)/.exec(line)?.[1]}`);
    const ours = flowsOf(records).map(({ action, conntrack }) => `${action.toUpperCase()} ${conntrack.id}`);
    expect(ours.sort()).toEqual(ids.sort());
    expect(ours).toHaveLength(800);
  });

  it('loses nothing of 100,000 entries made and flushed as fast as the kernel can', async () => {
    const namespace = await createNamespace();
    const records = await watchWhile(namespace, async () => {
      await udpFlows(namespace, { count: 100_000 });
      await flushTable(namespace);
    });
    expect(totalsOf(records)).toMatchObject({
      new: 100_000,
      destroy: 100_000,
      lostNew: 0,
      lostDestroy: 0,
      malformed: 0,
    });
  });

  it('stays exact when the reader stops, and reads on afterwards', async () => {
    const namespace = await createNamespace();
    const small = 256 * 1024;
    const records = await watchWhile(
      namespace,
      async () => {
        const traffic = udpFlows(namespace, { count: 60_000 });
        // The event loop stands still while the kernel goes on.
        const until = performance.now() + 1500;
        while (performance.now() < until);
        await traffic;
        await new Promise((resolve) => setTimeout(resolve, 600));
        await udpFlows(namespace, { count: 100, rate: 500, dport: 30_000 });
      },
      small,
    );
    const totals = totalsOf(records);
    expect(totals.lostNew).toBeGreaterThan(10_000);
    expect(totals.new + totals.lostNew).toBe(60_100);
    expect(flowsOf(records).filter(({ destination }) => destination.port === 30_000)).toHaveLength(100);
  });
});

describe('protocols', () => {
  it('reads TCP over IPv4 with its final state', async () => {
    const namespace = await createNamespace();
    const records = await watchWhile(namespace, async () => {
      await tcpConnections(namespace, { count: 20, port: 7000, rate: 100 });
      await flushTable(namespace);
    });
    const flows = flowsOf(records).filter(({ destination }) => destination.port === 7000);
    expect(flows.filter(({ action }) => action === 'new')).toHaveLength(20);
    const ended = flows.filter(({ action }) => action === 'destroy');
    expect(ended).toHaveLength(20);
    for (const flow of ended) {
      expect(flow).toMatchObject({
        network: { transport: 'tcp', type: 'ipv4' },
        destination: { ip: '127.0.0.1', port: 7000 },
        ended: 'deleted',
        conntrack: { tcp_state: 'TIME_WAIT' },
      });
    }
  });

  it('reads UDP over IPv6', async () => {
    const namespace = await createNamespace();
    const records = await watchWhile(namespace, () => udp6Flows(namespace, { count: 50, port: 7001 }));
    const flows = flowsOf(records).filter(({ destination }) => destination.port === 7001);
    expect(flows).toHaveLength(50);
    expect(flows[0]).toMatchObject({
      network: { transport: 'udp', type: 'ipv6' },
      source: { ip: '::1' },
      destination: { ip: '::1', port: 7001 },
    });
  });

  it('reads ICMP and ICMPv6 echo with type, code and id instead of ports', async () => {
    const namespace = await createNamespace();
    const ids: number[] = [];
    const records = await watchWhile(namespace, async () => {
      ids.push(await ping(namespace), await ping(namespace, '::1'));
    });
    const flows = flowsOf(records).filter(({ icmp }) => icmp !== undefined);
    expect(flows.map(({ network, icmp }) => ({ transport: network.transport, icmp }))).toEqual([
      { transport: 'icmp', icmp: { type: 8, code: 0, id: ids[0] } },
      { transport: 'ipv6-icmp', icmp: { type: 128, code: 0, id: ids[1] } },
    ]);
    expect(flows[0]?.destination).toEqual({ ip: '127.0.0.1' });
    expect(flows[0]?.nat).toBeUndefined();
  });

  it('reads destination NAT from the reply tuple', async () => {
    const namespace = await createNamespace();
    await addDestinationNat(namespace, {
      transport: 'tcp',
      address: '127.0.0.2',
      port: 7002,
      to: { address: '127.0.0.1', port: 7003 },
    });
    const records = await watchWhile(namespace, () =>
      tcpConnections(namespace, { count: 1, port: 7002, host: '127.0.0.2', serverPort: 7003 }),
    );
    const flow = flowsOf(records).find(({ destination }) => destination.port === 7002);
    expect(flow).toMatchObject({
      destination: { ip: '127.0.0.2', port: 7002 },
      reply: { source: { ip: '127.0.0.1', port: 7003 } },
      nat: 'destination',
    });
  });

  it('reads accounting, timestamps, marks and zones when the host has them', async () => {
    const namespace = await createNamespace({ conntrack: false });
    await namespace.sysctl('net.netfilter.nf_conntrack_acct', 1);
    await namespace.sysctl('net.netfilter.nf_conntrack_timestamp', 1);
    await namespace.exec('nft', ['-f', '-'], {
      input: `table inet t {
        chain raw { type filter hook output priority -300; ct zone set 7; }
        chain rawin { type filter hook prerouting priority -300; ct zone set 7; }
        chain out { type filter hook output priority 0; ct mark set 42; }
      }`,
    });
    const before = Date.now() / 1000;
    const records = await watchWhile(namespace, async () => {
      await udpFlows(namespace, { count: 1, dport: 7004 });
      await flushTable(namespace);
    });
    const [born, ended] = flowsOf(records).filter(({ destination }) => destination.port === 7004);
    expect(born).toMatchObject({ action: 'new', conntrack: { zone: 7, mark: 42 } });
    expect(Math.abs((born?.unixSeconds ?? 0) - before)).toBeLessThan(30);
    expect(ended).toMatchObject({
      action: 'destroy',
      conntrack: { zone: 7, mark: 42 },
      packets: { original: 1, reply: 0 },
    });
    expect(ended?.duration_seconds).toBeGreaterThanOrEqual(0);
    expect(ended?.started).toMatch(/^\d{4}-/);
  });

  it('counts what listEntries of the kernel counts', async () => {
    const namespace = await createNamespace();
    const records = await watchWhile(namespace, async () => {
      await udpFlows(namespace, { count: 300, rate: 1000 });
      await new Promise((resolve) => setTimeout(resolve, 1300));
    });
    const counts = records.flatMap((record) => (record.type === 'tick' && record.table ? [record.table.count] : []));
    expect(counts.at(-1)).toBe(300);
    expect(await listEntries(namespace)).toHaveLength(300);
  });
});
