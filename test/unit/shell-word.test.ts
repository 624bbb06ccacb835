import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shellWord } from '../../src/model/shell-word.js';

describe('a word of a command', () => {
  it.each([
    ['web-1', 'web-1'],
    ['/run/netns/a', '/run/netns/a'],
    ['', "''"],
    ['a b', "'a b'"],
    ['x; rm -rf /', "'x; rm -rf /'"],
    ["it's", "'it'\\''s'"],
    ['$(id)', "'$(id)'"],
  ])('%j is %s', (text, word) => {
    expect(shellWord(text)).toBe(word);
  });

  it('is one word to a shell, whatever it holds', () => {
    const texts = fc.sample(
      fc.string().filter((text) => !text.includes('\0')),
      { numRuns: 50, seed: 1 },
    );
    const { stdout } = spawnSync('sh', ['-c', `printf '%s\\0' ${texts.map(shellWord).join(' ')}`]);
    expect(stdout.toString().split('\0').slice(0, -1)).toEqual(texts);
  });
});
