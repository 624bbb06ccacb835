/**
 * Makes a fresh checkout runnable with nothing but Node.js and npm: Debian packages (as root), npm packages, the addon and
 * the TypeScript. Uses only `node:` built-ins. When nothing has changed it compares three stamps and returns.
 *
 * usage: node scripts/bootstrap.mjs [--test] [--release [--check]]
 *   --test     also what `npm test` and `npm run bench` need
 *   --release  also what `npm run release` needs, and with --check what tries the packages
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MINIMUM_NODE_MAJOR = 20;
const forTests = process.argv.includes('--test');
const forRelease = process.argv.includes('--release');
const forCheck = process.argv.includes('--check');

/** Programs that must be on the PATH and the Debian packages that have them. */
const BUILD_PACKAGES = { 'g++': 'g++', make: 'make', python3: 'python3', nft: 'nftables', ip: 'iproute2' };
const TEST_PACKAGES = {
  ...{ conntrack: 'conntrack', clang: 'clang', 'clang-format': 'clang-format' },
  // The incident that the tests re-enact. Its jobs need ruby-redis, which sidekiq depends on.
  ...{ 'redis-server': 'redis-server', sidekiq: 'ruby-sidekiq' },
  // A systemd is booted, and asked about the unit files.
  ...{ 'systemd-analyze': 'systemd', unshare: 'util-linux' },
  // Man pages and completions are read by what will read them.
  ...{ mandoc: 'mandoc', zsh: 'zsh', fish: 'fish' },
  // What the metrics are for, and a certificate for a collector.
  ...{ prometheus: 'prometheus', 'prometheus-alertmanager': 'prometheus-alertmanager', openssl: 'openssl' },
  // What reads and renames files of lines.
  ...{ rsyslogd: 'rsyslog', logrotate: 'logrotate' },
};
/** Programs for tests whose packages would bring a mail server along: unpacked into build/debian, not installed. */
const UNPACKED_PACKAGES = { nagios4: 'nagios4-core' };
/** The addon for the other architecture, and what reads an addon. */
const RELEASE_PACKAGES = { 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu', readelf: 'binutils' };
/** Clean Debian roots, a systemd that boots in them, and a processor that is not here. */
const CHECK_PACKAGES = {
  ...{ mmdebstrap: 'mmdebstrap', 'systemd-nspawn': 'systemd-container', 'qemu-aarch64-static': 'qemu-user-static' },
};
/** What invoke-rc.d asks before it starts the service of a package: 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d';

function main() {
  if (Number.parseInt(process.versions.node, 10) < MINIMUM_NODE_MAJOR) {
    stop(`Node.js ${MINIMUM_NODE_MAJOR} or newer is needed, this is ${process.versions.node}`, 'install Node.js 20');
  }
  if (process.platform !== 'linux') stop('conntrack exists on Linux only', 'run this on a Linux host');
  installDebianPackages();
  step('node_modules', 'node_modules/.ctwatch-stamp', ['package-lock.json'], installNpmPackages);
  step('addon', 'build/Release/.ctwatch-stamp', ['native', 'binding.gyp', 'package-lock.json'], () =>
    run('node', ['node_modules/node-gyp/bin/node-gyp.js', 'configure', 'build', ...nodeDir()]),
  );
  step('dist', 'dist/.ctwatch-stamp', ['src', 'tsconfig.json', 'package-lock.json', 'scripts/build.mjs'], () =>
    run('node', ['scripts/build.mjs']),
  );
}

/** npm would empty what a link leads to: another checkout's packages. */
function installNpmPackages() {
  if (lstatSync(join(ROOT, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink())
    stop('node_modules is a link and does not fit package-lock.json', 'rm node_modules');
  run('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund']);
}

/** As root installs what is missing; otherwise prints the one line that does. */
function installDebianPackages() {
  const wanted = {
    ...BUILD_PACKAGES,
    ...(forTests && TEST_PACKAGES),
    ...(forRelease && RELEASE_PACKAGES),
    ...(forCheck && CHECK_PACKAGES),
  };
  const missing = Object.entries(wanted).flatMap(([program, name]) => (onPath(program) ? [] : [name]));
  if (missing.length > 0) aptInstall(missing);
  if (forTests && !hasFuzzerRuntime()) aptInstall([`libclang-rt-${clangMajor()}-dev`]);
  if (forTests) Object.entries(UNPACKED_PACKAGES).forEach(unpackPackage);
}

/** Without it a test is skipped: nothing is stopped. */
function unpackPackage([program, name]) {
  const folder = join(ROOT, 'build/debian');
  if (onPath(program) || existsSync(join(folder, 'usr/sbin', program))) return;
  console.error(`ctwatch: unpacking ${name} into build/debian`);
  mkdirSync(folder, { recursive: true });
  const download = () =>
    spawnSync('apt-get', ['-qq', 'download', name], { cwd: folder, encoding: 'utf8' }).status === 0;
  const update = () => spawnSync('apt-get', ['update', '-qq']).status === 0;
  if (!download() && !(update() && download())) return console.error(`ctwatch: ${name} cannot be downloaded`);
  for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.deb'))) {
    run('dpkg-deb', ['-x', join(folder, file), folder]);
    rmSync(join(folder, file));
  }
}

function aptInstall(packages) {
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid?.() !== 0) stop(`missing ${packages.join(', ')}`, `sudo ${command}`);
  if (!onPath('apt-get'))
    stop(`missing ${packages.join(', ')}`, 'install them with the package manager of this system');
  console.error(`ctwatch: installing ${packages.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env });
  // The tests start a Redis of their own; the one of the package would listen on this host.
  if (!existsSync(POLICY)) {
    process.once('exit', () => rmSync(POLICY, { force: true }));
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  }
  run('apt-get', command.split(' ').slice(1), { env });
}

function onPath(program) {
  const dirs = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return dirs.some((dir) => existsSync(join(dir, program)));
}

function clangMajor() {
  return /version (\d+)/.exec(spawnSync('clang', ['--version'], { encoding: 'utf8' }).stdout)?.[1];
}

/** Debian keeps libFuzzer and the sanitizers' runtime in a package of their own. */
function hasFuzzerRuntime() {
  const dir = spawnSync('clang', ['-print-resource-dir'], { encoding: 'utf8' }).stdout.trim();
  const library = join(dir, 'lib', 'linux');
  return existsSync(library) && readdirSync(library).some((file) => file.startsWith('libclang_rt.fuzzer-'));
}

/** Node's own headers, so that node-gyp downloads nothing. */
function nodeDir() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** Runs `make` unless `stamp` holds the hash of `inputs`; says so, since a first build takes a minute. */
function step(name, stamp, inputs, make) {
  const path = join(ROOT, stamp);
  const hash = hashOf(inputs);
  if (existsSync(path) && readFileSync(path, 'utf8') === hash) return;
  console.error(`ctwatch: building ${name}`);
  make();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, hash);
}

function hashOf(inputs) {
  const hash = createHash('sha256').update(process.version);
  for (const file of inputs.flatMap((input) => filesOf(join(ROOT, input))))
    hash.update(file).update(readFileSync(file));
  return hash.digest('hex');
}

function filesOf(path) {
  if (!/\.[a-z]+$/.test(path)) {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .sort();
  }
  return [path];
}

/** The output is shown only when the command fails. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28, ...options });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  stop(`${command} ${args.join(' ')} failed`, 'see the output above');
}

function stop(problem, remedy) {
  console.error(`ctwatch: ${problem}; remedy: ${remedy}`);
  process.exit(3);
}

main();
