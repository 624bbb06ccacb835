/**
 * The combinations of small numbers that rows have (family, protocol, state, status, ...), by number. There are a few dozen
 * in real traffic. With each stand the usual numbers of its last row (timeout, mark). Writer and reader keep the same ones.
 *
 * A shape is `shapeWidth` words, the flags and its columns; with the usual columns it is `width` words.
 */
import { RecentIndex } from './recent-index.js';

/** As many as one byte can name, with a bit for "not the usual numbers" and one value for "a new one". */
export const SHAPES_REMEMBERED = 127;

export class ShapeMemory {
  readonly width: number;
  /** Words of the shape itself, the flags included. */
  readonly shapeWidth: number;
  /** `width` words a shape. */
  readonly words: Uint32Array;
  readonly #index: RecentIndex | undefined;
  #next = 0;

  constructor(use: 'write' | 'read', columns: number, usualColumns: number) {
    this.shapeWidth = 1 + columns;
    this.width = this.shapeWidth + usualColumns;
    this.words = new Uint32Array(SHAPES_REMEMBERED * this.width);
    this.#index = use === 'write' ? new RecentIndex(SHAPES_REMEMBERED) : undefined;
  }

  /** The number of the shape in `row`, or -1. */
  find(row: Uint32Array): number {
    const index = this.#index;
    if (index === undefined) return -1;
    const { words, width, shapeWidth } = this;
    const hash = this.#hash(row);
    for (let guess = index.next(hash, 0); guess >= 0; guess = index.next(hash, guess & 7)) {
      const number = guess >> 3;
      const known = number * width;
      let i = 0;
      while (i < shapeWidth && words[known + i] === row[i]) i++;
      if (i === shapeWidth) return number;
    }
    return -1;
  }

  /** The number that the next shape gets, in place of the oldest; its words are still to be set. */
  take(): number {
    const number = this.#next;
    this.#next = (number + 1) % SHAPES_REMEMBERED;
    return number;
  }

  /** Remembers the shape in `row`, so that it is found, and returns its number; its usual numbers are still to be set. */
  add(row: Uint32Array): number {
    const number = this.take();
    for (let i = 0; i < this.shapeWidth; i++) this.words[number * this.width + i] = row[i] ?? 0;
    this.#index?.put(this.#hash(row), number);
    return number;
  }

  #hash(row: Uint32Array): number {
    let hash = 0;
    for (let i = 0; i < this.shapeWidth; i++) hash = Math.imul(hash ^ (row[i] ?? 0), 0x9e3779b1);
    return hash ^ (hash >>> 16);
  }
}
