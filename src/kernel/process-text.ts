/**
 * Reads what procfs writes about a process: `stat` and `cgroup`. Pure.
 *
 * The name of a process and of its cgroup are chosen by whoever started it, so nothing is taken for granted: `stat` is read
 * from its last parenthesis on. Of a cgroup, what systemd or a container runtime has named counts.
 * Sources: proc_pid_stat(5), cgroups(7), systemd.unit(5), the names that the runtimes give (see the table of the tests).
 */
import { boundText } from '../model/printable-text.js';

export interface ProcessStat {
  readonly name: string;
  readonly threads: number;
  /** Start, clock ticks since boot. */
  readonly startTicks: number;
}

/** Of /proc/PID/stat; undefined when it is not whole. */
export function parseStat(stat: Uint8Array): ProcessStat | undefined {
  const open = stat.indexOf(0x28);
  const close = stat.lastIndexOf(0x29);
  if (open < 0 || close < open) return undefined;
  // State is the third field.
  const fields = boundText(stat.subarray(close + 2), 1024).split(' ');
  const threads = Number(fields[20 - 3]);
  const startTicks = Number(fields[22 - 3]);
  if (!(threads > 0) || !(startTicks >= 0)) return undefined;
  return { name: boundText(stat.subarray(open + 1, close)), threads, startTicks };
}

export interface CgroupOwner {
  readonly unit?: string;
  readonly container?: string;
  readonly pod?: string;
}

/** Of /proc/PID/cgroup: version 2 if the process is in a cgroup of it, else systemd's of version 1, else the longest path. */
export function parseCgroup(text: Uint8Array): CgroupOwner {
  const lines = decode(text)
    .split('\n')
    .map((line) => /^\d+:([^:]*):(\/.+)$/.exec(line))
    .flatMap((match) => (match?.[1] === undefined || match[2] === undefined ? [] : [{ of: match[1], path: match[2] }]));
  const longest = lines.reduce((best, { path }) => (path.length > best.length ? path : best), '');
  const chosen = lines.find(({ of }) => of === '') ?? lines.find(({ of }) => of === 'name=systemd');
  return parsePath(chosen?.path ?? longest);
}

/** Of a path alone, as the kernel tells it of a socket. */
export function parseCgroupPath(path: Uint8Array): CgroupOwner {
  return parsePath(decode(path));
}

/** An id of Docker, containerd, CRI-O and Podman; `conmon` is the helper of a container, not the container. */
const CONTAINER = /(?<!conmon-)(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/;
/** LXC and systemd-nspawn have names. */
const NAMED_CONTAINER = /^(?:lxc\.payload\.|machine-)(.+?)(?:\.scope)?$/;
/** systemd does not allow the dashes of a UID in a part of a name, so they are underscores there. */
const POD = /pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})/;

function parsePath(path: string): CgroupOwner {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  const pod = POD.exec(path)?.[1]?.replaceAll('_', '-');
  const contained = parts.findLastIndex((part) => CONTAINER.test(part) || NAMED_CONTAINER.test(part));
  const named = parts[contained] ?? '';
  const container = CONTAINER.exec(named)?.[0] ?? NAMED_CONTAINER.exec(named)?.[1];
  // What runs a container is not the unit of what runs in it; a container may have a systemd of its own.
  const own = parts.slice(contained + 1);
  const unit = unitOf(own) ?? own.findLast((part) => /^user-.*\.slice$/.test(part));
  return {
    ...(unit !== undefined && pod === undefined && { unit: bound(unit) }),
    ...(container !== undefined && { container: bound(container) }),
    ...(pod !== undefined && { pod }),
  };
}

const UNIT = /\.(?:service|scope)$/;
/** The systemd of a user. */
const USER_MANAGER = /^user@\d+\.service$/;

/**
 * The first unit on the way down, as systemd itself takes it: what lies below was named by who owns that unit, and must not pass for
 * another. A unit of a user has his manager before it, for the same reason.
 */
function unitOf(parts: readonly string[]): string | undefined {
  const at = parts.findIndex((part) => UNIT.test(part));
  const [first, ...below] = at < 0 ? [] : parts.slice(at);
  if (first === undefined || !USER_MANAGER.test(first)) return first;
  const own = below.find((part) => UNIT.test(part));
  return own === undefined ? first : `${first}:${own}`;
}

function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

function bound(text: string): string {
  return boundText(Buffer.from(text));
}
