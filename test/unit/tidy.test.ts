/** The house rules that a machine can check: floors, cycles, dead files, banned calls, size, names. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');

/** Imports go down only. `index.ts` re-exports, so it stands on top. */
const FLOORS: Readonly<Record<string, number>> = {
  model: 0,
  analysis: 1,
  kernel: 2,
  recording: 2,
  pipeline: 2,
  sinks: 3,
  views: 3,
  cli: 4,
  'index.ts': 5,
};

/** Where nothing of the world may be touched. */
const PURE = new Set(['model', 'analysis']);
const WORLD =
  /\bDate\.now\b|\bnew Date\(\)|\bperformance\b|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\b|\bprocess\b(?!:)/;

/** Which packages a folder may import besides `node:`. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  model: ['valibot'],
  analysis: [],
  kernel: [],
  recording: [],
  pipeline: ['rxjs'],
  sinks: [
    ...['pino', 'prom-client', '@opentelemetry/api', '@opentelemetry/resources', '@opentelemetry/sdk-metrics'],
    ...['@opentelemetry/exporter-logs-otlp-http', '@opentelemetry/exporter-metrics-otlp-http'],
  ],
  views: [],
  cli: ['rxjs', 'valibot', 'commander', 'smol-toml', '@valibot/to-json-schema'],
  'index.ts': [],
};

interface SourceFile {
  /** Relative to src. */
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  /** Text without comments. */
  readonly code: string;
  readonly imports: readonly string[];
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');
    const imports = [...code.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name]) => name ?? '');
    return { path, folder: path.split('/')[0] ?? '', text, code, imports };
  });

/** The files of src that a file imports, relative to src. */
function localImports({ path, imports }: SourceFile): string[] {
  return imports
    .filter((name) => name.startsWith('.') && name.endsWith('.js'))
    .map((name) => relative(SRC, join(SRC, dirname(path), name)).replace(/\.js$/, '.ts'));
}

describe.each(files)('$path', (file) => {
  it('imports only from its own floor or below', () => {
    const floor = FLOORS[file.folder];
    expect(floor, `no floor for ${file.folder}`).toBeDefined();
    for (const imported of localImports(file)) {
      const folder = imported.split('/')[0] ?? '';
      expect(FLOORS[folder], `${file.path} imports ${imported}`).toBeLessThanOrEqual(floor ?? -1);
      if (folder !== file.folder) {
        expect(FLOORS[folder], `${file.path} imports its neighbour ${imported}`).not.toBe(floor);
      }
    }
  });

  it('imports only the packages of its folder', () => {
    const packages = file.imports.filter((name) => !name.startsWith('.') && !name.startsWith('node:'));
    expect(PACKAGES[file.folder]).toEqual(expect.arrayContaining(packages));
  });

  it('touches the world only where that is allowed', () => {
    if (!PURE.has(file.folder)) return expect(PURE.has(file.folder)).toBe(false);
    expect(file.imports.filter((name) => name.startsWith('node:'))).toEqual([]);
    expect(file.code.replaceAll(/'[^'\n]*'|`[^`]*`/g, '""')).not.toMatch(WORLD);
  });

  it('opens with a comment that says what it is, and is not too long', () => {
    expect(file.text).toMatch(/^\/\*\*/);
    expect(file.text.split('\n').length).toBeLessThanOrEqual(400);
  });

  it('has a name of its own', () => {
    expect(file.path).not.toMatch(/util|helper|common|misc/i);
    expect(file.code).not.toMatch(/export default|\bconsole\.|\bany\b\s*[;,)=]/);
  });
});

describe('the evaluation', () => {
  const folder = join(SRC, '../evaluation');
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));

  it.each(paths)('%s opens with a comment, is not too long, and has a name of its own', (path) => {
    const text = readFileSync(join(folder, path), 'utf8');
    expect(text).toMatch(/^\/\*\*/);
    expect(text.split('\n').length).toBeLessThanOrEqual(400);
    expect(path).not.toMatch(/util|helper|common|misc/i);
  });

  it('draws no number of its own: the same seed gives the same figures', () => {
    const sources = paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')] as const);
    expect(sources.filter(([, text]) => text.includes('Math.random')).map(([path]) => path)).toEqual([]);
  });
});

describe('the whole house', () => {
  const byPath = new Map(files.map((file) => [file.path, file]));

  it('has no import cycle', () => {
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      expect(trail, `cycle ${[...trail, path].join(' -> ')}`).not.toContain(path);
      if (done.has(path)) return;
      const file = byPath.get(path);
      for (const next of file ? localImports(file) : []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const { path } of files) visit(path, []);
    expect(done.size).toBeGreaterThanOrEqual(files.length);
  });

  it('has no dead file', () => {
    const entries = new Set(['index.ts', 'cli/run.ts']);
    const imported = new Set(files.flatMap(localImports));
    expect(files.map(({ path }) => path).filter((path) => !entries.has(path) && !imported.has(path))).toEqual([]);
  });

  it('loads the addon in one place and reads procfs in two', () => {
    const naming = (pattern: RegExp) => files.filter(({ code }) => pattern.test(code)).map(({ path }) => path);
    expect(naming(/\.node'/)).toEqual(['kernel/addon.ts']);
    expect(naming(/\/proc\//)).toEqual(['kernel/listeners.ts']);
  });

  it('never changes the host: only the files of lines, the recorder and the keeper of evidence are written, no sysctl and no table', () => {
    const writers = files.filter(({ code }) =>
      /node:fs\/promises|\bopenSync|\brenameSync|\bwriteFile|\bappendFile|\bcreateWriteStream|IPCTNL_MSG_CT_DELETE/.test(
        code,
      ),
    );
    const paths = ['recording/recorder.ts', 'recording/rotation.ts', 'sinks/evidence.ts', 'sinks/line-file.ts'];
    expect(writers.map(({ path }) => path)).toEqual(paths);
    const native = join(SRC, '../native');
    const mutating = readdirSync(native).filter((name) =>
      /CT_DELETE|CT_MSG_NEW|NLM_F_CREATE|O_WRONLY|O_RDWR|BROADCAST_ERROR,/.test(
        readFileSync(join(native, name), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$|^static_assert.*$/gm, ''),
      ),
    );
    expect(mutating).toEqual([]);
  });
});
