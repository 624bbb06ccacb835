import { getEventListeners } from 'node:events';
import { lastValueFrom, take, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { CtwatchError } from '../../src/model/errors.js';
import type { BatchSource, SourceObserver, SourceRecord } from '../../src/model/record.js';
import { fromSource } from '../../src/pipeline/source.js';
import { itIsABatchSource } from '../support/batch-source-contract.js';
import { replaySource, syntheticRecords } from '../support/records.js';

const records = syntheticRecords({ seconds: 2, newPerSecond: () => 20, lifetimeSeconds: 1, lostPerSecond: () => 4 });
const at = { monotonicSeconds: 1, unixSeconds: 1 };
const tick: SourceRecord = { type: 'tick', at, loss: { lostNew: 0, lostDestroy: 0, malformed: 0, unknownLosses: 0 } };

/** A source that the test drives; it ends as the contract asks when its signal aborts. */
function drivenSource() {
  const starts: { readonly observer: SourceObserver; readonly signal: AbortSignal }[] = [];
  const source: BatchSource = (observer, signal) => {
    starts.push({ observer, signal });
    signal.addEventListener('abort', () => {
      observer.next({ type: 'close', at, reason: String(signal.reason) });
      observer.complete();
    });
  };
  return { source, starts };
}

describe('replaySource', () => {
  describe('played to its end', () => itIsABatchSource(() => ({ source: replaySource(records), afterOpen: () => {} })));
  describe('ended by its signal', () =>
    itIsABatchSource(() => ({ source: replaySource(records), afterOpen: (abort) => abort('enough') })));

  it('tells the reason of the signal that ended it', async () => {
    const controller = new AbortController();
    const all = fromSource(replaySource(records), { signal: controller.signal }).pipe(toArray());
    controller.abort('enough');
    expect((await lastValueFrom(all)).map((record) => [record.type, 'reason' in record && record.reason])).toEqual([
      ['open', false],
      ['tick', false],
      ['close', 'enough'],
    ]);
  });

  it('overwrites a batch when its lease is over', async () => {
    const leased = await lastValueFrom(fromSource(replaySource(records)).pipe(toArray()));
    const batches = leased.flatMap((record) => (record.type === 'batch' ? [record.batch] : []));
    expect(batches.length).toBeGreaterThan(0);
    for (const { buffer } of batches) expect(new Set(new Uint8Array(buffer))).toEqual(new Set([0xa5]));
  });
});

describe('fromSource', () => {
  it('is cold: each subscription starts the source', async () => {
    const stream = fromSource(replaySource(records)).pipe(toArray());
    const [first, second] = await Promise.all([lastValueFrom(stream), lastValueFrom(stream)]);
    expect(first.length).toBe(records.length);
    expect(second.map(({ type }) => type)).toEqual(first.map(({ type }) => type));
    const { source, starts } = drivenSource();
    fromSource(source);
    expect(starts).toEqual([]);
  });

  it('hands the reason of its signal to the source and passes on what still comes', () => {
    const { source, starts } = drivenSource();
    const controller = new AbortController();
    const seen: unknown[] = [];
    const subscription = fromSource(source, { signal: controller.signal }).subscribe((record) => seen.push(record));
    starts[0]?.observer.next(tick);
    controller.abort('SIGINT');
    expect(seen).toEqual([tick, { type: 'close', at, reason: 'SIGINT' }]);
    expect(subscription.closed).toBe(true);
  });

  it('starts the source with a signal that is already aborted when its own is', () => {
    const { source, starts } = drivenSource();
    fromSource(source, { signal: AbortSignal.abort('too late') }).subscribe();
    expect(starts[0]?.signal.aborted).toBe(true);
    expect(starts[0]?.signal.reason).toBe('too late');
  });

  it('aborts the source when its subscriber leaves, and no other', () => {
    const { source, starts } = drivenSource();
    const stream = fromSource(source);
    stream.pipe(take(1)).subscribe();
    stream.subscribe();
    starts[0]?.observer.next(tick);
    expect(starts.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  });

  it('does not keep listening to its signal when the source has ended', () => {
    const { source, starts } = drivenSource();
    const controller = new AbortController();
    fromSource(source, { signal: controller.signal }).subscribe();
    starts[0]?.observer.complete();
    expect(starts[0]?.signal.reason).toBe('unsubscribed');
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  it('passes on why a source could not open', async () => {
    const error = new CtwatchError({ code: 'ERR_CAP_NET_ADMIN', operation: 'bind' });
    await expect(lastValueFrom(fromSource((observer) => observer.error(error)))).rejects.toBe(error);
  });
});
