/**
 * The rows of a batch as bytes, a few for each: see docs/recording.md. A NEW costs its id and its source port, which nothing
 * can foretell, and little more; a DESTROY is the number of its NEW. What repeats is left to deflate.
 * Keeps what it wrote in memories that `BatchDecoder` fills in the same order.
 */

import { sameAddress } from '../model/address-words.js';
import type { EventBatch, EventColumns } from '../model/batch.js';
import { AddressMemory } from './address-memory.js';
import type { ByteWriter } from './byte-stream.js';
import { FlowMemory, hashFlows, readKinds } from './flow-memory.js';
import {
  ADDRESS,
  FIXED_UNITS,
  FLAG,
  FLOAT_MODE,
  FLOAT_PRESENT,
  INTEGER_MAX,
  isNear,
  LAYOUT,
  type StreamName,
} from './layout.js';
import { ShapeEncoder } from './shape-encoder.js';

/** Most bytes a row takes in any stream that is written without looking for room. */
const ROW_BYTES_MAX = 16;
const ADDRESS_BYTES_MAX = 4 * 16;

const REPLY_FLAGS = FLAG.replySource | FLAG.replyDestination | FLAG.replySourcePort | FLAG.replyDestinationPort;

export class BatchEncoder {
  readonly #streams: Readonly<Record<StreamName, ByteWriter>>;
  readonly #flows = new FlowMemory('write');
  readonly #addresses = new AddressMemory('write');
  readonly #shapes: ShapeEncoder;
  /** Number of the flow whose DESTROY came last. */
  #reference = 0;
  /** Which remembered flow each row of this batch ends, or -1. */
  #numbers = new Int32Array(0);
  /** Of the flow of each row of this batch: see `readKinds` and `hashFlows`. Then hashes of addresses. */
  #kinds = new Uint8Array(0);
  #hashes = new Int32Array(0);
  /** Flags of each row of this batch, as they are written. */
  #flags = new Uint8Array(0);
  /** Rows of this batch whose tuple is written out. */
  #literals = new Int32Array(0);

  constructor(streams: Readonly<Record<StreamName, ByteWriter>>) {
    this.#streams = streams;
    this.#shapes = new ShapeEncoder(streams);
  }

  /** Writes all rows. Times are written as differences to `unixSeconds`. */
  encode({ columns, newCount, destroyCount }: EventBatch, unixSeconds: number): void {
    const rows = newCount + destroyCount;
    if (this.#numbers.length < rows) {
      this.#numbers = new Int32Array(rows);
      this.#literals = new Int32Array(rows);
      this.#kinds = new Uint8Array(rows);
      this.#hashes = new Int32Array(rows);
      this.#flags = new Uint8Array(rows);
    }
    for (const stream of Object.values(this.#streams)) stream.reserve(rows * ROW_BYTES_MAX);
    this.#streams.addresses.reserve(rows * ADDRESS_BYTES_MAX);
    this.#encodeRows(columns, newCount, rows);
    const newPresent = presentBits(columns, 0, newCount);
    const destroyPresent = presentBits(columns, newCount, rows);
    // Columns that are absent in all rows are not even read: a third of a batch, where neither accounting nor timestamps are on.
    for (const name of LAYOUT.floats) {
      const references = name === 'startSeconds' ? this.#flows.eventSeconds : undefined;
      const inNew = (newPresent & FLOAT_PRESENT[name]) !== 0 ? columns[name] : undefined;
      const inDestroy = (destroyPresent & FLOAT_PRESENT[name]) !== 0 ? columns[name] : undefined;
      this.#encodeFloats(inNew, 0, newCount, unixSeconds, undefined);
      if (name === 'eventSeconds') this.#flows.addTimes(inNew, newCount);
      this.#encodeFloats(inDestroy, newCount, rows, unixSeconds, references);
    }
  }

  #encodeRows(columns: EventColumns, newCount: number, rows: number): void {
    const [numbers, kinds, hashes] = [this.#numbers, this.#kinds, this.#hashes];
    readKinds(columns, rows, kinds);
    hashFlows(columns, rows, hashes);
    numbers.fill(-1, 0, newCount);
    this.#flows.addAll(columns, newCount, kinds, hashes);
    this.#flows.findAll(columns, newCount, rows, kinds, hashes, numbers);
    const literals = this.#encodeReferences(rows);
    this.#shapes.encode(columns, this.#flags, rows);
    this.#encodePorts(columns, literals);
    this.#encodeAddresses(columns, literals);
  }

  /** Writes which flows end, and the flags of each row. Returns how many rows are written out, and lists them. */
  #encodeReferences(rows: number): number {
    const { referenceLow, referenceHigh } = this.#streams;
    const [numbers, kinds, flags, written] = [this.#numbers, this.#kinds, this.#flags, this.#literals];
    const { bytes: lowBytes, length: from } = referenceLow;
    const { bytes: highBytes, length: highFrom } = referenceHigh;
    let reference = this.#reference;
    let literals = 0;
    let references = 0;
    for (let row = 0; row < rows; row++) {
      const number = numbers[row] ?? -1;
      if (number < 0) {
        flags[row] = (kinds[row] ?? 0) & REPLY_FLAGS;
        written[literals++] = row;
        continue;
      }
      flags[row] = FLAG.remembered;
      const distance = number - reference - 1;
      lowBytes[from + references] = distance;
      highBytes[highFrom + references] = distance >>> 8;
      references++;
      reference = number;
    }
    this.#reference = reference;
    referenceLow.length += references;
    referenceHigh.length += references;
    return literals;
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

  /** Addresses of the first `count` rows of `#literals`, and what is odd about their replies. */
  #encodeAddresses(columns: EventColumns, count: number): void {
    const { sourceLow, sourceHigh, destinationLow, destinationHigh } = this.#streams;
    const [written, flags, hashes] = [this.#literals, this.#flags, this.#hashes];
    const sources = columns.originalSource.words;
    const destinations = columns.originalDestination.words;
    // Of the destinations most are those of the row before, or few.
    this.#addresses.hashAll(sources, written, count, hashes);
    const { bytes: sourceLowBytes, length: sourceLowAt } = sourceLow;
    const { bytes: sourceHighBytes, length: sourceHighAt } = sourceHigh;
    const { bytes: destinationLowBytes, length: destinationLowAt } = destinationLow;
    const { bytes: destinationHighBytes, length: destinationHighAt } = destinationHigh;
    for (let i = 0; i < count; i++) {
      const row = written[i] ?? 0;
      const source = this.#encodeAddress(sources, row, hashes[i]);
      sourceLowBytes[sourceLowAt + i] = source;
      sourceHighBytes[sourceHighAt + i] = source >>> 8;
      const destination = this.#encodeAddress(destinations, row);
      destinationLowBytes[destinationLowAt + i] = destination;
      destinationHighBytes[destinationHighAt + i] = destination >>> 8;
      if (flags[row] !== 0) this.#encodeReply(columns, row, flags[row] ?? 0);
    }
    sourceLow.length += count;
    sourceHigh.length += count;
    destinationLow.length += count;
    destinationHigh.length += count;
  }

  #encodeReply(columns: EventColumns, row: number, flags: number): void {
    const { reply, replyPorts } = this.#streams;
    if ((flags & FLAG.replySource) !== 0) reply.u16(this.#encodeAddress(columns.replySource.words, row));
    if ((flags & FLAG.replyDestination) !== 0) reply.u16(this.#encodeAddress(columns.replyDestination.words, row));
    if ((flags & FLAG.replySourcePort) !== 0) replyPorts.u16(columns.replySourcePort[row] ?? 0);
    if ((flags & FLAG.replyDestinationPort) !== 0) replyPorts.u16(columns.replyDestinationPort[row] ?? 0);
  }

  /** The symbol of the address; one that is not remembered is written out. */
  #encodeAddress(words: Uint32Array, row: number, hash?: number): number {
    const at = row * 4;
    if (row > 0 && sameAddress(words, at, words, at - 4)) return ADDRESS.same;
    const memory = this.#addresses;
    const known = memory.find(words, at, hash);
    if (known >= 0) return ADDRESS.first + known;
    memory.add(words, at);
    const { addresses } = this.#streams;
    addresses.u32(words[at] ?? 0);
    if (((words[at + 1] ?? 0) | (words[at + 2] ?? 0) | (words[at + 3] ?? 0)) === 0) return ADDRESS.ipv4;
    for (let word = 1; word < 4; word++) addresses.u32(words[at + word] ?? 0);
    return ADDRESS.ipv6;
  }

  /** Rows [from, to) of a column, undefined: 0 in all of them. Where a row ends a remembered flow, `references` has what its value is close to. */
  #encodeFloats(
    column: Float64Array | undefined,
    from: number,
    to: number,
    unixSeconds: number,
    references: Float64Array | undefined,
  ): void {
    if (from === to) return;
    const { floats } = this.#streams;
    const mode = column === undefined ? FLOAT_MODE.zero : floatMode(column, from, to, unixSeconds);
    floats.reserve(1);
    floats.byte(mode);
    if (column === undefined || mode === FLOAT_MODE.zero) return;
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

/** Bits that are set in `present` of any of these rows. */
function presentBits({ present }: EventColumns, from: number, to: number): number {
  let bits = 0;
  for (let row = from; row < to; row++) bits |= present[row] ?? 0;
  return bits;
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
