import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/recording/crc32.js';

describe('crc32', () => {
  it.each([
    ['', 0],
    // The check value of the CRC catalogue, and one of RFC 1952's own examples computed by gzip.
    ['123456789', 0xcbf43926],
    ['The quick brown fox jumps over the lazy dog', 0x414fa339],
  ])('of %j', (text, expected) => expect(crc32(Buffer.from(text))).toBe(expected));

  it('goes on where it stopped', () => {
    expect(crc32(Buffer.from('56789'), crc32(Buffer.from('1234')))).toBe(0xcbf43926);
  });
});
