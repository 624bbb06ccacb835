/** TypeScript to `dist/`: the library as modules with types, the command line as one file (it starts twice as fast). */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

rmSync('dist', { recursive: true, force: true });
const tsc = spawnSync('node', ['node_modules/typescript/bin/tsc'], { stdio: 'inherit' });
if (tsc.status !== 0) process.exit(1);

await build({
  entryPoints: ['src/cli/run.ts'],
  outfile: 'dist/ctwatch.js',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  minifySyntax: true,
  minifyWhitespace: true,
  define: { CTWATCH_VERSION: JSON.stringify(version) },
  // pino is CommonJS and asks for built-in modules with require.
  banner: {
    js: "#!/usr/bin/env node\nimport { createRequire as ctwatchRequire } from 'node:module';\nconst require = ctwatchRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
chmodSync('dist/ctwatch.js', 0o755);
