/**
 * Numbers as bytes: a writer that grows and a reader that ends with a `RangeError`. Little-endian. A varint takes seven
 * bits a byte, lowest first, up to 2^53; signed numbers are folded (0, -1, 1, -2, ...) so that small ones stay short.
 */

/** Bytes of the longest varint: 53 bits. */
const VARINT_BYTES_MAX = 8;

/** Largest magnitude that `signed` can fold into 53 bits. */
export const SIGNED_MAX = 2 ** 52 - 1;

export class ByteWriter {
  bytes = new Uint8Array(1024);
  length = 0;

  /** Makes room for `count` more bytes. Needed before `byte`, `u16` and `u32`, which do not look. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  byte(value: number): void {
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    const { bytes, length } = this;
    bytes[length] = value;
    bytes[length + 1] = value >>> 8;
    this.length = length + 2;
  }

  u32(value: number): void {
    const { bytes, length } = this;
    bytes[length] = value;
    bytes[length + 1] = value >>> 8;
    bytes[length + 2] = value >>> 16;
    bytes[length + 3] = value >>> 24;
    this.length = length + 4;
  }

  /** A whole number from 0 to 2^53. */
  varint(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.length++] = rest;
  }

  /** A whole number of at most `SIGNED_MAX` either way. */
  signed(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  f64(value: number): void {
    FLOAT[0] = value;
    this.append(FLOAT_BYTES);
  }

  append(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  text(value: string): void {
    const bytes = Buffer.from(value);
    this.varint(bytes.length);
    this.append(bytes);
  }

  /** What was written since the last call; valid until the next byte is. */
  take(): Uint8Array {
    const taken = this.bytes.subarray(0, this.length);
    this.length = 0;
    return taken;
  }
}

export class ByteReader {
  readonly bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.position;
  }

  byte(): number {
    const value = this.bytes[this.position++];
    if (value === undefined) throw new RangeError('the stream ends within a number');
    return value;
  }

  u16(): number {
    const low = this.byte();
    return low | (this.byte() << 8);
  }

  u32(): number {
    const low = this.u16();
    return (low | (this.u16() << 16)) >>> 0;
  }

  varint(): number {
    let byte = this.byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let factor = 128; byte >= 0x80; factor *= 128) {
      if (factor > 2 ** 49) throw new RangeError('a number has more than 53 bits');
      byte = this.byte();
      value += (byte & 0x7f) * factor;
    }
    return value;
  }

  signed(): number {
    const folded = this.varint();
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
  }

  f64(): number {
    FLOAT_BYTES.set(this.take(8));
    return FLOAT[0] ?? 0;
  }

  /** The next `count` bytes, not copied. */
  take(count: number): Uint8Array {
    if (count > this.left) throw new RangeError('the stream ends too early');
    this.position += count;
    return this.bytes.subarray(this.position - count, this.position);
  }

  text(): string {
    return Buffer.from(this.take(this.varint())).toString();
  }
}

const FLOAT = new Float64Array(1);
const FLOAT_BYTES = new Uint8Array(FLOAT.buffer);
