/**
 * `npm test`: every check of the project, cheapest first, ending with one line `N passed, M failed, K skipped`.
 * Each stage runs even when one before it failed. With CI=true a skipped test counts as a failure.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const OUTPUT = 'build/test';
const BIN = 'node_modules/.bin';
const total = { passed: 0, failed: 0, skipped: 0 };

function main() {
  rmSync(OUTPUT, { recursive: true, force: true });
  mkdirSync(OUTPUT, { recursive: true });
  check('lint', `${BIN}/biome`, ['check', '--error-on-warnings', '.']);
  check('unused code', `${BIN}/knip`, []);
  check('format of C++', 'clang-format', ['--dry-run', '--Werror', ...nativeSources()]);
  check('types', `${BIN}/tsc`, ['-p', 'tsconfig.test.json']);
  vitest('unit');
  counted('native tests and fuzzer, under sanitizers', 'node', ['scripts/native-test.mjs']);
  check('addon with sanitizers', 'node', ['node_modules/node-gyp/bin/node-gyp.js', 'build', '--debug']);
  // The addon as it is shipped runs in all that follows.
  vitest('kernel', 'kernel, sanitized addon', sanitizerEnvironment());
  vitest('process');
  vitest('service');
  vitest('incident');
  const ciSkips = process.env.CI === 'true' ? total.skipped : 0;
  console.log(`\n${total.passed} passed, ${total.failed + ciSkips} failed, ${total.skipped - ciSkips} skipped`);
  process.exit(total.failed + ciSkips > 0 ? 1 : 0);
}

function nativeSources() {
  return ['native', 'test/native'].flatMap((dir) =>
    readdirSync(dir)
      .filter((file) => /\.(cc|h)$/.test(file))
      .map((file) => join(dir, file)),
  );
}

/** A stage that is one check: its output is shown only when it fails. */
function check(name, command, args) {
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0) process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
  report(name, started, status === 0 ? { passed: 1 } : { failed: 1 });
}

/** A stage that ends with a line `N passed, M failed, K skipped` of its own. */
function counted(name, command, args) {
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  process.stdout.write(`${stdout ?? ''}${status === 0 ? '' : (stderr ?? '')}`);
  const [, passed, failed, skipped] = /(\d+) passed, (\d+) failed, (\d+) skipped\s*$/.exec(stdout ?? '') ?? [];
  const broken = passed === undefined || (status !== 0 && failed === '0');
  report(name, started, {
    passed: Number(passed ?? 0),
    failed: Number(failed ?? 0) + (broken ? 1 : 0),
    skipped: Number(skipped ?? 0),
  });
}

function vitest(project, name = project, env = {}) {
  const started = Date.now();
  const file = join(OUTPUT, `${name.replaceAll(/\W+/g, '-')}.json`);
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${file}`];
  const { status } = spawnSync(`${BIN}/vitest`, ['run', '--project', project, ...reporters], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  let result = { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0 };
  try {
    result = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    console.log(`${name}: vitest wrote no result`);
  }
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = result;
  report(name, started, { passed, failed: failed === 0 && status !== 0 ? 1 : failed, skipped });
}

/** The addon of `node-gyp build --debug`, which needs the sanitizer's runtime before everything else. */
function sanitizerEnvironment() {
  const libasan = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim();
  return {
    CTWATCH_ADDON: join(process.cwd(), 'build/Debug/ctwatch.node'),
    LD_PRELOAD: libasan,
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
}

function report(name, started, { passed = 0, failed = 0, skipped = 0 }) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(
    `${failed > 0 ? 'FAILED' : 'ok'}  ${name}  (${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s)`,
  );
}

main();
