import fc from 'fast-check';
import { pino } from 'pino';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { COLUMNS, createBatch, type EventColumns, PRESENT } from '../../src/model/batch.js';
import { EVENTS_VERSION, type EventOf, eventSchema } from '../../src/model/events.js';
import { readFlow } from '../../src/pipeline/flow.js';
import { formatFlowLine } from '../../src/sinks/flow-line.js';

const TIME = '2026-11-23T14:02:31.004Z';
const BASE = { host: 'web-1 "a"', v: EVENTS_VERSION, netns: 'blue' };
const HEAD = `,"time":"${TIME}",${JSON.stringify(BASE).slice(1, -1)}`;

/** What pino, set up as the sink does, writes of the same event. */
function pinoLine(flow: EventOf<'flow'>): unknown {
  let text = '';
  const logger = pino(
    {
      base: BASE,
      timestamp: () => `,"time":"${TIME}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { level: () => undefined, unixSeconds: () => undefined },
    },
    {
      write: (line: string) => {
        text += line;
      },
    },
  );
  logger[flow.level](flow);
  return JSON.parse(text);
}

/** Nanoseconds of the kernel as seconds, and counters as doubles; edge values of each width are likely. */
const seconds = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 2 ** 34, noNaN: true }));
const counter = fc.oneof(fc.maxSafeNat(), fc.constant(2 ** 63));
const unsigned = (bits: number) => fc.oneof(fc.integer({ min: 0, max: 2 ** bits - 1 }), fc.constant(2 ** bits - 1));
const bitsOfPresent = Object.values(PRESENT);

const row = fc.record({
  f64: fc.tuple(seconds, seconds, seconds, counter, counter, counter, counter),
  addresses: fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { minLength: 4, maxLength: 4 }),
  integers: fc.array(unsigned(32), { minLength: 32, maxLength: 32 }),
  present: fc.subarray(bitsOfPresent).map((bits) => bits.reduce<number>((sum, bit) => sum | bit, 0)),
  family: fc.constantFrom(2, 10),
  protocol: fc.oneof(fc.constantFrom(1, 6, 17, 33, 47, 58, 132, 136), unsigned(8)),
  tcpState: unsigned(4),
  turned: fc.boolean(),
  action: fc.constantFrom('new' as const, 'destroy' as const),
});
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never;

function columnsOf(values: Row): EventColumns {
  const { columns } = createBatch(8);
  let f64 = 0;
  let address = 0;
  let integer = 0;
  for (const [name, type] of COLUMNS) {
    if (type === 'f64') columns[name][0] = values.f64[f64++] ?? 0;
    else if (type === 'address') columns[name].bytes.set(values.addresses[address++] ?? []);
    else columns[name][0] = values.integers[integer++] ?? 0;
  }
  columns.present[0] = values.present;
  columns.family[0] = values.family;
  columns.protocol[0] = values.protocol;
  columns.tcpState[0] = values.tcpState;
  if (values.turned) {
    columns.replySource.bytes.set(columns.originalDestination.bytes);
    columns.replyDestination.bytes.set(columns.originalSource.bytes);
  }
  return columns;
}

describe('formatFlowLine', () => {
  it('writes what pino would, in one line of the contract, for any columns', () => {
    fc.assert(
      fc.property(row, (values) => {
        const flow = readFlow(columnsOf(values), 0, values.action, 1_790_000_000);
        const text = formatFlowLine(flow, HEAD);
        const line = JSON.parse(text);
        expect(line).toEqual(pinoLine(flow));
        expect(v.parse(eventSchema, line)).toEqual(line);
        expect(text.indexOf('\n')).toBe(text.length - 1);
      }),
      { numRuns: 500 },
    );
  });
});
