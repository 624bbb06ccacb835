/**
 * `npm run release -- --check`: what was made is tried as a stranger would: the npm package without a compiler, the addon of the
 * other architecture under qemu, each Debian package in a clean Debian that is booted for it.
 */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkDeb, checkOldNode, checkSwitch } from './check-deb.mjs';
import { makeDebian } from './guest.mjs';
import { prebuildPath } from './prebuilds.mjs';
import { run } from './run.mjs';

/** Debian 12 has nodejs 18, Debian 13 has 20. */
const OLD_SUITE = 'bookworm';
const SUITE = 'trixie';

/** What a program may find on the PATH: no compiler, no make, no Python. */
const PROGRAMS = ['sh', 'env', 'node', 'npm', 'ip', 'timeout'];

/** Throws when something does not hold; says what does. */
export async function checkRelease({ root, outDir, version, say }) {
  if (process.getuid() !== 0) throw new Error('the checks boot Debian roots; remedy: sudo npm run release -- --check');
  // Roots are large, and /tmp may be memory.
  const scratch = mkdtempSync('/var/tmp/ctwatch-release-');
  try {
    checkNpm({ tarball: join(outDir, `ctwatch-${version}.tgz`), scratch, version });
    say('ok  the npm package installs without scripts and compiler, and watches');
    checkArm64(prebuildPath(root, 'arm64'), join(scratch, 'arm64'));
    say('ok  the addon for arm64 loads');
    const shared = outDir;
    const [old, current] = [join(scratch, OLD_SUITE), join(scratch, SUITE)];
    makeDebian(old, OLD_SUITE);
    makeDebian(current, SUITE, ['nodejs']);
    await checkOldNode({ directory: old, shared, version });
    say(`ok  ctwatch refuses to install on ${OLD_SUITE}, whose nodejs is too old, and leaves nothing`);
    const whole = 'installs, watches, survives an upgrade, and is purged without a trace';
    await checkDeb({ directory: current, shared, version, name: 'ctwatch' });
    say(`ok  ctwatch on ${SUITE} with its nodejs ${whole}`);
    await checkDeb({ directory: old, shared, version, name: 'ctwatch-with-node' });
    say(`ok  ctwatch-with-node on ${OLD_SUITE} ${whole}`);
    await checkSwitch({ directory: current, shared, version });
    say('ok  ctwatch-with-node takes the place of ctwatch and keeps its configuration');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function checkNpm({ tarball, scratch, version }) {
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  for (const program of PROGRAMS) {
    symlinkSync(realpathSync(run('sh', ['-c', `command -v ${program}`]).trim()), join(bin, program));
  }
  const prefix = join(scratch, 'prefix');
  const environment = { PATH: bin, HOME: scratch };
  const tool = (command, args) => run(command, args, { cwd: prefix, env: environment });
  mkdirSync(prefix);
  writeFileSync(join(prefix, 'package.json'), '{ "type": "module" }\n');
  tool('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball]);
  if (existsSync(join(prefix, 'node_modules/ctwatch/binding.gyp')))
    throw new Error('the npm package has a binding.gyp');
  const ctwatch = join(prefix, 'node_modules/.bin/ctwatch');
  const said = tool(ctwatch, ['--version']).trim();
  if (said !== version) throw new Error(`ctwatch --version says ${said}`);
  const imported = "import { watchConntrack } from 'ctwatch'; console.log(typeof watchConntrack)";
  if (tool('node', ['--input-type=module', '-e', imported]).trim() !== 'function') throw new Error('no library');
  inNamespace((name) => {
    const inside = (...args) => tool('ip', ['netns', 'exec', name, ...args]);
    inside(ctwatch, 'doctor');
    const [total] = inside('sh', '-c', `${visits()} & ${ctwatch} stream --once`).match(/(?<="new":)\d+/) ?? [];
    if (!(Number(total) > 0)) throw new Error(`ctwatch in a namespace saw ${total} new flows`);
  });
}

/** A shell command: connections to a closed port, which are flows all the same, for three seconds. */
function visits() {
  const visit = "require('net').connect(9, '127.0.0.1').on('error', () => {})";
  return `node -e "setInterval(() => ${visit}, 50); setTimeout(() => process.exit(), 3000)"`;
}

/** A network namespace with conntrack, which goes when `use` has returned. */
function inNamespace(use) {
  const name = `ctwatch-release-${process.pid}`;
  run('ip', ['netns', 'add', name]);
  try {
    const rules = 'table inet release { chain output { type filter hook output priority 0; ct state new accept; }; }';
    run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    run('ip', ['netns', 'exec', name, 'nft', rules]);
    use(name);
  } finally {
    run('ip', ['netns', 'delete', name]);
  }
}

/** Loads it in Debian's nodejs for arm64, unpacked into `sysroot`: any that knows its version of Node-API does. */
function checkArm64(addon, sysroot) {
  // Nothing of it is configured, so nothing of it need run; in Debian 13 the loader's folder would be made by a script.
  run('mmdebstrap', ['--variant=extract', '--mode=root', '--arch=arm64', '--include=nodejs', OLD_SUITE, sysroot]);
  const load = `const { ConntrackSocket } = require(${JSON.stringify(addon)});
    console.log(process.arch, ConntrackSocket.layout.length > 0, ConntrackSocket.effectiveCapabilities().length > 0);`;
  const said = run('qemu-aarch64-static', ['-L', sysroot, join(sysroot, 'usr/bin/node'), '-e', load]).trim();
  if (said !== 'arm64 true true') throw new Error(`the addon for arm64 says ${said}`);
}
