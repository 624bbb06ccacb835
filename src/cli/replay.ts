/** `ctwatch replay`: what was recorded, through the same pipeline, as the lines the live run would have printed. */
import { createReadStream } from 'node:fs';
import type { CtwatchError } from '../model/errors.js';
import type { BatchSource, HostFacts } from '../model/record.js';
import type { Settings } from '../model/settings.js';
import { readRecording } from '../recording/recording.js';
import { replaySource } from '../recording/replay-source.js';
import { NdjsonSink } from '../sinks/ndjson.js';
import { type EventSink, runStream } from './stream.js';

/** Bytes read at once. */
const CHUNK_BYTES = 256 * 1024;

/** Text that may wait, bytes: replay waits for its reader after each batch, whose flows must fit. */
const QUEUE_BYTES = 256 * 1024 * 1024;

export interface ReplayOptions {
  /** Files of one recording, or `-` for standard input. */
  readonly paths: readonly string[];
  readonly settings: Settings;
  /** How many times faster than recorded. Default: as fast as possible. */
  readonly speed?: number | undefined;
}

/** Runs to the end of the files, or until a signal or a closed pipe. Throws the `CtwatchError` that ended it. */
export async function runReplay({ paths, settings, speed }: ReplayOptions): Promise<void> {
  const sink = new ReplaySink();
  const files = paths.map((path) => ({
    name: path === '-' ? 'standard input' : path,
    chunks: path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES }),
  }));
  const source = replaySource({ groups: readRecording(files), speed, ready: () => sink.ready() });
  await runStream({
    settings,
    source: sink.named(source),
    openSink: (onClosed) => {
      sink.onClosed = onClosed;
      return sink;
    },
  });
}

/** Standard output, opened when the host of the recording is known: its lines carry that name. */
class ReplaySink implements EventSink {
  onClosed: (error?: CtwatchError) => void = () => {};
  #sink: NdjsonSink | undefined;

  /** The source, whose `open` record opens the sink. */
  named(source: BatchSource): BatchSource {
    return (observer, signal) =>
      source(
        {
          next: (record) => {
            if (record.type === 'open') this.#open(record.host);
            observer.next(record);
          },
          error: (error) => observer.error(error),
          complete: () => observer.complete(),
        },
        signal,
      );
  }

  write(event: Parameters<EventSink['write']>[0]): void {
    this.#sink?.write(event);
  }

  ready(): Promise<void> | undefined {
    return this.#sink?.ready();
  }

  end(): Promise<void> {
    return this.#sink?.end() ?? Promise.resolve();
  }

  #open({ hostname, netns }: HostFacts): void {
    const { onClosed } = this;
    this.#sink = new NdjsonSink({ stream: process.stdout, hostname, netns, queueBytes: QUEUE_BYTES, onClosed });
  }
}
