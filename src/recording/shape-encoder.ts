/**
 * Writes which combination of small numbers each row has: see `ShapeMemory`. The combination is guessed by what differs most between
 * them, and compared in full. Nearly always it is right: then nothing is gathered, hashed or looked for.
 */
import type { EventColumns } from '../model/batch.js';
import type { ByteWriter } from './byte-stream.js';
import { LAYOUT } from './layout.js';
import { ShapeMemory } from './shape-memory.js';

interface ShapeStreams {
  readonly shapes: ByteWriter;
  readonly shapeValues: ByteWriter;
  readonly usualValues: ByteWriter;
}

/** As many as `guessSlot` tells apart. */
const GUESSES = 256;

/** Where the usual numbers of a shape begin. */
const USUAL_AT = 1 + LAYOUT.shape.length;

export class ShapeEncoder {
  readonly #streams: ShapeStreams;
  readonly #memory = new ShapeMemory('write', LAYOUT.shape.length, LAYOUT.usual.length);
  /** The shape that a slot had last. */
  readonly #guesses = new Uint8Array(GUESSES);
  /** Flags and shape of the row that is looked at. */
  readonly #row = new Uint32Array(USUAL_AT);

  constructor(streams: ShapeStreams) {
    this.#streams = streams;
  }

  /** Writes rows [0, rows), for which `shapes` has room. */
  encode(columns: EventColumns, flags: Uint8Array, rows: number): void {
    const { family, protocol, tcpState, zone, status, portid, present, timeoutSeconds, mark } = columns;
    const { shapes } = this.#streams;
    const { words, width } = this.#memory;
    const guesses = this.#guesses;
    const { bytes, length: from } = shapes;
    for (let row = 0; row < rows; row++) {
      const slot = guessSlot(flags[row] ?? 0, protocol[row] ?? 0, status[row] ?? 0, tcpState[row] ?? 0);
      let known = guesses[slot] ?? 0;
      const at = known * width;
      // In the order of the layout. Another order would cost time, nothing else.
      const isRight =
        words[at] === flags[row] &&
        words[at + 1] === family[row] &&
        words[at + 2] === protocol[row] &&
        words[at + 3] === tcpState[row] &&
        words[at + 4] === zone[row] &&
        words[at + 5] === status[row] &&
        words[at + 6] === portid[row] &&
        words[at + 7] === present[row];
      let symbol = 1 + 2 * known;
      if (!isRight) {
        known = this.#find(columns, flags[row] ?? 0, row);
        symbol = known < 0 ? 0 : 1 + 2 * known;
        if (known < 0) known = this.#add();
        guesses[slot] = known;
      }
      const usual = known * width + USUAL_AT;
      if (symbol === 0 || words[usual] !== timeoutSeconds[row] || words[usual + 1] !== mark[row]) {
        const isNew = symbol === 0;
        if (!isNew) symbol++;
        this.#encodeUsual(usual, isNew, timeoutSeconds[row] ?? 0);
        this.#encodeUsual(usual + 1, isNew, mark[row] ?? 0);
      }
      bytes[from + row] = symbol;
    }
    shapes.length += rows;
  }

  /** Gathers the shape of a row; its number, or -1. */
  #find(columns: EventColumns, flags: number, row: number): number {
    const gathered = this.#row;
    gathered[0] = flags;
    let at = 1;
    for (const name of LAYOUT.shape) gathered[at++] = columns[name][row] ?? 0;
    return this.#memory.find(gathered);
  }

  /** Writes the shape that was gathered last and remembers it; returns its number. */
  #add(): number {
    for (const value of this.#row) this.#streams.shapeValues.varint(value);
    return this.#memory.add(this.#row);
  }

  #encodeUsual(at: number, isNew: boolean, value: number): void {
    const { words } = this.#memory;
    this.#streams.usualValues.signed(isNew ? value : value - (words[at] ?? 0));
    words[at] = value;
  }
}

function guessSlot(flags: number, protocol: number, status: number, tcpState: number): number {
  return Math.imul(flags ^ (protocol << 8) ^ (status << 16) ^ (tcpState << 4), 0x9e3779b1) >>> 24;
}
