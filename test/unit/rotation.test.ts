import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shiftFiles } from '../../src/recording/rotation.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ctwatch-rotation-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const put = (...names: string[]) => {
  for (const name of names) writeFileSync(join(directory, name), name);
};
const found = () =>
  Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]));
const shift = (filesKept: number) => shiftFiles(join(directory, 'a'), filesKept);

describe('shiftFiles', () => {
  it('makes room for a new file and lets the oldest go', () => {
    put('a', 'a.1', 'a.2', 'b', 'a.gz');
    shift(3);
    expect(found()).toEqual({ 'a.1': 'a', 'a.2': 'a.1', b: 'b', 'a.gz': 'a.gz' });
  });

  it('passes over a number that is missing', () => {
    put('a', 'a.2');
    shift(5);
    expect(found()).toEqual({ 'a.1': 'a', 'a.3': 'a.2' });
  });

  it('removes all that are too old when fewer are kept than before', () => {
    put('a', 'a.1', 'a.2', 'a.3', 'a.4');
    shift(2);
    expect(found()).toEqual({ 'a.1': 'a' });
    shift(1);
    expect(found()).toEqual({ 'a.1': 'a' });
    put('a');
    shift(1);
    expect(found()).toEqual({});
  });

  it('does nothing without a file of that name', () => {
    put('a.1');
    shift(3);
    mkdirSync(join(directory, 'a'));
    shift(3);
    expect(readdirSync(directory).sort()).toEqual(['a', 'a.1']);
  });
});
