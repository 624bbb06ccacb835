/**
 * Settings from flags over the environment over the configuration file over the defaults, validated by one schema.
 * An error names the key and where it came from.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import * as v from 'valibot';
import { CtwatchError } from '../model/errors.js';
import { type Settings, settingsSchema } from '../model/settings.js';
import { findRunbook } from './runbook.js';

/** Read when `--config` is not given and it exists. */
export const DEFAULT_CONFIG_PATH = '/etc/ctwatch/ctwatch.toml';

/** The control socket in the runtime directory, and where that is unless the service manager says otherwise. */
const CONTROL_SOCKET_NAME = 'ctwatch.sock';
export const DEFAULT_CONTROL_PATH = `/run/ctwatch/${CONTROL_SOCKET_NAME}`;

/** Environment variables that are no settings. */
const RESERVED_VARIABLES = new Set(['CTWATCH_ADDON', 'CTWATCH_CONFIG']);

type Layer = Readonly<Record<string, unknown>>;
type Path = readonly string[];

export interface ConfigSources {
  /** Settings given as flags, by their key; undefined ones are left out. */
  readonly flags: Layer;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Path after `--config`. */
  readonly configPath?: string | undefined;
}

/** Merges and validates. Throws `ERR_BAD_OPTION`, `ERR_BAD_CONFIG` or `ERR_CONFIG_UNREADABLE`. */
export function readSettings({ flags, environment, configPath }: ConfigSources): Settings {
  const path = configPath ?? environment['CTWATCH_CONFIG'];
  const file = readConfigFile(path ?? DEFAULT_CONFIG_PATH, path !== undefined);
  const variables = readEnvironment(environment);
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const result = v.safeParse(settingsSchema, merge(merge(file, variables), given));
  if (result.success) {
    // systemd may list several directories.
    const [stateDirectory] = (environment['STATE_DIRECTORY'] ?? '').split(':');
    const [runtimeDirectory] = (environment['RUNTIME_DIRECTORY'] ?? '').split(':');
    const socket = runtimeDirectory && join(runtimeDirectory, CONTROL_SOCKET_NAME);
    const runbook = findRunbook();
    return {
      ...(stateDirectory && { state_dir: stateDirectory }),
      ...(runbook !== undefined && { runbook_url: runbook }),
      ...result.output,
      control: { ...(socket && { socket }), ...result.output.control },
    };
  }
  const [issue] = result.issues;
  const key = (issue.path ?? []).map((item) => String(item.key));
  if (has(given, key)) throw badValue('ERR_BAD_OPTION', flagName(key), issue);
  if (has(variables, key)) throw badValue('ERR_BAD_CONFIG', variableName(key), issue);
  throw badValue('ERR_BAD_CONFIG', `${key.join('.')} in ${path ?? DEFAULT_CONFIG_PATH}`, issue);
}

/** Flags that are shorter than their keys. */
const FLAG_NAMES: ReadonlyMap<string, string> = new Map([
  ['reap_at_ratio', '--reap-at'],
  ['metrics.listen', '--listen'],
  ['output.file', '--output'],
  ['output.flows_file', '--flows'],
  ['output.rotate_bytes', '--rotate-bytes'],
  ['output.keep', '--keep'],
  ['control.socket', '--control'],
]);

/** `--assume-max` for `assume_max`; one flag has part of its key as its value. */
function flagName(path: Path): string {
  if (path[0] === 'assume_timeout') return ['--assume-timeout', ...path.slice(1)].join(' ');
  return FLAG_NAMES.get(path.join('.')) ?? `--${path.join('-').replaceAll('_', '-')}`;
}

function badValue(
  code: 'ERR_BAD_OPTION' | 'ERR_BAD_CONFIG',
  operation: string,
  issue: v.BaseIssue<unknown>,
): CtwatchError {
  const unknownKey = issue.type === 'strict_object' && issue.expected === 'never';
  // What valibot says itself of a type or a bound is for programmers.
  const wanted = issue.message.startsWith('Invalid ') ? `${issue.expected} is expected` : issue.message;
  const detail = unknownKey ? 'no such key' : `${wanted} (got ${JSON.stringify(issue.input)})`;
  return new CtwatchError({ code, operation, detail });
}

function readConfigFile(path: string, required: boolean): Layer {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { code: errno } = cause as NodeJS.ErrnoException;
    if (!required && errno === 'ENOENT') return {};
    throw new CtwatchError({ code: 'ERR_CONFIG_UNREADABLE', operation: path, ...(errno && { errno }), cause });
  }
  try {
    return parseToml(text);
  } catch (cause) {
    const { message, line } = cause as Error & { line?: number };
    const detail = `${message.split('\n')[0]}${line === undefined ? '' : ` (line ${line})`}`;
    throw new CtwatchError({ code: 'ERR_CONFIG_UNREADABLE', operation: path, detail, cause });
  }
}

/** `CTWATCH_BURST_MIN_RATE_PER_SECOND` for `burst.min_rate_per_second`. */
function variableName(path: Path): string {
  return `CTWATCH_${path.join('_').toUpperCase()}`;
}

function readEnvironment(environment: ConfigSources['environment']): Layer {
  const keys = new Map(settingLeaves(settingsSchema).map((leaf) => [variableName(leaf.path), leaf]));
  let layer: Layer = {};
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('CTWATCH_') || RESERVED_VARIABLES.has(name) || text === undefined) continue;
    const leaf = keys.get(name);
    if (leaf?.type === 'array' || leaf?.type === 'record')
      throw new CtwatchError({
        code: 'ERR_BAD_CONFIG',
        operation: name,
        detail: `only a configuration file can hold a ${leaf.type === 'array' ? 'list' : 'table'}`,
      });
    if (leaf === undefined)
      throw new CtwatchError({ code: 'ERR_BAD_CONFIG', operation: name, detail: 'no such variable' });
    const value: unknown = leaf.type === 'string' ? text : readScalar(text);
    layer = merge(layer, leaf.path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Layer);
  }
  return layer;
}

function readScalar(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** The path and type of every leaf of the schema, from the schema itself. */
function settingLeaves(schema: v.GenericSchema, path: Path = []): { path: Path; type: string }[] {
  if ('wrapped' in schema) return settingLeaves(schema.wrapped as v.GenericSchema, path);
  if (!('entries' in schema)) return [{ path, type: schema.type }];
  const entries = Object.entries(schema.entries as Record<string, v.GenericSchema>);
  return entries.flatMap(([key, entry]) => settingLeaves(entry, [...path, key]));
}

function isLayer(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merge(base: Layer, over: Layer): Layer {
  const merged = Object.entries(over).map(([key, value]) => {
    const below = base[key];
    return [key, isLayer(value) && isLayer(below) ? merge(below, value) : value];
  });
  return { ...base, ...Object.fromEntries(merged) };
}

function has(layer: Layer, path: Path): boolean {
  let value: unknown = layer;
  for (const key of path) {
    if (!isLayer(value) || !(key in value)) return false;
    value = value[key];
  }
  return path.length > 0;
}
