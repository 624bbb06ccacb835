/**
 * A clean Debian that is booted for one check and then forgotten: the root comes from mmdebstrap, systemd-nspawn boots it
 * under a throw-away overlay, with a network namespace of its own. Needs root and the network.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './run.mjs';

const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'iproute2', 'nftables', 'procps'];
const BOOT_SECONDS = 60;

/** Fills `directory` with a minimal Debian of that name, and these packages besides. */
export function makeDebian(directory, suite, packages = []) {
  const include = [...PACKAGES, ...packages].join(',');
  run('mmdebstrap', ['--variant=minbase', '--mode=root', `--include=${include}`, suite, directory]);
}

/**
 * Boots `directory` with `shared` at /release, gives the guest to `use`, and ends it whatever happens. `guest(command)` runs a
 * shell command as root in it and returns `{ status, output }`; `guest.must(command)` throws when it fails.
 */
export async function withGuest({ directory, shared }, use) {
  const args = [
    '-q',
    '--register=no',
    '--keep-unit',
    '-D',
    directory,
    '--volatile=overlay',
    '--boot',
    '--private-network',
  ];
  const nspawn = spawn('systemd-nspawn', [...args, '--console=pipe', `--bind-ro=${shared}:/release`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let console = '';
  for (const stream of [nspawn.stdout, nspawn.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      console = `${console}${text}`.slice(-10_000);
    });
  }
  const ended = new Promise((resolve) => nspawn.once('close', resolve).once('error', resolve));
  try {
    const leader = await findLeader(nspawn, () => console);
    const guest = createGuest(leader);
    await waitUntilBooted(guest, () => console);
    return await use(guest);
  } finally {
    // Asks systemd-nspawn to power the guest off; a second signal ends it at once.
    nspawn.kill('SIGTERM');
    const stuck = setTimeout(() => nspawn.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(stuck);
  }
}

function createGuest(leader) {
  const enter = ['-t', String(leader), '-a', 'env', '-i', 'container=nspawn', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'];
  const guest = (command) => {
    try {
      const quiet = ['DEBIAN_FRONTEND=noninteractive', 'LANG=C.UTF-8'];
      return { status: 0, output: run('nsenter', [...enter, ...quiet, 'bash', '-c', `{ ${command}\n} 2>&1`]) };
    } catch (error) {
      return { status: 1, output: error.message };
    }
  };
  guest.must = (command) => {
    const { status, output } = guest(command);
    if (status !== 0) throw new Error(`in the guest: ${output}`);
    return output;
  };
  return guest;
}

/** PID 1 of the guest, as this host sees it: the child of systemd-nspawn that has become systemd. */
async function findLeader({ pid }, said) {
  for (let tries = 0; tries < 200; tries++) {
    await sleep(50);
    const children = read(`/proc/${pid}/task/${pid}/children`).split(' ');
    const leader = children.find((child) => read(`/proc/${child}/comm`) === 'systemd');
    if (leader !== undefined) return leader;
  }
  throw new Error(`systemd-nspawn did not start: ${said()}`);
}

/** Processes come and go meanwhile. */
function read(path) {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

async function waitUntilBooted(guest, said) {
  for (let tries = 0; tries < BOOT_SECONDS * 4; tries++) {
    if (/^(?:running|degraded)/m.test(guest('systemctl is-system-running').output)) return;
    await sleep(250);
  }
  throw new Error(`the guest did not boot: ${said()}`);
}
