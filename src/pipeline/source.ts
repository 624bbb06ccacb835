/** A `BatchSource` as an Observable: subscribing starts it, unsubscribing or `signal` ends it. */
import { Observable } from 'rxjs';
import type { BatchSource, SourceAsks, SourceRecord } from '../model/record.js';
import type { Reload } from '../model/reload.js';

export interface SourceOptions {
  readonly signal?: AbortSignal | undefined;
  readonly asks?: SourceAsks;
  /** Records that come in between; they end with the source. */
  readonly reloads?: Observable<Reload> | undefined;
}

/** Cold: each subscription starts the source anew. Records come in order; a batch is readable only while `next` runs. */
export function fromSource(
  source: BatchSource,
  { signal, asks, reloads }: SourceOptions = {},
): Observable<SourceRecord | Reload> {
  return new Observable((subscriber) => {
    const controller = new AbortController();
    subscriber.add(reloads?.subscribe((reload) => subscriber.next(reload)));
    const onAbort = () => controller.abort(signal?.reason);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    source(subscriber, controller.signal, asks);
    return () => {
      signal?.removeEventListener('abort', onAbort);
      controller.abort('unsubscribed');
    };
  });
}
