import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WordTable } from '../../src/analysis/census/word-table.js';

describe('WordTable', () => {
  it('numbers keys in the order they come, as a Map of texts would, also when it has grown', () => {
    const word = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word, word), { maxLength: 3000, size: 'max' }), (keys) => {
        const table = new WordTable(3);
        const numbers = new Map<string, number>();
        for (const key of keys) {
          const text = key.join();
          table.key.set(key);
          expect(table.find()).toBe(numbers.get(text) ?? -1);
          if (!numbers.has(text)) numbers.set(text, numbers.size);
          expect(table.place(Number.POSITIVE_INFINITY)).toBe(numbers.get(text));
        }
        expect(table.size).toBe(numbers.size);
        for (const [text, number] of numbers) {
          expect([0, 1, 2].map((i) => table.word(number, i)).join()).toBe(text);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('keeps at most as many keys as it is told to, and finds those still', () => {
    const table = new WordTable(1);
    const numbers = Array.from({ length: 5000 }, (_, i) => {
      table.key[0] = i;
      return table.place(4000);
    });
    expect(numbers.slice(0, 4000)).toEqual(Array.from({ length: 4000 }, (_, i) => i));
    expect(new Set(numbers.slice(4000))).toEqual(new Set([-1]));
    table.key[0] = 3999;
    expect(table.place(4000)).toBe(3999);
  });
});
