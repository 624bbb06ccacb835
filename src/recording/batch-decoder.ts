/**
 * The rows of a batch from the bytes that `BatchEncoder` wrote. One batch is filled again and again: it is leased.
 * A column that the recording does not have holds 0, one that this program does not know is read over.
 */

import { copyAddress } from '../model/address-words.js';
import { COLUMNS, createBatch, type EventBatch, type EventColumns } from '../model/batch.js';
import { ADDRESSES_REMEMBERED, BATCH_ROWS, FLOWS_REMEMBERED, RECORDED_ROWS_MAX } from '../model/limits.js';
import { AddressMemory } from './address-memory.js';
import type { ByteReader } from './byte-stream.js';
import { FlowMemory } from './flow-memory.js';
import {
  ADDRESS,
  FIXED_UNITS,
  FLAG,
  FLOAT_MODE,
  type FloatColumn,
  type IntegerColumn,
  isNear,
  LAYOUT,
  type Layout,
  type StreamName,
} from './layout.js';
import { SHAPES_REMEMBERED, ShapeMemory } from './shape-memory.js';

type Streams = Readonly<Record<StreamName, ByteReader>>;
type NumberColumn = Uint32Array | Uint16Array | Uint8Array;

interface AddressSymbols {
  readonly sourceLow: Uint8Array;
  readonly sourceHigh: Uint8Array;
  readonly destinationLow: Uint8Array;
  readonly destinationHigh: Uint8Array;
}

export class BatchDecoder {
  readonly #layout: Layout;
  readonly #flows = new FlowMemory('read');
  readonly #addresses = new AddressMemory('read');
  readonly #shapes: ShapeMemory;
  #batch: EventBatch;
  /** The columns of the batch in the order of the recording: of a shape's words, and the floats. Undefined: this program has none. */
  #numberColumns: readonly (NumberColumn | undefined)[] = [];
  #floatColumns: readonly (Float64Array | undefined)[] = [];
  #reference = 0;
  #numbers = new Int32Array(BATCH_ROWS);
  /** Rows of this batch whose tuple is written out. */
  #literals = new Int32Array(BATCH_ROWS);
  /** Where in `#snapshots` the words of each row of this batch stand: those of its shape as they were then. */
  #places = new Int32Array(BATCH_ROWS);
  #snapshots = new Uint32Array(0);
  readonly #snapshotOf = new Int32Array(SHAPES_REMEMBERED + 1);
  /** Columns of this program that the recording does not have. */
  readonly #missing: readonly (IntegerColumn | FloatColumn)[];

  constructor(layout: Layout) {
    this.#layout = layout;
    const recorded = new Set([...layout.shape, ...layout.usual, ...layout.floats]);
    this.#missing = [...LAYOUT.shape, ...LAYOUT.usual, ...LAYOUT.floats].filter((name) => !recorded.has(name));
    this.#batch = this.#createBatch(BATCH_ROWS);
    this.#shapes = new ShapeMemory('read', layout.shape.length, layout.usual.length);
  }

  /** The next batch, until the next call. Throws `RangeError` when the streams do not hold it. */
  decode(streams: Streams, newCount: number, destroyCount: number, unixSeconds: number): EventBatch {
    const rows = newCount + destroyCount;
    if (rows > RECORDED_ROWS_MAX) throw new RangeError(`a batch of ${rows} rows`);
    if (rows > this.#batch.capacity) this.#batch = this.#createBatch(rows);
    if (rows > this.#numbers.length) {
      this.#numbers = new Int32Array(rows);
      this.#literals = new Int32Array(rows);
      this.#places = new Int32Array(rows);
    }
    const batch = this.#batch;
    batch.newCount = newCount;
    batch.destroyCount = destroyCount;
    this.#decodeRows(streams, batch.columns, newCount, rows);
    for (const [i, name] of this.#layout.floats.entries()) {
      const column = this.#floatColumns[i] ?? new Float64Array(rows);
      this.#decodeFloats(streams.floats, column, 0, newCount, unixSeconds, undefined);
      if (name === 'eventSeconds') this.#flows.addTimes(column, newCount);
      const references = name === 'startSeconds' ? this.#flows.eventSeconds : undefined;
      this.#decodeFloats(streams.floats, column, newCount, rows, unixSeconds, references);
    }
    for (const name of this.#missing) batch.columns[name].fill(0, 0, rows);
    return batch;
  }

  #createBatch(rows: number): EventBatch {
    const batch = createBatch(rows);
    const { shape, usual, floats } = this.#layout;
    this.#numberColumns = [...shape, ...usual].map((name) => numberColumn(batch.columns, name));
    this.#floatColumns = floats.map((name) => floatColumn(batch.columns, name));
    return batch;
  }

  #decodeRows(streams: Streams, columns: EventColumns, newCount: number, rows: number): void {
    this.#decodeShapes(streams, rows);
    const literals = this.#decodeNumbers(streams, rows);
    this.#decodePorts(streams, columns, literals);
    const symbols = {
      sourceLow: streams.sourceLow.take(literals),
      sourceHigh: streams.sourceHigh.take(literals),
      destinationLow: streams.destinationLow.take(literals),
      destinationHigh: streams.destinationHigh.take(literals),
    };
    const written = this.#literals;
    // No NEW ends a flow, so as many literals as there are come first.
    let begun = 0;
    while (begun < literals && (written[begun] ?? 0) < newCount) begun++;
    this.#decodeTuples(streams, symbols, columns, 0, begun);
    for (let i = 0; i < begun; i++) {
      const row = written[i] ?? 0;
      this.#flows.add(columns, row, this.#snapshots[this.#places[row] ?? 0] ?? 0);
    }
    // Before those that are written out: an address may be that of the row before.
    for (let row = 0; row < rows; row++) {
      const number = this.#numbers[row] ?? -1;
      if (number >= 0) this.#flows.copy(number, columns, row);
    }
    this.#decodeTuples(streams, symbols, columns, begun, literals);
  }

  /** Addresses and replies of literals [from, to). */
  #decodeTuples(streams: Streams, symbols: AddressSymbols, columns: EventColumns, from: number, to: number): void {
    const { sourceLow, sourceHigh, destinationLow, destinationHigh } = symbols;
    const sources = columns.originalSource.words;
    const destinations = columns.originalDestination.words;
    for (let i = from; i < to; i++) {
      const row = this.#literals[i] ?? 0;
      this.#decodeAddress(streams, (sourceLow[i] ?? 0) | ((sourceHigh[i] ?? 0) << 8), sources, row);
      this.#decodeAddress(streams, (destinationLow[i] ?? 0) | ((destinationHigh[i] ?? 0) << 8), destinations, row);
      this.#decodeReply(streams, columns, row, this.#snapshots[this.#places[row] ?? 0] ?? 0);
    }
  }

  /** Sets the columns of shape and usual numbers, and where in `#snapshots` each row's words stand, its flags first. */
  #decodeShapes(streams: Streams, rows: number): void {
    const { words, width } = this.#shapes;
    const symbols = streams.shapes.take(rows);
    if (this.#snapshots.length < (rows + SHAPES_REMEMBERED) * width) {
      this.#snapshots = new Uint32Array((rows + SHAPES_REMEMBERED) * width);
    }
    const snapshots = this.#snapshots;
    const known = this.#snapshotOf.fill(-1);
    const places = this.#places;
    let taken = 0;
    for (let row = 0; row < rows; row++) {
      const symbol = symbols[row] ?? 0;
      const isNew = symbol % 2 === 0;
      const number = isNew ? this.#decodeShape(streams, symbol) : (symbol - 1) >> 1;
      let place = isNew ? -1 : (known[number] ?? -1);
      if (place < 0) {
        // A copy, as the number may be another shape's before the batch is over.
        place = taken;
        taken += width;
        for (let i = 0; i < width; i++) snapshots[place + i] = words[number * width + i] ?? 0;
        known[number] = place;
      }
      places[row] = place;
    }
    for (const [i, column] of this.#numberColumns.entries()) {
      if (column === undefined) continue;
      const same = sameWord(snapshots, i + 1, width, taken);
      if (same === undefined) scatter(snapshots, i + 1, places, column, rows);
      else column.fill(same, 0, rows);
    }
  }

  /** Which remembered flow each row ends, or -1. Returns how many rows are written out, and lists them. */
  #decodeNumbers({ referenceLow, referenceHigh }: Streams, rows: number): number {
    const [snapshots, places, numbers, written] = [this.#snapshots, this.#places, this.#numbers, this.#literals];
    let literals = 0;
    for (let row = 0; row < rows; row++) {
      const isRemembered = ((snapshots[places[row] ?? 0] ?? 0) & FLAG.remembered) !== 0;
      numbers[row] = isRemembered ? 0 : -1;
      if (!isRemembered) written[literals++] = row;
    }
    const low = referenceLow.take(rows - literals);
    const high = referenceHigh.take(rows - literals);
    let reference = this.#reference;
    for (let row = 0, i = 0; row < rows; row++) {
      if ((numbers[row] ?? 0) < 0) continue;
      reference = (reference + ((low[i] ?? 0) | ((high[i] ?? 0) << 8)) + 1) % FLOWS_REMEMBERED;
      numbers[row] = reference;
      i++;
    }
    this.#reference = reference;
    return literals;
  }

  /** The number of a shape that is new or has other usual numbers, whose words are set. */
  #decodeShape({ shapeValues, usualValues }: Streams, symbol: number): number {
    const memory = this.#shapes;
    const { words, width, shapeWidth } = memory;
    const number = symbol === 0 ? memory.take() : (symbol - 2) >> 1;
    const at = number * width;
    if (symbol === 0) for (let i = 0; i < shapeWidth; i++) words[at + i] = shapeValues.varint();
    for (let i = shapeWidth; i < width; i++) {
      words[at + i] = usualValues.signed() + (symbol === 0 ? 0 : (words[at + i] ?? 0));
    }
    return number;
  }

  /** Ids and ports of the first `count` rows of `#literals`. */
  #decodePorts(streams: Streams, columns: EventColumns, count: number): void {
    const { id, originalSourcePort, originalDestinationPort } = columns;
    const ids = streams.ids.take(count * 4);
    const sources = streams.sourcePorts.take(count * 2);
    const low = streams.portLow.take(count);
    const high = streams.portHigh.take(count);
    for (let i = 0; i < count; i++) {
      const row = this.#literals[i] ?? 0;
      const at = i * 4;
      // The column is unsigned: what the shift makes negative wraps back.
      id[row] = (ids[at] ?? 0) | ((ids[at + 1] ?? 0) << 8) | ((ids[at + 2] ?? 0) << 16) | ((ids[at + 3] ?? 0) << 24);
      originalSourcePort[row] = (sources[i * 2] ?? 0) | ((sources[i * 2 + 1] ?? 0) << 8);
      originalDestinationPort[row] = (low[i] ?? 0) | ((high[i] ?? 0) << 8);
    }
  }

  #decodeReply(streams: Streams, columns: EventColumns, row: number, flags: number): void {
    const { originalSource, originalDestination, replySource, replyDestination } = columns;
    const { reply, replyPorts } = streams;
    if ((flags & FLAG.replySource) !== 0) this.#decodeAddress(streams, reply.u16(), replySource.words, row);
    else copyAddress(originalDestination.words, row * 4, replySource.words, row * 4);
    if ((flags & FLAG.replyDestination) !== 0) this.#decodeAddress(streams, reply.u16(), replyDestination.words, row);
    else copyAddress(originalSource.words, row * 4, replyDestination.words, row * 4);
    const isOwnSource = (flags & FLAG.replySourcePort) !== 0;
    const isOwnDestination = (flags & FLAG.replyDestinationPort) !== 0;
    columns.replySourcePort[row] = isOwnSource ? replyPorts.u16() : (columns.originalDestinationPort[row] ?? 0);
    columns.replyDestinationPort[row] = isOwnDestination ? replyPorts.u16() : (columns.originalSourcePort[row] ?? 0);
  }

  #decodeAddress({ addresses }: Streams, symbol: number, words: Uint32Array, row: number): void {
    const at = row * 4;
    if (symbol === ADDRESS.ipv4 || symbol === ADDRESS.ipv6) {
      words[at] = addresses.u32();
      for (let word = 1; word < 4; word++) words[at + word] = symbol === ADDRESS.ipv6 ? addresses.u32() : 0;
      this.#addresses.add(words, at);
      return;
    }
    const same = symbol === ADDRESS.same;
    if (same ? row === 0 : symbol - ADDRESS.first >= ADDRESSES_REMEMBERED) throw new RangeError('no such address');
    const from = same ? words : this.#addresses.words;
    const fromAt = same ? at - 4 : (symbol - ADDRESS.first) * 4;
    copyAddress(from, fromAt, words, at);
  }

  #decodeFloats(
    floats: ByteReader,
    column: Float64Array,
    from: number,
    to: number,
    unixSeconds: number,
    references: Float64Array | undefined,
  ): void {
    if (from === to) return;
    const mode = floats.byte();
    if (mode === FLOAT_MODE.zero) column.fill(0, from, to);
    else if (mode === FLOAT_MODE.raw) for (let row = from; row < to; row++) column[row] = floats.f64();
    else {
      const units = mode === FLOAT_MODE.fixed ? FIXED_UNITS : 1;
      let before = mode === FLOAT_MODE.fixed ? Math.round(unixSeconds * FIXED_UNITS) : 0;
      for (let row = from; row < to; row++) {
        const folded = floats.varint();
        if (folded === 0) {
          column[row] = 0;
          continue;
        }
        const difference = folded % 2 === 0 ? -folded / 2 : (folded - 1) / 2;
        const reference = references?.[this.#numbers[row] ?? -1] ?? 0;
        const isReferred = mode === FLOAT_MODE.fixed && isNear(reference, unixSeconds);
        const value = difference + (isReferred ? Math.round(reference * FIXED_UNITS) : before);
        column[row] = value / units;
        before = value;
      }
    }
  }
}

/** The number that all of these snapshots have in a word. */
function sameWord(snapshots: Uint32Array, word: number, width: number, length: number): number | undefined {
  const first = snapshots[word];
  for (let at = word + width; at < length; at += width) if (snapshots[at] !== first) return undefined;
  return first;
}

function scatter(words: Uint32Array, word: number, places: Int32Array, column: NumberColumn, rows: number): void {
  for (let row = 0; row < rows; row++) column[row] = words[(places[row] ?? 0) + word] ?? 0;
}

function isIntegerColumn(name: string): name is IntegerColumn {
  return COLUMNS.some(([column, type]) => column === name && (type === 'u8' || type === 'u16' || type === 'u32'));
}

function numberColumn(columns: EventColumns, name: string): NumberColumn | undefined {
  return isIntegerColumn(name) ? columns[name] : undefined;
}

function floatColumn(columns: EventColumns, name: string): Float64Array | undefined {
  const found = LAYOUT.floats.find((column) => column === name);
  return found === undefined ? undefined : columns[found];
}
