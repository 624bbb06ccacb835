import { describe, expect, it } from 'vitest';
import { crc32, tableCrc32 } from '../../src/recording/crc32.js';

describe.each([
  ['crc32', crc32],
  ['tableCrc32', tableCrc32],
])('%s', (_, checksum) => {
  it.each([
    ['', 0],
    // The check value of the CRC catalogue.
    ['123456789', 0xcbf43926],
    ['The quick brown fox jumps over the lazy dog', 0x414fa339],
  ])('of %j', (text, expected) => expect(checksum(Buffer.from(text))).toBe(expected));

  it('goes on where it stopped', () => {
    expect(checksum(Buffer.from('56789'), checksum(Buffer.from('1234')))).toBe(0xcbf43926);
  });
});
