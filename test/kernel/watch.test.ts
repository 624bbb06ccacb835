import { lastValueFrom, toArray } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { watchConntrack } from '../../src/cli/watch.js';
import { liveSource } from '../../src/kernel/live-source.js';
import { CtwatchError } from '../../src/model/errors.js';
import type { CtEvent } from '../../src/model/events.js';
import { RECV_BUFFER_BYTES } from '../../src/model/limits.js';
import { readToEnd } from '../support/batch-source-contract.js';
import { replaySource } from '../support/records.js';
import { createNamespace, removeNamespaces, withConntrackMax } from './namespace.js';
import { burstFlows, createEntries, flushTable, tcpConnections, udpFlows } from './traffic.js';
import { eventsWhile, ofType } from './watching.js';

afterEach(removeNamespaces);

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('what the kernel may evict', () => {
  /** The forecasts that say when it fills, with what is known of the table. */
  const filling = (events: readonly CtEvent[]) =>
    ofType(events, 'sample').flatMap(({ table, forecast }) =>
      forecast.verdict === 'fills' && table.unassured_ratio !== undefined ? [{ table, forecast }] : [],
    );

  it('keeps a flood that is never answered from dropping anything when it is full', async () => {
    const namespace = await createNamespace();
    const flood = () => udpFlows(namespace, { count: 22_500, rate: 2500 });
    const told = filling(await eventsWhile(namespace, flood, { assume_max: 60_000 }));
    expect(told.length).toBeGreaterThan(2);
    for (const { table, forecast } of told) {
      expect(table.unassured_ratio).toBeGreaterThan(0.95);
      expect(forecast.seconds_to_full).toBeLessThan(40);
      expect(forecast.seconds_to_drop ?? Number.POSITIVE_INFINITY).toBeGreaterThan(forecast.seconds_to_full ?? 0);
    }
  });

  it('is nothing of connections that are open: full is dropping', async () => {
    const namespace = await createNamespace();
    const connect = () => tcpConnections(namespace, { count: 2400, port: 7100, rate: 200, close: 'open' });
    const told = filling(await eventsWhile(namespace, connect, { assume_max: 20_000 }));
    expect(told.length).toBeGreaterThan(2);
    for (const { table, forecast } of told) {
      expect(table.unassured_ratio).toBeLessThan(0.05);
      expect(forecast.seconds_to_drop).toBe(forecast.seconds_to_full);
    }
  });
});

describe('a full table', () => {
  it('is told as dropping, with the kernel counters, and resolved afterwards', async () => {
    const namespace = await createNamespace();
    const events = await withConntrackMax(1000, () =>
      eventsWhile(
        namespace,
        async () => {
          await udpFlows(namespace, { count: 3000 });
          // Longer than the usage alert is held.
          await sleep(4500);
          await flushTable(namespace);
          await sleep(3000);
        },
        { alert: { dropping: { clear_hold_seconds: 1 } } },
      ),
    );
    const dropping = ofType(events, 'alert').filter(({ name }) => name === 'dropping');
    expect(dropping.map(({ phase, severity }) => [phase, severity])).toEqual([
      ['firing', 'critical'],
      ['resolved', 'critical'],
    ]);
    expect(dropping[0]?.kernel?.drop).toBeGreaterThan(0);
    expect(dropping[0]?.msg).toMatch(/losing connections: [\d,]+ packets dropped/);
    const usage = ofType(events, 'alert').filter(({ name }) => name === 'usage');
    expect(usage[0]).toMatchObject({ phase: 'firing', severity: 'critical' });
    const full = ofType(events, 'sample').filter(({ table }) => (table.used_ratio ?? 0) >= 0.99);
    expect(full.length).toBeGreaterThan(0);
  });
});

describe('a burst', () => {
  it('is found on real traffic and names its destination', async () => {
    const namespace = await createNamespace();
    let onset = 0;
    const events = await eventsWhile(namespace, async () => {
      const burst = burstFlows(namespace, { base: 100, factor: 4, beforeSeconds: 20, afterSeconds: 4, dport: 6379 });
      onset = (await burst.onsetUnixMs) / 1000;
      await burst.result;
    });
    const [burst] = ofType(events, 'burst');
    expect(burst?.phase).toBe('start');
    expect(burst?.unixSeconds).toBeGreaterThan(onset);
    expect(burst?.ratio).toBeGreaterThan(2.8);
    expect(burst?.ratio).toBeLessThan(5);
    expect(burst?.top?.[0]?.destination.port).toBe(6379);
    expect(ofType(events, 'alert').some(({ name }) => name === 'burst')).toBe(true);
  });
});

describe('nf_conntrack_events', () => {
  it('of 0 gives a table but no events, and says so', async () => {
    const namespace = await createNamespace();
    await namespace.sysctl('net.netfilter.nf_conntrack_events', 0);
    const events = await eventsWhile(namespace, async () => {
      await udpFlows(namespace, { count: 500, rate: 2000 });
      await sleep(2500);
    });
    expect(ofType(events, 'start')[0]?.degraded.map(({ code }) => code)).toContain('events_disabled');
    const last = ofType(events, 'sample').at(-1);
    expect(last?.table.count).toBe(500);
    expect(last?.totals).toMatchObject({ new: 0, destroy: 0 });
    expect(last?.forecast.verdict).toBe('unknown');
    expect(last?.forecast.reason).toBe('no_events');
  });

  it('of 2 leaves entries that were there before blind', async () => {
    const namespace = await createNamespace();
    await namespace.sysctl('net.netfilter.nf_conntrack_events', 2);
    await createEntries(namespace, 200, 600);
    const events = await eventsWhile(namespace, async () => {
      await udpFlows(namespace, { count: 100, rate: 1000 });
      await sleep(1500);
    });
    expect(ofType(events, 'start')[0]?.table).toMatchObject({ count: 200, blind: 200 });
    const last = ofType(events, 'sample').at(-1);
    expect(last?.table).toMatchObject({ count: 300, blind: 200 });
  });
});

describe('a namespace', () => {
  it('that is deleted ends the watch with a stop line that says so', async () => {
    const namespace = await createNamespace();
    const events = await eventsWhile(namespace, async () => {
      await sleep(300);
      await namespace.remove();
      await sleep(3000);
    });
    expect(events.at(-1)).toMatchObject({ type: 'stop', level: 'error', error: { code: 'ERR_NETNS_GONE' } });
  });

  it('that does not exist fails before the first event', async () => {
    const { events } = watchConntrack({ netns: 'ctw-no-such-namespace' });
    const failure = await lastValueFrom(events.pipe(toArray())).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CtwatchError);
    expect(failure).toMatchObject({ code: 'ERR_NETNS_NOT_FOUND', exitStatus: 3 });
  });

  it('without a rule that uses conntrack is told as empty', async () => {
    const namespace = await createNamespace({ conntrack: false });
    const events = await eventsWhile(namespace, () => tcpConnections(namespace, { count: 5, port: 7010 }));
    expect(ofType(events, 'start')[0]?.degraded.map(({ code }) => code)).toContain('table_empty');
    expect(ofType(events, 'stop')[0]?.totals.new).toBe(0);
  });
});

describe('assume_max', () => {
  it('asks what if the limit were another', async () => {
    const namespace = await createNamespace();
    const events = await eventsWhile(
      namespace,
      async () => {
        await udpFlows(namespace, { count: 95, rate: 1000 });
        await sleep(5000);
      },
      { assume_max: 100 },
    );
    expect(ofType(events, 'sample').at(-1)?.table).toMatchObject({ count: 95, max: 100, used_ratio: 0.95 });
    expect(ofType(events, 'alert').find(({ name }) => name === 'usage')).toMatchObject({ severity: 'critical' });
  });
});

describe('a replay of what the kernel gave', () => {
  it('gives the same events, to the byte, each time', async () => {
    const namespace = await createNamespace();
    const records = await readToEnd({
      source: liveSource({ netns: namespace.name, recvBufferBytes: RECV_BUFFER_BYTES, poisonReleased: true }),
      afterOpen: async (abort) => {
        await udpFlows(namespace, { count: 4000, rate: 2000, dports: 7 });
        await flushTable(namespace);
        await sleep(500);
        abort('test over');
      },
    });
    const replay = async () => {
      const { events } = watchConntrack({ source: replaySource(records), flows: true, interval: 1 });
      return JSON.stringify(await lastValueFrom(events.pipe(toArray())));
    };
    const [first, second] = [await replay(), await replay()];
    expect(first.length).toBeGreaterThan(1_000_000);
    expect(second).toBe(first);
  });
});
