/**
 * A real systemd as PID 1 of a throw-away machine: an overlay of the running root in namespaces of its own, up in half a second.
 *
 *   cgroup ctwatch-guest-PID-N ── unshare (mount, pid, uts, ipc, net, cgroup) ── inner script ── systemd
 *
 * Whatever happens it goes: with the cgroup at `stop`, with the end of this process (PR_SET_PDEATHSIG down the chain), and what a
 * kill -9 left (an empty cgroup, a folder) when the next one starts. Nothing of the host is writable from inside but the overlay in memory.
 * Needs root, systemd, util-linux, iproute2, nftables.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CGROUPS = existsSync('/sys/fs/cgroup/unified') ? '/sys/fs/cgroup/unified' : '/sys/fs/cgroup';
const GUEST = /^ctwatch-guest-(\d+)-\w+$/;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Only ends what hangs: a loaded machine is slow. */
const TIMEOUT_MS = 110_000;
const TOOLS = ['systemctl', 'unshare', 'nsenter', 'setpriv', 'pivot_root', 'ip', 'nft'];

/** Units of a host that have nothing to do in the guest, or would write to the host. */
const MASKED = [
  ...['console-getty.service', 'getty.target', 'systemd-logind.service', 'systemd-timesyncd.service'],
  ...['systemd-networkd.service', 'systemd-resolved.service', 'systemd-sysctl.service', 'systemd-modules-load.service'],
  ...['systemd-udevd.service', 'systemd-remount-fs.service', 'systemd-sysusers.service', 'systemd-update-utmp.service'],
  ...['systemd-binfmt.service', 'sys-kernel-config.mount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount'],
  ...['dev-hugepages.mount', 'dev-mqueue.mount', 'systemd-journald-audit.socket', 'systemd-udevd-control.socket'],
  ...['systemd-udevd-kernel.socket', 'systemd-tmpfiles-setup-dev.service'],
];

/** Where the guest has the files it is given. */
export const GUEST_FILES = '/usr/lib/ctwatch';

/** `$1` is a directory for the mounts, which only this namespace sees. */
const INNER = `set -e
mount --make-rprivate /
mount -t tmpfs -o size=512m guest "$1"
cd "$1"
mkdir up work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" root
cd root
mkdir -p ."$2"
cp -a "$3"/. ."$2"
touch ."$2"/node
mount --bind "$4" ."$2"/node
mount -t proc proc proc
mkdir -p "$1/net"
mount -t proc proc "$1/net"
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind "$1/net/sys/net" proc/sys/net
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs shm dev/shm
touch dev/console; mount --bind /dev/null dev/console
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
rm -f etc/machine-id; touch etc/machine-id
rm -rf etc/systemd/system; mkdir -p etc/systemd/system var/log/journal
rm -rf var/log/journal
for unit in ${MASKED.join(' ')}; do ln -s /dev/null etc/systemd/system/$unit; done
mkdir -p oldroot
pivot_root . oldroot
umount -l /oldroot
ip link set lo up
exec env -i container=ctwatch PATH=${PATH} /lib/systemd/systemd --system systemd.unit=multi-user.target
`;

/** Why no systemd can be booted here, with what helps; undefined when it can. */
export function bootObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'a machine needs root: sudo npm test';
  const missing = TOOLS.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
  if (!existsSync('/lib/systemd/systemd')) missing.push('systemd');
  if (missing.length > 0) return `${missing.join(', ')} missing: apt-get install systemd util-linux iproute2 nftables`;
  return existsSync(join(CGROUPS, 'cgroup.procs')) ? undefined : 'no cgroup2 is mounted';
}

export interface BootOptions {
  /** Files to have under `GUEST_FILES`, by their names there; paths are absolute or of this checkout. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A machine that runs. */
export class Guest {
  readonly #cgroup: string;
  readonly #directory: string;
  #pid = 0;

  private constructor() {
    this.#cgroup = join(CGROUPS, `ctwatch-guest-${process.pid}-${counter++}`);
    this.#directory = mkdtempSync(join(tmpdir(), `ctwatch-guest-${process.pid}-`));
  }

  static async boot({ files = {} }: BootOptions = {}): Promise<Guest> {
    removeStale();
    const guest = new Guest();
    try {
      const given = guest.#copy(files);
      await guest.#waitUntilRunning(guest.#start(given));
    } catch (error) {
      await guest.stop();
      throw error;
    }
    return guest;
  }

  #copy(files: Readonly<Record<string, string>>): string {
    const given = join(this.#directory, 'files');
    mkdirSync(given);
    for (const [name, path] of Object.entries(files)) {
      mkdirSync(join(given, name, '..'), { recursive: true });
      copyFileSync(resolve(ROOT, path), join(given, name));
    }
    return given;
  }

  #start(given: string): ChildProcess {
    const script = join(this.#directory, 'inner.sh');
    writeFileSync(script, INNER);
    const mounts = join(this.#directory, 'mounts');
    mkdirSync(mounts);
    mkdirSync(this.#cgroup);
    const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--uts', '--ipc', '--net', '--cgroup'];
    const inner = ['bash', script, mounts, GUEST_FILES, given, process.execPath];
    const joined = `echo $$ > "${this.#cgroup}/cgroup.procs"; exec "$@"`;
    const enter = ['bash', '-c', joined, 'enter', ...unshare, '--', ...inner];
    return spawn('setpriv', ['--pdeathsig', 'KILL', ...enter], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Runs a command inside to its end; rejects with its output when it fails. */
  async exec(command: string, args: readonly string[] = [], input = ''): Promise<string> {
    const { stdout, stderr, status } = await this.tryExec(command, args, input);
    if (status !== 0) {
      const { stdout: journal } = await this.tryExec('journalctl', ['-n', '8', '-o', 'cat', '--no-pager']);
      throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stdout}${stderr}\n${journal}`);
    }
    return stdout;
  }

  /** The same, whatever its status. */
  tryExec(
    command: string,
    args: readonly string[] = [],
    input = '',
  ): Promise<{ readonly stdout: string; readonly stderr: string; readonly status: number }> {
    const entered = ['-t', String(this.#pid), '-a', 'env', '-i', 'container=ctwatch', `PATH=${PATH}`, command, ...args];
    return new Promise((resolve) => {
      const child = execFile('nsenter', entered, { maxBuffer: 2 ** 28, timeout: TIMEOUT_MS }, (error, stdout, stderr) =>
        resolve({ stdout, stderr, status: error === null ? 0 : typeof error.code === 'number' ? error.code : -1 }),
      );
      // Whoever reads none of it is not asked to.
      child.stdin?.on('error', () => {}).end(input);
    });
  }

  /** A file inside, whose folder is made. */
  async write(path: string, text: string): Promise<void> {
    await this.exec('sh', ['-c', 'mkdir -p "$(dirname "$1")" && cat > "$1"', 'write', path], text);
  }

  /** Shuts down as `poweroff` does, and removes what was made, whatever state it is in. */
  async stop(): Promise<void> {
    // Node.js knows no name for the signal.
    if (this.#pid > 0) spawnSync('kill', ['-s', 'RTMIN+4', String(this.#pid)]);
    const deadline = performance.now() + 5000;
    while (this.#isPopulated() && performance.now() < deadline) await sleep(20);
    if (existsSync(this.#cgroup)) writeFileSync(join(this.#cgroup, 'cgroup.kill'), '1');
    while (this.#isPopulated()) await sleep(20);
    this.#pid = 0;
    removeCgroup(this.#cgroup);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #waitUntilRunning(child: ChildProcess): Promise<void> {
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const deadline = performance.now() + 30_000;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`no systemd: ${output}`);
      const [pid] = readLines(join(this.#cgroup, 'init.scope/cgroup.procs'));
      if (pid !== undefined) {
        this.#pid = Number(pid);
        const { stdout } = await this.tryExec('systemctl', ['is-system-running']);
        if (/^(running|degraded)/.test(stdout)) break;
      }
      if (performance.now() > deadline) throw new Error(`systemd did not come up within 30 s: ${output}`);
      await sleep(30);
    }
    const failed = await this.exec('systemctl', ['--failed', '--no-legend', '--plain']);
    if (failed.trim() !== '') throw new Error(`units failed: ${failed}`);
  }

  #isPopulated(): boolean {
    return readLines(join(this.#cgroup, 'cgroup.events')).includes('populated 1');
  }
}

let counter = 0;

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}

/** Deepest first; a cgroup is removed with rmdir alone. */
function removeCgroup(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(path, entry.name));
  }
  rmdirSync(path);
}

/** What processes that are gone have left. */
function removeStale(): void {
  const isStale = (name: string) => {
    const pid = GUEST.exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  };
  for (const name of readdirSync(tmpdir()).filter(isStale)) rmSync(join(tmpdir(), name), { recursive: true });
  for (const name of readdirSync(CGROUPS).filter(isStale)) {
    const cgroup = join(CGROUPS, name);
    writeFileSync(join(cgroup, 'cgroup.kill'), '1');
    if (!readLines(join(cgroup, 'cgroup.events')).includes('populated 1')) removeCgroup(cgroup);
  }
}
