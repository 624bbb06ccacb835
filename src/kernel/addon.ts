/**
 * The one door to the native addon: finds it, loads it, checks that its column layout is ours, and turns its errors into
 * `CtwatchError`. `native/conntrack_socket.h` documents the class itself.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COLUMNS, PRESENT } from '../model/batch.js';
import { CtwatchError, type ErrorCode } from '../model/errors.js';
import type { KernelCounters, Sysctls, TableStats } from '../model/record.js';

/** Places of the numbers that `drain` writes. Totals are since the socket was opened. */
export const DRAIN_STATUS = {
  newCount: 0,
  destroyCount: 1,
  more: 2,
  lostNew: 3,
  lostDestroy: 4,
  malformed: 5,
  unknownLosses: 6,
  length: 7,
} as const;

/** The table and the per-CPU counters, read one after the other. */
export interface Stats {
  readonly table: TableStats;
  readonly counters: KernelCounters;
}

/** Bytes of a flow in an `OwnerQuestion`; `native/socket_diag.h` has their order. */
export const OWNER_FLOW_BYTES = 80;

/** By the numbers of `OwnerAnswer`. */
export const FLOW_DIRECTIONS = ['unknown', 'originated', 'accepted', 'forwarded'] as const;

/** What the socket of an `OwnerAnswer` is to the flow: its own end, or one that listens there or has no peer. */
export const SOCKET_MATCH = { none: 0, exact: 1, listener: 2 } as const;

/** Which sockets and processes these flows have. */
export interface OwnerQuestion {
  readonly flows: Uint8Array;
  /** Sockets of earlier answers without a process: inode, uid, inode, uid, ... */
  readonly sockets: Uint32Array;
  /** CPU time for processes that had such sockets before, and for going on through all others, seconds. */
  readonly knownSeconds: number;
  readonly scanSeconds: number;
  readonly commandLine: boolean;
}

export interface OwnerAnswer {
  readonly flows: readonly {
    /** Place in `FLOW_DIRECTIONS`. */
    readonly direction: number;
    /** One of `SOCKET_MATCH`. */
    readonly match: number;
    /** Of the socket. */
    readonly uid: number;
    /** 0: no process has it (any more). */
    readonly inode: number;
    /** Place in `processes`. */
    readonly process?: number;
    /** Path in the version 2 hierarchy, when there is no process. */
    readonly cgroup?: Uint8Array;
  }[];
  /** Place in `processes` of each of the sockets asked for. */
  readonly sockets: readonly (number | undefined)[];
  readonly processes: readonly ProcessFacts[];
  /** CPU time spent, seconds. */
  readonly knownSeconds: number;
  readonly scanSeconds: number;
  /** Processes that may not be looked at. */
  readonly refused: number;
  /** CLOCK_BOOTTIME of the answer. */
  readonly bootSeconds: number;
  readonly ticksPerSecond: number;
}

/** The texts of procfs, cut to some KiB. */
export interface ProcessFacts {
  readonly pid: number;
  readonly uid: number;
  readonly stat: Uint8Array;
  readonly cgroup: Uint8Array;
  /** Arguments with a zero behind each; empty unless asked for. */
  readonly commandLine: Uint8Array;
  /** Open sockets, counted every ten seconds. */
  readonly sockets?: number;
}

/** Event sockets that outlive a process, by their descriptors, with how far they have been read; -1: none. */
export interface KeptDescriptors {
  readonly new: number;
  readonly destroy: number;
  readonly memory: number;
}

/** The native class. Event reads happen on the calling thread, requests on a libuv worker. */
export interface ConntrackSocket {
  readonly info: {
    readonly recvBufferBytes: number;
    readonly recvBufferForced: boolean;
    readonly sysctls: Sysctls;
    /** With `keep`: those that somebody is to get copies of. They stay the socket's. */
    readonly kept?: KeptDescriptors;
    /** The event sockets are those of an earlier process, which had read everything so long ago; or why they are not. */
    readonly resumed?: { readonly seconds?: number; readonly blind?: number };
    readonly refusal?: string;
  };
  /** Tells whoever takes the sockets over how many entries will send no DESTROY. Once a tick. */
  remember(blind: number): void;
  /** Fills the columns without waiting; see `DRAIN_STATUS` for what it writes to `status`. */
  drain(buffer: ArrayBuffer, rows: number, status: Float64Array): void;
  /** `callback` runs once after each `arm()`, when an event waits. */
  onReadable(callback: () => void): void;
  arm(): void;
  stats(): Promise<Stats>;
  protocolTimeouts(): Promise<{ tcp?: number[]; udp?: number[]; icmp?: number }>;
  /** Addresses of the namespace, in text. Needs no privilege. */
  addresses(): Promise<string[]>;
  /** Looks up the flows whose tuples are in the first rows; entries found take their place, then the tuples of those gone. */
  lookup(buffer: ArrayBuffer, rows: number, flows: number): Promise<[found: number, gone: number]>;
  /** With `nothing` no entry is listed; the kernel collects expired ones all the same. */
  dumpStart(nothing: boolean): Promise<void>;
  /** Fills up to `rows` entries; 0 at the end. */
  dumpRead(buffer: ArrayBuffer, rows: number): Promise<number>;
  /** Needs no privilege for what is asked of sockets; processes of others need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH. */
  owners(question: OwnerQuestion): Promise<OwnerAnswer>;
  close(): void;
}

interface Addon {
  readonly ConntrackSocket: {
    new (options: {
      recvBufferBytes: number;
      netnsPath?: string;
      listen: boolean;
      keep: boolean;
      kept?: KeptDescriptors;
    }): ConntrackSocket;
    readonly layout: readonly (readonly [string, string])[];
    readonly presentBits: Readonly<Record<string, number>>;
    effectiveCapabilities(): number[];
  };
  notifyService(address: string, state: string, descriptors: readonly number[]): void;
}

/** A build of a checkout goes before the one that the package brings: whoever builds means it. */
const ADDON_PLACES = ['build/Release/ctwatch.node', `prebuilds/linux-${process.arch}/ctwatch.node`];

/**
 * The addon of the package that `from`, a file of it, belongs to, or the path in CTWATCH_ADDON. Never looks above the package:
 * what lies there is somebody else's. Throws `ERR_ADDON_MISSING`.
 */
export function findAddon(from: string, override: string | undefined): string {
  if (override !== undefined) return override;
  let root = dirname(from);
  while (!existsSync(join(root, 'package.json')) && root !== dirname(root)) root = dirname(root);
  const found = ADDON_PLACES.map((place) => join(root, place)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw addonMissing(root, `load ${ADDON_PLACES[0]}`, `there is no addon for linux-${process.arch} in ${root}`);
}

/** In a checkout one command builds it; a package brings no sources. */
function addonMissing(root: string, operation: string, detail: string, cause?: unknown): CtwatchError {
  const inCheckout = existsSync(join(root, 'binding.gyp'));
  return new CtwatchError({
    code: 'ERR_ADDON_MISSING',
    ...{ operation, detail, cause },
    ...(!inCheckout && {
      remedy:
        'npm run bootstrap in a checkout of ctwatch on this host, then CTWATCH_ADDON=CHECKOUT/build/Release/ctwatch.node',
    }),
  });
}

/** What a loader says about libraries of glibc that are not there helps nobody. `glibcVersion` is absent with musl. */
export function describeLoadFailure(cause: unknown, glibcVersion: string | undefined): string {
  if (glibcVersion === undefined)
    return 'it needs glibc 2.28 or newer, and this system has another C library, such as musl';
  return String(cause).split('\n')[0] ?? '';
}

function readGlibcVersion(): string | undefined {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}

let loaded: Addon | undefined;

function loadAddon(): Addon {
  if (loaded !== undefined) return loaded;
  if (process.platform !== 'linux') throw new CtwatchError({ code: 'ERR_NOT_LINUX', operation: 'load' });
  const path = findAddon(fileURLToPath(import.meta.url), process.env['CTWATCH_ADDON']);
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    throw addonMissing(
      join(dirname(path), '../..'),
      `load ${path}`,
      describeLoadFailure(cause, readGlibcVersion()),
      cause,
    );
  }
  const { layout, presentBits } = addon.ConntrackSocket;
  const ours = JSON.stringify([COLUMNS, Object.entries(PRESENT).sort()]);
  if (JSON.stringify([layout, Object.entries(presentBits).sort()]) !== ours) {
    throw new CtwatchError({ code: 'ERR_ADDON_LAYOUT', operation: `load ${path}` });
  }
  loaded = addon;
  return addon;
}

export interface SocketOptions {
  readonly recvBufferBytes: number;
  readonly netns?: string | undefined;
  /** Join the groups of events. Default true; false leaves requests and the dump. */
  readonly listen?: boolean;
  /** The event sockets are to outlive this process. Default false. */
  readonly keep?: boolean;
  /** Those of an earlier process. They are duplicated, not closed. */
  readonly kept?: KeptDescriptors | undefined;
}

/** Opens the event sockets and joins their groups, or goes on with those that were kept. Throws `CtwatchError`. */
export function openConntrackSocket({
  recvBufferBytes,
  listen = true,
  keep = false,
  ...options
}: SocketOptions): ConntrackSocket {
  const { ConntrackSocket } = loadAddon();
  const { netns, kept } = options;
  try {
    return new ConntrackSocket({
      ...{ recvBufferBytes, listen, keep },
      ...(netns !== undefined && { netnsPath: netnsPath(netns) }),
      ...(kept !== undefined && { kept }),
    });
  } catch (error) {
    const failure = toCtwatchError(error, 'ERR_KERNEL_SOURCE');
    if (failure.code !== 'ERR_NETNS_NOT_FOUND') throw failure;
    const { code, errno } = failure;
    throw new CtwatchError({ code, operation: `--netns ${options.netns}`, errno, cause: error });
  }
}

/** Where iproute2 keeps the named namespaces. */
export function netnsPath(name: string): string {
  return `/run/netns/${name}`;
}

const CAPABILITY_NAMES: ReadonlyMap<number, string> = new Map([
  [2, 'CAP_DAC_READ_SEARCH'],
  [11, 'CAP_NET_BROADCAST'],
  [12, 'CAP_NET_ADMIN'],
  [19, 'CAP_SYS_PTRACE'],
  [21, 'CAP_SYS_ADMIN'],
]);

/** The effective capabilities of this thread that matter to ctwatch, by name. */
export function effectiveCapabilities(): string[] {
  return loadAddon()
    .ConntrackSocket.effectiveCapabilities()
    .flatMap((number) => CAPABILITY_NAMES.get(number) ?? []);
}

/**
 * One datagram to the service manager, as sd_notify(3): `state` holds lines such as `READY=1`; the descriptors are copied to it.
 * Throws an error with `errno`.
 */
export function notifyService(address: string, state: string, descriptors: readonly number[] = []): void {
  loadAddon().notifyService(address, state, descriptors);
}

/** Gives an error of the addon its code and remedy: by the system call and errno it names, else `fallback`. */
export function toCtwatchError(error: unknown, fallback: ErrorCode): CtwatchError {
  if (error instanceof CtwatchError) return error;
  const { operation = 'netlink', message, ...numbers } = describeFailure(error);
  // The addon names the errno; Node.js has a number there and the name in `code`.
  const errno = [numbers.errno, numbers.code].find((name) => typeof name === 'string');
  return new CtwatchError({
    code: codeOf(operation, errno) ?? fallback,
    operation,
    ...(codeOf(operation, errno) === undefined && message !== undefined && { detail: message }),
    ...(errno !== undefined && { errno }),
    cause: error,
  });
}

function describeFailure(error: unknown) {
  const { operation, errno, code, message } = error as {
    operation?: string;
    errno?: unknown;
    code?: unknown;
    message?: string;
  };
  return { operation, errno, code, message };
}

function codeOf(operation: string, errno: string | undefined): ErrorCode | undefined {
  const entering = operation === 'setns' || operation === 'open-netns';
  switch (errno) {
    case 'EPERM':
    case 'EACCES':
      return entering ? 'ERR_CAP_SYS_ADMIN' : 'ERR_CAP_NET_ADMIN';
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EINVAL':
    case 'EOPNOTSUPP':
      if (entering) return 'ERR_NETNS_NOT_FOUND';
      // nfnetlink knows no such subsystem or group: nf_conntrack_netlink is not there.
      return operation === 'add-membership' || operation === 'table-stats' ? 'ERR_CONNTRACK_UNAVAILABLE' : undefined;
    case 'EPROTONOSUPPORT':
    case 'EAFNOSUPPORT':
    case 'ENOSYS':
      return 'ERR_CONNTRACK_UNAVAILABLE';
    case 'ETIMEDOUT':
      return 'ERR_REQUEST_TIMEOUT';
    default:
      return undefined;
  }
}
