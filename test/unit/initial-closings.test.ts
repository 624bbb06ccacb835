import { describe, expect, it } from 'vitest';
import { InitialClosings } from '../../src/analysis/forecast/initial-closings.js';
import { createBatch, PRESENT } from '../../src/model/batch.js';
import { CLOSING_PORTS_MAX } from '../../src/model/limits.js';

const { columns } = createBatch(8);
const [SYN_RECV, ESTABLISHED, TIME_WAIT, CLOSE] = [2, 3, 7, 8];

interface Entry {
  readonly protocol?: number;
  readonly port?: number;
  readonly state?: number;
  readonly leftSeconds: number;
}

function dump(...entries: readonly Entry[]): InitialClosings {
  const closings = new InitialClosings({});
  for (const { protocol = 6, port = 443, state = 0, leftSeconds } of entries) {
    columns.protocol[0] = protocol;
    columns.originalDestinationPort[0] = port;
    columns.tcpState[0] = state;
    columns.timeoutSeconds[0] = leftSeconds;
    columns.status[0] = 0;
    columns.present[0] = PRESENT.timeout;
    closings.observe(columns, 0);
  }
  return closings;
}

const many = (times: number, entry: (i: number) => Entry) => Array.from({ length: times }, (_, i) => entry(i));
const HTTPS = { protocol: 6, port: 443 };

describe('endingsOf', () => {
  it('tells how fast active entries close, and in which timeouts, by the newest closings', () => {
    const endings = dump(
      // Of ten a second that close nine wait for 120 s and one for 10 s; for a minute it has been four times as many.
      ...many(360, (i) => ({ state: TIME_WAIT, leftSeconds: 120 - i / 36 })),
      ...many(540, (i) => ({ state: TIME_WAIT, leftSeconds: 110 - (i * 110) / 540 })),
      ...many(40, (i) => ({ state: CLOSE, leftSeconds: 10 - i / 4 })),
      ...many(800, () => ({ state: ESTABLISHED, leftSeconds: 432_000 })),
    ).endingsOf(HTTPS);
    expect(endings?.timeouts).toEqual([
      { seconds: 10, ratio: expect.closeTo(0.1, 2) },
      { seconds: 120, ratio: expect.closeTo(0.9, 2) },
    ]);
    expect(endings?.closingPerSecond).toBeCloseTo(40 / 800, 2);
    expect(endings?.flows).toBeGreaterThan(380);
  });

  it('takes half-open connections and unanswered datagrams as running out', () => {
    const closings = dump(
      ...many(600, (i) => ({ state: SYN_RECV, leftSeconds: 60 - i / 10 })),
      ...many(300, (i) => ({ protocol: 17, port: 53, leftSeconds: 30 - i / 10 })),
    );
    expect(closings.endingsOf(HTTPS)).toMatchObject({ timeouts: [{ seconds: 60, ratio: 1 }], closingPerSecond: 1 });
    expect(closings.endingsOf({ protocol: 17, port: 53 })).toMatchObject({ timeouts: [{ seconds: 30, ratio: 1 }] });
  });

  it('keeps ports apart, and pools those of a protocol for its rest', () => {
    const closings = dump(
      ...many(100, () => ({ port: 80, state: TIME_WAIT, leftSeconds: 100 })),
      ...many(100, () => ({ port: 5432, state: ESTABLISHED, leftSeconds: 432_000 })),
    );
    expect(closings.endingsOf({ protocol: 6, port: 80 })?.flows).toBe(100);
    expect(closings.endingsOf({ protocol: 6, port: 5432 })).toBeUndefined();
    expect(closings.endingsOf({ protocol: 6, port: 22 })).toBeUndefined();
    expect(closings.endingsOf({ protocol: 6 })?.closingPerSecond).toBeCloseTo(100 / 120 / 100, 9);
  });

  it('leaves out what has another timeout than the kernel told, and is bounded', () => {
    expect(dump(...many(50, () => ({ state: TIME_WAIT, leftSeconds: 600 }))).endingsOf(HTTPS)).toBeUndefined();
    const all = dump(...many(2 * CLOSING_PORTS_MAX, (i) => ({ port: i, state: CLOSE, leftSeconds: 5 })));
    expect(all.endingsOf({ protocol: 6, port: 2 * CLOSING_PORTS_MAX - 1 })).toBeUndefined();
    expect(all.endingsOf({ protocol: 6 })?.flows).toBe(2 * CLOSING_PORTS_MAX);
  });
});

describe('activeByAge', () => {
  it('lets active entries close as those of their port did, and the others stay', () => {
    const left = dump(
      ...many(600, (i) => ({ state: TIME_WAIT, leftSeconds: 120 - i / 5 })),
      ...many(100, () => ({ state: ESTABLISHED, leftSeconds: 432_000 })),
      ...many(70, () => ({ port: 5432, state: ESTABLISHED, leftSeconds: 432_000 })),
    ).activeByAge(400);
    expect(left[0]).toBeCloseTo(170, 9);
    expect(left[120]).toBeCloseTo(170, 9);
    // 5 of 100 a second.
    expect(left[140]).toBeGreaterThan(70 + 100 * Math.exp(-1));
    expect(left[140]).toBeLessThan(70 + 100 * Math.exp(-1) + 20);
    expect(left[399]).toBeGreaterThan(70);
  });
});
