#!/usr/bin/env node
/**
 * Tests the native parts that need no kernel and no privilege, and fuzzes the pure ones (parser, column writer, lookups, answers), under
 * AddressSanitizer and UBSan.
 *
 *   node scripts/native-test.mjs [--fuzz-seconds N]      default 10; 0 replays the corpus only
 *
 * They include no Node-API, so they link alone.
 * The fuzzer needs clang with its libFuzzer runtime and is skipped without; what it finds stays in build/native-test/.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const root = resolve(import.meta.dirname, '..');
const outDir = join(root, 'build/native-test');
const corpusDir = join(root, 'test/native/corpus');

const inNative = (file) => join(root, 'native', file);
const PURE_SOURCES = ['ct_answers.cc', 'ct_lookup.cc', 'ct_parser.cc', 'column_writer.cc', 'socket_diag.cc'].map(
  inNative,
);
/** They call the system, but need no privilege. */
const SYSTEM_SOURCES = ['drain_memory.cc', 'service_notify.cc'].map(inNative);
const CXX_FLAGS = ['-std=c++20', '-g', '-O1', '-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Wconversion', '-Werror'];
const SANITIZERS = 'address,undefined';

const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs a program; its output goes through when asked for, else it is kept for the case of failure. */
function run(program, args, { show = false } = {}) {
  const result = spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`;
  const ok = result.status === 0;
  if (show || (!ok && result.error === undefined)) process.stdout.write(output);
  return { ok, output };
}

function compile(compiler, sanitizers, sources, output) {
  const flags = [...CXX_FLAGS, `-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all', `-I${join(root, 'native')}`];
  return run(compiler, [...flags, ...sources, '-o', output]);
}

function fail(reason) {
  console.log(`FAILED ${reason}`);
  counts.failed += 1;
}

function skip(reason) {
  console.log(`skipped fuzz_parser: ${reason}`);
  counts.skipped += 1;
}

function runUnitTests() {
  const directory = join(root, 'test/native');
  const sources = readdirSync(directory)
    .filter((file) => file.endsWith('_test.cc'))
    .map((file) => join(directory, file));
  const program = join(outDir, 'native_test');
  if (!compile('g++', SANITIZERS, [...sources, ...PURE_SOURCES, ...SYSTEM_SOURCES], program).ok) {
    fail('native_test does not compile');
    return;
  }
  const { ok, output } = run(program, [], { show: true });
  const [, passed, failed] = output.match(/^(\d+) passed, (\d+) failed$/m) ?? [];
  if (passed === undefined) {
    fail('native_test ended early');
    return;
  }
  counts.passed += Number(passed);
  counts.failed += Number(failed);
  if (!ok && failed === '0') fail('native_test: a sanitizer found something');
}

/** Why libFuzzer cannot be used here; undefined when it can. */
function findFuzzerObstacle() {
  const probe = join(outDir, 'fuzzer_probe.cc');
  writeFileSync(probe, 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n');
  const args = [`-fsanitize=fuzzer,${SANITIZERS}`, probe, '-o', join(outDir, 'fuzzer_probe')];
  const result = spawnSync('clang++', args, { stdio: 'ignore' });
  if (result.error !== undefined) return 'clang++ is not installed; remedy: sudo apt-get install -y clang';
  if (result.status !== 0) return 'clang++ has no libFuzzer runtime; remedy: sudo apt-get install -y libclang-rt-dev';
  return undefined;
}

function runFuzzer(seconds) {
  const obstacle = findFuzzerObstacle();
  if (obstacle !== undefined) {
    skip(obstacle);
    return;
  }
  const program = join(outDir, 'fuzz_parser');
  const sources = [join(root, 'test/native/fuzz_parser.cc'), ...PURE_SOURCES];
  if (!compile('clang++', `fuzzer,${SANITIZERS}`, sources, program).ok) {
    fail('fuzz_parser does not compile');
    return;
  }
  // What it learns goes to the first directory: the committed corpus stays as it is.
  const learnedDir = join(outDir, 'learned');
  mkdirSync(learnedDir, { recursive: true });
  const limits = seconds > 0 ? [`-max_total_time=${seconds}`] : ['-runs=0'];
  const { ok, output } = run(program, [
    learnedDir,
    corpusDir,
    ...limits,
    '-max_len=8192',
    '-print_final_stats=1',
    `-artifact_prefix=${outDir}/`,
  ]);
  if (!ok) {
    fail(`fuzz_parser: the input is in ${relative(process.cwd(), outDir) || '.'}/`);
    return;
  }
  const inputs = output.match(/number_of_executed_units:\s+(\d+)/)?.[1] ?? '?';
  console.log(`fuzz_parser: ${inputs} inputs in ${seconds} s, nothing found`);
  counts.passed += 1;
}

function parseFuzzSeconds() {
  const { values } = parseArgs({ options: { 'fuzz-seconds': { type: 'string', default: '10' } } });
  const seconds = Number(values['fuzz-seconds']);
  if (Number.isInteger(seconds) && seconds >= 0) return seconds;
  console.error('native-test: --fuzz-seconds is not a whole number of seconds');
  process.exit(2);
}

const fuzzSeconds = parseFuzzSeconds();
mkdirSync(outDir, { recursive: true });
runUnitTests();
runFuzzer(fuzzSeconds);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;
