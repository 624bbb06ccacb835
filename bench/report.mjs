/** The table of a run as Markdown, the machine it ran on, and its place in docs/benchmarks.md. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './namespace.mjs';

const DOCUMENT = join(ROOT, 'docs', 'benchmarks.md');
const BEGIN = '<!-- begin: npm run bench -- --write -->';
const END = '<!-- end -->';
const COLUMNS = ['ctwatch', 'floor', 'conntrack'];

/** One line: processor, cores, memory, kernel, Node.js, commit, date. */
export function describeMachine(quick) {
  const processors = cpus();
  const parts = [
    `${processors[0]?.model.trim() ?? 'unknown processor'}, ${processors.length} cores`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}`,
    `Node.js ${process.versions.node}`,
    `commit ${readCommit()}`,
    new Date().toISOString().slice(0, 10),
  ];
  if (quick) parts.push('a quick run');
  return parts.join('; ');
}

function readCommit() {
  const git = (...args) => execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    return (
      git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'src', 'native') ? ' with changes' : '')
    );
  } catch {
    return 'unknown';
  }
}

export function formatTable(rows) {
  const head = ['Measurement', 'ctwatch', 'floor', 'conntrack -E', 'ctwatch / floor', 'to reach'];
  const lines = rows.map((row) => [
    row.measure,
    ...COLUMNS.map((column) => formatValue(row.values[column], row)),
    Number.isFinite(row.ratio) ? row.ratio.toFixed(2) : '',
    row.reach,
  ]);
  const notes = rows.filter((row) => row.note).map((row) => `- ${row.measure}: ${row.note}.`);
  const align = ['---', ...head.slice(1).map(() => '---:')];
  const table = [head, align, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return notes.length > 0 ? `${table}\n\n${notes.join('\n')}` : table;
}

function formatValue(value, { digits, unit }) {
  if (value === undefined || Number.isNaN(value)) return '-';
  const number = value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return unit === '' || unit.startsWith('/') ? `${number}${unit}` : `${number} ${unit}`;
}

/** Replaces what stands between the markers of docs/benchmarks.md. */
export function writeDocument(machine, table) {
  const text = readFileSync(DOCUMENT, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`${DOCUMENT} has lost its markers ${BEGIN} and ${END}`);
  const section = `${BEGIN}\n\n${machine}\n\n${table}\n\n`;
  writeFileSync(DOCUMENT, text.slice(0, begin) + section + text.slice(end));
}
