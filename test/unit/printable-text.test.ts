import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundText, printable } from '../../src/model/printable-text.js';

describe('text from bytes', () => {
  it.each([
    ['plain', Buffer.from('redis-server'), 'redis-server'],
    ['a newline and an escape', Buffer.from('a\nb\u001b[31m'), 'a\ufffdb\ufffd[31m'],
    ['text that would be shown backwards', Buffer.from('gpj.\u202eexe'), 'gpj.\ufffdexe'],
    ['separators that end a line for some', Buffer.from('a\u2028b\u0085c'), 'a\ufffdb\ufffdc'],
    ['no UTF-8', Uint8Array.of(0x61, 0xff, 0xfe, 0x62), 'a\ufffd\ufffdb'],
    ['a character cut in the middle', Uint8Array.of(0x61, 0xc3), 'a\ufffd'],
    ['nothing', new Uint8Array(0), ''],
  ])('%s', (_, bytes, text) => {
    expect(boundText(bytes)).toBe(text);
  });

  it('is cut between characters', () => {
    expect(boundText(Buffer.from('ä'.repeat(10)), 3)).toBe('äää…');
    expect(boundText(Buffer.from('𝕏'.repeat(10)), 9)).toBe(`${'𝕏'.repeat(9)}…`);
    expect(boundText(Buffer.from('ä'.repeat(3)), 3)).toBe('äää');
  });

  it('is short, printable and valid JSON whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 64 }), (bytes, max) => {
        const text = boundText(bytes, max);
        expect([...text].length).toBeLessThanOrEqual(max + 1);
        expect(text).not.toMatch(/\p{Cc}/u);
        expect(Buffer.from(text).toString()).toBe(text);
      }),
    );
  });

  it('takes no more of 4 MB than it shows', () => {
    expect(boundText(new Uint8Array(4 * 1024 * 1024).fill(0x41), 100)).toBe(`${'A'.repeat(100)}…`);
  });
});

describe('text of somebody else', () => {
  it('cannot break a line, move a cursor, or be read backwards', () => {
    expect(printable('web-1\n\u001b]0;x\u0007\u009b2J\u007f\u061c\u2029')).toBe(
      `web-1${'\ufffd'.repeat(2)}]0;x${'\ufffd'.repeat(2)}2J${'\ufffd'.repeat(3)}`,
    );
  });

  it('is left as it is otherwise', () => {
    for (const text of ['web-1', 'ä 𝕏 "quoted" \\', 'שלום', '']) expect(printable(text)).toBe(text);
  });
});
