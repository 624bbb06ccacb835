/**
 * Writes what a source gives to a file, without ever making the source wait.
 *
 *   write(record) ──> encoder ──(256 KiB or 5 s)──> queue ──> deflate on a worker ──> file ──(size)──> the next file
 *
 * Encoding copies what is needed out of a leased batch. The queue is bounded: while it is full, events are left out, counted,
 * and the gap is a record of its own. A file that cannot be written ends the recording, never its source.
 */
import { randomUUID } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { CtwatchError } from '../model/errors.js';
import { FILES_KEPT, RECORDED_BLOCK_BYTES, RECORDED_BLOCK_SECONDS, RECORDING_QUEUE_BYTES } from '../model/limits.js';
import type { BatchSource, HostFacts, LossTotals, SourceRecord } from '../model/record.js';
import { compressBlock, formatFileHead } from './frame.js';
import { LAYOUT } from './layout.js';
import { NOTHING_YET, RecordEncoder } from './record-encoder.js';
import { shiftFiles } from './rotation.js';

export interface RecorderOptions {
  readonly path: string;
  /** Version of the program, for the header. */
  readonly program: string;
  /** A new file is begun when the current one has this many bytes. Default: never. */
  readonly rotateBytes?: number | undefined;
  /** Files kept, the current one included. Default `FILES_KEPT`. */
  readonly filesKept?: number | undefined;
  /** Encoded bytes that may wait for the disk. Default `RECORDING_QUEUE_BYTES`. */
  readonly queueBytes?: number;
  /** Writes the frames of a file. Default: to the file. For tests. */
  readonly openFile?: (path: string) => Promise<RecordingFile>;
  /** Events begin to be left out, or are recorded again. */
  readonly onGap?: (phase: 'start' | 'end', dropped: DroppedEvents) => void;
  /** The file cannot be written; nothing more is recorded. */
  readonly onFailure?: (error: CtwatchError) => void;
}

export interface RecordingFile {
  /** Resolves when all bytes are written. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
  /** Removes a file that was created for nothing. */
  remove(): Promise<void>;
}

export interface DroppedEvents {
  readonly newEvents: number;
  readonly destroyEvents: number;
}

/** What was written. */
export interface RecorderSummary {
  readonly events: number;
  readonly bytes: number;
  readonly files: number;
  readonly droppedEvents: number;
}

type OpenRecord = Extract<SourceRecord, { type: 'open' }>;

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #queueBytes: number;
  readonly #recording = randomUUID();
  #encoder = new RecordEncoder();
  #file: RecordingFile;
  #fileBytes = 0;
  #rotating = false;
  #writing: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #sequence = 0;
  #host: HostFacts | undefined;
  #loss: LossTotals = NOTHING_YET.loss;
  #blockBegan = Number.NEGATIVE_INFINITY;
  #gap: { newEvents: number; destroyEvents: number } | undefined;
  #failure: CtwatchError | undefined;
  #events = 0;
  #bytes = 0;
  #droppedEvents = 0;

  private constructor(options: RecorderOptions, file: RecordingFile) {
    this.#options = options;
    this.#queueBytes = options.queueBytes ?? RECORDING_QUEUE_BYTES;
    this.#file = file;
  }

  /** Creates the file. Throws `ERR_RECORDING_EXISTS` or `ERR_RECORDING_WRITE`. */
  static async open(options: RecorderOptions): Promise<Recorder> {
    const { path, rotateBytes, filesKept = FILES_KEPT, openFile = createFile } = options;
    try {
      if (rotateBytes !== undefined) shiftFiles(path, filesKept);
      return new Recorder(options, await openFile(path));
    } catch (cause) {
      throw writeError(path, cause);
    }
  }

  /** Records one record. Never throws, never waits. */
  write(record: SourceRecord): void {
    if (this.#failure !== undefined) return;
    if (record.type === 'open') {
      this.#host = record.host;
      this.#beginFile(record);
      return;
    }
    if (record.type === 'tick') this.#observeTick(record);
    // Once full, it must be half empty: else each block would have a gap of its own.
    const room = this.#gap === undefined ? this.#queueBytes : this.#queueBytes / 2;
    if (this.#waitingBytes >= room && record.type !== 'close') {
      this.#drop(record);
      return;
    }
    if (this.#gap !== undefined) this.#endGap(record);
    this.#encoder.encode(record);
    if (record.type === 'batch') this.#events += record.batch.newCount + record.batch.destroyCount;
    const atSeconds = record.at.monotonicSeconds;
    const due = this.#encoder.length >= RECORDED_BLOCK_BYTES || atSeconds - this.#blockBegan >= RECORDED_BLOCK_SECONDS;
    if (!due && record.type !== 'close') return;
    this.#blockBegan = atSeconds;
    this.#flush();
    if (this.#isFileFull() && record.type !== 'close') this.#rotate(record);
  }

  /** Everything recorded so far as it passes on: a source with a recorder beside its observer. */
  tee(source: BatchSource): BatchSource {
    return (observer, signal, asks) =>
      source(
        {
          next: (record) => {
            this.write(record);
            observer.next(record);
          },
          error: (error) => observer.error(error),
          complete: () => observer.complete(),
        },
        signal,
        asks,
      );
  }

  /** Writes what waits and closes the file. Throws the `CtwatchError` that ended the recording early. */
  async end(): Promise<RecorderSummary> {
    if (this.#failure === undefined && this.#encoder.length > 0) this.#flush();
    await this.#writing;
    await this.#file.close().catch((cause: unknown) => this.#fail(cause));
    // The source could not be opened.
    if (this.#sequence === 0) await this.#file.remove();
    if (this.#failure !== undefined) throw this.#failure;
    return this.summary();
  }

  summary(): RecorderSummary {
    return {
      events: this.#events,
      bytes: this.#bytes,
      files: this.#sequence,
      droppedEvents: this.#droppedEvents + (this.#gap ? this.#gap.newEvents + this.#gap.destroyEvents : 0),
    };
  }

  #observeTick({ loss, table, counters }: Extract<SourceRecord, { type: 'tick' }>): void {
    this.#loss = loss;
    if (this.#host === undefined || (table === undefined && counters === undefined)) return;
    this.#host = { ...this.#host, ...(table && { table }), ...(counters && { counters }) };
  }

  #beginFile(record: OpenRecord): void {
    const header = {
      program: this.#options.program,
      recording: this.#recording,
      sequence: this.#sequence++,
      layout: LAYOUT,
    };
    const head = formatFileHead(header);
    this.#enqueue(head.length, () => Promise.resolve(head));
    this.#encoder.encode({ ...record, loss: this.#loss });
    // In a block of its own: a file that ends early still tells whose it is.
    this.#flush();
    this.#blockBegan = record.at.monotonicSeconds;
  }

  #flush(): void {
    const block = this.#encoder.take();
    this.#enqueue(block.deflatable.length + block.stored.length, () => compressBlock(block));
  }

  #enqueue(waitingBytes: number, make: () => Promise<Uint8Array>): void {
    this.#waitingBytes += waitingBytes;
    this.#writing = this.#writing.then(async () => {
      if (this.#failure === undefined) {
        try {
          const bytes = await make();
          await this.#file.write(bytes);
          this.#fileBytes += bytes.length;
          this.#bytes += bytes.length;
        } catch (cause) {
          this.#fail(cause);
        }
      }
      this.#waitingBytes -= waitingBytes;
    });
  }

  #isFileFull(): boolean {
    const { rotateBytes } = this.#options;
    return rotateBytes !== undefined && !this.#rotating && this.#fileBytes >= rotateBytes;
  }

  /** The next file can be read without those before: it begins with what is known of the host by now. */
  #rotate({ at }: SourceRecord): void {
    const { path, filesKept = FILES_KEPT, openFile = createFile } = this.#options;
    if (this.#host === undefined) return;
    this.#rotating = true;
    this.#writing = this.#writing.then(async () => {
      this.#rotating = false;
      this.#fileBytes = 0;
      if (this.#failure !== undefined) return;
      try {
        await this.#file.close();
        shiftFiles(path, filesKept);
        this.#file = await openFile(path);
      } catch (cause) {
        this.#fail(cause);
      }
    });
    this.#encoder = new RecordEncoder();
    this.#beginFile({ type: 'open', at, host: this.#host });
  }

  #drop(record: SourceRecord): void {
    if (this.#gap === undefined) {
      this.#gap = { newEvents: 0, destroyEvents: 0 };
      this.#options.onGap?.('start', this.#gap);
    }
    if (record.type !== 'batch') return;
    this.#gap.newEvents += record.batch.newCount;
    this.#gap.destroyEvents += record.batch.destroyCount;
  }

  #endGap({ at }: SourceRecord): void {
    const gap = this.#gap;
    if (gap === undefined) return;
    this.#gap = undefined;
    this.#droppedEvents += gap.newEvents + gap.destroyEvents;
    this.#encoder.encode({ type: 'gap', at, ...gap });
    this.#options.onGap?.('end', gap);
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = writeError(this.#options.path, cause);
    this.#options.onFailure?.(this.#failure);
  }
}

/** Only the owner may read it: it has addresses. An existing file is never overwritten, a device is just written to. */
async function createFile(path: string): Promise<RecordingFile> {
  const known = await stat(path).catch(() => undefined);
  const file = await open(path, known === undefined || known.isFile() ? 'wx' : 'w', 0o600);
  return {
    write: async (bytes) => {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
    },
    close: () => file.close(),
    remove: async () => {
      if (known === undefined) await rm(path, { force: true });
    },
  };
}

function writeError(path: string, cause: unknown): CtwatchError {
  const { code: errno } = cause as NodeJS.ErrnoException;
  const code = errno === 'EEXIST' ? 'ERR_RECORDING_EXISTS' : 'ERR_RECORDING_WRITE';
  return new CtwatchError({ code, operation: `write ${path}`, errno, cause });
}
