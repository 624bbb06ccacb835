import { lastValueFrom, Subject, toArray } from 'rxjs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { type WatchOptions, watchConntrack } from '../../src/cli/watch.js';
import { CtwatchError } from '../../src/model/errors.js';
import type { BatchSource, DumpPurpose, SourceObserver } from '../../src/model/record.js';
import type { Reload } from '../../src/model/reload.js';
import { settingsSchema } from '../../src/model/settings.js';
import { batchOf, HOST, replaySource, syntheticRecords } from '../support/records.js';

const records = syntheticRecords({ seconds: 3, newPerSecond: () => 20, lifetimeSeconds: 1 });
const at = { monotonicSeconds: 1, unixSeconds: 1 };

/** A source that stays open; tells how often it was started and what ended it. */
function openSource() {
  const started: { readonly observer: SourceObserver; readonly signal: AbortSignal }[] = [];
  const source: BatchSource = (observer, signal) => {
    started.push({ observer, signal });
    observer.next({ type: 'open', at, host: HOST });
  };
  return { source, started };
}

describe('watchConntrack', () => {
  it('serves batches, ticks and events from one source', async () => {
    let starts = 0;
    const replay = replaySource(records);
    const watch = watchConntrack({
      source: (observer, signal) => {
        starts++;
        replay(observer, signal);
      },
    });
    const [batches, ticks, events] = await Promise.all([
      lastValueFrom(watch.batches.pipe(toArray())),
      lastValueFrom(watch.ticks.pipe(toArray())),
      lastValueFrom(watch.events.pipe(toArray())),
    ]);
    expect(starts).toBe(1);
    expect(batches).toHaveLength(records.filter(({ type }) => type === 'batch').length);
    expect(ticks).toHaveLength(12);
    expect(ticks.at(-1)?.totals.newEvents).toBe(60);
    expect(events.map(({ type }) => type)).toEqual(['start', 'sample', 'stop']);
  });

  it('opens with the first subscriber, closes with the last, and opens anew afterwards', () => {
    const { source, started } = openSource();
    const watch = watchConntrack({ source });
    expect(started).toHaveLength(0);
    const first = watch.events.subscribe();
    const second = watch.ticks.subscribe();
    expect(started).toHaveLength(1);
    first.unsubscribe();
    expect(started[0]?.signal.aborted).toBe(false);
    second.unsubscribe();
    expect(started[0]?.signal.aborted).toBe(true);
    watch.batches.subscribe().unsubscribe();
    expect(started).toHaveLength(2);
  });

  it('adds a line for each NEW and DESTROY when flows are asked for', async () => {
    const typesOf = async (options: WatchOptions) => {
      const { events } = watchConntrack({ source: replaySource(records), ...options });
      return (await lastValueFrom(events.pipe(toArray()))).map(({ type }) => type);
    };
    const flows = (await typesOf({ flows: true })).filter((type) => type === 'flow');
    expect(flows).toHaveLength(60 + 40);
    expect(await typesOf({})).not.toContain('flow');
  });

  it('leases a batch to each subscriber while it runs', () => {
    const { source, started } = openSource();
    const { batches } = watchConntrack({ source });
    const ids: number[] = [];
    batches.subscribe(({ batch }) => ids.push(batch.columns.id[0] ?? 0));
    const batch = batchOf([{ id: 4711 }]);
    started[0]?.observer.next({ type: 'batch', at, batch });
    batch.columns.id[0] = 0;
    expect(ids).toEqual([4711]);
  });

  it('ends with a stop event when its signal aborts', async () => {
    const controller = new AbortController();
    const { events } = watchConntrack({ source: replaySource(records), signal: controller.signal });
    const all = lastValueFrom(events.pipe(toArray()));
    controller.abort('enough');
    expect((await all).map((event) => [event.type, 'reason' in event && event.reason])).toEqual([
      ['start', false],
      ['stop', 'enough'],
    ]);
  });

  it('fails in every stream when the source cannot open', async () => {
    const error = new CtwatchError({ code: 'ERR_CAP_NET_ADMIN', operation: 'bind' });
    const { batches, ticks, events } = watchConntrack({ source: (observer) => observer.error(error) });
    for (const stream of [batches, ticks, events]) await expect(lastValueFrom<unknown>(stream)).rejects.toBe(error);
  });

  it.each([
    [{ interval: 0 }, 'interval', 'a duration'],
    [{ interval: 'soon' }, 'interval', 'a duration'],
    [{ assume_max: 0.5 }, 'assume_max', 'whole number'],
    [{ burst: { ratio: 1 } }, 'burst.ratio', '1.5'],
    [{ alert: { usage: { warning_ratio: 2 } } }, 'alert.usage.warning_ratio', '1'],
    [{ intervall: 1 }, 'intervall', 'never'],
  ])('refuses %j at once and names the key', (options, operation, says) => {
    let failure: unknown;
    try {
      watchConntrack(options as WatchOptions);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(CtwatchError);
    expect(failure).toMatchObject({ code: 'ERR_BAD_CONFIG', operation, exitStatus: 2 });
    expect((failure as CtwatchError).message).toContain(says);
  });

  it('leaves the dumps it wants to where its source takes them, once each', () => {
    const expectWish = (options: WatchOptions, count: number, wishes: readonly (string | undefined)[]) => {
      let taken: (string | undefined)[] = [];
      const source: BatchSource = (observer, _, asks) => {
        observer.next({ type: 'open', at, host: HOST });
        const tick = {
          type: 'tick',
          at: { ...at, monotonicSeconds: 2 },
          loss: { lostNew: 0, lostDestroy: 0, malformed: 0, unknownLosses: 0 },
        } as const;
        observer.next({ ...tick, table: { count, max: 16_000 } });
        taken = [asks?.takeDump(), asks?.takeDump()];
      };
      watchConntrack({ source, ...options })
        .events.subscribe()
        .unsubscribe();
      expect(taken).toEqual(wishes);
    };
    expectWish({}, 15_000, ['census', undefined]);
    expectWish({}, 8000, [undefined, undefined]);
    expectWish({ census: false }, 15_000, [undefined, undefined]);
    // Of a limit that is only assumed there is a census as well.
    expectWish({ assume_max: 9000 }, 8000, ['census', undefined]);
  });
});

describe('a reload', () => {
  /** Plays 60/s for 60 s; after each second, `at` may have other settings or an error. */
  async function play(options: WatchOptions, at: Readonly<Record<number, Omit<Reload, 'type' | 'at'>>>) {
    const reloads = new Subject<Reload>();
    const played = syntheticRecords({ seconds: 60, newPerSecond: () => 60, lifetimeSeconds: 100 });
    const asked: (DumpPurpose | undefined)[] = [];
    const source: BatchSource = (observer, _, asks) => {
      for (const record of played) {
        observer.next(record);
        const second = record.at.monotonicSeconds - 1000;
        if (record.type !== 'tick' || !Number.isInteger(second)) continue;
        asked.push(asks?.takeDump());
        if (at[second]) reloads.next({ type: 'reload', at: record.at, ...at[second] } as Reload);
      }
      observer.complete();
    };
    const { events } = watchConntrack({ source, reloads, ...options });
    return { events: await lastValueFrom(events.pipe(toArray())), asked };
  }
  const settingsOf = (input: WatchOptions) => ({
    settings: v.parse(settingsSchema, input),
    changed: ['x'],
    needsRestart: [],
  });
  const budget = [{ destination: '10.0.0.5:6379', max_entries: 600 }];

  it('forgets nothing that was learned: samples go on as they would have', async () => {
    const [plain, reloaded] = [await play({}, {}), await play({}, { 30: settingsOf({}) })];
    const withoutConfig = reloaded.events.filter(({ type }) => type !== 'config');
    expect(reloaded.events).toHaveLength(plain.events.length + 1);
    expect(withoutConfig).toEqual(plain.events);
  });

  it('beats by the new interval, and keeps the old one when it is not valid', async () => {
    const error = new CtwatchError({ code: 'ERR_BAD_CONFIG', operation: 'interval' });
    const { events } = await play({}, { 30: settingsOf({ interval: 1 }), 40: { error } });
    const lines = events.filter(({ type }) => type === 'sample' || type === 'config').map(({ type }) => type);
    expect(lines.indexOf('config')).toBe(3);
    expect(lines.filter((type) => type === 'sample')).toHaveLength(3 + 30);
    expect(events.filter(({ type }) => type === 'config')).toMatchObject([
      { outcome: 'applied' },
      { outcome: 'rejected' },
    ]);
  });

  it('ends the alert of a budget that is gone', async () => {
    const { events } = await play({ budget }, { 30: settingsOf({}) });
    expect(events.flatMap((event) => (event.type === 'alert' ? [`${event.key} ${event.phase}`] : []))).toEqual([
      'budget 10.0.0.5:6379 firing',
      'budget 10.0.0.5:6379 resolved',
    ]);
  });

  it('keeps the alert of one that stays, wherever it stands now', async () => {
    const more = [{ destination: ':53', max_entries: 5 }, ...budget];
    const { events } = await play({ budget }, { 30: settingsOf({ budget: more }) });
    expect(events.filter(({ type }) => type === 'alert')).toHaveLength(1);
  });

  it('wants a census of what a new budget is about', async () => {
    const { asked } = await play({}, { 30: settingsOf({ budget }), 40: settingsOf({ budget }) });
    expect(asked.flatMap((wish, i) => (wish === undefined ? [] : [`${i} ${wish}`]))).toEqual(['30 census']);
  });
});

describe('a source that goes on where an earlier process ended', () => {
  it('has the events of the time in between, as their rate, and no more blind entries than there were', async () => {
    const opened = records.flatMap((record) => (record.type === 'open' ? [record] : []))[0];
    const host = { ...HOST, table: { count: 100, max: 1000 }, resumed: { seconds: 6, blind: 3 } };
    const from = opened?.at ?? at;
    const monotonicSeconds = from.monotonicSeconds - 6;
    const rows = Array.from({ length: 600 }, (_, id) => ({ id }));
    const now = { ...from, monotonicSeconds: from.monotonicSeconds + 0.1 };
    const loss = { lostNew: 10, lostDestroy: 0, malformed: 0, unknownLosses: 0 };
    const source = replaySource([
      { type: 'open', at: { ...from, monotonicSeconds }, host },
      { type: 'batch', at: now, batch: batchOf(rows) },
      { type: 'tick', at: now, loss },
      { type: 'close', at: now, reason: 'test over' },
    ]);
    const events = await lastValueFrom(watchConntrack({ source }).events.pipe(toArray()));
    expect(events.map(({ type }) => type)).toEqual(['start', 'loss', 'alert', 'sample', 'stop']);
    expect(events[0]).toMatchObject({ resumed: { after_seconds: 6 }, table: { count: 100, blind: 3 } });
    expect(events[3]).toMatchObject({ table: { blind: 3 }, totals: { new: 600, lost_new: 10 } });
    expect(events[3]).toMatchObject({ rate: { new_per_second: expect.closeTo(100, -1) } });
  });
});
