/** `ctwatch replay`: what was recorded, through the same pipeline, as the lines the live run would have printed. */
import { createReadStream } from 'node:fs';
import { CtwatchError } from '../model/errors.js';
import { KERNEL_ENTRIES_MAX } from '../model/limits.js';
import { type BatchSource, type HostFacts, TCP_TIMEOUT_NAMES } from '../model/record.js';
import { defaultSettings, type Settings } from '../model/settings.js';
import { openInput } from '../recording/input.js';
import { type RecordGroups, readRecording } from '../recording/recording.js';
import { replaySource } from '../recording/replay-source.js';
import { KERNEL_TIMEOUTS, type ModelTimeouts } from '../recording/zeek-entry.js';
import { readZeek } from '../recording/zeek-source.js';
import { NdjsonSink } from '../sinks/ndjson.js';
import type { Sink } from '../sinks/sink.js';
import { runStream } from './stream.js';

/** Bytes read at once. */
const CHUNK_BYTES = 256 * 1024;

/** Text that may wait, bytes: replay waits for its reader after each batch, whose flows must fit. */
const QUEUE_BYTES = 256 * 1024 * 1024;

export interface ReplayOptions {
  /** Files of one recording, or of conn.log, or `-` for standard input. */
  readonly paths: readonly string[];
  readonly settings: Settings;
  /** How many times faster than recorded; Infinity: as fast as possible. */
  readonly speed: number;
}

/** Runs to the end of the files, or until a signal or a closed pipe. Throws the `CtwatchError` that ended it. */
export async function runReplay({ paths, settings, speed }: ReplayOptions): Promise<void> {
  // It prints: the files of the service that has this configuration are not its own.
  const { groups, assumed } = await openGroups(paths, { ...settings, output: defaultSettings.output });
  const sink = new ReplaySink();
  await runStream({
    settings: assumed,
    source: sink.named(replaySource({ groups, speed, ready: () => sink.ready() })),
    openSink: (onClosed) => {
      sink.onClosed = onClosed;
      return sink;
    },
  });
}

/** The records, and the settings for them: a modelled table has the limit that a real one is only assumed to have. */
async function openGroups(
  paths: readonly string[],
  settings: Settings,
): Promise<{ readonly groups: RecordGroups; readonly assumed: Settings }> {
  const inputs = await Promise.all(
    paths.map((path) =>
      openInput({
        name: path === '-' ? 'standard input' : path,
        chunks: path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES }),
      }),
    ),
  );
  const isZeek = inputs.every(({ kind }) => kind === 'zeek');
  if (isZeek) {
    const { assume_max: max = KERNEL_ENTRIES_MAX, assume_timeout, ...rest } = settings;
    return { groups: readZeek(inputs, { max, timeouts: modelTimeouts(assume_timeout) }), assumed: rest };
  }
  const other = inputs.find(({ kind }) => kind === 'zeek');
  if (other !== undefined) throw new CtwatchError({ code: 'ERR_RECORDING_ORDER', operation: `read ${other.name}` });
  return { groups: readRecording(inputs), assumed: settings };
}

/** The kernel's timeouts with some set otherwise. */
function modelTimeouts(assumed: Settings['assume_timeout']): ModelTimeouts {
  const { tcp, udp, icmp, generic } = KERNEL_TIMEOUTS;
  const others = TCP_TIMEOUT_NAMES.map((name) => [name, assumed?.[`tcp_${name}`] ?? tcp[name]]);
  return {
    tcp: Object.fromEntries(others) as typeof tcp,
    udp: { unreplied: assumed?.udp ?? udp.unreplied, stream: assumed?.udp_stream ?? udp.stream },
    icmp: assumed?.icmp ?? icmp,
    generic: assumed?.generic ?? generic,
  };
}

/** Standard output, opened when the host of the recording is known: its lines carry that name. */
class ReplaySink implements Sink {
  onClosed: (error?: CtwatchError) => void = () => {};
  #sink: NdjsonSink | undefined;

  /** The source, whose `open` record opens the sink. */
  named(source: BatchSource): BatchSource {
    return (observer, signal, asks) =>
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
        asks,
      );
  }

  write(event: Parameters<Sink['write']>[0]): void {
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
