/** `ctwatch record`, and the recorder beside a stream. */
import type { CtwatchError } from '../model/errors.js';
import type { CtEvent } from '../model/events.js';
import type { Settings } from '../model/settings.js';
import { formatCount } from '../pipeline/sentence.js';
import { Recorder, type RecorderOptions, type RecorderSummary } from '../recording/recorder.js';
import type { Sink } from '../sinks/sink.js';
import { tellNotice } from './notices.js';
import type { StreamOptions } from './stream.js';
import { runStream } from './stream.js';
import { VERSION } from './version.js';
import { openLive } from './watch.js';

export interface RecordingFlags extends Pick<RecorderOptions, 'path' | 'rotateBytes' | 'filesKept'> {
  readonly settings: Settings;
}

export interface RecordOptions extends RecordingFlags {
  /** Stop after this time. Default: at a signal. */
  readonly seconds?: number | undefined;
}

/** Records until a signal or for some time. Returns the line that says what was written. */
export async function runRecord({ settings, seconds, ...files }: RecordOptions): Promise<string> {
  const controller = new AbortController();
  const stop = (reason: string) => controller.abort(reason);
  const onSignal = (name: NodeJS.Signals) => stop(name);
  const recorder = await Recorder.open({ ...files, program: VERSION, onFailure: () => stop('recording failed') });
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  const timer = seconds === undefined ? undefined : setTimeout(() => stop('time is over'), seconds * 1000);
  let failure: CtwatchError | undefined;
  await new Promise<void>((resolve) => {
    const error = (cause: CtwatchError) => {
      failure = cause;
      resolve();
    };
    const observer = {
      next: (record: Parameters<typeof recorder.write>[0]) => {
        if (record.type === 'close') failure = record.error;
        recorder.write(record);
      },
      error,
      complete: resolve,
    };
    openLive(settings)(observer, controller.signal);
  });
  clearTimeout(timer);
  const summary = await recorder.end();
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
  if (failure !== undefined) throw failure;
  return describeSummary(files.path, summary);
}

/** A stream that is recorded as well. When the file cannot be written the stream goes on; its end tells the failure. */
export async function runRecordedStream({ settings, path, ...options }: StreamOptions & RecordingFlags): Promise<void> {
  let sink: Sink | undefined;
  const tell = (event: CtEvent) => sink?.write(event);
  const recorder = await Recorder.open({
    path,
    rotateBytes: options.rotateBytes,
    filesKept: options.filesKept,
    program: VERSION,
    onGap: (phase, { newEvents, destroyEvents }) =>
      tell({
        type: 'loss',
        level: 'warn',
        unixSeconds: Date.now() / 1000,
        msg:
          phase === 'start'
            ? 'events are left out of the recording: the disk is slower than they come'
            : `events are recorded again: ${formatCount(newEvents)} NEW and ${formatCount(destroyEvents)} DESTROY events were left out`,
        phase,
        cause: 'recording',
        lost_new: newEvents,
        lost_destroy: destroyEvents,
        less_certain: [],
      }),
    onFailure: ({ remedy }) => tellNotice({ write: tell }, 'recording_failed', { level: 'error', remedy }),
  });
  try {
    await runStream({
      ...options,
      settings,
      source: recorder.tee(options.source ?? openLive(settings)),
      openSink: async (...opening) => {
        sink = await options.openSink(...opening);
        return sink;
      },
    });
  } finally {
    await recorder.end();
  }
}

/** One line for a person. */
function describeSummary(path: string, { events, bytes, files, droppedEvents }: RecorderSummary): string {
  const each = events > 0 ? `, ${(bytes / events).toFixed(1)} bytes an event` : '';
  const where = files > 1 ? `${files} files ${path}` : path;
  return `recorded ${formatCount(events)} events in ${formatCount(bytes)} bytes (${where})${each}, ${formatCount(droppedEvents)} left out`;
}
