/** Whose flows these are, with real sockets of real processes in namespaces. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { liveSource } from '../../src/kernel/live-source.js';
import { RECV_BUFFER_BYTES } from '../../src/model/limits.js';
import type { OwnerSighting } from '../../src/model/owner.js';
import type { SourceRecord } from '../../src/model/record.js';
import { readToEnd } from '../support/batch-source-contract.js';
import { createNamespace, type Namespace, removeNamespaces } from './namespace.js';
import { addDestinationNat, ping } from './traffic.js';

afterEach(removeNamespaces);

/** All of /proc at once: a slice of 20 ms may not come to the process in time, on a busy machine and with the sanitizers. */
const OWNERS = { lookupsPerSecond: 200, commandLine: false, cpuSeconds: 2 };

/** Watches while `traffic` runs, then lets the last answers arrive. */
function watchWhile(namespace: Namespace, traffic: () => Promise<unknown>, owners = OWNERS): Promise<SourceRecord[]> {
  return readToEnd({
    source: liveSource({ netns: namespace.name, recvBufferBytes: RECV_BUFFER_BYTES, poisonReleased: true, owners }),
    afterOpen: async (abort) => {
      await traffic();
      await sleep(600);
      abort('test over');
    },
  });
}

function sightingsOf(records: readonly SourceRecord[], port: number): OwnerSighting[] {
  return records
    .flatMap((record) => (record.type === 'owners' ? record.sightings : []))
    .filter((sighting) => sighting.port === port);
}

/** A program in the namespace that has said that it is ready, which it does with `ready()`. It ends with the namespace. */
async function start(
  namespace: Namespace,
  program: string,
  args: readonly (string | number)[] = [],
): Promise<ChildProcess> {
  const prelude =
    "const net = require('node:net'), dgram = require('node:dgram'), fs = require('node:fs');" +
    "const args = process.argv.slice(1); const ready = () => console.log('ready'); setInterval(() => {}, 1e6);";
  const child = namespace.spawn(process.execPath, ['-e', prelude + program, ...args.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('no standard output');
  for await (const line of createInterface({ input: child.stdout })) if (line === 'ready') return child;
  throw new Error('the program ended before it was ready');
}

/** Two hosts and a router between them: 10.0.1.1 - (10.0.1.2, 10.0.2.2) - 10.0.2.1. */
async function createRoute(): Promise<{ left: Namespace; router: Namespace; right: Namespace }> {
  const [left, router, right] = await Promise.all([createNamespace(), createNamespace(), createNamespace()]);
  for (const [host, side] of [
    [left, 1],
    [right, 2],
  ] as const) {
    await router.exec('ip', ['link', 'add', `to${side}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name]);
    await router.exec('ip', ['address', 'add', `10.0.${side}.2/24`, 'dev', `to${side}`]);
    await router.exec('ip', ['link', 'set', `to${side}`, 'up']);
    await host.exec('ip', ['address', 'add', `10.0.${side}.1/24`, 'dev', 'eth0']);
    await host.exec('ip', ['link', 'set', 'eth0', 'up']);
    await host.exec('ip', ['route', 'add', 'default', 'via', `10.0.${side}.2`]);
  }
  await router.sysctl('net.ipv4.ip_forward', 1);
  return { left, router, right };
}

const SERVE =
  'net.createServer((socket) => socket.on("error", () => {}).resume()).listen({ port: Number(args[0]), host: args[1] }, ready);';
const CONNECT =
  'process.stdin.once("data", () => net.connect(Number(args[0]), args[1]).on("error", () => {})); ready();';

/** Starts a client, watches, and lets it connect. */
async function connectUnderWatch(
  watched: Namespace,
  from: Namespace,
  port: number,
  host: string,
): Promise<{ client: ChildProcess; sightings: OwnerSighting[] }> {
  const client = await start(from, CONNECT, [port, host]);
  const records = await watchWhile(watched, async () => client.stdin?.write('go\n'));
  return { client, sightings: sightingsOf(records, port) };
}

describe('a connection that a process of this host opens', () => {
  it.each([
    ['over IPv4', '0.0.0.0', '127.0.0.1', 2],
    ['over IPv4 to a socket of both families', '::', '127.0.0.1', 2],
    ['over IPv6', '::', '::1', 10],
  ])('%s is of that process', async (_, listen, host, family) => {
    const namespace = await createNamespace();
    await start(namespace, SERVE, [7100, listen]);
    const before = Date.now() / 1000;
    const { client, sightings } = await connectUnderWatch(namespace, namespace, 7100, host);
    expect(sightings).toHaveLength(1);
    expect(sightings[0]).toMatchObject({
      ...{ family, protocol: 6, source: host, destination: host, direction: 'originated', count: 1 },
      owner: { pid: client.pid, name: 'node', uid: 0, user: 'root' },
    });
    const owner = sightings[0]?.owner;
    expect(owner?.threads).toBeGreaterThan(4);
    expect(Math.abs((owner?.startUnixSeconds ?? 0) - before)).toBeLessThan(30);
    expect(owner).not.toHaveProperty('commandLine');
    // The tests run in no unit; a session they may run in.
    expect(owner?.key).toBe(`${owner?.container ?? owner?.unit ?? 'uid 0'}/node`);
  });

  it('is found through an IPv6 socket that is connected to IPv4', async () => {
    const namespace = await createNamespace();
    await start(namespace, SERVE, [7100, '0.0.0.0']);
    const { client, sightings } = await connectUnderWatch(namespace, namespace, 7100, '::ffff:127.0.0.1');
    expect(sightings[0]).toMatchObject({ direction: 'originated', owner: { pid: client.pid } });
  });

  it('is found behind the NAT of this host', async () => {
    const namespace = await createNamespace();
    await addDestinationNat(namespace, {
      transport: 'tcp',
      address: '127.0.0.2',
      port: 7101,
      to: { address: '127.0.0.1', port: 7102 },
    });
    await start(namespace, SERVE, [7102, '0.0.0.0']);
    const { client, sightings } = await connectUnderWatch(namespace, namespace, 7101, '127.0.0.2');
    expect(sightings[0]).toMatchObject({
      destination: '127.0.0.2',
      direction: 'originated',
      owner: { pid: client.pid },
    });
  });

  it('is of that process although nobody answers', async () => {
    const namespace = await createNamespace();
    await namespace.exec('nft', [
      'add table ip t; add chain ip t in { type filter hook input priority 0; }; add rule ip t in tcp dport 7100 drop',
    ]);
    const { client, sightings } = await connectUnderWatch(namespace, namespace, 7100, '127.0.0.1');
    expect(sightings[0]).toMatchObject({ direction: 'originated', owner: { pid: client.pid } });
  });

  it('has its command line only when that is asked for', async () => {
    const namespace = await createNamespace();
    await start(namespace, SERVE, [7100, '0.0.0.0']);
    const client = await start(namespace, CONNECT, [7100, '127.0.0.1', 'secret\n\u001b[0m', 'x'.repeat(100_000)]);
    const owners = { ...OWNERS, commandLine: true };
    const records = await watchWhile(namespace, async () => client.stdin?.write('go\n'), owners);
    const { commandLine = '' } = sightingsOf(records, 7100)[0]?.owner ?? {};
    expect(commandLine).toContain(process.execPath);
    expect([...commandLine].length).toBeLessThanOrEqual(1025);
    expect(commandLine).not.toMatch(/\p{Cc}/u);
  });
});

describe('a process that holds many sockets', () => {
  it('is told with their number', async () => {
    const namespace = await createNamespace();
    await start(namespace, SERVE, [7111, '0.0.0.0']);
    const hold = `
      const open = Array.from({ length: 60 }, () => new Promise((resolve) => net.connect(7111, '127.0.0.1', resolve)));
      process.stdin.once('data', () => net.connect(7111, '127.0.0.1').on('error', () => {}));
      Promise.all(open).then(ready);`;
    const client = await start(namespace, hold);
    const records = await watchWhile(namespace, async () => client.stdin?.write('go\n'));
    const owner = sightingsOf(records, 7111)[0]?.owner;
    expect(owner?.pid).toBe(client.pid);
    // Beside them its standard streams, which are sockets of their own with Node.js.
    expect(owner?.sockets).toBeGreaterThanOrEqual(61);
    expect(owner?.sockets).toBeLessThan(66);
  });
});

describe('UDP', () => {
  const SEND = `
    const socket = dgram.createSocket(args[0] === '::1' ? 'udp6' : 'udp4');
    socket.on('error', () => {});
    process.stdin.once('data', () => {
      if (args[1] === 'connected') socket.connect(7103, args[0], () => socket.send('x'));
      else socket.send('x', 7103, args[0]);
    });
    ready();`;

  it.each([
    ['connected', '127.0.0.1'],
    ['unconnected', '127.0.0.1'],
    ['connected', '::1'],
    ['unconnected', '::1'],
  ])('of a %s socket to %s is of its process', async (kind, host) => {
    const namespace = await createNamespace();
    const client = await start(namespace, SEND, [host, kind]);
    const records = await watchWhile(namespace, async () => client.stdin?.write('go\n'));
    expect(sightingsOf(records, 7103)[0]).toMatchObject({
      ...{ protocol: 17, source: host, destination: host, direction: 'originated', owner: { pid: client.pid } },
    });
  });
});

describe('between hosts', () => {
  it('what is accepted is of whoever listens, what is opened of the client, what passes of nobody', async () => {
    const { left, router, right } = await createRoute();
    const server = await start(right, SERVE, [7104, '0.0.0.0']);
    // A listener on the same port of the router must not be taken for the one that is forwarded to.
    await start(router, SERVE, [7104, '0.0.0.0']);
    const opened = await connectUnderWatch(left, left, 7104, '10.0.2.1');
    expect(opened.sightings[0]).toMatchObject({
      direction: 'originated',
      source: '10.0.1.1',
      owner: { pid: opened.client.pid },
    });

    const accepted = await connectUnderWatch(right, left, 7104, '10.0.2.1');
    expect(accepted.sightings[0]).toMatchObject({
      direction: 'accepted',
      destination: '10.0.2.1',
      owner: { pid: server.pid },
    });
    expect(accepted.sightings[0]).not.toHaveProperty('source');

    const { sightings } = await connectUnderWatch(router, left, 7104, '10.0.2.1');
    expect(sightings).toEqual([
      { family: 2, protocol: 6, destination: '10.0.2.1', port: 7104, direction: 'forwarded', count: 1 },
    ]);
  });

  it('what the listener has not accepted, or its NAT leads to another port, is the listener’s', async () => {
    const { left, router } = await createRoute();
    await router.exec('nft', [
      'add table ip t; add chain ip t pre { type nat hook prerouting priority -100; }; add rule ip t pre tcp dport 7105 redirect to :7106',
    ]);
    const server = await start(router, SERVE, [7106, '::']);
    server.kill('SIGSTOP');
    const { sightings } = await connectUnderWatch(router, left, 7105, '10.0.1.2');
    expect(sightings[0]).toMatchObject({
      direction: 'accepted',
      listener: true,
      port: 7105,
      owner: { pid: server.pid },
    });
  });
});

describe('what cannot be told', () => {
  it('has a direction: ICMP', async () => {
    const namespace = await createNamespace();
    const records = await watchWhile(namespace, () => ping(namespace));
    expect(sightingsOf(records, 0)).toEqual([
      {
        family: 2,
        protocol: 1,
        source: '127.0.0.1',
        destination: '127.0.0.1',
        port: 0,
        direction: 'originated',
        count: 1,
      },
    ]);
  });

  it('is told of no process that has ended', async () => {
    const namespace = await createNamespace();
    const once = "dgram.createSocket('udp4').send('x', 7107, '127.0.0.1', () => process.kill(process.pid, 'SIGKILL'));";
    const records = await watchWhile(namespace, async () => {
      for (let i = 0; i < 5; i++) await start(namespace, once).catch(() => undefined);
    });
    const sightings = sightingsOf(records, 7107);
    expect(sightings.reduce((sum, { count }) => sum + count, 0)).toBe(5);
    for (const { direction, owner } of sightings) {
      expect(direction).toBe('originated');
      if (owner?.pid !== undefined) expect(owner.name).toBe('node');
    }
  });
});

describe('names that want to harm', () => {
  it('are printable text', async () => {
    const namespace = await createNamespace();
    const rename = "fs.writeFileSync('/proc/self/comm', Buffer.from([0x61, 0x0a, 0x29, 0x20, 0xff, 0x1b, 0x22]));";
    const client = await start(namespace, rename + CONNECT, [7100, '127.0.0.1']);
    await start(namespace, SERVE, [7100, '0.0.0.0']);
    const records = await watchWhile(namespace, async () => client.stdin?.write('go\n'));
    const owner = sightingsOf(records, 7100)[0]?.owner;
    expect(owner).toMatchObject({ pid: client.pid, name: 'a\ufffd) \ufffd\ufffd"' });
    expect(JSON.parse(JSON.stringify(owner))).toEqual(owner);
  });
});

describe('many', () => {
  it('connections a second that are closed at once are told as far as their sockets are still there', async () => {
    const namespace = await createNamespace();
    await start(namespace, SERVE, [7108, '0.0.0.0']);
    const churn = `
      const round = () => net.connect(7108, '127.0.0.1').on('error', () => {}).on('connect', function () { setTimeout(() => this.end(), 2); });
      process.stdin.once('data', () => setInterval(() => { for (let i = 0; i < 4; i++) round(); }, 10));
      ready();`;
    const client = await start(namespace, churn);
    const records = await watchWhile(namespace, async () => {
      client.stdin?.write('go\n');
      await sleep(4000);
    });
    const sightings = sightingsOf(records, 7108);
    const count = (of: readonly OwnerSighting[]) => of.reduce((sum, sighting) => sum + sighting.count, 0);
    const told = sightings.filter(({ owner }) => owner?.pid === client.pid);
    expect(count(sightings)).toBeGreaterThan(20);
    // How many of them depends on the machine's load: `npm run bench -- --only owners` measures it.
    expect(count(told)).toBeGreaterThan(0);
    // Nobody else is blamed.
    expect(sightings.filter(({ owner }) => owner?.pid !== undefined && owner.pid !== client.pid)).toEqual([]);
  });

  it('processes that live for milliseconds are one owner at most, and cost no memory', async () => {
    const namespace = await createNamespace();
    // Each process sends once; ten thousand of them.
    const crowd = `
      import os, socket, sys
      for i in range(10000):
          pid = os.fork()
          if pid == 0:
              socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 7109))
              os._exit(0)
          os.waitpid(pid, 0)
    `.replaceAll(/^ {6}/gm, '');
    const controller = new AbortController();
    const before = process.memoryUsage().rss;
    let news = 0;
    let ticks = 0;
    const sightings: OwnerSighting[] = [];
    await new Promise<void>((resolve, reject) => {
      liveSource({ netns: namespace.name, recvBufferBytes: RECV_BUFFER_BYTES, owners: OWNERS })(
        {
          next: (record) => {
            if (record.type === 'batch') news += record.batch.newCount;
            if (record.type === 'tick') ticks += 1;
            if (record.type === 'owners') sightings.push(...record.sightings.filter(({ port }) => port === 7109));
            if (record.type !== 'open') return;
            namespace
              .exec('/usr/bin/python3', ['-c', crowd], { timeoutMs: 280_000 })
              .then(() => controller.abort('test over'), reject);
          },
          error: reject,
          complete: resolve,
        },
        controller.signal,
      );
    });
    // A source port that comes again is the same flow.
    expect(news).toBeGreaterThan(5000);
    expect(ticks).toBeGreaterThan(10);
    expect(sightings.length).toBeGreaterThan(5);
    for (const { owner } of sightings) {
      if (owner?.name !== undefined) expect(owner.name).toMatch(/^python3/);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  }, 300_000);

  it('a pid that is used again is another process', async () => {
    const namespace = await createNamespace();
    const send = "dgram.createSocket('udp4').send('x', 7110, '127.0.0.1'); ready();";
    const records = await watchWhile(namespace, async () => {
      const first = await start(namespace, send);
      await sleep(300);
      const pid = first.pid ?? 0;
      first.kill('SIGKILL');
      await new Promise((resolve) => first.once('exit', resolve));
      // The next process gets the number that is asked for here.
      const again = `import os
with open('/proc/sys/kernel/ns_last_pid', 'w') as f: f.write('${pid - 1}')
child = os.fork()
if child == 0:
    import socket, time
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 7110)); time.sleep(1); os._exit(0)
print(child); os.waitpid(child, 0)`;
      const { stdout } = await namespace.exec('/usr/bin/python3', ['-c', again]);
      expect(Number(stdout)).toBe(pid);
    });
    const owners = sightingsOf(records, 7110).flatMap(({ owner }) => (owner?.pid === undefined ? [] : [owner]));
    expect(owners.map(({ name }) => name)).toEqual(['node', expect.stringMatching(/^python3/)]);
    expect(owners[1]?.pid).toBe(owners[0]?.pid);
    expect(owners[1]?.startTicks).toBeGreaterThan(owners[0]?.startTicks ?? 0);
  });
});
