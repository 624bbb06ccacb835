/**
 * Events as NDJSON on a stream, through pino, without ever waiting for the reader.
 *
 *   write ──> pino (a template for flows) ──> lines[] ──(64 KiB or the end of the turn)──> stream
 *
 * Lines wait in a queue of `OUTPUT_QUEUE_BYTES`; `flow` lines may take three quarters of it, the rest is kept for alerts.
 * What does not fit is counted, and told by a `loss` line when it begins and when the reader has caught up.
 * A closed pipe ends the sink quietly; any other failure of the stream is an error.
 */
import type { Writable } from 'node:stream';
import { pino } from 'pino';
import { CtwatchError } from '../model/errors.js';
import { type CtEvent, EVENTS_VERSION, type EventOf } from '../model/events.js';
import { OUTPUT_END_TIMEOUT_MS, OUTPUT_QUEUE_BYTES, OUTPUT_QUEUE_FLOW_RATIO } from '../model/limits.js';
import { printable } from '../model/printable-text.js';
import { formatFlowLine } from './flow-line.js';
import type { OutputHealth, Sink } from './sink.js';

/** Bytes handed to the stream at once: the capacity of a pipe. */
const CHUNK_BYTES = 64 * 1024;

export interface NdjsonSinkOptions {
  readonly stream: Writable;
  readonly hostname: string;
  readonly netns?: string | undefined;
  /** What stands before each line. Default: nothing. */
  readonly prefix?: ((event: CtEvent) => string) | undefined;
  /** Whether flows are written. Default true. */
  readonly flows?: boolean;
  /** Path of the file that the stream writes. Default: it is standard output. */
  readonly path?: string | undefined;
  /** Where losses of this stream are told. Default: in it. */
  readonly tellLoss?: ((loss: EventOf<'loss'>) => void) | undefined;
  /** Bound of the text that waits, bytes. Default `OUTPUT_QUEUE_BYTES`. */
  readonly queueBytes?: number;
  /** The reader has gone (no error) or the stream failed. Called at most once. */
  readonly onClosed?: (error?: CtwatchError) => void;
}

/** A sink for events, one JSON line each. */
export class NdjsonSink implements Sink {
  readonly #stream: Writable;
  readonly #options: NdjsonSinkOptions;
  readonly #logger;
  /** The fields of `base` as pino writes them. */
  readonly #head: string;
  readonly #queueBytes: number;
  #lines: string[] = [];
  #lineBytes = 0;
  #milliseconds = Number.NaN;
  #timestamp = '';
  /** Of the line that is being written. */
  #prefix = '';
  #flushScheduled = false;
  #blocked = false;
  #closed = false;
  #lostLines = 0;
  /** In losses that are over. */
  #lostLinesBefore = 0;
  #lostFlowLines = 0;
  #lossTold = false;
  #lastUnixSeconds = 0;

  constructor(options: NdjsonSinkOptions) {
    const { hostname, netns } = options;
    this.#options = options;
    this.#stream = options.stream;
    this.#queueBytes = options.queueBytes ?? OUTPUT_QUEUE_BYTES;
    const base = { host: printable(hostname), v: EVENTS_VERSION, ...(netns !== undefined && { netns }) };
    this.#head = `,${JSON.stringify(base).slice(1, -1)}`;
    this.#logger = pino(
      {
        base,
        timestamp: () => this.#timestamp,
        formatters: { level: (label) => ({ level: label }) },
        // pino has written these two already; copying the event without them would cost more than the line.
        serializers: { level: () => undefined, unixSeconds: () => undefined },
      },
      { write: (line) => this.#enqueue(line) },
    );
    this.#stream.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
    this.#stream.on('close', () => this.#close());
  }

  write(event: CtEvent): void {
    if (this.#closed || (event.type === 'flow' && this.#options.flows === false)) return;
    this.#lastUnixSeconds = event.unixSeconds;
    if (!this.#hasRoom(event.type)) {
      this.#lostLines++;
      if (event.type === 'flow') this.#lostFlowLines++;
      if (!this.#lossTold) this.#tellLoss('start');
      return;
    }
    this.#log(event);
  }

  health(): readonly OutputHealth[] {
    const queuedBytes = this.#lineBytes + this.#stream.writableLength;
    return [
      { output: this.#options.path ?? 'stdout', queuedBytes, lostLines: this.#lostLinesBefore + this.#lostLines },
    ];
  }

  /** For a source that can wait: undefined while the reader keeps up, else what resolves when it has, or has gone. */
  ready(): Promise<void> | undefined {
    if (this.#closed || !this.#blocked) return undefined;
    return new Promise((resolve) => {
      this.#stream.once('drain', resolve);
      this.#stream.once('close', resolve);
      this.#stream.once('error', () => resolve());
    });
  }

  /** Resolves when the last line is written, the reader has gone, or it did not read for `OUTPUT_END_TIMEOUT_MS`. */
  end(): Promise<void> {
    this.tellLosses();
    this.#flush();
    if (this.#closed || this.#stream.writableLength === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, OUTPUT_END_TIMEOUT_MS);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      // Behind everything else; its callback tells that all of it has been taken.
      this.#stream.write('', done);
      this.#stream.once('close', done);
      this.#stream.once('error', done);
    });
  }

  /** Tells now what was dropped so far. */
  tellLosses(): void {
    if (this.#lostLines > 0) this.#tellLoss('end');
  }

  #hasRoom(type: CtEvent['type']): boolean {
    const limit = type === 'flow' ? this.#queueBytes * OUTPUT_QUEUE_FLOW_RATIO : this.#queueBytes;
    return this.#lineBytes + this.#stream.writableLength < limit;
  }

  #log(event: CtEvent): void {
    const milliseconds = Math.floor(event.unixSeconds * 1000);
    if (milliseconds !== this.#milliseconds) {
      this.#milliseconds = milliseconds;
      this.#timestamp = `,"time":"${new Date(milliseconds).toISOString()}"`;
    }
    this.#prefix = this.#options.prefix?.(event) ?? '';
    if (event.type === 'flow') this.#enqueue(formatFlowLine(event, this.#timestamp + this.#head));
    else this.#logger[event.level](event);
  }

  #enqueue(line: string): void {
    this.#lines.push(this.#prefix === '' ? line : this.#prefix + line);
    this.#lineBytes += line.length + this.#prefix.length;
    if (this.#lineBytes >= CHUNK_BYTES && !this.#blocked) this.#flush();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(() => {
        this.#flushScheduled = false;
        if (!this.#blocked) this.#flush();
      });
    }
  }

  #flush(): void {
    if (this.#closed || this.#lines.length === 0) return;
    const chunk = this.#lines.join('');
    this.#lines = [];
    this.#lineBytes = 0;
    if (this.#stream.write(chunk)) this.#recover();
    else if (!this.#blocked) {
      this.#blocked = true;
      this.#stream.once('drain', () => {
        this.#blocked = false;
        this.#recover();
        this.#flush();
      });
    }
  }

  /** There is room again. */
  #recover(): void {
    if (this.#lossTold) this.#tellLoss('end');
  }

  #tellLoss(phase: 'start' | 'end'): void {
    if (this.#closed) return;
    this.#lossTold = phase === 'start';
    const { path, tellLoss } = this.#options;
    const tell = tellLoss ?? ((loss) => this.#log(loss));
    tell({
      type: 'loss',
      level: 'warn',
      unixSeconds: this.#lastUnixSeconds,
      msg: describeLoss(phase, this.#lostLines, path),
      phase,
      cause: 'output',
      lost_lines: this.#lostLines,
      lost_flow_lines: this.#lostFlowLines,
      less_certain: [],
      ...(path !== undefined && { file: { path } }),
    });
    if (phase === 'end') {
      this.#lostLinesBefore += this.#lostLines;
      this.#lostLines = 0;
      this.#lostFlowLines = 0;
    }
  }

  #onError(error: NodeJS.ErrnoException): void {
    this.#close(outputError(error));
  }

  #close(error?: CtwatchError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lines = [];
    this.#lineBytes = 0;
    this.#options.onClosed?.(error);
  }
}

function describeLoss(phase: 'start' | 'end', lines: number, path: string | undefined): string {
  const name = path ?? 'this stream';
  if (phase === 'end') {
    const cause =
      path === undefined ? 'its reader is slower than the events' : 'its disk was full, failed or was too slow';
    return `${lines} lines of ${name} were dropped: ${cause}`;
  }
  const cause = path === undefined ? 'its reader has stopped or is too slow' : 'its disk is full, fails or is too slow';
  return `lines of ${name} are being dropped: ${cause}`;
}

/** What an error of standard output means: nothing when the reader has gone. */
export function outputError(cause: NodeJS.ErrnoException): CtwatchError | undefined {
  if (cause.code === 'EPIPE' || cause.code === 'ERR_STREAM_DESTROYED') return undefined;
  return new CtwatchError({ code: 'ERR_OUTPUT', operation: 'write standard output', errno: cause.code, cause });
}
