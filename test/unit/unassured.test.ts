import { describe, expect, it } from 'vitest';
import { Lifetimes } from '../../src/analysis/forecast/lifetimes.js';
import { unassuredOf } from '../../src/analysis/forecast/unassured.js';
import { createBatch, PRESENT } from '../../src/model/batch.js';
import { HOST } from '../support/records.js';

const batch = createBatch(8);
const { columns } = batch;
const [ASSURED, SEEN] = [4, 10];

function put(n: number, protocol: number, port: number): void {
  columns.id[0] = Math.imul(n, 0x9e3779b1) >>> 0;
  columns.family[0] = 2;
  columns.protocol[0] = protocol;
  columns.originalSource.words[0] = n;
  columns.originalSourcePort[0] = n & 0xffff;
  columns.originalDestinationPort[0] = port;
}

const create = () => new Lifetimes({ timeouts: HOST.timeouts });

/** Ten seconds of web, assured, and of unanswered DNS; looked up after 2 s unless it is not. */
function run({ web, dns, isSeen = true }: { web: number; dns: number; isSeen?: boolean }, lifetimes = create()) {
  let n = 0;
  for (let tick = 1; tick <= 40; tick++) {
    const at = tick / 4;
    let events = 0;
    for (const [protocol, port, perTick] of [
      [6, 443, web / 4],
      [17, 53, dns / 4],
    ] as const) {
      for (let i = 0; i < perTick; i++, events++) {
        put(++n, protocol, port);
        lifetimes.observeNew(at, columns, 0);
      }
      if (!isSeen || tick < 9 || perTick === 0) continue;
      columns.tcpState[0] = protocol === 6 ? 7 : 0;
      columns.status[0] = SEEN | (protocol === 6 ? ASSURED : 0);
      columns.timeoutSeconds[0] = protocol === 6 ? 117 : 27;
      columns.present[0] = PRESENT.timeout | PRESENT.status;
      batch.newCount = 1;
      batch.destroyCount = 0;
      lifetimes.observeLookups(at, batch, 2.5);
    }
    lifetimes.advance({ atSeconds: at, seconds: 0.25, newEvents: events });
  }
  return { lifetimes, entries: n };
}

describe('unassuredOf', () => {
  it('weighs what was looked up by what is in the table', () => {
    const { lifetimes, entries } = run({ web: 80, dns: 40 });
    const unassured = unassuredOf(lifetimes.view(), { count: entries, blind: 0 });
    expect(unassured?.ratio).toBeCloseTo(1 / 3, 1);
    expect(unassured?.arrivingRatio).toBeCloseTo(1 / 3, 1);
  });

  it('adds what the initial dump told of entries that are still there', () => {
    const dumped = create();
    for (const [status, left, count] of [
      [SEEN, 100, 300],
      [SEEN | ASSURED, 100, 500],
      [SEEN, 3, 400],
    ] as const) {
      for (let i = 0; i < count; i++) {
        put(1_000_000 + i, 6, 443);
        columns.tcpState[0] = 7;
        columns.status[0] = status;
        columns.timeoutSeconds[0] = left;
        columns.present[0] = PRESENT.timeout | PRESENT.status;
        dumped.observeEntry(0, columns, 0);
      }
    }
    const { lifetimes, entries } = run({ web: 80, dns: 0 }, dumped);
    // 800 assured ones of ours, 500 assured and 300 unassured of the dump; of the rest the timeout is over.
    const unassured = unassuredOf(lifetimes.view(), { count: entries + 800, blind: 800 });
    expect(entries).toBe(800);
    expect(unassured?.ratio).toBeCloseTo(300 / 1600, 2);
  });

  it('says nothing when too little was looked up', () => {
    const { lifetimes, entries } = run({ web: 80, dns: 40, isSeen: false });
    expect(unassuredOf(lifetimes.view(), { count: entries, blind: 0 })).toBeUndefined();
    const known = run({ web: 80, dns: 0 });
    expect(unassuredOf(known.lifetimes.view(), { count: known.entries, blind: 0 })?.ratio).toBe(0);
    expect(unassuredOf(known.lifetimes.view(), { count: known.entries * 2, blind: known.entries })).toBeUndefined();
  });

  it('takes what a census counted before what it weighs, for the arrivals only while they are unknown', () => {
    const unseen = run({ web: 80, dns: 40, isSeen: false });
    const table = { count: 1200, blind: 0, unassuredRatio: 0.25 };
    expect(unassuredOf(unseen.lifetimes.view(), table)).toEqual({ ratio: 0.25, arrivingRatio: 0.25 });
    const web = run({ web: 80, dns: 0 });
    expect(unassuredOf(web.lifetimes.view(), table)).toEqual({ ratio: 0.25, arrivingRatio: 0 });
  });
});
