import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, SIGNED_MAX } from '../../src/recording/byte-stream.js';

describe('varint', () => {
  it.each([
    [0, [0]],
    [127, [0x7f]],
    [128, [0x80, 0x01]],
    [300, [0xac, 0x02]],
    [2 ** 32, [0x80, 0x80, 0x80, 0x80, 0x10]],
    [Number.MAX_SAFE_INTEGER, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('%i is %j', (value, bytes) => {
    const writer = new ByteWriter();
    writer.varint(value);
    expect([...writer.take()]).toEqual(bytes);
    expect(new ByteReader(Uint8Array.from(bytes)).varint()).toBe(value);
  });

  it('refuses more than 53 bits and a stream that ends within a number', () => {
    expect(() => new ByteReader(new Uint8Array(12).fill(0xff)).varint()).toThrow(RangeError);
    expect(() => new ByteReader(Uint8Array.of(0x80)).varint()).toThrow(RangeError);
  });
});

it('gives back what was written, in order', () => {
  const number = fc.oneof(
    fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant('signed' as const), value: fc.integer({ min: -SIGNED_MAX, max: SIGNED_MAX }) }),
    fc.record({ kind: fc.constant('f64' as const), value: fc.double() }),
  );
  const text = fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'grapheme' }) });
  fc.assert(
    fc.property(fc.array(fc.oneof(number, text)), (values) => {
      const writer = new ByteWriter();
      for (const item of values) {
        if (item.kind === 'text') writer.text(item.value);
        else writer[item.kind](item.value);
      }
      const reader = new ByteReader(writer.take().slice());
      expect(values.map(({ kind }) => reader[kind]())).toEqual(values.map(({ value }) => value));
      expect(reader.left).toBe(0);
    }),
  );
});

it('grows, and starts anew after each take', () => {
  const writer = new ByteWriter();
  for (let i = 0; i < 5000; i++) {
    writer.reserve(6);
    writer.u32(i);
    writer.u16(i);
  }
  const bytes = writer.take();
  expect(bytes.length).toBe(30_000);
  const reader = new ByteReader(bytes);
  reader.take(4999 * 6);
  expect([reader.u32(), reader.u16()]).toEqual([4999, 4999]);
  expect(writer.take().length).toBe(0);
});
