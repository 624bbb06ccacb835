import { describe, expect, it } from 'vitest';
import type { BurstSnapshot } from '../../src/analysis/bursts/burst.js';
import { type Findings, Suspects } from '../../src/analysis/diagnosis/suspects.js';
import { Owners } from '../../src/analysis/owners/owners.js';
import { Talkers } from '../../src/analysis/talkers.js';
import { createBatch, type EventBatch, PRESENT } from '../../src/model/batch.js';

const QUIET: BurstSnapshot = { baselinePerSecond: 100, pastDurationsSeconds: [] };
const BURST: BurstSnapshot = { ...QUIET, active: { onsetSeconds: 30, ratio: 4, ratePerSecond: 400 } };

interface Flow {
  readonly id?: number;
  readonly protocol?: number;
  readonly source?: number;
  readonly destination?: number;
  readonly port?: number;
  readonly tcpState?: number;
  readonly status?: number;
}

function batchOf(flow: Flow): EventBatch {
  const batch = createBatch(8);
  const { columns } = batch;
  batch.newCount = 1;
  columns.family[0] = 2;
  columns.id[0] = flow.id ?? 0;
  columns.protocol[0] = flow.protocol ?? 6;
  columns.originalSource.words[0] = flow.source ?? 9;
  columns.originalDestination.words[0] = flow.destination ?? 5;
  columns.originalDestinationPort[0] = flow.port ?? 6379;
  columns.tcpState[0] = flow.tcpState ?? 0;
  columns.status[0] = flow.status ?? 2;
  columns.present[0] = PRESENT.status | (flow.tcpState === undefined ? 0 : PRESENT.tcpState);
  return batch;
}

/** Suspects with a hand on what happens in each tick of a quarter second. */
class Play {
  readonly talkers = new Talkers();
  readonly suspects = new Suspects({ talkers: this.talkers, openedAtSeconds: 0 });
  findings: Findings | undefined;
  seconds = 0;

  fresh(flow: Flow, times = 1): void {
    for (let i = 0; i < times; i++) this.suspects.observeNew(batchOf(flow).columns, 0);
  }

  gone(flow: Flow, times = 1): void {
    for (let i = 0; i < times; i++) this.suspects.observeDestroy(batchOf(flow).columns, 0);
  }

  tick(burst = QUIET, weights: { newWeight?: number; destroyWeight?: number } = {}): Findings {
    this.seconds += 0.25;
    this.talkers.advance(0.25);
    this.findings = this.suspects.advance({
      ...{ atSeconds: this.seconds, seconds: 0.25, burst, burstChanged: true, newWeight: 1, destroyWeight: 1 },
      ...weights,
    });
    return this.findings;
  }
}

describe('Suspects', () => {
  it('counts the entries of a destination, with what was lost of a tick', () => {
    const play = new Play();
    play.fresh({}, 40);
    play.tick();
    play.gone({}, 10);
    expect(play.tick().destinations[0]?.facts.entries).toBe(30);
    play.fresh({}, 10);
    play.gone({}, 5);
    expect(play.tick(QUIET, { newWeight: 2, destroyWeight: 3 }).destinations[0]?.facts.entries).toBe(35);
    play.gone({}, 90);
    play.fresh({ port: 80 });
    expect(play.tick().destinations.find(({ talker }) => talker.port === 6379)).toBeUndefined();
  });

  it('takes growth for the share while the table grows, and entries while it does not', () => {
    const play = new Play();
    for (let i = 0; i < 400; i++) {
      play.fresh({ port: 80 }, 20);
      if (i >= 4) play.gone({ port: 80 }, 20);
      if (i >= 100) play.fresh({ port: 5432 }, 10);
      play.tick();
    }
    expect(play.findings).toMatchObject({ basis: 'growth', destinations: [{ talker: { port: 5432 } }, {}] });
    expect(play.findings?.destinations[0]?.shareRatio).toBeGreaterThan(0.9);
    for (let i = 0; i < 2000; i++) {
      play.fresh({ port: 80 }, 20);
      play.gone({ port: 80 }, 20);
      play.tick();
    }
    expect(play.findings).toMatchObject({ basis: 'entries', destinations: [{ talker: { port: 5432 } }, {}] });
    expect(play.findings?.destinations[0]?.facts.entries).toBe(3000);
  });

  it('learns what is usual, but not in a burst, and not before half a minute', () => {
    const play = new Play();
    const second = (perTick: number, burst = QUIET) => {
      for (let i = 0; i < 4; i++) {
        play.fresh({}, perTick);
        play.gone({}, perTick - (play.seconds < 10 ? 1 : 0));
        play.tick(burst);
      }
    };
    for (let i = 0; i < 29; i++) second(5);
    expect(play.findings?.destinations[0]?.facts.usual).toBeUndefined();
    for (let i = 0; i < 200; i++) second(5);
    const { usual } = play.findings?.destinations[0]?.facts ?? {};
    expect(usual?.newPerSecond).toBeCloseTo(20, 6);
    expect(usual?.entries).toBeGreaterThan(37);
    for (let i = 0; i < 60; i++) second(80, BURST);
    expect(play.findings?.destinations[0]?.facts.usual).toEqual(usual);
  });

  it('does not learn what is several times the usual rate, before it has lasted ten minutes', () => {
    const play = new Play();
    const second = (perTick: number) => {
      for (let i = 0; i < 4; i++) {
        play.fresh({}, perTick);
        play.tick();
      }
    };
    const usual = () => play.findings?.destinations[0]?.facts.usual?.newPerSecond ?? 0;
    for (let i = 0; i < 60; i++) second(5);
    for (let i = 0; i < 590; i++) second(20);
    expect(usual()).toBeLessThan(22);
    for (let i = 0; i < 600; i++) second(20);
    expect(usual()).toBeGreaterThan(60);
  });

  it('forgets a destination whose counter went to another', () => {
    const play = new Play();
    play.fresh({ port: 1 }, 3);
    play.tick();
    for (let port = 2; port < 600; port++) play.fresh({ port }, 10);
    play.fresh({ port: 1 }, 2000);
    expect(play.tick().destinations[0]).toMatchObject({ talker: { port: 1 }, facts: { entries: 2000 } });
  });

  it('calls connections that are soon in TIME_WAIT, from one source, churn', () => {
    const play = new Play();
    for (let i = 0; i < 200; i++) {
      play.fresh({ port: 80, source: i % 7 }, 5);
      play.tick();
    }
    for (let i = 0; i < 40; i++) {
      for (let id = 0; id < 25; id++) play.fresh({ id });
      play.suspects.observeYoung(batchOf({ tcpState: 7 }), 2);
      play.tick(BURST);
    }
    const { diagnosis, destinations } = play.findings ?? {};
    expect(diagnosis?.code).toBe('connection_churn');
    expect(diagnosis?.evidence).toContainEqual(expect.stringContaining('most of them in TIME_WAIT'));
    expect(destinations?.[0]?.facts.traits.young.time_wait).toBeGreaterThan(10);
  });

  it('suspects the source when no destination stands out', () => {
    const play = new Play();
    for (let i = 0; i < 40; i++) {
      for (let n = 0; n < 50; n++) play.fresh({ id: n, source: 77, destination: i * 50 + n + 100 });
      play.suspects.observeYoung(batchOf({ source: 77, destination: 3, tcpState: 1, status: 0 }), 2);
      play.tick(BURST);
    }
    expect(play.findings).toMatchObject({ source: { shareRatio: 1 }, diagnosis: { code: 'scan' } });
    expect(play.findings?.source?.traits.partners).toBeGreaterThan(1000);
  });

  it('samples the sources of many flows, and finds the busiest all the same', () => {
    const play = new Play();
    for (let i = 0; i < 20; i++) {
      for (let n = 0; n < 5000; n++) play.fresh({ id: n * 2654435761, source: n % 2 === 0 ? 77 : n, destination: n });
      play.tick(BURST);
    }
    const source = play.findings?.source;
    expect(source?.shareRatio).toBeGreaterThan(0.4);
    expect(new Uint32Array(source?.address.buffer ?? new ArrayBuffer(4))[0]).toBe(77);
  });

  /** A dump of `count` entries of port 5432, established, with this time left, and 100 of port 80 in TIME_WAIT. */
  function dump(count: number, leftSeconds: number): EventBatch[] {
    const idle = batchOf({ port: 5432, tcpState: 3 });
    const closed = batchOf({ port: 80, tcpState: 7 });
    idle.columns.timeoutSeconds[0] = leftSeconds;
    idle.columns.present[0] = (idle.columns.present[0] ?? 0) | PRESENT.timeout;
    return [...Array.from({ length: count }, () => idle), ...Array.from({ length: 100 }, () => closed)];
  }

  it('finds entries that nobody has used for an hour in the initial dump', () => {
    const play = new Play();
    for (const batch of dump(2000, 432_000 - 7200)) play.suspects.observeInitial(batch);
    for (let i = 0; i < 40; i++) {
      if (i % 4 === 0) play.fresh({ port: 80 });
      play.tick();
    }
    expect(play.findings).toMatchObject({
      basis: 'entries',
      destinations: [{ talker: { port: 5432, newPerSecond: 0 }, idleRatio: 1, facts: { entries: 2000 } }, {}],
      diagnosis: { code: 'timeout_artefact' },
    });
    const inUse = new Play();
    for (const batch of dump(2000, 432_000 - 600)) inUse.suspects.observeInitial(batch);
    expect(inUse.tick().diagnosis.code).toBe('unclear');
  });

  it('takes entries and states from a census that is whole', () => {
    const play = new Play();
    play.fresh({ port: 80 }, 40);
    play.tick();
    const at = { monotonicSeconds: 0.25, unixSeconds: 1_790_000_000 };
    const read = (rows: number) => {
      play.suspects.observeCensus({ type: 'census', at, phase: 'begin', purpose: 'census' });
      for (const batch of dump(30, 432_000)) play.suspects.observeCensus({ type: 'census', at, phase: 'rows', batch });
      play.suspects.observeCensus({ type: 'census', at, phase: 'end', rows });
      return play.tick();
    };
    expect(read(200).destinations).toMatchObject([{ talker: { port: 80 }, facts: { entries: 40 } }]);
    const { destinations } = read(130);
    expect(destinations[0]).toMatchObject({ talker: { port: 80 }, facts: { entries: 100 } });
    expect(destinations[0]?.states?.[7]).toBe(100);
    // Those in TIME_WAIT have no socket.
    expect(destinations[0]?.openSockets).toBe(0);
    play.fresh({ port: 5432 }, 20);
    play.tick();
    const other = read(130).destinations.find(({ talker }) => talker.port === 5432);
    expect(other).toMatchObject({ facts: { entries: 30 }, openSockets: 30 });
    play.fresh({ port: 80 }, 101);
    expect(play.tick().destinations[0]?.states).toBeUndefined();
  });

  it('gives a budget of an owner its share of a destination, or of all', () => {
    const talkers = new Talkers();
    const owners = new Owners();
    const rules = [
      { destination: '10.0.0.5:6379', owner: 'sidekiq.service', max_entries: 5 },
      { owner: 'user:deploy', max_entries: 5 },
      { owner: 'container:c0ffee', max_entries: 5 },
    ];
    const suspects = new Suspects({ talkers, owners, openedAtSeconds: 0, budgets: rules });
    const ten = new Uint32Array(Uint8Array.of(10, 0, 0, 5).buffer)[0] ?? 0;
    const advance = (atSeconds: number) => {
      talkers.advance(0.25);
      return suspects.advance({
        ...{ atSeconds, seconds: 0.25, burst: QUIET, burstChanged: true, newWeight: 1, destroyWeight: 1 },
      });
    };
    for (let i = 0; i < 80; i++) suspects.observeNew(batchOf({ destination: ten }).columns, 0);
    for (let i = 0; i < 20; i++) suspects.observeNew(batchOf({ destination: ten, port: 80 }).columns, 0);
    expect(advance(1).budgets.map(({ entries }) => entries)).toEqual([undefined, undefined, undefined]);
    const to = {
      family: 2,
      protocol: 6,
      source: '10.0.0.9',
      destination: '10.0.0.5',
      direction: 'originated',
    } as const;
    const sidekiq = { key: 's', unit: 'sidekiq.service', user: 'deploy', name: 'ruby' };
    owners.observe(1, [
      { ...to, port: 6379, count: 30, owner: sidekiq },
      { ...to, port: 6379, count: 10, owner: { key: 'c', container: 'c0ffee12', name: 'php' } },
      { ...to, port: 80, count: 40, owner: { key: 'd', user: 'deploy', name: 'curl' } },
    ]);
    const [own, user, container] = advance(1.25).budgets.map(({ entries }) => entries ?? 0);
    expect(own).toBeCloseTo(60, 6);
    expect(user).toBeCloseTo(80, 0);
    expect(container).toBeCloseTo(20, 0);
  });
});
