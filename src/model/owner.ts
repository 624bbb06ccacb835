/**
 * Whose a flow is: the process, systemd unit, container or pod, and user on this host that opened or accepted it.
 *
 * The `key` is the same for all processes of one program in one unit or container, and stays when it is started again: what is
 * usual for a service can be learned, and ten thousand short-lived processes are one owner. The process is told beside it.
 * Texts come from whoever named a process: see `printable-text.ts`.
 */
/** What could be told. A part that is not known is absent; at least one part besides `key` is there. */
export interface Owner {
  /** See `ownerKey`. */
  readonly key: string;
  readonly pid?: number;
  /** Start of the process, clock ticks since boot: with the pid it names one process for ever. */
  readonly startTicks?: number;
  /** The same as seconds since 1970. */
  readonly startUnixSeconds?: number;
  /** `comm`: the program's short name, as `ps -o comm` shows it. */
  readonly name?: string;
  /** Only with `owners.command_line`: arguments may hold secrets. */
  readonly commandLine?: string;
  /** Threads of the process when it was last looked at. */
  readonly threads?: number;
  /** Sockets that the process had open when they were last counted, in the last ten seconds or so. */
  readonly sockets?: number;
  /** systemd unit, e.g. `sidekiq.service` or `session-3.scope`. */
  readonly unit?: string;
  /** 64 hexadecimal digits, or what the runtime calls it. */
  readonly container?: string;
  /** UID of the Kubernetes pod. */
  readonly pod?: string;
  readonly uid?: number;
  /** Name of the uid in /etc/passwd. */
  readonly user?: string;
}

/** Which way a flow goes, from the host's own addresses: who of the host can own it. */
export type FlowDirection = 'originated' | 'accepted' | 'forwarded' | 'unknown';

/**
 * New flows that were looked up: `count` of the same kind with the same answer. Without an owner it could not be told: the socket
 * was gone already, its process may not be looked at, or the flow is forwarded and has none on this host.
 */
export interface OwnerSighting {
  /** AF_INET 2 or AF_INET6 10. */
  readonly family: number;
  /** IPPROTO_* number. */
  readonly protocol: number;
  /** Of the original direction; the source of originated flows only: others have too many. */
  readonly source?: string;
  readonly destination: string;
  /** Destination port of the original direction; 0 for protocols without ports. */
  readonly port: number;
  readonly direction: FlowDirection;
  /** It was accepted, and the owner is that of the listening socket: the connection's own was not there yet, or no longer. */
  readonly listener?: true;
  /** New flows that this stands for, at least 1. */
  readonly count: number;
  readonly owner?: Owner;
}

/**
 * `sidekiq.service/ruby`, `0123abcd.../nginx`, `uid 1000/curl`: container, unit or uid, then the program's name where it is known.
 * The first part has no slash, so two owners never share a key.
 */
export function ownerKey({ container, unit, uid, name }: Omit<Owner, 'key'>): string {
  const place = container ?? unit ?? (uid === undefined ? 'unknown' : `uid ${uid}`);
  return name === undefined ? place : `${place}/${name}`;
}
