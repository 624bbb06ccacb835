/** `ctwatch stream`: a watch printed as NDJSON until a signal, a closed pipe, a failure, or `--once`. */
import { CtwatchError } from '../model/errors.js';
import type { CtEvent } from '../model/events.js';
import type { BatchSource } from '../model/record.js';
import type { Settings } from '../model/settings.js';
import { watchConntrack } from './watch.js';

/** Where the events go. */
export interface EventSink {
  write(event: CtEvent): void;
  /** Resolves when everything is written, or nobody reads any more. */
  end(): Promise<void>;
}

export interface StreamOptions {
  readonly settings: Settings;
  /** Where records come from. Default: the live kernel. */
  readonly source?: BatchSource;
  /** End after the first sample. */
  readonly once?: boolean;
  /** Builds the sink; `onClosed` is to be called when its reader has gone or it failed. */
  readonly openSink: (onClosed: (error?: CtwatchError) => void) => EventSink;
  /** Ends the stream from outside, with its reason. */
  readonly signal?: AbortSignal;
}

/** Runs until the watch ends. Throws the `CtwatchError` that ended it; resolves for every quiet ending. */
export async function runStream({ settings, source, once, openSink, signal }: StreamOptions): Promise<void> {
  const controller = new AbortController();
  const stop = (reason: string) => controller.abort(reason);
  const onSignal = (name: NodeJS.Signals) => stop(name);
  const onAbort = () => stop(String(signal?.reason));
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();

  let failure: CtwatchError | undefined;
  const sink = openSink((error) => {
    failure ??= error;
    stop('reader closed');
  });
  try {
    await new Promise<void>((resolve, reject) => {
      watchConntrack({ ...settings, ...(source && { source }), signal: controller.signal }).events.subscribe({
        next: (event) => {
          sink.write(event);
          if (once === true && event.type === 'sample') stop('once');
          if (event.type === 'stop' && event.error !== undefined) {
            failure ??= new CtwatchError({ ...event.error, detail: event.reason });
          }
        },
        error: reject,
        complete: resolve,
      });
    });
  } finally {
    await sink.end();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
    signal?.removeEventListener('abort', onAbort);
  }
  if (failure !== undefined) throw failure;
}
