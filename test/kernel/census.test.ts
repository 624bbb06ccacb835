import { lastValueFrom, toArray } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { watchConntrack } from '../../src/cli/watch.js';
import { liveSource } from '../../src/kernel/live-source.js';
import { listTable } from '../../src/kernel/table-list.js';
import type { CensusDimension } from '../../src/model/census-fields.js';
import { RECV_BUFFER_BYTES } from '../../src/model/limits.js';
import type { DumpPurpose, SourceRecord } from '../../src/model/record.js';
import { type DumpObservation, DumpWatch } from '../../src/pipeline/dump-watch.js';
import { readRecording } from '../../src/recording/recording.js';
import { replaySource as recordedSource } from '../../src/recording/replay-source.js';
import { chunksOf, recordToMemory } from '../support/recordings.js';
import { copyRecord, replaySource } from '../support/records.js';
import { countEntries, createNamespace, type Namespace, removeNamespaces, withConntrackMax } from './namespace.js';
import { addDestinationNat, createEntries, flushTable, ping, tcpConnections, udp6Flows, udpFlows } from './traffic.js';
import { eventsWhile, ofType } from './watching.js';

afterEach(removeNamespaces);

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function countTable({ name }: Namespace): Promise<Required<Pick<DumpObservation, 'census'>> & DumpObservation> {
  const watch = new DumpWatch(undefined);
  let dump: DumpObservation | undefined;
  await listTable({
    netns: name,
    next: (record) => {
      if (record.type === 'census') dump = watch.observe(record) ?? dump;
    },
  });
  if (dump?.census === undefined) throw dump?.error ?? new Error('no census');
  return { ...dump, census: dump.census };
}

/** Rows without their shares. */
async function rowsOf(namespace: Namespace, ...by: CensusDimension[]) {
  const { census } = await countTable(namespace);
  return census.count(by).rows.map(({ shareRatio, ...row }) => row);
}

describe('a census of real entries', () => {
  it('tells protocols and states of IPv4 and IPv6', async () => {
    const namespace = await createNamespace();
    await tcpConnections(namespace, { count: 7, port: 6379 });
    await tcpConnections(namespace, { count: 3, port: 6380, close: 'reset' });
    await tcpConnections(namespace, { count: 2, port: 6379, host: '::1' });
    await udpFlows(namespace, { count: 5, dport: 5353 });
    await udp6Flows(namespace, { count: 4, port: 5354 });
    await ping(namespace);
    expect(await rowsOf(namespace, 'destination', 'state')).toEqual([
      { destination: '127.0.0.1', protocol: 6, port: 6379, state: 'TIME_WAIT', entries: 7 },
      { destination: '127.0.0.1', protocol: 17, port: 5353, state: 'UNREPLIED', entries: 5 },
      { destination: '::1', protocol: 17, port: 5354, state: 'UNREPLIED', entries: 4 },
      { destination: '127.0.0.1', protocol: 6, port: 6380, state: 'CLOSE', entries: 3 },
      { destination: '::1', protocol: 6, port: 6379, state: 'TIME_WAIT', entries: 2 },
      { destination: '127.0.0.1', protocol: 1, state: 'REPLIED', entries: 1 },
    ]);
    expect(await rowsOf(namespace, 'direction')).toEqual([{ direction: 'local', entries: 22 }]);
    expect(await rowsOf(namespace, 'remaining', 'protocol')).toContainEqual({
      ...{ remaining: { fromSeconds: 60, toSeconds: 120 }, protocol: 6, entries: 9 },
    });
  });

  it('tells zones, NAT, and what may be evicted', async () => {
    const namespace = await createNamespace();
    await namespace.exec('nft', ['-f', '-'], {
      input: `table inet z {
        chain out { type filter hook output priority -300; udp dport 7007 ct zone set 7; }
      }`,
    });
    await addDestinationNat(namespace, {
      ...{ transport: 'tcp', address: '127.0.0.80', port: 80, to: { address: '127.0.0.1', port: 8080 } },
    });
    await tcpConnections(namespace, { count: 3, port: 80, host: '127.0.0.80', serverPort: 8080 });
    await udpFlows(namespace, { count: 6, dport: 7007 });
    const zones = await rowsOf(namespace, 'zone');
    expect(zones).toContainEqual({ zone: 7, entries: 6 });
    expect(await rowsOf(namespace, 'nat', 'destination')).toContainEqual({
      ...{ nat: 'destination', destination: '127.0.0.80', protocol: 6, port: 80, entries: 3 },
    });
    const { census } = await countTable(namespace);
    expect(census.unassuredRatio).toBeCloseTo(1 - 3 / census.entries, 9);
  });

  it('tells directions from the addresses of the namespace that is watched, not of the own one', async () => {
    const [client, router, server] = await Promise.all([createNamespace(), createNamespace(), createNamespace()]);
    await connect(client, '10.77.0.2', router, '10.77.0.1', 'a');
    await connect(server, '10.78.0.2', router, '10.78.0.1', 'b');
    await client.exec('ip', ['route', 'add', 'default', 'via', '10.77.0.1']);
    await server.exec('ip', ['route', 'add', 'default', 'via', '10.78.0.1']);
    await router.sysctl('net.ipv4.ip_forward', 1);
    const send = (from: Namespace, to: string) => from.exec('bash', ['-c', `echo > /dev/udp/${to}/9000`]);
    await send(client, '10.78.0.2');
    await send(client, '10.77.0.1');
    await send(router, '10.78.0.2');
    await send(router, '10.77.0.1');
    const rows = await rowsOf(router, 'direction', 'source');
    const udp = rows.filter(({ source }) => source?.startsWith('10.'));
    expect(udp.map(({ direction, source }) => [direction, source]).sort()).toEqual([
      ['forwarded', '10.77.0.2'],
      ['inbound', '10.77.0.2'],
      ['local', '10.77.0.1'],
      ['outbound', '10.78.0.1'],
    ]);
  });

  it('counts as many as the kernel has, and goes on while events come', async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 30_000);
    const { census, table } = await countTable(namespace);
    expect([census.entries, table?.count]).toEqual([30_000, 30_000]);
    expect(await countEntries(namespace)).toBe(30_000);
  });
});

async function connect(a: Namespace, addressA: string, b: Namespace, addressB: string, link: string): Promise<void> {
  await a.exec('ip', ['link', 'add', `v${link}`, 'type', 'veth', 'peer', 'name', `w${link}`, 'netns', b.name]);
  await a.exec('ip', ['addr', 'add', `${addressA}/24`, 'dev', `v${link}`]);
  await b.exec('ip', ['addr', 'add', `${addressB}/24`, 'dev', `w${link}`]);
  await a.exec('ip', ['link', 'set', `v${link}`, 'up']);
  await b.exec('ip', ['link', 'set', `w${link}`, 'up']);
}

/** Records of a live source that is asked for these dumps, one after the other. */
async function recordsWith(
  namespace: Namespace,
  wishes: DumpPurpose[],
  during: () => Promise<unknown>,
): Promise<SourceRecord[]> {
  const controller = new AbortController();
  const records: SourceRecord[] = [];
  const source = liveSource({ netns: namespace.name, recvBufferBytes: RECV_BUFFER_BYTES, poisonReleased: true });
  await new Promise<void>((resolve, reject) => {
    source(
      {
        next: (record) => {
          records.push(copyRecord(record));
          if (record.type === 'open') during().then(() => controller.abort('test over'), reject);
        },
        error: reject,
        complete: resolve,
      },
      controller.signal,
      { takeDump: () => wishes.shift() },
    );
  });
  return records;
}

describe('a dump on demand', () => {
  it('loses no event and is recorded and replayed to the byte', async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 20_000);
    const records = await recordsWith(namespace, ['census'], async () => {
      await udpFlows(namespace, { count: 30_000, rate: 10_000, dports: 5 });
      await flushTable(namespace);
      await sleep(500);
    });
    const events = records.flatMap((record) => (record.type === 'batch' ? [record.batch] : []));
    expect(events.reduce((sum, { newCount }) => sum + newCount, 0)).toBe(30_000);
    const last = records.findLast((record) => record.type === 'tick');
    expect(last?.loss).toMatchObject({ lostNew: 0, lostDestroy: 0 });

    const options = { flows: true, interval: 1 } as const;
    const eventsOf = async (source: ReturnType<typeof replaySource>) =>
      JSON.stringify(await lastValueFrom(watchConntrack({ source, ...options }).events.pipe(toArray())));
    const { files } = await recordToMemory(records);
    const groups = readRecording(files.map((bytes) => chunksOf(bytes)));
    const [live, replayed] = [await eventsOf(replaySource(records)), await eventsOf(recordedSource({ groups }))];
    // Megabytes, which nobody wants to read.
    expect([live.includes('"type":"census"'), replayed === live]).toEqual([true, true]);
  });

  it('comes by itself while an alert on the size is near, and is taken for neither a burst nor draining', async () => {
    const count = 4000;
    // Makes the collector come once a minute; its entries are in another table.
    await createEntries(await createNamespace(), 30_000, 3600);
    const watched = async () => {
      const namespace = await createNamespace();
      await namespace.sysctl('net.netfilter.nf_conntrack_udp_timeout', 2);
      const events = await eventsWhile(
        namespace,
        async () => {
          await udpFlows(namespace, { count: 14_000, rate: 1000, dport: 7000 });
        },
        { alert: { usage: { warning_ratio: count / 262_144, clear_margin_ratio: 0 } } },
      );
      const [census, ...others] = ofType(events, 'census');
      const after = ofType(events, 'sample').filter(({ unixSeconds }) => unixSeconds > (census?.unixSeconds ?? 0));
      const counts = after.map(({ table }) => table.count ?? 0);
      return { events, census, others, after, isSwept: counts.some((now, i) => now < (counts[i - 1] ?? 0)) };
    };
    let run = await watched();
    // A collector that happened to come in these seconds comes a minute later the next time.
    for (let again = 0; (run.isSwept || (run.census?.collected ?? 0) <= 500) && again < 2; again++)
      run = await watched();
    const { events, census, others, after } = run;
    expect(others).toEqual([]);
    expect(census).toMatchObject({ trigger: 'alert', destinations: [{ destination: { port: 7000 } }] });
    // At 1,000/s and 2 s the rest of the count had expired.
    expect(census?.entries).toBeLessThan(3500);
    expect(census?.collected).toBeGreaterThan(500);
    expect(ofType(events, 'burst')).toEqual([]);
    expect(after.length).toBeGreaterThan(5);
    expect(after.filter(({ forecast }) => forecast.verdict === 'drains')).toEqual([]);
    expect(after.filter(({ rate }) => rate.growth_per_second < -100)).toEqual([]);
    expect(after[0]?.table.unassured_ratio).toBe(1);
  }, 120_000);

  it('can be switched off', async () => {
    const namespace = await createNamespace();
    const settings = { census: false, alert: { usage: { warning_ratio: 0.001, clear_margin_ratio: 0 } } };
    const events = await eventsWhile(
      namespace,
      async () => {
        await createEntries(namespace, 1000);
        await sleep(2500);
      },
      settings,
    );
    expect(ofType(events, 'census')).toEqual([]);
    expect(ofType(events, 'sample').at(-1)?.table.count).toBe(1000);
  });
});

describe('--reap-at', () => {
  /** 800 flows/s that live for 1 s: 800 are alive, the other 6,000 that fit have expired and wait for the collector. */
  const MAX = 7000;
  const load = (namespace: Namespace) => udpFlows(namespace, { count: 800 * 20, rate: 800, dport: 7000 });

  async function loaded(reap_at_ratio?: number) {
    const namespace = await createNamespace();
    await namespace.sysctl('net.netfilter.nf_conntrack_udp_timeout', 1);
    let refused = 0;
    const events = await eventsWhile(
      namespace,
      async () => {
        refused = (await load(namespace)).errors;
      },
      { census: false, ...(reap_at_ratio !== undefined && { reap_at_ratio }) },
    );
    await removeNamespaces();
    return { events, refused };
  }

  it('keeps a table from being full of what has expired, where the same load without it is refused', async () => {
    // Makes the collector come once a minute, as on a host with established connections; its entries are in another table.
    const neighbour = await createNamespace();
    await createEntries(neighbour, 30_000, 3600);
    const [without, reaped] = await withConntrackMax(MAX, async () => {
      let first = await loaded();
      // A collector that happened to come in these seconds comes a minute later the next time.
      for (let again = 0; first.refused === 0 && again < 2; again++) first = await loaded();
      return [first, await loaded(0.3)] as const;
    });
    expect(without.refused).toBeGreaterThan(100);
    expect(ofType(without.events, 'alert').some(({ name }) => name === 'dropping')).toBe(true);
    expect(reaped.refused).toBe(0);
    expect(ofType(reaped.events, 'alert').filter(({ name }) => name === 'dropping')).toEqual([]);
    const notices = ofType(reaped.events, 'notice').filter(({ code }) => code === 'reaped');
    expect(notices.length).toBeGreaterThanOrEqual(2);
    for (const { collected } of notices) expect(collected).toBeGreaterThan(500);
    expect(ofType(reaped.events, 'burst')).toEqual([]);
  }, 150_000);
});
