/** Blocks of bytes back to records: the mirror of `RecordEncoder`. A batch is leased until the next record is asked for. */
import { CtwatchError, ERRORS, type ErrorCode } from '../model/errors.js';
import type { OwnerSighting } from '../model/owner.js';
import { printable } from '../model/printable-text.js';
import type {
  CensusBeginRecord,
  CensusEndRecord,
  CensusRecord,
  CloseRecord,
  HostFacts,
  Instant,
  LookupsRecord,
  LossTotals,
  OwnersRecord,
  TickRecord,
} from '../model/record.js';
import { BatchDecoder } from './batch-decoder.js';
import { ByteReader } from './byte-stream.js';
import { DEFLATED_STREAMS, type Layout, STREAMS, type StreamName } from './layout.js';
import {
  type Block,
  NOTHING_YET,
  RAW_TIMES,
  RECORD_TYPES,
  type RecordedRecord,
  secondsOf,
  TICK,
} from './record-encoder.js';

type Streams = Readonly<Record<StreamName, ByteReader>>;

export class RecordDecoder {
  readonly #layout: Layout;
  readonly #batches: BatchDecoder;
  #nanoseconds = NOTHING_YET.nanoseconds;
  #unixMilliseconds = NOTHING_YET.unixMilliseconds;
  #loss = NOTHING_YET.loss;
  #table = NOTHING_YET.table;
  #counters = NOTHING_YET.counters;

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#batches = new BatchDecoder(layout);
  }

  /** The records of the next block. Throws `RangeError` or `SyntaxError` when it is none. */
  *decode(block: Block): Generator<RecordedRecord, void, undefined> {
    const streams = splitBlock(block);
    while (streams.records.left > 0) yield this.#decodeRecord(streams);
  }

  #decodeRecord(streams: Streams): RecordedRecord {
    const { records } = streams;
    const head = records.byte();
    const type = RECORD_TYPES[head & ~RAW_TIMES];
    if (type === undefined) throw new RangeError('no such record');
    const at = this.#decodeInstant(records, (head & RAW_TIMES) !== 0);
    switch (type) {
      case 'open': {
        const { host, loss } = parseText(records.text()) as { host: HostFacts; loss: LossTotals };
        return { type, at, host, loss };
      }
      case 'entries':
      case 'batch': {
        const newCount = records.varint();
        return { type, at, batch: this.#batches.decode(streams, newCount, records.varint(), at.unixSeconds) };
      }
      case 'lookups':
        return this.#decodeLookups(streams, at);
      case 'tick':
        return this.#decodeTick(records, at);
      case 'gap': {
        const newEvents = records.varint();
        return { type, at, newEvents, destroyEvents: records.varint() };
      }
      case 'owners':
        return decodeOwners(at, records.text());
      case 'census':
        return this.#decodeCensus(streams, at);
      case 'close':
        return decodeClose(at, records.text());
    }
  }

  #decodeCensus(streams: Streams, at: Instant): CensusRecord {
    const rows = streams.records.varint();
    if (rows === 0) return decodeCensusText(at, streams.records.text());
    const batch = this.#batches.decode(streams, 0, rows, at.unixSeconds);
    batch.newCount = rows;
    batch.destroyCount = 0;
    return { type: 'census', at, phase: 'rows', batch };
  }

  #decodeLookups(streams: Streams, at: Instant): LookupsRecord {
    const { records } = streams;
    const ageSeconds = records.f64();
    const newCount = records.varint();
    const destroyCount = records.varint();
    const batch = this.#batches.decode(streams, 0, newCount + destroyCount, at.unixSeconds);
    batch.newCount = newCount;
    batch.destroyCount = destroyCount;
    return { type: 'lookups', at, batch, ageSeconds };
  }

  #decodeInstant(records: ByteReader, raw: boolean): Instant {
    if (raw) {
      const monotonicSeconds = records.f64();
      return { monotonicSeconds, unixSeconds: records.f64() };
    }
    const passed = records.signed();
    this.#nanoseconds += passed;
    this.#unixMilliseconds += records.signed() + Math.round(passed / 1e6);
    return { monotonicSeconds: secondsOf(this.#nanoseconds), unixSeconds: this.#unixMilliseconds / 1e3 };
  }

  #decodeTick(records: ByteReader, at: Instant): TickRecord {
    const bits = records.varint();
    if ((bits & TICK.loss) !== 0) this.#loss = addDifferences(this.#loss, this.#layout.losses, records);
    if ((bits & TICK.tableChanged) !== 0) {
      const count = this.#table.count + records.signed();
      const max = records.varint() - 1;
      this.#table = { count, ...(max >= 0 && { max }) };
    }
    if ((bits & TICK.countersChanged) !== 0) {
      this.#counters = addDifferences(this.#counters, this.#layout.counters, records);
    }
    return {
      type: 'tick',
      at,
      loss: this.#loss,
      ...((bits & TICK.table) !== 0 && { table: this.#table }),
      ...((bits & TICK.counters) !== 0 && { counters: this.#counters }),
    };
  }
}

/** Names this program does not know are read over; those the recording does not have stay 0. */
function addDifferences<T extends object>(before: T, names: readonly string[], records: ByteReader): T {
  const after: Record<string, number> = { ...(before as Record<string, number>) };
  for (const name of names) {
    const difference = records.signed();
    if (name in before) after[name] = (after[name] ?? 0) + difference;
  }
  return after as T;
}

interface ErrorFields {
  readonly code: string;
  readonly operation: string;
  readonly detail: string;
  readonly errno?: string;
  readonly remedy: string;
}

/** A recording may come from anywhere: what it holds is shown like names of this host. */
function parseText(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => (typeof value === 'string' ? printable(value) : value));
}

/** A code that this program does not know is one of a later one. */
function toError(error: ErrorFields): CtwatchError {
  return new CtwatchError({ ...error, code: error.code in ERRORS ? (error.code as ErrorCode) : 'ERR_KERNEL_SOURCE' });
}

function decodeClose(at: Instant, text: string): CloseRecord {
  const { reason, error } = parseText(text) as { reason: string; error?: ErrorFields };
  return { type: 'close', at, reason, ...(error !== undefined && { error: toError(error) }) };
}

/** The sightings alone, or with what went wrong. */
function decodeOwners(at: Instant, text: string): OwnersRecord {
  type Failed = { readonly sightings: OwnerSighting[]; readonly error: ErrorFields };
  const fields = parseText(text) as OwnerSighting[] | Failed;
  if (Array.isArray(fields)) return { type: 'owners', at, sightings: fields };
  return { type: 'owners', at, sightings: fields.sightings, error: toError(fields.error) };
}

function decodeCensusText(at: Instant, text: string): CensusRecord {
  type Begin = Omit<CensusBeginRecord, 'type' | 'at'>;
  type End = Omit<CensusEndRecord, 'type' | 'at' | 'error'> & { readonly error?: ErrorFields };
  const fields = parseText(text) as Begin | End;
  if (fields.phase === 'begin') return { type: 'census', at, ...fields };
  const { error, ...rest } = fields;
  return { type: 'census', at, ...rest, ...(error !== undefined && { error: toError(error) }) };
}

function splitBlock({ deflatable, stored }: Block): Streams {
  const directory = new ByteReader(deflatable);
  const count = directory.varint();
  if (count < STREAMS.length) throw new RangeError('streams are missing');
  const lengths = STREAMS.map(() => directory.varint());
  for (let more = STREAMS.length; more < count; more++) directory.varint();
  const storedBytes = new ByteReader(stored);
  const readers = STREAMS.map((name, i): [StreamName, ByteReader] => {
    const source = i < DEFLATED_STREAMS.length ? directory : storedBytes;
    return [name, new ByteReader(source.take(lengths[i] ?? 0))];
  });
  return Object.fromEntries(readers) as Streams;
}
