/** A `BatchSource` as an Observable: subscribing starts it, unsubscribing or `signal` ends it. */
import { Observable } from 'rxjs';
import type { BatchSource, SourceAsks, SourceRecord } from '../model/record.js';

/** Cold: each subscription starts the source anew. Records come in order; a batch is readable only while `next` runs. */
export function fromSource(source: BatchSource, signal?: AbortSignal, asks?: SourceAsks): Observable<SourceRecord> {
  return new Observable((subscriber) => {
    const controller = new AbortController();
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
