/** Settings of where lines go: standard output or files, how large a file may get and how many are kept. */
import * as v from 'valibot';
import { describe } from './event-fields.js';
import { FILES_KEPT, OUTPUT_ROTATE_BYTES } from './limits.js';

const UNIT_BYTES = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** Largest size that a number of bytes tells exactly. */
const BYTES_MAX = Number.MAX_SAFE_INTEGER;

/** Bytes of `64KiB`, `100MB`, `1.5GiB` or a bare number of bytes; undefined when it is none of them. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = 'B'] = /^(\d+(?:\.\d+)?)(B|kB|MB|GB|KiB|MiB|GiB)?$/.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(digits) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES]);
  return bytes <= BYTES_MAX ? bytes : undefined;
}

/** A size in bytes: a number of bytes, or a text such as `64KiB`, `100MB`, `1GiB`. */
const sizeBytes = v.pipe(
  v.union([v.number(), v.string()]),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const bytes = parseSize(String(dataset.value));
    if (bytes === undefined) {
      addIssue({ message: 'a size is expected, such as 64KiB, 100MB or 1GiB; 0 for no bound' });
      return NEVER;
    }
    return bytes;
  }),
);

const path = v.pipe(v.string('a path is expected'), v.regex(/^[^\0]*$/, 'a path is expected'));

export const outputSettings = v.strictObject({
  file: v.optional(v.pipe(path, describe('Append lines to this file instead of standard output; `-` for the latter'))),
  flows_file: v.optional(
    v.pipe(
      path,
      describe('Append `flow` lines to this file, and no others; switches flows on. `-` for where the others go'),
    ),
  ),
  rotate_bytes: v.optional(
    v.pipe(sizeBytes, describe('Size at which a new file is begun and FILE becomes FILE.1; 0: never')),
    OUTPUT_ROTATE_BYTES,
  ),
  keep: v.optional(
    v.pipe(
      v.number('a number of files is expected'),
      v.integer('a whole number of files is expected'),
      v.minValue(1, 'at least 1 file is expected'),
      describe('Files kept when rotated by size, the current one included'),
    ),
    FILES_KEPT,
  ),
});

export type OutputSettings = v.InferOutput<typeof outputSettings>;

/** The path, unless it means standard output. */
export function pathOf(setting: string | undefined): string | undefined {
  return setting === '' || setting === '-' ? undefined : setting;
}
