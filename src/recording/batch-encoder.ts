/**
 * The rows of a batch as bytes, a few for each: see docs/recording.md. A NEW costs its id and its source port, which nothing
 * can foretell, and little more; a DESTROY is the number of its NEW. What repeats is left to deflate.
 * Keeps what it wrote in memories that `BatchDecoder` fills in the same order.
 */

import { sameAddress } from '../model/address-words.js';
import type { EventBatch, EventColumns } from '../model/batch.js';
import { AddressMemory } from './address-memory.js';
import type { ByteWriter } from './byte-stream.js';
import { FlowMemory } from './flow-memory.js';
import { ADDRESS, FIXED_UNITS, FLAG, FLOAT_MODE, INTEGER_MAX, isNear, LAYOUT, type StreamName } from './layout.js';
import { ShapeMemory } from './shape-memory.js';

/** Most bytes a row takes in any stream that is written without looking for room. */
const ROW_BYTES_MAX = 16;
const ADDRESS_BYTES_MAX = 4 * 16;

export class BatchEncoder {
  readonly #streams: Readonly<Record<StreamName, ByteWriter>>;
  readonly #flows = new FlowMemory('write');
  readonly #addresses = new AddressMemory('write');
  readonly #shapes = new ShapeMemory('write', LAYOUT.shape.length, LAYOUT.usual.length);
  /** Number of the flow whose DESTROY came last. */
  #reference = 0;
  /** Which remembered flow each row of this batch ends, or -1. */
  #numbers = new Int32Array(0);

  /** In what the reply of each row is not the original turned round. */
  #replies = new Uint8Array(0);
  /** Rows of this batch whose tuple is written out. */
  #literals = new Int32Array(0);
  /** Flags, shape and usual numbers of each row of this batch. */
  #rows = new Uint32Array(0);

  constructor(streams: Readonly<Record<StreamName, ByteWriter>>) {
    this.#streams = streams;
  }

  /** Writes all rows. Times are written as differences to `unixSeconds`. */
  encode({ columns, newCount, destroyCount }: EventBatch, unixSeconds: number): void {
    const rows = newCount + destroyCount;
    if (this.#numbers.length < rows) {
      this.#numbers = new Int32Array(rows);
      this.#literals = new Int32Array(rows);
      this.#replies = new Uint8Array(rows);
    }
    for (const stream of Object.values(this.#streams)) stream.reserve(rows * ROW_BYTES_MAX);
    this.#streams.addresses.reserve(rows * ADDRESS_BYTES_MAX);
    this.#encodeRows(columns, newCount, rows);
    for (const name of LAYOUT.floats) {
      const references = name === 'startSeconds' ? this.#flows.eventSeconds : undefined;
      this.#encodeFloats(columns[name], 0, newCount, unixSeconds, undefined);
      if (name === 'eventSeconds') this.#flows.addTimes(columns[name], newCount);
      this.#encodeFloats(columns[name], newCount, rows, unixSeconds, references);
    }
  }

  #encodeRows(columns: EventColumns, newCount: number, rows: number): void {
    const { referenceLow, referenceHigh } = this.#streams;
    const { width } = this.#shapes;
    const shapes = this.#gatherShapes(columns, rows);
    const [written, numbers, replies] = [this.#literals, this.#numbers, this.#replies];
    for (let row = 0; row < rows; row++) replies[row] = replyFlags(columns, row);
    numbers.fill(-1, 0, newCount);
    this.#flows.addAll(columns, newCount, replies);
    this.#flows.findAll(columns, newCount, rows, replies, numbers);
    let literals = 0;
    for (let row = 0; row < rows; row++) {
      const number = numbers[row] ?? -1;
      shapes[row * width] = number < 0 ? (replies[row] ?? 0) : FLAG.remembered;
      if (number < 0) written[literals++] = row;
      else {
        const distance = number - this.#reference - 1;
        this.#reference = number;
        referenceLow.byte(distance);
        referenceHigh.byte(distance >>> 8);
      }
    }
    this.#encodeShapes(shapes, rows);
    this.#encodePorts(columns, literals);
    for (let i = 0; i < literals; i++) {
      const row = written[i] ?? 0;
      this.#encodeTuple(columns, row, shapes[row * width] ?? 0);
    }
  }

  /** The columns of shape and usual numbers as one row of words each: a column at a time is twice as fast as a row at a time. */
  #gatherShapes(columns: EventColumns, rows: number): Uint32Array {
    const { width } = this.#shapes;
    if (this.#rows.length < rows * width) this.#rows = new Uint32Array(rows * width);
    let at = 1;
    for (const name of LAYOUT.shape) gather(columns[name], this.#rows, at++, width, rows);
    for (const name of LAYOUT.usual) gather(columns[name], this.#rows, at++, width, rows);
    return this.#rows;
  }

  #encodeShapes(gathered: Uint32Array, rows: number): void {
    const { width } = this.#shapes;
    for (let at = 0; at < rows * width; at += width) this.#encodeShape(gathered, at);
  }

  #encodeShape(row: Uint32Array, at: number): void {
    const memory = this.#shapes;
    const { words, width, shapeWidth } = memory;
    const { shapes, shapeValues, usualValues } = this.#streams;
    const known = memory.find(row, at);
    if (known >= 0 && memory.isUsual(known, row, at)) {
      shapes.byte(1 + 2 * known);
      return;
    }
    shapes.byte(known >= 0 ? 2 + 2 * known : 0);
    const number = known >= 0 ? known : memory.add(row, at);
    if (known < 0) for (let i = 0; i < shapeWidth; i++) shapeValues.varint(row[at + i] ?? 0);
    for (let i = shapeWidth; i < width; i++) {
      const value = row[at + i] ?? 0;
      usualValues.signed(known >= 0 ? value - (words[number * width + i] ?? 0) : value);
      words[number * width + i] = value;
    }
  }

  /** Ids and ports of the first `count` rows of `#literals`, a column at a time: a call for each number takes twice as long. */
  #encodePorts(columns: EventColumns, count: number): void {
    const { ids, sourcePorts, portLow, portHigh } = this.#streams;
    const written = this.#literals;
    const { id, originalSourcePort, originalDestinationPort } = columns;
    const { bytes: idBytes, length: idAt } = ids;
    const { bytes: sourceBytes, length: sourceAt } = sourcePorts;
    const { bytes: lowBytes, length: lowAt } = portLow;
    const { bytes: highBytes, length: highAt } = portHigh;
    for (let i = 0; i < count; i++) {
      const row = written[i] ?? 0;
      const number = id[row] ?? 0;
      const at = idAt + i * 4;
      idBytes[at] = number;
      idBytes[at + 1] = number >>> 8;
      idBytes[at + 2] = number >>> 16;
      idBytes[at + 3] = number >>> 24;
      const source = originalSourcePort[row] ?? 0;
      sourceBytes[sourceAt + i * 2] = source;
      sourceBytes[sourceAt + i * 2 + 1] = source >>> 8;
      const port = originalDestinationPort[row] ?? 0;
      lowBytes[lowAt + i] = port;
      highBytes[highAt + i] = port >>> 8;
    }
    ids.length += count * 4;
    sourcePorts.length += count * 2;
    portLow.length += count;
    portHigh.length += count;
  }

  #encodeTuple(columns: EventColumns, row: number, flags: number): void {
    const { sourceLow, sourceHigh, destinationLow, destinationHigh, reply, replyPorts } = this.#streams;
    const source = this.#encodeAddress(columns.originalSource.words, row);
    sourceLow.byte(source);
    sourceHigh.byte(source >>> 8);
    const destination = this.#encodeAddress(columns.originalDestination.words, row);
    destinationLow.byte(destination);
    destinationHigh.byte(destination >>> 8);
    if (flags === 0) return;
    if ((flags & FLAG.replySource) !== 0) reply.u16(this.#encodeAddress(columns.replySource.words, row));
    if ((flags & FLAG.replyDestination) !== 0) reply.u16(this.#encodeAddress(columns.replyDestination.words, row));
    if ((flags & FLAG.replySourcePort) !== 0) replyPorts.u16(columns.replySourcePort[row] ?? 0);
    if ((flags & FLAG.replyDestinationPort) !== 0) replyPorts.u16(columns.replyDestinationPort[row] ?? 0);
  }

  /** The symbol of the address; one that is not remembered is written out. */
  #encodeAddress(words: Uint32Array, row: number): number {
    const at = row * 4;
    if (row > 0 && sameAddress(words, at, words, at - 4)) return ADDRESS.same;
    const known = this.#addresses.find(words, at);
    if (known >= 0) return ADDRESS.first + known;
    this.#addresses.add(words, at);
    const { addresses } = this.#streams;
    addresses.u32(words[at] ?? 0);
    if (((words[at + 1] ?? 0) | (words[at + 2] ?? 0) | (words[at + 3] ?? 0)) === 0) return ADDRESS.ipv4;
    for (let word = 1; word < 4; word++) addresses.u32(words[at + word] ?? 0);
    return ADDRESS.ipv6;
  }

  /** Rows [from, to) of a column. Where a row ends a remembered flow, `references` has what its value is close to. */
  #encodeFloats(
    column: Float64Array,
    from: number,
    to: number,
    unixSeconds: number,
    references: Float64Array | undefined,
  ): void {
    if (from === to) return;
    const { floats } = this.#streams;
    const mode = floatMode(column, from, to, unixSeconds);
    floats.reserve(1);
    floats.byte(mode);
    if (mode === FLOAT_MODE.zero) return;
    if (mode === FLOAT_MODE.raw) {
      for (let row = from; row < to; row++) floats.f64(column[row] ?? 0);
      return;
    }
    const units = mode === FLOAT_MODE.fixed ? FIXED_UNITS : 1;
    let before = mode === FLOAT_MODE.fixed ? Math.round(unixSeconds * FIXED_UNITS) : 0;
    for (let row = from; row < to; row++) {
      const value = (column[row] ?? 0) * units;
      if (value === 0) {
        floats.varint(0);
        continue;
      }
      const reference = references?.[this.#numbers[row] ?? -1] ?? 0;
      const isReferred = mode === FLOAT_MODE.fixed && isNear(reference, unixSeconds);
      const difference = value - (isReferred ? Math.round(reference * FIXED_UNITS) : before);
      floats.varint(difference < 0 ? -2 * difference : 2 * difference + 1);
      before = value;
    }
  }
}

/** The most compact way that gives every value back exactly. */
function floatMode(column: Float64Array, from: number, to: number, unixSeconds: number): number {
  let zero = true;
  let integer = true;
  let fixed = true;
  for (let row = from; row < to; row++) {
    const value = column[row] ?? 0;
    if (value === 0) continue;
    zero = false;
    if (!Number.isInteger(value) || value < 0 || value > INTEGER_MAX) integer = false;
    if (!isNear(value, unixSeconds) || !Number.isInteger(value * FIXED_UNITS)) fixed = false;
    if (!integer && !fixed) return FLOAT_MODE.raw;
  }
  return zero ? FLOAT_MODE.zero : integer ? FLOAT_MODE.integer : FLOAT_MODE.fixed;
}

function gather(
  column: Uint32Array | Uint16Array | Uint8Array,
  into: Uint32Array,
  from: number,
  width: number,
  rows: number,
): void {
  for (let row = 0, at = from; row < rows; row++, at += width) into[at] = column[row] ?? 0;
}

/** In what the reply tuple is not the original one turned round. */
function replyFlags(columns: EventColumns, row: number): number {
  const { originalSource, originalDestination, replySource, replyDestination } = columns;
  const [a, b, c, d] = [originalSource.words, originalDestination.words, replySource.words, replyDestination.words];
  const at = row * 4;
  let flags = 0;
  if (!sameAddress(c, at, b, at)) flags |= FLAG.replySource;
  if (!sameAddress(d, at, a, at)) flags |= FLAG.replyDestination;
  if (columns.replySourcePort[row] !== columns.originalDestinationPort[row]) flags |= FLAG.replySourcePort;
  if (columns.replyDestinationPort[row] !== columns.originalSourcePort[row]) flags |= FLAG.replyDestinationPort;
  return flags;
}
