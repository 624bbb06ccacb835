/**
 * What a built addon needs of the host, read from the file itself, against what Node.js 20 needs there. An addon that needs no
 * more than the program that loads it loads wherever that program runs.
 */
import { spawnSync } from 'node:child_process';

/** Of the official builds of Node.js 20: `readelf --version-info node`. glibc 2.28 is of 2018, libstdc++ 3.4.21 of GCC 5. */
export const NEEDS_MAX = { GLIBC: '2.28', GLIBCXX: '3.4.21', CXXABI: '1.3.9', GCC: '3.4' };

/** The libraries that such a Node.js has loaded before the addon, and the loader. */
const LIBRARIES = /^(?:lib(?:stdc\+\+|m|gcc_s|pthread|c|dl)\.so\.\d+|ld-linux-(?:x86-64|aarch64)\.so\.\d+)$/;

/** Symbol versions and libraries that an ELF file needs: `{ versions: { GLIBC: '2.28' }, libraries: ['libc.so.6'] }`. */
export function readNeeds(path) {
  const versions = {};
  for (const [, library, version] of readelf('--version-info', path).matchAll(/Name: ([A-Z]+)_([\d.]+)\b/g)) {
    if (versions[library] === undefined || compareVersions(version, versions[library]) > 0) versions[library] = version;
  }
  const libraries = [...readelf('--dynamic', path).matchAll(/\(NEEDED\).*\[(.+?)\]/g)].map(([, name]) => name);
  return { versions, libraries };
}

/** `x86-64` or `aarch64`, as the header of the file has it. */
export function readMachine(path) {
  return /Machine:.*(x86-64|aarch64)/i.exec(readelf('--file-header', path))?.[1]?.toLowerCase();
}

/** What of `needs` a host may lack on which Node.js 20 runs; empty when nothing. */
export function listTooNew({ versions, libraries }) {
  const newer = Object.entries(versions).filter(
    ([library, version]) => NEEDS_MAX[library] === undefined || compareVersions(version, NEEDS_MAX[library]) > 0,
  );
  return [
    ...newer.map(([library, version]) => `${library}_${version}`),
    ...libraries.filter((library) => !LIBRARIES.test(library)),
  ];
}

function compareVersions(left, right) {
  return left.localeCompare(right, 'en', { numeric: true });
}

function readelf(option, path) {
  // It lists the version of every symbol: megabytes for Node.js.
  const { status, stdout, stderr, error } = spawnSync('readelf', ['--wide', option, path], {
    ...{ encoding: 'utf8', maxBuffer: 2 ** 28 },
  });
  if (status !== 0) throw new Error(`readelf ${option} ${path}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
