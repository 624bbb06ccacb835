/**
 * `npm run release`: everything that is handed out, in `release/`: the npm package, the Debian packages, the bill of materials
 * and checksums. The same commit and tools give the same bytes.
 *
 *   node scripts/release.mjs [--check] [--prepare]
 *
 * --check    also tries them: installs the npm package without a compiler, loads the addon for arm64 under qemu, and boots clean
 *            Debian roots in which each Debian package is installed, runs, and is purged. Root, network, about five minutes
 * --prepare  makes only what `npm pack` takes: prebuilt addons, man pages, completions
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundledNode, makeDeb } from './release/deb.mjs';
import { ARCHITECTURES, makePrebuild } from './release/prebuilds.mjs';
import { run } from './release/run.mjs';
import { makeSbom } from './release/sbom.mjs';
import { makeShare } from './release/share.mjs';

const ROOT = join(import.meta.dirname, '..');
const OUT = join(ROOT, 'release');

const { values: options } = parseArgs({ options: { check: { type: 'boolean' }, prepare: { type: 'boolean' } } });
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

async function main() {
  // Tools, npm packages and `dist/`; what is missing and cannot be installed is its last line.
  const { status } = spawnSync('node', ['scripts/bootstrap.mjs', '--release', ...(options.check ? ['--check'] : [])], {
    ...{ cwd: ROOT, stdio: 'inherit' },
  });
  if (status !== 0) process.exit(status ?? 1);
  const date = releaseDate();
  await prepare(date);
  if (options.prepare) return;
  rmSync(OUT, { recursive: true, force: true });
  const made = makeAll(OUT, date);
  for (const path of made)
    say(`${(statSync(path).size / 2 ** 20).toFixed(1).padStart(6)} MiB  release/${basename(path)}`);
  if (!options.check) return;
  const { checkRelease } = await import('./release/checks.mjs');
  await checkRelease({ root: ROOT, outDir: OUT, version, say });
  await checkSameAgain(date);
}

/** From nothing: the addons are compiled anew. */
async function checkSameAgain(date) {
  const again = join(ROOT, 'build/release-again');
  for (const folder of [again, join(ROOT, 'build/prebuild')]) rmSync(folder, { recursive: true, force: true });
  await prepare(date);
  makeAll(again, date);
  const [first, second] = [OUT, again].map((folder) => readFileSync(join(folder, 'SHA256SUMS'), 'utf8'));
  rmSync(again, { recursive: true });
  if (first !== second) throw new Error(`not the same when made again:\n${first}\n${second}`);
  say('ok  made again, every file is the same');
}

async function prepare(date) {
  for (const arch of Object.keys(ARCHITECTURES)) {
    say(`building the addon for ${arch}`);
    makePrebuild(ROOT, arch);
  }
  await makeShare({ root: ROOT, version, date });
}

/** Paths of what it made in `outDir`. */
function makeAll(outDir, date) {
  mkdirSync(outDir, { recursive: true });
  const deb = (name, arch) => makeDeb({ root: ROOT, outDir, name, arch, version, date });
  const made = [
    packNpm(outDir),
    deb('ctwatch', 'x64'),
    deb('ctwatch', 'arm64'),
    deb('ctwatch-with-node', 'x64'),
    writeSbom(outDir, date),
  ];
  const sums = join(outDir, 'SHA256SUMS');
  writeFileSync(sums, made.map((path) => `${sha256(path)}  ${basename(path)}\n`).join(''));
  return [...made, sums];
}

/** What is to be packed lies ready: no script runs. */
function packNpm(outDir) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', outDir];
  // A list, or with npm 12 an object by name.
  const [{ filename }] = Object.values(JSON.parse(run('npm', args, { cwd: ROOT })));
  return join(outDir, filename);
}

function writeSbom(outDir, date) {
  const path = join(outDir, `ctwatch-${version}.cdx.json`);
  const node = { version: process.versions.node, sha256: sha256(bundledNode()) };
  writeFileSync(path, makeSbom({ root: ROOT, date, node }));
  return path;
}

/** SOURCE_DATE_EPOCH, else the time of the commit. */
function releaseDate() {
  const seconds = process.env.SOURCE_DATE_EPOCH ?? run('git', ['log', '-1', '--format=%ct'], { cwd: ROOT }).trim();
  return new Date(Number(seconds) * 1000);
}

function sha256(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function say(text) {
  console.log(text);
}

try {
  await main();
} catch (error) {
  console.error(`ctwatch: release: ${error.message}`);
  process.exit(1);
}
