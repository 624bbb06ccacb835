/** `ctwatch stream`: a watch printed as NDJSON until a signal, a closed pipe, a failure, or `--once`. */
import { CtwatchError } from '../model/errors.js';
import type { BatchSource } from '../model/record.js';
import type { Settings } from '../model/settings.js';
import type { Sink } from '../sinks/sink.js';
import { watchConntrack } from './watch.js';

export interface StreamOptions {
  readonly settings: Settings;
  /** Where records come from. Default: the live kernel. */
  readonly source?: BatchSource;
  /** End after the first sample. */
  readonly once?: boolean;
  /** Builds the sink; `onClosed` is to be called when its reader has gone or it failed. */
  readonly openSink: (onClosed: (error?: CtwatchError) => void) => Sink | Promise<Sink>;
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
  const sink = await openSink((error) => {
    failure ??= error;
    stop('reader closed');
  });
  try {
    await new Promise<void>((resolve, reject) => {
      const watch = watchConntrack({ ...settings, ...(source && { source }), signal: controller.signal });
      // What fails ends the events as well.
      if (sink.observe) watch.ticks.subscribe({ next: (tick) => sink.observe?.(tick), error: () => {} });
      watch.events.subscribe({
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
