/**
 * Names processes: what the addon read of them in procfs becomes an `Owner`.
 *
 * A pid is used again; with its start it is one process, so that is what is remembered. Nothing is read here: the addon does that
 * while it holds the process's directory, on a worker.
 */
import { OWNER_PROCESSES_MAX } from '../model/limits.js';
import { type Owner, ownerKey } from '../model/owner.js';
import { boundText } from '../model/printable-text.js';
import type { OwnerAnswer, ProcessFacts } from './addon.js';
import { parseCgroup, parseCgroupPath, parseStat } from './process-text.js';

export interface ProcessesOptions {
  /** Name of a uid. */
  readonly userName: (uid: number) => string | undefined;
  /** Seconds since 1970. */
  readonly unixSeconds: () => number;
}

/** Longest command line, characters: the program and what tells its kind. */
const COMMAND_LINE_CHARS = 1024;

export class Processes {
  readonly #options: ProcessesOptions;
  /** By pid and start; the oldest first. */
  readonly #known = new Map<string, Owner>();

  constructor(options: ProcessesOptions) {
    this.#options = options;
  }

  /** The processes of an answer, by their places; undefined for one whose texts cannot be read. */
  describe({ processes, bootSeconds, ticksPerSecond }: OwnerAnswer): readonly (Owner | undefined)[] {
    return processes.map((facts) => {
      const stat = parseStat(facts.stat);
      if (stat === undefined) return undefined;
      const key = `${facts.pid} ${stat.startTicks}`;
      const known = this.#known.get(key);
      const { pid } = facts;
      const { name, startTicks, threads } = stat;
      const counted = facts.sockets ?? known?.sockets;
      const sockets = counted === undefined ? {} : { sockets: counted };
      // It can exec another program, and make threads.
      if (known?.name === name) return { ...this.#remember(key, { ...known, ...sockets }), threads };
      const startedAt = this.#options.unixSeconds() - bootSeconds + startTicks / ticksPerSecond;
      const startUnixSeconds = Math.round(startedAt * 100) / 100;
      return {
        ...this.#remember(key, { ...this.#name(facts, name), pid, startTicks, startUnixSeconds, ...sockets }),
        threads,
      };
    });
  }

  /** Of a socket whose process is not known: its user, and its unit or container where the cgroup is told. */
  describeUser(uid: number, cgroup?: Uint8Array): Owner {
    return withKey({ ...this.#user(uid), ...(cgroup !== undefined && parseCgroupPath(cgroup)) });
  }

  #name({ uid, cgroup, commandLine }: ProcessFacts, name: string): Owner {
    const spaced = commandLine.map((byte) => (byte === 0 ? 0x20 : byte));
    return withKey({
      ...(name !== '' && { name }),
      ...(commandLine.length > 0 && { commandLine: boundText(spaced, COMMAND_LINE_CHARS).trim() }),
      ...parseCgroup(cgroup),
      ...this.#user(uid),
    });
  }

  #user(uid: number): Pick<Owner, 'uid' | 'user'> {
    const user = this.#options.userName(uid);
    return { uid, ...(user !== undefined && { user }) };
  }

  #remember(key: string, owner: Owner): Owner {
    this.#known.delete(key);
    this.#known.set(key, owner);
    const [oldest] = this.#known.keys();
    if (this.#known.size > OWNER_PROCESSES_MAX && oldest !== undefined) this.#known.delete(oldest);
    return owner;
  }
}

function withKey(parts: Omit<Owner, 'key'>): Owner {
  return { key: ownerKey(parts), ...parts };
}
