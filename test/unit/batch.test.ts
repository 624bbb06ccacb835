import { describe, expect, it } from 'vitest';
import { COLUMN_BYTES, COLUMNS, createBatch, PRESENT, ROW_BYTES } from '../../src/model/batch.js';

describe('createBatch', () => {
  it('rounds up to eight rows and starts every column aligned, one behind the other', () => {
    const batch = createBatch(13);
    expect(batch.capacity).toBe(16);
    expect(batch.buffer.byteLength).toBe(16 * ROW_BYTES);
    let offset = 0;
    for (const [name, type] of COLUMNS) {
      const column = batch.columns[name];
      const array = 'words' in column ? column.words : column;
      expect(array.byteOffset, name).toBe(offset);
      expect(offset % array.BYTES_PER_ELEMENT, name).toBe(0);
      expect(array.byteLength, name).toBe(16 * COLUMN_BYTES[type]);
      offset += 16 * COLUMN_BYTES[type];
    }
    expect(offset).toBe(batch.buffer.byteLength);
  });

  it('shows the same address as bytes and as words', () => {
    const { columns } = createBatch(8);
    columns.originalSource.bytes.set([10, 0, 0, 9], 16);
    expect(
      new Uint8Array(columns.originalSource.words.buffer, columns.originalSource.words.byteOffset + 16, 4),
    ).toEqual(Uint8Array.of(10, 0, 0, 9));
  });
});

describe('PRESENT', () => {
  it('has a bit of its own for each attribute', () => {
    const bits = Object.values(PRESENT);
    expect(bits.every((bit) => (bit & (bit - 1)) === 0)).toBe(true);
    expect(new Set(bits).size).toBe(bits.length);
  });
});
