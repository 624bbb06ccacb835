/**
 * Records as blocks of bytes. Times and readings are written as differences to those before, batches by `BatchEncoder`.
 * A block can be read when all blocks of its file before it have been.
 */
import type { CtwatchError } from '../model/errors.js';
import type {
  CensusRecord,
  Instant,
  KernelCounters,
  LossTotals,
  SourceRecord,
  TableStats,
  TickRecord,
} from '../model/record.js';
import { BatchEncoder } from './batch-encoder.js';
import { ByteWriter } from './byte-stream.js';
import { DEFLATED_STREAMS, INTEGER_MAX, LAYOUT, STORED_STREAMS, STREAMS, type StreamName } from './layout.js';

/** Events that the source gave and the recording does not have. */
export interface GapRecord {
  readonly type: 'gap';
  readonly at: Instant;
  readonly newEvents: number;
  readonly destroyEvents: number;
}

/** The `open` record of a later file of a recording has the readings and the losses of the moment it was begun. */
export interface RecordedOpen extends Extract<SourceRecord, { type: 'open' }> {
  readonly loss: LossTotals;
}

export type RecordedRecord = Exclude<SourceRecord, { type: 'open' }> | RecordedOpen | GapRecord;

/** The two parts of a block: one that deflate can shorten and one that it cannot. */
export interface Block {
  readonly deflatable: Uint8Array;
  readonly stored: Uint8Array;
}

export const RECORD_TYPES = [
  'open',
  'entries',
  'batch',
  'tick',
  'close',
  'gap',
  'owners',
  'census',
  'lookups',
] as const;

/** Set in the byte of a record's type when its times are written as they are. */
export const RAW_TIMES = 0x80;

/** Bits of a tick. */
export const TICK = { loss: 1, table: 2, tableChanged: 4, counters: 8, countersChanged: 16 } as const;

/** What differences are taken to at the start of a file. */
export const NOTHING_YET = {
  nanoseconds: 0,
  unixMilliseconds: 0,
  loss: Object.fromEntries(LAYOUT.losses.map((name) => [name, 0])) as unknown as LossTotals,
  table: { count: 0 } as TableStats,
  counters: Object.fromEntries(LAYOUT.counters.map((name) => [name, 0])) as unknown as KernelCounters,
};

/** performance.now() is nanoseconds / 1e6; divided in the same order the quotient is the same double. */
export function secondsOf(nanoseconds: number): number {
  return nanoseconds / 1e6 / 1e3;
}

export class RecordEncoder {
  readonly #streams = Object.fromEntries(STREAMS.map((name) => [name, new ByteWriter()])) as Readonly<
    Record<StreamName, ByteWriter>
  >;
  readonly #batches = new BatchEncoder(this.#streams);
  #nanoseconds = NOTHING_YET.nanoseconds;
  #unixMilliseconds = NOTHING_YET.unixMilliseconds;
  #loss = NOTHING_YET.loss;
  #table = NOTHING_YET.table;
  #counters = NOTHING_YET.counters;

  /** Bytes waiting to be taken. */
  get length(): number {
    let length = 0;
    for (const name of STREAMS) length += this.#streams[name].length;
    return length;
  }

  /** Copies what it needs: a leased batch can be given back afterwards. */
  encode(record: RecordedRecord): void {
    const { records } = this.#streams;
    this.#encodeHead(record);
    switch (record.type) {
      case 'open':
        records.text(JSON.stringify({ host: record.host, loss: record.loss }));
        break;
      case 'entries':
      case 'batch':
        records.varint(record.batch.newCount);
        records.varint(record.batch.destroyCount);
        this.#batches.encode(record.batch, record.at.unixSeconds);
        break;
      case 'lookups': {
        const { newCount, destroyCount } = record.batch;
        records.f64(record.ageSeconds);
        records.varint(newCount);
        records.varint(destroyCount);
        // As rows that end flows: their tuples are those of their NEW, and no flow is remembered twice.
        this.#batches.encode(
          { ...record.batch, newCount: 0, destroyCount: newCount + destroyCount },
          record.at.unixSeconds,
        );
        break;
      }
      case 'tick':
        this.#encodeTick(record);
        break;
      case 'gap':
        records.varint(record.newEvents);
        records.varint(record.destroyEvents);
        break;
      case 'owners':
        records.text(
          JSON.stringify(
            record.error === undefined
              ? record.sightings
              : { sightings: record.sightings, error: errorFields(record.error) },
          ),
        );
        break;
      case 'census':
        this.#encodeCensus(record);
        break;
      case 'close': {
        const { reason, error } = record;
        records.text(JSON.stringify({ reason, ...(error && { error: errorFields(error) }) }));
        break;
      }
    }
  }

  /** Everything since the last call, as one block. */
  take(): Block {
    const directory = new ByteWriter();
    directory.varint(STREAMS.length);
    for (const name of STREAMS) directory.varint(this.#streams[name].length);
    return {
      deflatable: joinBytes([directory, ...DEFLATED_STREAMS.map((name) => this.#streams[name])]),
      stored: joinBytes(STORED_STREAMS.map((name) => this.#streams[name])),
    };
  }

  /** A varint of the rows, 0 before a text. Its rows are written like ends of flows: those that are remembered stay so. */
  #encodeCensus(record: CensusRecord): void {
    const { records } = this.#streams;
    if (record.phase === 'rows') {
      const { batch, at } = record;
      records.varint(batch.newCount);
      if (batch.newCount > 0) {
        this.#batches.encode({ ...batch, newCount: 0, destroyCount: batch.newCount }, at.unixSeconds);
      }
      return;
    }
    const { type, at, ...rest } = record;
    const error = 'error' in rest && rest.error !== undefined ? { error: errorFields(rest.error) } : {};
    records.varint(0);
    records.text(JSON.stringify({ ...rest, ...error }));
  }

  #encodeHead({ type, at }: RecordedRecord): void {
    const { records } = this.#streams;
    const nanoseconds = Math.round(at.monotonicSeconds * 1e9);
    const unixMilliseconds = Math.round(at.unixSeconds * 1e3);
    const exact =
      Math.abs(nanoseconds) < INTEGER_MAX &&
      Math.abs(unixMilliseconds) < INTEGER_MAX &&
      secondsOf(nanoseconds) === at.monotonicSeconds &&
      unixMilliseconds / 1e3 === at.unixSeconds;
    records.reserve(1);
    records.byte(RECORD_TYPES.indexOf(type) | (exact ? 0 : RAW_TIMES));
    if (!exact) {
      records.f64(at.monotonicSeconds);
      records.f64(at.unixSeconds);
      return;
    }
    const passed = nanoseconds - this.#nanoseconds;
    records.signed(passed);
    // The wall clock runs with the other one, so little is left of the difference.
    records.signed(unixMilliseconds - this.#unixMilliseconds - Math.round(passed / 1e6));
    this.#nanoseconds = nanoseconds;
    this.#unixMilliseconds = unixMilliseconds;
  }

  #encodeTick({ loss, table, counters }: TickRecord): void {
    const { records } = this.#streams;
    const lossChanged = LAYOUT.losses.some((name) => loss[name] !== this.#loss[name]);
    const tableChanged = table !== undefined && (table.count !== this.#table.count || table.max !== this.#table.max);
    const countersChanged =
      counters !== undefined && LAYOUT.counters.some((name) => counters[name] !== this.#counters[name]);
    records.varint(
      (lossChanged ? TICK.loss : 0) |
        (table ? TICK.table : 0) |
        (tableChanged ? TICK.tableChanged : 0) |
        (counters ? TICK.counters : 0) |
        (countersChanged ? TICK.countersChanged : 0),
    );
    if (lossChanged) {
      for (const name of LAYOUT.losses) records.signed(loss[name] - this.#loss[name]);
      this.#loss = loss;
    }
    if (tableChanged) {
      records.signed(table.count - this.#table.count);
      // Absent before Linux 4.18.
      records.varint(table.max === undefined ? 0 : table.max + 1);
      this.#table = table;
    }
    if (countersChanged) {
      for (const name of LAYOUT.counters) records.signed(counters[name] - this.#counters[name]);
      this.#counters = counters;
    }
  }
}

/** An error has its message in a place that JSON does not see. */
function errorFields(error: CtwatchError) {
  return { ...error, detail: error.message };
}

function joinBytes(writers: readonly ByteWriter[]): Uint8Array {
  const parts = writers.map((writer) => writer.take());
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
