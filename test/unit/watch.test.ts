import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { type WatchOptions, watchConntrack } from '../../src/cli/watch.js';
import { CtwatchError } from '../../src/model/errors.js';
import type { BatchSource, SourceObserver } from '../../src/model/record.js';
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
