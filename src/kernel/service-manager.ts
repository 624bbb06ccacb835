/**
 * The service manager that started this process (systemd), if any: what it is told, and what it keeps over a restart.
 *
 *   NOTIFY_SOCKET ──> notify: READY, STATUS, WATCHDOG, ...      LISTEN_FDS ──> takeKept: descriptors of the process before
 *                     keep: FDSTORE, copies of the event sockets
 *
 * Its variables are taken out of the environment, so that no child speaks in our name. Sources: sd_notify(3),
 * sd_listen_fds(3), sd_watchdog_enabled(3).
 */
import { closeSync } from 'node:fs';
import { type ConntrackSocket, type KeptDescriptors, notifyService } from './addon.js';

/** The first descriptor that a manager passes. */
const LISTEN_FDS_START = 3;
/** More would be somebody else's. */
const LISTEN_FDS_MAX = 64;
const KEPT_NAMES = { new: 'ctwatch-new', destroy: 'ctwatch-destroy', memory: 'ctwatch-memory' } as const;
const KEPT = Object.entries(KEPT_NAMES) as [keyof KeptDescriptors, string][];

const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

export type Environment = Record<string, string | undefined>;

/** Where event sockets outlive a process. */
export interface SocketKeeper {
  /** What an earlier process left, once. The caller closes it by `release`. */
  takeKept(): KeptDescriptors | undefined;
  /** Closes what `takeKept` gave: it was duplicated. */
  release(): void;
  /** Keeps the event sockets of this one from now on. */
  keep(socket: ConntrackSocket): void;
}

export class ServiceManager implements SocketKeeper {
  /** A manager that hears nothing for so long restarts us, seconds. Absent: it does not watch. */
  readonly watchdogSeconds?: number;
  readonly #address: string;
  #kept: KeptDescriptors | undefined;
  #passed: number[];
  #failure: NodeJS.ErrnoException | undefined;
  #hasFailed = false;

  private constructor(environment: Environment, address: string) {
    const pid = String(process.pid);
    const { WATCHDOG_USEC, WATCHDOG_PID = pid, LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = environment;
    this.#address = address;
    const watchdogSeconds = Number(WATCHDOG_USEC) / 1e6;
    if (WATCHDOG_PID === pid && watchdogSeconds > 0) this.watchdogSeconds = watchdogSeconds;
    const passed = LISTEN_PID === pid ? Math.min(Number(LISTEN_FDS) || 0, LISTEN_FDS_MAX) : 0;
    this.#passed = Array.from({ length: passed }, (_, i) => LISTEN_FDS_START + i);
    this.#kept = findKept(LISTEN_FDNAMES.split(':'), passed);
  }

  /** Takes its variables out of `environment`; undefined when there is no manager. */
  static take(environment: Environment): ServiceManager | undefined {
    const address = environment['NOTIFY_SOCKET'];
    const manager = address ? new ServiceManager(environment, address) : undefined;
    for (const name of VARIABLES) delete environment[name];
    return manager;
  }

  /** Sends variables, e.g. `{ READY: 1 }`, and copies of descriptors. */
  notify(variables: Readonly<Record<string, string | number>>, descriptors: readonly number[] = []): void {
    const state = Object.entries(variables).map(([name, value]) => `${name}=${oneLine(String(value))}\n`);
    try {
      notifyService(this.#address, state.join(''), descriptors);
    } catch (error) {
      if (!this.#hasFailed) this.#failure = error as NodeJS.ErrnoException;
      this.#hasFailed = true;
    }
  }

  /** Why it could not be told, the first time, once. */
  takeFailure(): NodeJS.ErrnoException | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  takeKept(): KeptDescriptors | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    return kept;
  }

  release(): void {
    for (const descriptor of this.#passed) closeSync(descriptor);
    this.#passed = [];
  }

  /** What was taken over with all that is known of it is kept already. */
  keep({ info: { kept, resumed } }: ConntrackSocket): void {
    if (kept === undefined || resumed?.seconds !== undefined) return;
    for (const [part, name] of KEPT) {
      this.notify({ FDSTOREREMOVE: 1, FDNAME: name });
      // Not polled: a socket with an error would be thrown away.
      this.notify({ FDSTORE: 1, FDNAME: name, FDPOLL: 0 }, [kept[part]]);
    }
  }
}

function findKept(names: readonly string[], passed: number): KeptDescriptors | undefined {
  const descriptorOf = (name: string) => {
    const place = names.indexOf(name);
    return place < 0 || place >= passed ? -1 : LISTEN_FDS_START + place;
  };
  const kept = {
    new: descriptorOf(KEPT_NAMES.new),
    destroy: descriptorOf(KEPT_NAMES.destroy),
    memory: descriptorOf(KEPT_NAMES.memory),
  };
  return kept.new < 0 && kept.destroy < 0 ? undefined : kept;
}

/** A variable ends with its line. */
function oneLine(text: string): string {
  return text.replaceAll('\n', ' ');
}
