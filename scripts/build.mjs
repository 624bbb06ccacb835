/** TypeScript to `dist/`: the library as modules with types, the command line as one file (it starts twice as fast). */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

rmSync('dist', { recursive: true, force: true });
const tsc = spawnSync('node', ['node_modules/typescript/bin/tsc'], { stdio: 'inherit' });
if (tsc.status !== 0) process.exit(1);

const bundled = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  minifySyntax: true,
  minifyWhitespace: true,
  define: { CTWATCH_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
};
// CommonJS asks for built-in modules with require.
const requireBanner =
  "import { createRequire as ctwatchRequire } from 'node:module';\nconst require = ctwatchRequire(import.meta.url);";

/** What few ask for and takes long to load is a file of its own beside the command line, loaded when it is wanted. */
const LAZY = { './metrics.js': './ctwatch-metrics.js' };
const lazy = {
  name: 'lazy',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/metrics\.js$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path: LAZY[path], external: true } : undefined,
    ),
};

/**
 * Bounds V8's young generation, which otherwise grows to 32 MiB however little of it is alive; ours is full of short-lived numbers that
 * 2 MiB hold as well. V8 reads it before the first line of the program runs, so it is in the line that starts Node.js.
 */
const SHEBANG = '#!/usr/bin/env -S node --max-semi-space-size=2';

await build({
  ...bundled,
  entryPoints: ['src/cli/run.ts'],
  outfile: 'dist/ctwatch.js',
  plugins: [lazy],
  banner: { js: `${SHEBANG}\n${requireBanner}` },
});
await build({
  ...bundled,
  entryPoints: ['src/cli/metrics.ts'],
  outfile: 'dist/ctwatch-metrics.js',
  // Of packages that have both, the modules: what is not used is left out.
  mainFields: ['module', 'main'],
  conditions: ['module'],
  banner: { js: requireBanner },
});
chmodSync('dist/ctwatch.js', 0o755);
