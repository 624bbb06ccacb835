/** Recordings in memory: files that a test can cut, damage and read again. */
import { createBatch, type EventBatch } from '../../src/model/batch.js';
import type { SourceRecord } from '../../src/model/record.js';
import type { RecordedRecord } from '../../src/recording/record-encoder.js';
import { Recorder, type RecorderOptions } from '../../src/recording/recorder.js';
import { type NamedChunks, readRecording } from '../../src/recording/recording.js';

/** Records all of these; returns the bytes of each file that was begun. */
export async function recordToMemory(
  records: Iterable<SourceRecord>,
  options: Partial<RecorderOptions> = {},
): Promise<{ readonly files: Uint8Array[]; readonly recorder: Recorder }> {
  const files: Uint8Array[] = [];
  const recorder = await Recorder.open({
    path: '/nowhere/test.ctrec',
    program: '0.0.0',
    openFile: async () => {
      const index = files.push(new Uint8Array(0)) - 1;
      return {
        write: async (bytes) => {
          files[index] = Buffer.concat([files[index] ?? new Uint8Array(0), bytes]);
        },
        close: async () => {},
        remove: async () => {},
      };
    },
    ...options,
  });
  for (const record of records) {
    recorder.write(record);
    if (options.rotateBytes !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await recorder.end();
  return { files, recorder };
}

/** Bytes as a file that comes in pieces. */
export function chunksOf(bytes: Uint8Array, name = 'test.ctrec', pieceBytes = 1000): NamedChunks {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  return { name, chunks: pieces() };
}

/** All records that can be read, and the error that ended the reading. */
export async function readAll(
  files: readonly NamedChunks[],
): Promise<{ readonly records: object[]; readonly error: unknown }> {
  const records: object[] = [];
  try {
    for await (const group of readRecording(files)) for (const record of group) records.push(comparable(record));
    return { records, error: undefined };
  } catch (error) {
    return { records, error };
  }
}

/** A record to keep and to compare: a batch as the text of its filled rows, whatever the rest of its memory holds. */
export function comparable(record: SourceRecord | RecordedRecord): object {
  if (!('batch' in record)) return record;
  const batch = compactBatch(record.batch);
  const { newCount, destroyCount, buffer } = batch;
  return { ...record, batch: { newCount, destroyCount, rows: Buffer.from(buffer).toString('base64') } };
}

/** A batch of the filled rows only, to keep. */
export function compactBatch(batch: EventBatch): EventBatch {
  const rows = batch.newCount + batch.destroyCount;
  const copy = createBatch(rows);
  copy.newCount = batch.newCount;
  copy.destroyCount = batch.destroyCount;
  for (const [name, column] of Object.entries(batch.columns)) {
    const target = copy.columns[name as keyof typeof copy.columns];
    if ('bytes' in column && 'bytes' in target) target.bytes.set(column.bytes.subarray(0, rows * 16));
    else if (!('bytes' in column) && !('bytes' in target)) target.set(column.subarray(0, rows));
  }
  return copy;
}
