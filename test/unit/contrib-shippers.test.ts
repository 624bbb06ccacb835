/**
 * Configurations for log shippers that are not run here: they parse, what they refer to exists, and each option is one that the
 * documentation of the program has (read in November 2026). rsyslog, journald and logrotate are run by `test/service/`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

type Tree = { readonly [key: string]: unknown };

const text = (name: string) => readFileSync(fileURLToPath(new URL(`../../contrib/${name}`, import.meta.url)), 'utf8');
const read = (name: string) => parse(text(name)) as Tree;
/** What is at `path`; a number is a place in a list. */
const at = (tree: unknown, ...path: (string | number)[]) =>
  path.reduce<unknown>((value, key) => (value as Tree)[key as string], tree) as Tree;
const unknownKeys = (tree: Tree, known: string) => Object.keys(tree).filter((key) => !known.split(' ').includes(key));

describe('the files in contrib/', () => {
  it.each([
    'vector/ctwatch.yaml',
    'fluent-bit/ctwatch.yaml',
    'filebeat/ctwatch.yml',
    'otelcol/ctwatch.yaml',
    'rsyslog/ctwatch.conf',
  ])('%s reads the files that the documentation names, and says how it is checked', (name) => {
    expect(text(name)).toContain('/var/log/ctwatch/');
    expect(text(name)).toMatch(/^# .*[Cc]heck with: /m);
  });
});

describe('Vector', () => {
  const tree = read('vector/ctwatch.yaml');

  it('has options of its file source, its remap transform, and inputs that exist', () => {
    const source = at(tree, 'sources', 'ctwatch_files');
    expect(unknownKeys(source, 'type include read_from oldest_first max_line_bytes')).toEqual([]);
    expect(source).toMatchObject({ type: 'file', read_from: 'beginning' });
    const transform = at(tree, 'transforms', 'ctwatch');
    expect(unknownKeys(transform, 'type inputs drop_on_error source')).toEqual([]);
    expect(transform).toMatchObject({ type: 'remap', inputs: ['ctwatch_files'] });
    expect(at(tree, 'sinks', 'ctwatch_out')).toMatchObject({ type: 'console', inputs: ['ctwatch'] });
  });
});

describe('Fluent Bit', () => {
  const tree = read('fluent-bit/ctwatch.yaml');

  it('has options of its tail input, a parser that exists, and no rotated files', () => {
    const input = at(tree, 'pipeline', 'inputs', 0);
    const known =
      'name tag path parser read_from_head db refresh_interval rotate_wait buffer_chunk_size buffer_max_size skip_long_lines';
    expect(unknownKeys(input, known)).toEqual([]);
    expect(input['path']).toMatch(/\.ndjson$/);
    const parser = at(tree, 'parsers', 0);
    expect(parser['name']).toBe(input['parser']);
    expect(unknownKeys(parser, 'name format time_key time_format time_keep')).toEqual([]);
    expect(at(tree, 'pipeline', 'outputs', 0)['match']).toBe(input['tag']);
  });
});

describe('Filebeat', () => {
  const input = at(read('filebeat/ctwatch.yml'), 'filebeat.inputs', 0);

  it('has options of its filestream input, and decodes below one key', () => {
    const scanner = 'prospector.scanner.exclude_files prospector.scanner.fingerprint.enabled file_identity.fingerprint';
    expect(unknownKeys(input, `type id paths parsers processors ${scanner}`)).toEqual([]);
    expect(input).toMatchObject({ type: 'filestream', id: 'ctwatch' });
    expect(at(input, 'parsers', 0, 'ndjson')).toEqual({ target: 'ctwatch', add_error_key: true });
    const timestamp = at(input, 'processors', 0, 'timestamp');
    expect(unknownKeys(timestamp, 'field layouts test')).toEqual([]);
    expect(timestamp['field']).toBe('ctwatch.time');
    expect(unknownKeys(at(input, 'processors', 1, 'copy_fields'), 'fields fail_on_error ignore_missing')).toEqual([]);
  });
});

describe('the OpenTelemetry collector', () => {
  const tree = read('otelcol/ctwatch.yaml');

  it('has options of its filelog receiver, and a pipeline of parts that exist', () => {
    const receiver = at(tree, 'receivers', 'filelog');
    expect(unknownKeys(receiver, 'include start_at storage force_flush_period operators')).toEqual([]);
    expect(unknownKeys(at(receiver, 'operators', 0), 'type parse_to timestamp severity')).toEqual([]);
    const { receivers, processors, exporters } = at(tree, 'service', 'pipelines', 'logs') as Record<string, string[]>;
    for (const [kind, names] of Object.entries({ receivers, processors, exporters, extensions: ['file_storage'] })) {
      expect(
        names?.every((name) => name in at(tree, kind)),
        kind,
      ).toBe(true);
    }
    expect(at(tree, 'service')['extensions']).toEqual([receiver['storage']]);
  });
});
