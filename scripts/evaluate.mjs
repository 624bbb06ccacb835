/** `npm run evaluate`: bundles evaluation/, since Node.js 20 runs no TypeScript, and runs it with the given arguments. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

await build({
  absWorkingDir: ROOT,
  entryPoints: ['evaluation/run.ts', 'evaluation/worker.ts'],
  // As deep as evaluation/kernel and test/kernel, whose files find the others by relative paths.
  outdir: 'build/evaluation',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  define: { CTWATCH_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});

const { status } = spawnSync(process.execPath, ['build/evaluation/run.mjs', ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exit(status ?? 1);
