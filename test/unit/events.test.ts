import { PassThrough } from 'node:stream';
import { lastValueFrom, toArray } from 'rxjs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { CtwatchError } from '../../src/model/errors.js';
import { type CtEvent, type EventOf, type EventType, eventSchema } from '../../src/model/events.js';
import type { KernelCounters, LossTotals, SourceRecord } from '../../src/model/record.js';
import { defaultSettings, type Settings } from '../../src/model/settings.js';
import { toEvents } from '../../src/pipeline/events.js';
import { observe } from '../../src/pipeline/observation.js';
import { fromSource } from '../../src/pipeline/source.js';
import { NdjsonSink } from '../../src/sinks/ndjson.js';
import { HOST, replaySource, type SyntheticOptions, syntheticRecords } from '../support/records.js';

/** The events of a source, each held against the contract as the line it becomes. */
async function eventsOf(records: readonly SourceRecord[], settings: Partial<Settings> = {}): Promise<CtEvent[]> {
  const all = { ...defaultSettings, ...settings };
  const stream = fromSource(replaySource(records)).pipe(observe(all), toEvents(all, '9.9.9'), toArray());
  const events = await lastValueFrom(stream);
  const output = new PassThrough({ highWaterMark: 2 ** 24 });
  const sink = new NdjsonSink({ stream: output, hostname: 'web-1' });
  for (const event of events) sink.write(event);
  const ended = sink.end();
  const lines = String(output.read()).trim().split('\n');
  await ended;
  expect(lines.length).toBe(events.length);
  for (const line of lines) expect(v.parse(eventSchema, JSON.parse(line))).toEqual(JSON.parse(line));
  return events;
}

function ofType<T extends EventType>(events: readonly CtEvent[], type: T): EventOf<T>[] {
  return events.filter((event): event is EventOf<T> => event.type === type);
}

const START = 1_790_000_000;
const steady = { seconds: 40, newPerSecond: () => 100, lifetimeSeconds: 5 };
/** 100/s, and 400/s from the 21st to the 30th second. */
const bursting: SyntheticOptions = {
  ...steady,
  seconds: 60,
  newPerSecond: (second) => (second > 20 && second <= 30 ? 400 : 100),
};
const timesOf = (events: readonly CtEvent[]) => events.map(({ unixSeconds }) => unixSeconds - START);
const alertsOf = (events: readonly CtEvent[], name: EventOf<'alert'>['name']) =>
  ofType(events, 'alert').filter((alert) => alert.name === name);

/** Changes the loss that ticks tell, by the second at which they end. */
function losing(records: readonly SourceRecord[], lossAt: (second: number) => Partial<LossTotals>): SourceRecord[] {
  return records.map((record) =>
    record.type === 'tick'
      ? { ...record, loss: { ...record.loss, ...lossAt(record.at.monotonicSeconds - 1000) } }
      : record,
  );
}

/** Gives the ticks with a table reading the kernel's counters of that second. */
function counting(
  records: readonly SourceRecord[],
  countersAt: (second: number) => Partial<KernelCounters>,
): SourceRecord[] {
  const zero = Object.fromEntries(
    'found invalid insert insert_failed drop early_drop error search_restart clash_resolve chain_toolong'
      .split(' ')
      .map((name) => [name, 0]),
  ) as unknown as KernelCounters;
  return records.map((record) =>
    record.type === 'tick' && record.table !== undefined
      ? { ...record, counters: { ...zero, ...countersAt(record.at.monotonicSeconds - 1000) } }
      : record,
  );
}

describe('the stream', () => {
  it('begins with start, ends with stop, and has each once', async () => {
    const types = (await eventsOf(syntheticRecords(bursting))).map(({ type }) => type);
    expect(types[0]).toBe('start');
    expect(types.at(-1)).toBe('stop');
    expect(types.filter((type) => type === 'start' || type === 'stop')).toHaveLength(2);
  });

  it('is the same, to the byte, when the same records come again', async () => {
    const records = syntheticRecords({ ...bursting, lostPerSecond: (second) => (second < 15 ? 20 : 0) });
    const once = JSON.stringify(await eventsOf(records));
    expect(JSON.stringify(await eventsOf(records))).toBe(once);
    expect(once).toContain('"burst"');
  });

  it('never goes back in time', async () => {
    const times = timesOf(await eventsOf(syntheticRecords(bursting)));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('takes nothing from a batch after its lease', async () => {
    // Released batches are overwritten with 0xa5.
    expect(JSON.stringify(await eventsOf(syntheticRecords(bursting)))).not.toMatch(/165\.165|42405/);
  });
});

describe('start', () => {
  it('tells what the source learned about its host, and what is limited', async () => {
    const host = {
      ...HOST,
      netns: 'blue',
      sysctls: { buckets: 65_536, events: 2 },
      table: { count: 160, max: 16_000 },
    };
    const [start] = ofType(await eventsOf(syntheticRecords({ ...steady, seconds: 1, host })), 'start');
    expect(start).toMatchObject({
      version: '9.9.9',
      kernel: '6.18.0',
      capabilities: ['CAP_NET_ADMIN'],
      receive_buffer_bytes: 67_108_864,
      receive_buffer_events: 52_428,
      table: { count: 160, max: 16_000, used_ratio: 0.01, blind: 160 },
      msg: 'watching blue on web-1: 160 of 16,000 entries (1 %); limited: events_on_demand',
    });
    expect(start?.sysctls).toEqual({ nf_conntrack_buckets: 65_536, nf_conntrack_events: 2 });
    expect(start?.degraded.map(({ code }) => code)).toEqual(['events_on_demand']);
  });
});

describe('sample', () => {
  it('comes after one second and then at the interval', async () => {
    expect(timesOf(ofType(await eventsOf(syntheticRecords(steady)), 'sample'))).toEqual([1, 11, 21, 31]);
    expect(timesOf(ofType(await eventsOf(syntheticRecords(steady), { interval: 15 }), 'sample'))).toEqual([1, 16, 31]);
    const fast = ofType(await eventsOf(syntheticRecords({ ...steady, seconds: 3 }), { interval: 0.5 }), 'sample');
    expect(timesOf(fast)).toEqual([1, 1.5, 2, 2.5, 3]);
  });

  it('comes every second while an alert fires, and at a shorter interval if that was asked for', async () => {
    const events = await eventsOf(syntheticRecords(bursting));
    const [firing, resolved] = timesOf(alertsOf(events, 'burst'));
    const during = timesOf(ofType(events, 'sample')).filter((at) => at > (firing ?? 0) + 1 && at < (resolved ?? 0));
    expect(during.length).toBeGreaterThan(8);
    expect(during.slice(1).map((at, i) => at - (during[i] ?? 0))).toEqual(during.slice(1).map(() => 1));
    const fast = timesOf(ofType(await eventsOf(syntheticRecords(bursting), { interval: 0.5 }), 'sample'));
    expect(new Set(fast.slice(1).map((at, i) => at - (fast[i] ?? 0)))).toEqual(new Set([0.5]));
  });

  it('has exact rates and totals under loss', async () => {
    const events = await eventsOf(syntheticRecords({ ...steady, lostPerSecond: () => 50 }));
    expect(ofType(events, 'sample').at(-1)).toMatchObject({
      rate: { new_per_second: 150, destroy_per_second: 100, net_per_second: 50, new_per_second_1s: 150 },
      totals: { new: 4000, destroy: 3500, lost_new: 2000, lost_destroy: 0, malformed: 0 },
      table: { count: 500, max: 16_000, used_ratio: 0.0313 },
    });
  });

  it('names the destination of the new entries', async () => {
    const [last] = ofType(await eventsOf(syntheticRecords(steady)), 'sample').slice(-1);
    expect(last?.top).toEqual([
      {
        ...{ network: { transport: 'tcp' }, destination: { ip: '10.0.0.5', port: 6379 } },
        ...{ new_per_second: expect.closeTo(100, 0), share_ratio: 1, error_ratio: 0 },
      },
    ]);
  });

  it('adds up the counters of the kernel since the sample before', async () => {
    const records = counting(syntheticRecords(steady), (second) => ({ clash_resolve: second * 3, invalid: 5 }));
    const samples = ofType(await eventsOf(records), 'sample');
    expect(samples.map(({ kernel }) => kernel.clash_resolve)).toEqual([3, 30, 30, 30]);
    expect(samples.map(({ kernel }) => kernel.invalid)).toEqual([5, 0, 0, 0]);
  });

  it('leaves out the table while no reading comes', async () => {
    const records = syntheticRecords(steady).map((record) => {
      if (record.type !== 'tick' || record.at.monotonicSeconds < 1012) return record;
      const { table: _, ...without } = record;
      return without;
    });
    const last = ofType(await eventsOf(records), 'sample').at(-1);
    expect(last?.table).toEqual({ blind: 0 });
    expect(last?.forecast).toEqual({ verdict: 'unknown', reason: 'no_table' });
    expect(last?.msg).toBe('number of entries not known, +0/s, forecast withheld: no_table');
  });

  it('judges the table against assume_max, and tells a ratio above 1', async () => {
    const samples = ofType(await eventsOf(syntheticRecords(steady), { assume_max: 400 }), 'sample');
    expect(samples.at(-1)?.table).toMatchObject({ count: 500, max: 400, used_ratio: 1.25 });
  });
});

describe('notice', () => {
  it('tells when the kernel stops telling the table, and when it does so again', async () => {
    const records = syntheticRecords(steady).map((record) => {
      const second = record.at.monotonicSeconds - 1000;
      if (record.type !== 'tick' || second < 12 || second >= 20) return record;
      const { table: _, ...without } = record;
      return without;
    });
    const notices = ofType(await eventsOf(records), 'notice');
    expect(notices.map(({ code, level }) => [code, level])).toEqual([
      ['table_stale', 'warn'],
      ['table_fresh', 'info'],
    ]);
    expect(timesOf(notices)).toEqual([16.25, 20]);
  });
});

describe('loss', () => {
  it('is told when it begins and, with the exact counts, 10 s after its end', async () => {
    const records = syntheticRecords({ ...steady, lostPerSecond: (second) => (second > 5 && second <= 8 ? 40 : 0) });
    const events = ofType(await eventsOf(records), 'loss');
    expect(timesOf(events)).toEqual([5.25, 18]);
    expect(events.map(({ phase, lost_new }) => [phase, lost_new])).toEqual([
      ['start', 10],
      ['end', 120],
    ]);
    expect(events[1]).toMatchObject({ cause: 'receive_buffer', lost_destroy: 0, malformed: 0, unknown_losses: 0 });
    expect(events[0]?.less_certain).toEqual(['top', 'forecast']);
  });

  it('counts each time from its own beginning', async () => {
    const records = syntheticRecords({
      ...steady,
      lostPerSecond: (second) => (second === 5 ? 40 : second === 20 ? 80 : 0),
    });
    const events = ofType(await eventsOf(records), 'loss');
    expect(events.map(({ phase, lost_new }) => [phase, lost_new])).toEqual([
      ['start', 10],
      ['end', 10],
      ['start', 20],
      ['end', 20],
    ]);
  });

  it.each([
    ['malformed', { malformed: 3 }],
    ['unknown', { unknownLosses: 2 }],
    ['receive_buffer', { lostDestroy: 2, malformed: 3 }],
  ] as const)('of cause %s tells what became less certain', async (cause, loss) => {
    const records = losing(syntheticRecords(steady), (second) => (second >= 5 ? loss : {}));
    const [start, end] = ofType(await eventsOf(records), 'loss');
    expect(start).toMatchObject({ phase: 'start', cause });
    expect(end).toMatchObject({ phase: 'end', cause });
    expect(start?.less_certain.includes('totals')).toBe(cause !== 'receive_buffer');
  });

  it('is an alert, critical when a tenth of the events is lost', async () => {
    const lost = (perSecond: number) =>
      syntheticRecords({ ...steady, seconds: 60, lostPerSecond: (second) => (second <= 20 ? perSecond : 0) });
    const few = alertsOf(await eventsOf(lost(8)), 'loss');
    expect(few.map(({ phase, severity }) => [phase, severity])).toEqual([
      ['firing', 'warning'],
      ['resolved', 'warning'],
    ]);
    const [many] = alertsOf(await eventsOf(lost(100)), 'loss');
    expect(many).toMatchObject({ severity: 'critical', level: 'error', totals: { lost_new: 25 } });
  });
});

describe('burst', () => {
  it('starts within two seconds, names who grew, and ends with what it added', async () => {
    const [start, end] = ofType(await eventsOf(syntheticRecords(bursting)), 'burst');
    expect(start?.phase).toBe('start');
    expect((start?.unixSeconds ?? 0) - START - 20).toBeLessThanOrEqual(2);
    expect(start?.onset).toBe(new Date((START + 20) * 1000).toISOString());
    expect(start).toMatchObject({ level: 'warn', rate_per_second: 400, baseline_per_second: 100, ratio: 4 });
    expect(start?.top?.[0]?.destination).toEqual({ ip: '10.0.0.5', port: 6379 });
    expect(end).toMatchObject({ phase: 'end', peak_per_second: 400, entries_added: expect.closeTo(3000, -2) });
    expect(end?.duration_seconds).toBeCloseTo(10, 0);
  });

  it('that comes every minute is news three times, then information without an alert', async () => {
    const everyMinute = (second: number) => (second > 50 && second % 60 <= 6 ? 400 : 100);
    const events = await eventsOf(syntheticRecords({ ...steady, seconds: 380, newPerSecond: everyMinute }));
    const told = ofType(events, 'burst').filter(({ phase }) => phase === 'start');
    expect(told.map(({ level, expected }) => [level, expected?.times])).toEqual([
      ['warn', undefined],
      ['warn', undefined],
      ['warn', undefined],
      ['info', 4],
      ['info', 5],
      ['info', 6],
    ]);
    expect(told[3]).toMatchObject({ expected: { period_seconds: 60, usual_entries_added: 1875 } });
    expect(alertsOf(events, 'burst').filter(({ phase }) => phase === 'firing')).toHaveLength(3);
  });

  it('is an alert that fires and is resolved', async () => {
    const alerts = alertsOf(await eventsOf(syntheticRecords(bursting)), 'burst');
    expect(alerts.map(({ phase, level, key }) => [phase, level, key])).toEqual([
      ['firing', 'warn', 'burst'],
      ['resolved', 'info', 'burst'],
    ]);
    expect(alerts[0]?.culprits[0]?.destination).toEqual({ ip: '10.0.0.5', port: 6379 });
    expect(alerts[0]?.msg).toMatch(
      /since 14:13:40 \(a burst, 4\.0 times the usual rate\).*growth is tcp to 10\.0\.0\.5:6379: 575 entries\.$/,
    );
    expect(alerts[1]?.culprits).toEqual([]);
  });
});

describe('alert', () => {
  it('of usage goes from warning to critical and is resolved', async () => {
    const rising = { seconds: 100, newPerSecond: (second: number) => (second <= 50 ? 20 : 0), lifetimeSeconds: 55 };
    const alerts = alertsOf(await eventsOf(syntheticRecords(rising), { assume_max: 1050 }), 'usage');
    expect(alerts.map(({ phase, severity, level }) => [phase, severity, level])).toEqual([
      ['firing', 'warning', 'warn'],
      ['firing', 'critical', 'error'],
      ['resolved', 'critical', 'info'],
    ]);
    expect(new Set(alerts.map(({ since }) => since)).size).toBe(1);
    expect(alerts[0]?.table.used_ratio).toBeGreaterThanOrEqual(0.8);
  });

  it('of time_to_full comes before the table is full and names who fills it', async () => {
    const incident: SyntheticOptions = {
      ...{ seconds: 60, lifetimeSeconds: 120 },
      newPerSecond: (second) => (second <= 15 ? 60 : 240),
    };
    const events = await eventsOf(syntheticRecords(incident), { assume_max: 9000 });
    const [alert] = alertsOf(events, 'time_to_full');
    expect(alert).toMatchObject({ phase: 'firing', forecast: { verdict: 'fills' } });
    expect(alert?.table.used_ratio).toBeLessThan(0.5);
    expect(alert?.culprits[0]?.destination).toEqual({ ip: '10.0.0.5', port: 6379 });
    expect(ofType(events, 'sample').filter(({ forecast }) => forecast.verdict === 'fills').length).toBeGreaterThan(0);
  });

  it('of dropping has the damage since it began', async () => {
    const drop = (second: number) => (second < 10 ? 0 : second < 13 ? (second - 9) * 4 : 12);
    const records = counting(syntheticRecords({ ...steady, seconds: 90 }), (second) => ({
      drop: drop(second),
      invalid: second,
    }));
    const alerts = alertsOf(await eventsOf(records), 'dropping');
    expect(alerts.map(({ phase, severity, kernel }) => [phase, severity, kernel?.drop])).toEqual([
      ['firing', 'critical', 4],
      ['resolved', 'critical', 12],
    ]);
    expect(alerts[0]?.msg).toContain('losing connections: 4 packets dropped');
  });
});

describe('stop', () => {
  it('has the reason, the totals and the time that was watched', async () => {
    const events = await eventsOf(syntheticRecords({ ...steady, lostPerSecond: () => 1 }));
    expect(events.at(-1)).toMatchObject({
      ...{ type: 'stop', level: 'info', reason: 'end of the recording', uptime_seconds: 40 },
      totals: { new: 4000, destroy: 3500, lost_new: 40 },
      msg: 'stopped after 40 s (end of the recording): 4,000 new, 3,500 destroyed, 40 events lost',
    });
    expect(events.at(-1)).not.toHaveProperty('error');
  });

  it('carries the error that ended the source', async () => {
    const error = new CtwatchError({ code: 'ERR_KERNEL_SOURCE', operation: 'recv', errno: 'EBADF' });
    const records = syntheticRecords(steady).map((record) => (record.type === 'close' ? { ...record, error } : record));
    expect((await eventsOf(records)).at(-1)).toMatchObject({
      level: 'error',
      error: { code: 'ERR_KERNEL_SOURCE', operation: 'recv', errno: 'EBADF', remedy: 'ctwatch doctor' },
    });
  });
});
