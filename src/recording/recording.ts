/**
 * Reads what `Recorder` wrote: the files of one recording, in their order, as records.
 *
 * A file that was cut short or damaged gives everything before that place, then the error. The files of a rotated recording are
 * put in order by their headers; the first that is there opens the replay, also when it was not the first that was written.
 */
import { CtwatchError } from '../model/errors.js';
import { REPLAY_BLOCKS_AHEAD } from '../model/limits.js';
import type { LossTotals, SourceRecord } from '../model/record.js';
import { type FileHeader, FrameReader } from './frame.js';
import { RecordDecoder } from './record-decoder.js';
import { type Block, NOTHING_YET, type RecordedOpen, type RecordedRecord } from './record-encoder.js';

/** A file with a name for messages. */
export interface NamedChunks {
  readonly name: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

interface OpenFile {
  readonly name: string;
  readonly reader: FrameReader;
  readonly header: FileHeader;
}

/** Groups of records; within a group they come without waiting. A batch is leased until the next record is asked for. */
export type RecordGroups = AsyncGenerator<Iterable<SourceRecord>, void, undefined>;

/**
 * The records of these files, from `open` to `close`. Throws `ERR_NOT_A_RECORDING`, `ERR_RECORDING_VERSION`,
 * `ERR_RECORDING_ORDER`, `ERR_RECORDING_DAMAGED`, the last also after records.
 */
export async function* readRecording(files: readonly NamedChunks[]): RecordGroups {
  const opened: OpenFile[] = [];
  try {
    for (const { name, chunks } of files) {
      const reader = new FrameReader(chunks, name);
      opened.push({ name, reader, header: await reader.readHeader() });
    }
    opened.sort((a, b) => a.header.sequence - b.header.sequence);
    checkOrder(opened);
    const replay = new Replay();
    for (const { header, reader } of opened) {
      replay.beginFile(header.sequence);
      // Its memories take 7 MB: not for a file without a whole block.
      let decoder: RecordDecoder | undefined;
      for await (const block of readBlocks(reader)) {
        decoder ??= new RecordDecoder(header.layout);
        yield replay.translate(decoder.decode(block));
      }
    }
    if (!replay.closed) throw replay.cutShort(opened.at(-1)?.name ?? '');
  } finally {
    for (const { reader } of opened) await reader.close();
  }
}

/** Some blocks ahead: they are read and inflated while this thread works on those before. */
async function* readBlocks(reader: FrameReader): AsyncGenerator<Block, void, undefined> {
  const ahead: Promise<Block | undefined>[] = [];
  for (;;) {
    while (ahead.length < REPLAY_BLOCKS_AHEAD) {
      const block = reader.readBlock();
      // It is told when its turn comes.
      block.catch(() => {});
      ahead.push(block);
    }
    const block = await ahead.shift();
    if (block === undefined) return;
    yield block;
  }
}

function checkOrder(files: readonly OpenFile[]): void {
  for (const [i, { name, header }] of files.entries()) {
    const before = files[i - 1]?.header;
    if (before === undefined) continue;
    if (before.recording === header.recording && before.sequence < header.sequence) continue;
    throw new CtwatchError({ code: 'ERR_RECORDING_ORDER', operation: `read ${name}` });
  }
}

/** Turns what was recorded into what the source gave: one `open`, losses that include the gaps. */
class Replay {
  closed = false;
  #opened = false;
  #sequence: number | undefined;
  #filesMissing = 0;
  /** Losses before the first file that is there. */
  #before: LossTotals = NOTHING_YET.loss;
  /** Events that the recorder left out. */
  #unrecordedNew = 0;
  #unrecordedDestroy = 0;
  #gapTold = true;
  #loss: LossTotals = NOTHING_YET.loss;

  beginFile(sequence: number): void {
    if (this.#sequence !== undefined) this.#filesMissing += sequence - this.#sequence - 1;
    this.#sequence = sequence;
  }

  *translate(records: Iterable<RecordedRecord>): Generator<SourceRecord, void, undefined> {
    for (const record of records) {
      switch (record.type) {
        case 'open':
          if (!this.#opened) yield this.#open(record);
          break;
        case 'gap':
          this.#unrecordedNew += record.newEvents;
          this.#unrecordedDestroy += record.destroyEvents;
          this.#gapTold = false;
          break;
        case 'tick':
          this.#loss = record.loss;
          this.#gapTold = true;
          yield { ...record, loss: this.#lossOf(record.loss) };
          break;
        case 'close':
          // The last tick was left out as well.
          if (!this.#gapTold) yield { type: 'tick', at: record.at, loss: this.#lossOf(this.#loss) };
          this.closed = true;
          yield record;
          break;
        default:
          yield record;
      }
    }
  }

  cutShort(name: string): CtwatchError {
    const detail = 'the recording has no end: its writer was killed, or its last file is not here';
    return new CtwatchError({ code: 'ERR_RECORDING_DAMAGED', operation: `read ${name}`, detail });
  }

  #open({ type, at, host, loss }: RecordedOpen): SourceRecord {
    this.#opened = true;
    this.#before = loss;
    return { type, at, host };
  }

  #lossOf(loss: LossTotals): LossTotals {
    const unrecorded = this.#unrecordedNew + this.#unrecordedDestroy;
    return {
      lostNew: loss.lostNew - this.#before.lostNew + this.#unrecordedNew,
      lostDestroy: loss.lostDestroy - this.#before.lostDestroy + this.#unrecordedDestroy,
      malformed: loss.malformed - this.#before.malformed,
      // A file that is missing in the middle is a loss whose size nobody knows.
      unknownLosses: loss.unknownLosses - this.#before.unknownLosses + this.#filesMissing,
      ...(unrecorded > 0 && { unrecorded }),
    };
  }
}
