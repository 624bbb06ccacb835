/**
 * `docs/events.md`, `docs/errors.md` and the tables of `docs/metrics.md` from the schemas and tables of the program, so that they
 * cannot drift.
 *
 *   node scripts/reference.mjs [--check] [--examples FILE]
 *
 * --check          writes nothing, exits 1 when a page is not what would be written
 * --examples FILE  takes the example lines from this NDJSON of real runs, the first of each kind; else those of the page stay
 *
 * Reads `dist/`: build first (`npm run build`).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { listSettings } from './settings-list.mjs';

const ROOT = join(import.meta.dirname, '..');
export const EVENTS_PAGE = join(ROOT, 'docs/events.md');
export const ERRORS_PAGE = join(ROOT, 'docs/errors.md');
export const METRICS_PAGE = join(ROOT, 'docs/metrics.md');

/** What a line of each type is for: the one text that no schema holds. */
const PURPOSES = {
  start: 'Once, first: what is watched, and what cannot be said here.',
  sample: 'After 1 s, then every `interval` (default 10 s), and every second while an alert fires.',
  burst: 'New entries come several times faster than usual; and when that is over.',
  alert: 'A condition begins to hold, changes its severity, or ends.',
  census: 'What is in the table. By `ctwatch who`, and at most once a minute while an alert is near or firing.',
  flow: 'With `--flows`: one line for each NEW and DESTROY event.',
  loss: 'Events were lost, or lines of this stream; and, with exact counts, when it is whole again.',
  notice: 'Something about this host limits what can be said.',
  config: 'On SIGHUP: the configuration was read again.',
  stop: 'Once, last: why it ended, and totals.',
};

/** Fields of the two kinds of example where a type has two. */
const EXAMPLE_KINDS = [
  ['start', () => true],
  ['sample', ({ forecast }) => forecast.verdict === 'fills'],
  ['sample', ({ forecast }) => forecast.verdict === 'plateaus'],
  ['burst', ({ phase }) => phase === 'start'],
  ['alert', ({ name, phase }) => name === 'time_to_full' && phase === 'firing'],
  ['census', () => true],
  ['flow', ({ action }) => action === 'new'],
  ['flow', ({ action }) => action === 'destroy'],
  ['loss', ({ phase }) => phase === 'end'],
  ['notice', () => true],
  ['config', ({ outcome }) => outcome === 'applied'],
  ['config', ({ outcome }) => outcome === 'rejected'],
  ['stop', () => true],
];

const REASONS = {
  learning: 'too little has been seen of how long entries stay, or the watch has just begun',
  loss: 'more than 60 % of the recent events were lost',
  no_events: 'the kernel sends no events (nf_conntrack_events=0)',
  no_max: 'nf_conntrack_max is not known; give `--assume-max`',
  no_table: 'the table has not been read for more than 5 s',
};

const UNITS = [
  ['_per_second', '1/s'],
  ['_per_second_1s', '1/s'],
  ['_per_second_1m', '1/s'],
  ['_per_year', '1/year'],
  ['_seconds', 's'],
  ['_seconds_low', 's'],
  ['_seconds_high', 's'],
  ['_ratio', 'ratio'],
  ['_bytes', 'bytes'],
];

function unitOf(path) {
  const name = path.split('.').at(-1);
  if (/^seconds_to_/.test(name)) return ', s';
  const unit = UNITS.find(([suffix]) => name.endsWith(suffix) || name === suffix.slice(1));
  return unit === undefined ? '' : `, ${unit[1]}`;
}

function typeOf(schema) {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(' ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.format === 'date-time') return 'time';
  return schema.type;
}

const row = (cells) => `| ${cells.join(' | ')} |\n`;
const table = (head, rows) => row(head) + row(head.map(() => '---')) + rows.map(row).join('');
const escapeCell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

/** Rows of an object's fields; `groups` are described elsewhere. */
function fieldRows(schema, groups, prefix = '', optional = false) {
  return Object.entries(schema.properties).flatMap(([name, field]) => {
    const path = prefix + name;
    const isOptional = optional || !schema.required.includes(name);
    const describe = (type, text) => [`\`${path}\``, type, isOptional ? 'optional' : 'always', escapeCell(text)];
    if (field.type === 'array') {
      const rest = field.items.properties ? fieldRows(field.items, groups, `${path}[].`, false) : [];
      return [
        describe(field.items.properties ? 'list' : `list of ${typeOf(field.items)}`, field.description ?? ''),
        ...rest,
      ];
    }
    if (field.additionalProperties?.type !== undefined) {
      return [describe(`object of ${typeOf(field.additionalProperties)}`, field.description ?? '')];
    }
    if (field.type !== 'object') return [describe(`${typeOf(field)}${unitOf(path)}`, field.description ?? '')];
    if (groups.has(name)) {
      const link = `see [${name}](#${name})`;
      return [describe('object', field.description === undefined ? link : `${field.description}; ${link}`)];
    }
    const own = field.description === undefined ? [] : [describe('object', field.description)];
    return [...own, ...fieldRows(field, groups, `${path}.`, isOptional)];
  });
}

/** Objects that more than one line type has under the same name. */
function sharedGroups(types) {
  const places = new Map();
  for (const { properties } of types) {
    for (const [name, field] of Object.entries(properties)) {
      if (field.type === 'object') places.set(name, [...(places.get(name) ?? []), field]);
    }
  }
  return new Map([...places].flatMap(([name, [field, ...others]]) => (others.length > 0 ? [[name, field]] : [])));
}

/** The first line of each kind. Times, hosts and numbers are those of the run. */
export function pickExamples(lines) {
  return EXAMPLE_KINDS.flatMap(([type, fits]) => lines.find((line) => line.type === type && fits(line)) ?? []);
}

/** The example lines of a page. */
export function readExamples(page) {
  return [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].flatMap(([, text]) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
}

const DEFAULT_UNITS = { duration: ' s', size: ' bytes' };

/** Settings as rows: key, variable, type, default, meaning. */
function settingRows(schema) {
  return listSettings(schema).map(({ path, list, variable, type, range, default: fallback, description }) => [
    `\`${list === undefined ? path.join('.') : `[[${list.join('.')}]] ${path.join('.')}`}\``,
    variable === undefined ? 'none' : `\`${variable}\``,
    type + (range === undefined ? '' : ` ${range}`),
    fallback === undefined ? 'none' : `${fallback}${DEFAULT_UNITS[type] ?? ''}`,
    escapeCell(description),
  ]);
}

/** `docs/events.md`. */
export function formatEventsPage({ schema, settingsSchema }, examples) {
  const types = schema.oneOf;
  const isHead = (name) => types.every(({ properties }) => properties[name] !== undefined) && name !== 'type';
  const headNames = Object.keys(types[0].properties).filter(isHead);
  const pick = (type, names) => ({
    ...type,
    properties: Object.fromEntries(names.map((name) => [name, type.properties[name]])),
  });
  const groups = sharedGroups(types);
  const heads = pick(types[0], headNames);
  const kind = { type: 'string', description: 'What kind of line it is, see below' };
  const everyLine = { ...heads, properties: { type: kind, ...heads.properties } };
  const fields = (type) => table(['field', 'type', '', 'meaning'], fieldRows(type, groups));
  const sections = types.map((type) => {
    const name = type.properties.type.const;
    const own = Object.keys(type.properties).filter((field) => field !== 'type' && !headNames.includes(field));
    const lines = examples.filter((example) => example.type === name).map((line) => JSON.stringify(line));
    const example = lines.length > 0 ? `\n\`\`\`json\n${lines.join('\n')}\n\`\`\`\n` : '';
    return `### ${name}\n\n${PURPOSES[name]}\n\n${fields(pick(type, own))}${example}`;
  });
  const shared = [...groups].map(([name, group]) => `### ${name}\n\n${fields(group)}`);
  return `# The event stream

<!-- Made by scripts/reference.mjs from the schemas in src/model; change those. -->

\`ctwatch stream\` prints one JSON object a line on standard output. \`ctwatch schema\` prints the same contract as JSON Schema
(draft 2020-12). A field may be added at any time; \`v\` is raised when one changes its meaning or leaves. A value that is not
known is absent, never 0, -1 or "". Units are the last part of a name: \`_seconds\`, \`_per_second\`, \`_ratio\` (a share, 1 is
the whole), \`_bytes\`.

## Every line

${fields(everyLine)}
## Lines by type

${sections.join('\n')}
## Shared objects

${shared.join('\n')}
## Settings

The keys of the configuration file (TOML), of the environment and of \`watchConntrack()\`. Flags win over the environment, that
over the file given with \`--config\` or \`CTWATCH_CONFIG\` (default \`/etc/ctwatch/ctwatch.toml\`), that over the defaults. A
duration is a number of seconds or a text such as \`500ms\`, \`10s\`, \`5m\`, \`2h\`, from 1 ms to 24 h; a size a number of bytes or a
text such as \`64KiB\`, \`100MB\`, \`1GiB\`.

${table(['key', 'environment', 'type', 'default', 'meaning'], settingRows(settingsSchema))}`;
}

/** `docs/errors.md`. */
export function formatErrorsPage({ errors, degradedCodes, notices }) {
  const code = (text) => `\`${text}\``;
  return `# Errors, limits and reasons

<!-- Made by scripts/reference.mjs from the tables in src; change those. -->

An error is one line on standard error that names what was being done, what was wrong and what helps, and an exit status:
1 failed while running, 2 bad usage or configuration, 3 not permitted or not available here. In the library it is a
\`CtwatchError\` with the same \`code\`, \`operation\`, \`errno\` and \`remedy\`; match on the code.

## Errors

${table(
  ['code', 'exit status', 'meaning', 'remedy'],
  Object.entries(errors).map(([name, entry]) => [
    code(name),
    entry.exitStatus,
    escapeCell(entry.meaning),
    escapeCell(entry.remedy),
  ]),
)}
## What can be limited

Codes of \`degraded\` in the \`start\` line and of \`ctwatch doctor\`, each told with the command that changes it.

${table(
  ['code', 'what follows'],
  Object.entries(degradedCodes).map(([name, text]) => [code(name), escapeCell(text)]),
)}
## Notices

\`code\` of a \`notice\` line.

${table(
  ['code', 'meaning'],
  Object.entries(notices).map(([name, text]) => [code(name), escapeCell(text)]),
)}
## Why a forecast is withheld

\`forecast.reason\` of a forecast whose \`verdict\` is \`unknown\`.

${table(
  ['reason', 'meaning'],
  Object.entries(REASONS).map(([name, text]) => [code(name), escapeCell(text)]),
)}`;
}

/** `docs/metrics.md`: what stands before the tables stays as it is. */
export function formatMetricsPage(page, groups) {
  const heading = '## All metrics\n';
  const sections = Object.entries(groups).map(([title, metrics]) => {
    const rows = metrics.map(({ name, kind, labels = [], help }) => [
      `\`${name}\``,
      kind,
      labels.map((label) => `\`${label}\``).join(' '),
      escapeCell(help),
    ]);
    return `### ${title}\n\n${table(['metric', 'kind', 'labels', 'meaning'], rows)}`;
  });
  return `${page.slice(0, page.indexOf(heading))}${heading}
<!-- Made by scripts/reference.mjs from src/sinks/metrics/metric-catalogue.ts; change that. -->

${sections.join('\n')}`;
}

async function main(args) {
  const load = (path) => import(pathToFileURL(join(ROOT, 'dist', path)).href);
  const modules = ['cli/schema.js', 'model/settings.js', 'model/errors.js', 'analysis/degraded.js'];
  const [{ formatSchema }, { settingsSchema }, { ERRORS }, { DEGRADED_CODES, NOTICES }, { METRIC_GROUPS }] =
    await Promise.all([...modules, 'sinks/metrics/metric-catalogue.js'].map(load));
  const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  const file = args.includes('--examples') ? args[args.indexOf('--examples') + 1] : undefined;
  const given = file === undefined ? readExamples(read(EVENTS_PAGE)) : parseLines(read(file));
  const pages = [
    [EVENTS_PAGE, formatEventsPage({ schema: JSON.parse(formatSchema()), settingsSchema }, pickExamples(given))],
    [ERRORS_PAGE, formatErrorsPage({ errors: ERRORS, degradedCodes: DEGRADED_CODES, notices: NOTICES })],
    [METRICS_PAGE, formatMetricsPage(read(METRICS_PAGE), METRIC_GROUPS)],
  ];
  const stale = pages.filter(([path, text]) => read(path) !== text);
  if (args.includes('--check')) {
    for (const [path] of stale) console.error(`${path} is not up to date; remedy: node scripts/reference.mjs`);
    process.exit(stale.length > 0 ? 1 : 0);
  }
  for (const [path, text] of stale) writeFileSync(path, text);
}

function parseLines(text) {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2));
