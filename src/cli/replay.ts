/** `ctwatch replay`: what was recorded, through the same pipeline, as the lines the live run would have printed. */
import { createReadStream } from 'node:fs';
import { CtwatchError } from '../model/errors.js';
import { KERNEL_ENTRIES_MAX } from '../model/limits.js';
import { type BatchSource, type HostFacts, TCP_TIMEOUT_NAMES } from '../model/record.js';
import type { Settings } from '../model/settings.js';
import { openInput } from '../recording/input.js';
import { type RecordGroups, readRecording } from '../recording/recording.js';
import { replaySource } from '../recording/replay-source.js';
import { KERNEL_TIMEOUTS, type ModelTimeouts } from '../recording/zeek-entry.js';
import { readZeek } from '../recording/zeek-source.js';
import { NdjsonSink } from '../sinks/ndjson.js';
import { type EventSink, runStream } from './stream.js';

/** Bytes read at once. */
const CHUNK_BYTES = 256 * 1024;

/** Text that may wait, bytes: replay waits for its reader after each batch, whose flows must fit. */
const QUEUE_BYTES = 256 * 1024 * 1024;

export interface ReplayOptions {
  /** Files of one recording, or of conn.log, or `-` for standard input. */
  readonly paths: readonly string[];
  readonly settings: Settings;
  /** How many times faster than recorded. Default: as fast as possible. */
  readonly speed?: number | undefined;
  /** Timeouts of the modelled table, as `tcp_time_wait=30`. Only for a conn.log. */
  readonly timeouts: readonly string[];
}

/** Runs to the end of the files, or until a signal or a closed pipe. Throws the `CtwatchError` that ended it. */
export async function runReplay({ paths, settings, speed, timeouts }: ReplayOptions): Promise<void> {
  const { groups, assumed } = await openGroups(paths, settings, timeouts);
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
  overrides: readonly string[],
): Promise<{ readonly groups: RecordGroups; readonly assumed: Settings }> {
  const timeouts = withOverrides(overrides);
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
    const { assume_max: max = KERNEL_ENTRIES_MAX, ...rest } = settings;
    return { groups: readZeek(inputs, { max, timeouts }), assumed: rest };
  }
  const other = inputs.find(({ kind }) => kind === 'zeek');
  if (other !== undefined) throw new CtwatchError({ code: 'ERR_RECORDING_ORDER', operation: `read ${other.name}` });
  if (overrides.length > 0) {
    const detail = 'a recording has the timeouts of its host; only a conn.log of Zeek is replayed with others';
    throw new CtwatchError({ code: 'ERR_BAD_OPTION', operation: '--timeout', detail, remedy: 'ctwatch replay --help' });
  }
  return { groups: readRecording(inputs), assumed: settings };
}

/** The kernel's timeouts with some set otherwise. Names are those of the sysctls, with or without their middle `timeout_`. */
function withOverrides(overrides: readonly string[]): ModelTimeouts {
  let timeouts = KERNEL_TIMEOUTS;
  for (const text of overrides) {
    const [, name = '', value = ''] = /^(?:nf_conntrack_)?(\w+)=(\d{1,8})$/.exec(text) ?? [];
    const seconds = Number(value);
    const short = name.replace(/_?timeout/, '');
    const tcp = TCP_TIMEOUT_NAMES.find((known) => short === `tcp_${known}`);
    if (tcp !== undefined) timeouts = { ...timeouts, tcp: { ...timeouts.tcp, [tcp]: seconds } };
    else if (short === 'udp') timeouts = { ...timeouts, udp: { ...timeouts.udp, unreplied: seconds } };
    else if (short === 'udp_stream') timeouts = { ...timeouts, udp: { ...timeouts.udp, stream: seconds } };
    else if (short === 'icmp' || short === 'generic') timeouts = { ...timeouts, [short]: seconds };
    else {
      const detail = `a timeout of the kernel with its seconds is expected, such as tcp_time_wait=30 (got ${JSON.stringify(text)})`;
      throw new CtwatchError({
        code: 'ERR_BAD_OPTION',
        operation: '--timeout',
        detail,
        remedy: "sysctl -a | grep 'nf_conntrack.*timeout'",
      });
    }
  }
  return timeouts;
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
