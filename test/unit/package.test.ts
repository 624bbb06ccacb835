import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as Record<string, unknown> & { scripts: Record<string, string> };

interface Packed {
  readonly files: readonly { readonly path: string }[];
}

describe('the npm package', () => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    ...{ cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  });
  // A list, or with npm 12 an object by name.
  const [packed = { files: [] }] = Object.values(JSON.parse(output) as Record<string, Packed>);
  const paths = packed.files.map(({ path }) => path);

  it('has the program, the library with types, documentation and licence', () => {
    const wanted = ['dist/ctwatch.js', 'dist/index.js', 'dist/index.d.ts', 'docs/events.md', 'LICENSE', 'CHANGELOG.md'];
    expect(paths).toEqual(expect.arrayContaining([...wanted, 'README.md', 'package.json']));
  });

  it('has nothing that npm would build, no sources and no tests', () => {
    expect(
      paths.filter((path) => /\.gyp|\.cc$|\.h$|\.test\.[jt]s|^(?:src|native|test|bench|scripts)\//.test(path)),
    ).toEqual([]);
    expect(paths.filter((path) => path.split('/').some((name) => name.startsWith('.')))).toEqual([]);
    expect(paths.every((path) => !path.endsWith('.ts') || path.endsWith('.d.ts'))).toBe(true);
  });

  it('runs nothing when it is installed', () => {
    expect(manifest['gypfile']).toBe(false);
    expect(Object.keys(manifest.scripts).filter((name) => /^(?:pre|post)?install$|^prepare$/.test(name))).toEqual([]);
  });
});

describe('the Debian scripts', () => {
  it.each(['postinst', 'prerm', 'postrm'])('%s is a shell script that stops at the first failure', (name) => {
    const script = read(`scripts/release/debian/${name}`);
    expect(script).toMatch(/^#!\/bin\/sh\n/);
    expect(script).toMatch(/^set -e$/m);
    execFileSync('sh', ['-n'], { input: script });
  });
});
