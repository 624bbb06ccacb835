/** `ctwatch stream`: a watch printed as NDJSON until a signal, a closed pipe, a failure, or `--once`. */
import { performance } from 'node:perf_hooks';
import { CtwatchError } from '../model/errors.js';
import type { BatchSource } from '../model/record.js';
import type { Settings } from '../model/settings.js';
import type { Sink } from '../sinks/sink.js';
import { collectGarbage, HeapWatch } from './heap.js';
import { isReloadable, Reloads } from './reloads.js';
import { watchConntrack } from './watch.js';

export interface StreamOptions {
  readonly settings: Settings;
  /** Where records come from. Default: the live kernel. */
  readonly source?: BatchSource;
  /** End after the first sample. */
  readonly once?: boolean;
  /** Builds the sink; `onClosed` is to be called when its reader has gone or it failed. `current` are the settings that hold. */
  readonly openSink: (onClosed: (error?: CtwatchError) => void, current: () => Settings) => Sink | Promise<Sink>;
  /** Reads the settings again on SIGHUP; throws `CtwatchError`. Without it, or with a terminal as input, SIGHUP ends the stream. */
  readonly readSettings?: () => Settings;
  /** Ends the stream from outside, with its reason. */
  readonly signal?: AbortSignal;
}

/** Runs until the watch ends. Throws the `CtwatchError` that ended it; resolves for every quiet ending. */
export async function runStream(options: StreamOptions): Promise<void> {
  const { settings, source, once, openSink, readSettings, signal } = options;
  const controller = new AbortController();
  const stop = (reason: string) => controller.abort(reason);
  const onSignal = (name: NodeJS.Signals) => stop(name);
  const onAbort = () => stop(String(signal?.reason));
  let sink: Sink | undefined;
  const reloads =
    readSettings !== undefined && isReloadable()
      ? new Reloads({ settings, read: readSettings, reopen: () => sink?.reopen?.() })
      : undefined;
  const onHangUp = reloads === undefined ? onSignal : () => reloads.reload();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangUp);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();

  let failure: CtwatchError | undefined;
  const onClosed = (error?: CtwatchError) => {
    failure ??= error;
    stop('reader closed');
  };
  const opened = await openSink(onClosed, () => reloads?.settings ?? settings);
  sink = opened;
  try {
    await new Promise<void>((resolve, reject) => {
      const watch = watchConntrack({
        ...settings,
        ...(source && { source }),
        ...(reloads && { reloads: reloads.records }),
        signal: controller.signal,
      });
      const heap = new HeapWatch();
      // What fails ends the events as well.
      // The process's own clock: records may come faster than time goes.
      watch.ticks.subscribe({ next: () => heap.observe(performance.now() / 1000), error: () => {} });
      if (opened.observe) watch.ticks.subscribe({ next: (tick) => opened.observe?.(tick), error: () => {} });
      watch.events.subscribe({
        next: (event) => {
          opened.write(event);
          if (event.type === 'start') reloads?.start();
          // A turn later, when nobody holds its tables any more.
          if (event.type === 'census') setImmediate(collectGarbage);
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
    await opened.end();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onHangUp);
    signal?.removeEventListener('abort', onAbort);
  }
  if (failure !== undefined) throw failure;
}
