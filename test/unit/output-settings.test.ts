import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parseSize, pathOf } from '../../src/model/output-settings.js';
import { defaultSettings, settingsSchema, wantsFlows } from '../../src/model/settings.js';

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['10B', 10],
    ['64KiB', 65_536],
    ['100MB', 100_000_000],
    ['1.5GiB', 1_610_612_736],
    [' 2kB ', 2000],
  ])('takes %s for %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '-1', '1k', '1 MB', '100mb', 'many', '1e9', '99999999GiB'])('takes %j for none', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe('the settings of the output', () => {
  it('are standard output, and bounded files, by default', () => {
    expect(defaultSettings.output).toEqual({ rotate_bytes: 100_000_000, keep: 10 });
  });

  it('take sizes as numbers and with a unit', () => {
    const parse = (rotate_bytes: number | string) =>
      v.parse(settingsSchema, { output: { rotate_bytes } }).output.rotate_bytes;
    expect([parse(1000), parse('64KiB'), parse(0)]).toEqual([1000, 65_536, 0]);
  });

  it.each([
    [{ rotate_bytes: 'big' }],
    [{ rotate_bytes: -5 }],
    [{ keep: 0 }],
    [{ keep: 1.5 }],
    [{ file: 7 }],
    [{ flow_file: 'a' }],
  ])('refuse %j', (output) => {
    expect(v.safeParse(settingsSchema, { output }).success).toBe(false);
  });

  it('switch flows on with a file for them', () => {
    const wants = (input: object) => wantsFlows(v.parse(settingsSchema, input));
    expect(wants({})).toBe(false);
    expect(wants({ flows: true })).toBe(true);
    expect(wants({ output: { flows_file: 'flows.ndjson' } })).toBe(true);
    expect(wants({ output: { flows_file: '-' } })).toBe(false);
  });

  it('name standard output by a hyphen or nothing', () => {
    expect(['-', '', undefined, 'a'].map(pathOf)).toEqual([undefined, undefined, undefined, 'a']);
  });
});
