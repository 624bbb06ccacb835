import { describe, expect, it } from 'vitest';
import { TableDumps } from '../../src/kernel/dumps.js';
import { DUMP_SECONDS_MIN, DUMP_TIMEOUTS_MAX } from '../../src/model/limits.js';
import type { SourceRecord } from '../../src/model/record.js';

const TIMEOUT = Object.assign(new Error('busy'), { operation: 'dump', errno: 'ETIMEDOUT' });
const DENIED = Object.assign(new Error('no'), { operation: 'dump', errno: 'EPERM' });

/** A socket whose dump gives these answers, then is over. Records what it was asked. */
function dumpsOf(answers: readonly (number | Error)[], options: { readonly statsFail?: boolean } = {}) {
  const emitted: SourceRecord[] = [];
  const calls: string[] = [];
  let left: (number | Error)[] = [];
  let monotonicSeconds = 100;
  let closed = false;
  const dumps = new TableDumps({
    socket: {
      stats: async () => {
        if (options.statsFail === true) throw TIMEOUT;
        return { table: { count: 9 }, counters: {} as never };
      },
      addresses: async () => ['10.0.0.9'],
      dumpStart: async (nothing) => {
        calls.push(nothing ? 'reap' : 'all');
        left = [...answers];
      },
      dumpRead: async () => {
        calls.push('read');
        const answer = left.shift() ?? 0;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    emit: (record) => emitted.push(record),
    readClocks: () => ({ monotonicSeconds: monotonicSeconds++, unixSeconds: 0 }),
    isClosed: () => closed,
  });
  return { dumps, emitted, calls, close: () => (closed = true) };
}

/** The same when the initial dump is over. */
async function listedDumps(answers: readonly number[]) {
  const found = dumpsOf(answers);
  await found.dumps.listInitial();
  found.emitted.length = 0;
  found.calls.length = 0;
  return found;
}

function phases(records: readonly SourceRecord[]): string[] {
  return records.map((record) => (record.type === 'census' ? record.phase : record.type));
}

const always = (purpose: 'census' | 'reap') => ({ takeDump: () => purpose });
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('a dump on demand', () => {
  it('is told from its begin to its end, with the table before and after', async () => {
    const { dumps, emitted } = dumpsOf([8, 5]);
    await dumps.list('census');
    expect(phases(emitted)).toEqual(['begin', 'rows', 'rows', 'end']);
    expect(emitted[0]).toMatchObject({ purpose: 'census', table: { count: 9 }, addresses: ['10.0.0.9'] });
    expect(emitted[3]).toMatchObject({ rows: 13, table: { count: 9 } });
  });

  it('goes without a reading that does not come', async () => {
    const { dumps, emitted } = dumpsOf([8], { statsFail: true });
    await dumps.list('census');
    expect(phases(emitted)).toEqual(['begin', 'rows', 'end']);
    expect(emitted.filter((record) => 'table' in record)).toEqual([]);
  });

  it('to reap gives no rows, also where the kernel lists them all the same', async () => {
    const { dumps, emitted, calls } = dumpsOf([8, 8]);
    await dumps.list('reap');
    expect(phases(emitted)).toEqual(['begin', 'end']);
    expect(emitted[1]).toMatchObject({ rows: 0 });
    expect(calls).toEqual(['reap', 'read', 'read', 'read']);
  });

  it('that fails is told and ends nothing else', async () => {
    const { dumps, emitted } = dumpsOf([8, DENIED]);
    await dumps.list('census');
    expect(phases(emitted)).toEqual(['begin', 'rows', 'end']);
    expect(emitted[2]).toMatchObject({ rows: 8, error: { code: 'ERR_CAP_NET_ADMIN' } });
    await dumps.list('census');
    expect(phases(emitted)).toHaveLength(6);
  });

  it('waits for a busy kernel, then is told as failed and read on in silence', async () => {
    const patient = dumpsOf([TIMEOUT, 8]);
    await patient.dumps.list('census');
    expect(phases(patient.emitted)).toEqual(['begin', 'rows', 'end']);

    const { dumps, emitted, calls } = dumpsOf([
      ...Array.from({ length: DUMP_TIMEOUTS_MAX }, () => TIMEOUT),
      TIMEOUT,
      8,
      8,
    ]);
    await dumps.list('census');
    expect(phases(emitted)).toEqual(['begin', 'end']);
    expect(emitted[1]).toMatchObject({ rows: 0, error: { code: 'ERR_REQUEST_TIMEOUT' } });
    expect(calls.filter((call) => call === 'read')).toHaveLength(DUMP_TIMEOUTS_MAX + 4);
  });

  it('emits nothing once the source is closed', async () => {
    const { dumps, emitted, close } = dumpsOf([8, 8]);
    const listed = dumps.list('census');
    close();
    await listed;
    expect(emitted).toEqual([]);
  });
});

describe('wishes', () => {
  it('are granted one at a time, and not more often than the kernel should be asked', async () => {
    const { dumps, emitted, calls } = await listedDumps([8]);
    dumps.ask(always('census'), 0);
    dumps.ask(always('reap'), DUMP_SECONDS_MIN + 1);
    await settle();
    expect(calls.filter((call) => call !== 'read')).toEqual(['all']);
    dumps.ask(always('reap'), DUMP_SECONDS_MIN - 0.1);
    await settle();
    dumps.ask(always('reap'), DUMP_SECONDS_MIN);
    await settle();
    expect(calls.filter((call) => call !== 'read')).toEqual(['all', 'reap']);
    expect(phases(emitted)).toEqual(['begin', 'rows', 'end', 'begin', 'end']);
  });

  it('wait for the initial dump, which is told as entries', async () => {
    const { dumps, emitted, calls } = dumpsOf([8, TIMEOUT, 8]);
    dumps.ask(always('census'), 0);
    await settle();
    expect(calls).toEqual([]);
    const listed = dumps.listInitial();
    dumps.ask(always('census'), 0);
    await listed;
    expect(phases(emitted)).toEqual(['entries', 'entries']);
    dumps.ask(always('census'), 0);
    await settle();
    expect(calls.filter((call) => call !== 'read')).toEqual(['all', 'all']);
  });

  it('are no matter to a source that nobody asks', async () => {
    const { dumps, calls } = await listedDumps([]);
    dumps.ask(undefined, 0);
    dumps.ask({ takeDump: () => undefined }, 0);
    expect(calls).toEqual([]);
  });
});
