/**
 * The short form of `npm run evaluate` against what it gave when it was last accepted, exactly. When the forecast or the
 * simulation was changed on purpose: `npm run evaluate -- --update-expected`, and say in the commit what got better or worse.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { playShort, type ShortResult } from '../../evaluation/short.js';

const expected = JSON.parse(
  readFileSync(new URL('evaluation.expected.json', import.meta.url), 'utf8'),
) as readonly ShortResult[];

it('gives the scores that were last accepted', { timeout: 120_000 }, async () => {
  expect(await playShort()).toEqual(expected);
});
