/**
 * The Debian packages, built by dpkg-deb from a staged tree: `ctwatch`, which depends on Debian's or NodeSource's nodejs, and
 * `ctwatch-with-node`, which brings its own. The same commit gives the same bytes: owner, modes, order and times are fixed.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { listTooNew, readNeeds } from './addon-needs.mjs';
import { ARCHITECTURES, prebuildPath } from './prebuilds.mjs';
import { run } from './run.mjs';

const SCRIPTS = join(import.meta.dirname, 'debian');
const DESCRIPTION = `early warning for the Linux connection-tracking table
 ctwatch listens to the kernel's conntrack events and tells, before the table is
 full, how fast it fills, since when, when it will be full, who fills it, and
 what that looks like. It reads the host and changes nothing.`;

/** The libraries that an official Node.js and the addon need, as old as they may be. */
const LIBRARIES = ['libc6 (>= 2.28)', 'libgcc-s1 | libgcc1', 'libstdc++6 (>= 5.2)'];

/** By the name of the package. */
const FLAVOURS = {
  ctwatch: {
    node: '/usr/bin/node',
    depends: ['nodejs (>= 20)'],
    other: 'ctwatch-with-node',
    note: ' .\n It runs in the nodejs of the host, which must be 20 or newer.',
  },
  'ctwatch-with-node': {
    node: '/usr/lib/ctwatch/bin/node',
    depends: [],
    other: 'ctwatch',
    note: ' .\n This package brings a Node.js of its own, for hosts with an older one.',
  },
};

/**
 * Builds `NAME_VERSION_ARCH.deb` in `outDir` and returns its path. `date` is that of every file in it.
 */
export function makeDeb({ root, outDir, name, arch, version, date }) {
  const debian = ARCHITECTURES[arch].debian;
  const stage = join(root, 'build/deb', `${name}_${debian}`);
  rmSync(stage, { recursive: true, force: true });
  stageProgram({ root, stage, arch, name, version });
  stageShared({ root, stage, name, version, date });
  stageControl({ stage, name, debian, version });
  settle(stage, date);
  const path = join(outDir, `${name}_${version}_${debian}.deb`);
  const SOURCE_DATE_EPOCH = String(date.getTime() / 1000);
  run('dpkg-deb', ['--root-owner-group', '-Zxz', '--threads-max=1', '--build', stage, path], {
    env: { ...process.env, SOURCE_DATE_EPOCH },
  });
  return path;
}

/** `/usr/lib/ctwatch` and `/usr/bin/ctwatch`. */
function stageProgram({ root, stage, arch, name, version }) {
  const library = join(stage, 'usr/lib/ctwatch');
  const program = readFileSync(join(root, 'dist/ctwatch.js'), 'utf8');
  write(join(library, 'dist/ctwatch.js'), program.replace(/^#!.* node/, `#!${FLAVOURS[name].node}`), 0o755);
  copy(join(root, 'dist/ctwatch-metrics.js'), join(library, 'dist/ctwatch-metrics.js'));
  write(join(library, 'package.json'), `${JSON.stringify({ name: 'ctwatch', version, type: 'module' })}\n`);
  const addon = prebuildPath(root, arch);
  copy(addon, join(library, relative(root, addon)));
  mkdirSync(join(stage, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/ctwatch/dist/ctwatch.js', join(stage, 'usr/bin/ctwatch'));
  // Alerts refer to their pages there.
  symlinkSync(`../../share/doc/${name}/docs`, join(library, 'docs'));
  if (name === 'ctwatch-with-node') copy(bundledNode(), join(library, 'bin/node'), 0o755);
}

/** The Node.js that runs this script, if it is one that can be moved to another host. */
export function bundledNode() {
  const node = realpathSync(process.execPath);
  const tooNew = listTooNew(readNeeds(node));
  if (tooNew.length > 0) {
    throw new Error(
      `${node} needs ${tooNew.join(', ')}; run the release with an official build of Node.js 20 to bundle it`,
    );
  }
  return node;
}

/** Unit, configuration, man pages, completions, documentation. */
function stageShared({ root, stage, name, version, date }) {
  const share = join(stage, 'usr/share');
  copy(join(root, 'contrib/systemd/ctwatch.service'), join(stage, 'usr/lib/systemd/system/ctwatch.service'));
  copy(join(root, 'dist/ctwatch.toml'), join(stage, 'etc/ctwatch/ctwatch.toml'));
  for (const page of readdirSync(join(root, 'dist/man'))) {
    const section = page.split('.').at(-1);
    write(join(share, `man/man${section}/${page}.gz`), gzip(readFileSync(join(root, 'dist/man', page))));
  }
  const completions = join(root, 'dist/completions');
  copy(join(completions, 'ctwatch.bash'), join(share, 'bash-completion/completions/ctwatch'));
  copy(join(completions, 'ctwatch.zsh'), join(share, 'zsh/vendor-completions/_ctwatch'));
  copy(join(completions, 'ctwatch.fish'), join(share, 'fish/vendor_completions.d/ctwatch.fish'));
  const doc = join(share, 'doc', name);
  for (const source of ['README.md', 'docs', 'contrib']) {
    cpSync(join(root, source), join(doc, source), { recursive: true });
  }
  write(join(doc, 'CHANGELOG.md.gz'), gzip(readFileSync(join(root, 'CHANGELOG.md'))));
  write(join(doc, 'changelog.gz'), gzip(formatChangelog({ name, version, date })));
  const parts = ['LICENSE', 'dist/licences.txt'].map((file) => readFileSync(join(root, file), 'utf8'));
  const node = name === 'ctwatch-with-node' ? [`Node.js ${process.version}\n\n${readNodeLicence()}`] : [];
  write(join(doc, 'copyright'), [...parts, ...node].join(`\n${'='.repeat(80)}\n\n`));
}

function readNodeLicence() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const found = [join(prefix, 'LICENSE'), join(prefix, 'share/doc/nodejs/LICENSE')].find((path) => existsSync(path));
  if (found === undefined)
    throw new Error(`no licence of Node.js beside ${process.execPath}; its package may not be shipped without`);
  return readFileSync(found, 'utf8');
}

/** What Debian's tools read; CHANGELOG.md has the news. */
function formatChangelog({ name, version, date }) {
  const day = date.toUTCString().replace('GMT', '+0000');
  return `${name} (${version}) stable; urgency=medium\n\n  * Release of ${version}, see CHANGELOG.md.\n\n -- ${maintainer()}  ${day}\n`;
}

function maintainer() {
  const { DEBFULLNAME = 'the ctwatch authors', DEBEMAIL = 'ctwatch@localhost' } = process.env;
  return `${DEBFULLNAME} <${DEBEMAIL}>`;
}

function stageControl({ stage, name, debian, version }) {
  const control = join(stage, 'DEBIAN');
  const { depends, other, note } = FLAVOURS[name];
  const files = listPaths(stage).filter((path) => !lstatSync(path).isDirectory());
  const kibibytes = files.reduce((sum, path) => sum + Math.ceil(lstatSync(path).size / 1024), 0);
  const fields = {
    Package: name,
    Version: version,
    Architecture: debian,
    Maintainer: maintainer(),
    'Installed-Size': kibibytes,
    Depends: [...depends, ...LIBRARIES, 'init-system-helpers (>= 1.54)'].join(', '),
    Suggests: 'conntrack, jq, nftables',
    ...(name !== 'ctwatch' && { Provides: `ctwatch (= ${version})` }),
    Conflicts: other,
    Replaces: other,
    Section: 'net',
    Priority: 'optional',
    Description: `${DESCRIPTION}\n${note}`,
  };
  write(
    join(control, 'control'),
    Object.entries(fields)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join(''),
  );
  write(join(control, 'conffiles'), '/etc/ctwatch/ctwatch.toml\n');
  const sums = files
    .filter((path) => !lstatSync(path).isSymbolicLink() && !path.startsWith(join(stage, 'etc/')))
    .map((path) => `${createHash('md5').update(readFileSync(path)).digest('hex')}  ${relative(stage, path)}\n`);
  write(join(control, 'md5sums'), sums.join(''));
  for (const script of readdirSync(SCRIPTS)) copy(join(SCRIPTS, script), join(control, script), 0o755);
}

/** Modes and times that depend on nobody's umask or clock. Executables keep their bit. */
function settle(stage, date) {
  for (const path of [stage, ...listPaths(stage)].reverse()) {
    const status = lstatSync(path);
    if (status.isDirectory()) chmodSync(path, 0o755);
    else if (!status.isSymbolicLink()) chmodSync(path, status.mode & 0o100 ? 0o755 : 0o644);
    lutimesSync(path, date, date);
  }
}

/** Everything below a folder, sorted; a link is not followed. */
function listPaths(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
}

function write(path, content, mode = 0o644) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode });
}

function copy(from, to, mode = 0o644) {
  if (!existsSync(from)) throw new Error(`${basename(from)} is missing: ${from}`);
  write(to, readFileSync(from), mode);
}

/** As `gzip -9n`: no name, no time. */
function gzip(content) {
  return gzipSync(content, { level: 9 });
}
