/**
 * `prebuilds/linux-ARCH/ctwatch.node`: the addon as the packages bring it, so that installing needs no compiler. Built by
 * node-gyp from a copy of the sources, which leaves `build/` alone, and refused when it needs more of a host than Node.js does.
 */
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listTooNew, NEEDS_MAX, readMachine, readNeeds } from './addon-needs.mjs';
import { run } from './run.mjs';

/** By the name that Node.js has for the architecture. The prefix is that of Debian's cross tools. */
export const ARCHITECTURES = {
  x64: { debian: 'amd64', machine: 'x86-64', prefix: 'x86_64-linux-gnu-' },
  arm64: { debian: 'arm64', machine: 'aarch64', prefix: 'aarch64-linux-gnu-' },
};

export function prebuildPath(root, arch) {
  return join(root, `prebuilds/linux-${arch}/ctwatch.node`);
}

/** Builds, strips and checks the addon for `arch`. Returns its path. */
export function makePrebuild(root, arch) {
  const { machine, prefix } = ARCHITECTURES[arch];
  const stage = join(root, 'build/prebuild', arch);
  mkdirSync(stage, { recursive: true });
  rmSync(join(stage, 'native'), { recursive: true, force: true });
  for (const source of ['native', 'binding.gyp', 'package.json']) {
    cpSync(join(root, source), join(stage, source), { recursive: true, preserveTimestamps: true });
  }
  if (!existsSync(join(stage, 'node_modules'))) symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'));
  const tools = { CC: `${prefix}gcc`, CXX: `${prefix}g++`, AR: `${prefix}ar`, LINK: `${prefix}g++` };
  const gyp = join(root, 'node_modules/node-gyp/bin/node-gyp.js');
  run(process.execPath, [gyp, 'configure', 'build', `--arch=${arch}`, ...headers()], {
    cwd: stage,
    env: { ...process.env, ...tools },
  });
  const path = prebuildPath(root, arch);
  mkdirSync(dirname(path), { recursive: true });
  run(`${prefix}strip`, ['--strip-unneeded', '-o', path, join(stage, 'build/Release/ctwatch.node')]);
  if (readMachine(path) !== machine) throw new Error(`${path} is for ${readMachine(path)}, not ${machine}`);
  const tooNew = listTooNew(readNeeds(path));
  if (tooNew.length > 0) {
    throw new Error(`${path} needs ${tooNew.join(', ')}, and GLIBC_${NEEDS_MAX.GLIBC} is the newest a host must have`);
  }
  return path;
}

/** Node's own headers, so that node-gyp downloads nothing; those of Node-API are the same for all architectures. */
function headers() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}
