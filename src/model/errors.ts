/**
 * The one error shape. Callers match on `code`; people read the message and run the remedy.
 * `docs/errors.md` is checked against this table.
 */

/** Exit statuses of the program: 1 failed while running, 2 bad usage or configuration, 3 not permitted or not here. */
export type ExitStatus = 1 | 2 | 3;

interface ErrorEntry {
  readonly exitStatus: ExitStatus;
  readonly meaning: string;
  /** A command, or what to change. */
  readonly remedy: string;
}

/** Every code with its exit status, meaning and default remedy. */
export const ERRORS = {
  ERR_NOT_LINUX: {
    exitStatus: 3,
    meaning: 'conntrack events exist on Linux only',
    remedy: 'run ctwatch on the Linux host whose table is to be watched',
  },
  ERR_ADDON_MISSING: {
    exitStatus: 3,
    meaning: 'the native addon is not built or does not load in this Node.js',
    remedy: 'npm run bootstrap',
  },
  ERR_ADDON_LAYOUT: {
    exitStatus: 3,
    meaning: 'the native addon was built from other sources than this program',
    remedy: 'npm run bootstrap',
  },
  ERR_CAP_NET_ADMIN: {
    exitStatus: 3,
    meaning: 'CAP_NET_ADMIN is missing: the kernel gives conntrack events to nobody without it',
    remedy: 'sudo ctwatch stream',
  },
  ERR_CAP_SYS_ADMIN: {
    exitStatus: 3,
    meaning: 'CAP_SYS_ADMIN is missing: it is needed while another network namespace is opened',
    remedy: 'sudo ctwatch stream --netns NAME',
  },
  ERR_CONNTRACK_UNAVAILABLE: {
    exitStatus: 3,
    meaning: 'the kernel has no conntrack netlink interface (nf_conntrack_netlink)',
    remedy: 'sudo modprobe nf_conntrack_netlink',
  },
  ERR_NETNS_NOT_FOUND: {
    exitStatus: 3,
    meaning: 'there is no network namespace of that name',
    remedy: 'ip netns list',
  },
  ERR_USERNS_UNAVAILABLE: {
    exitStatus: 3,
    meaning: 'this host allows no private user and network namespace, which the demo plays in',
    remedy: 'sudo ctwatch demo',
  },
  ERR_TOOL_MISSING: {
    exitStatus: 3,
    meaning: 'a program that the demo needs is not installed',
    remedy: 'sudo apt-get install -y nftables iproute2 util-linux',
  },
  ERR_BAD_OPTION: {
    exitStatus: 2,
    meaning: 'an option or its value is not valid',
    remedy: 'ctwatch stream --help',
  },
  ERR_BAD_CONFIG: {
    exitStatus: 2,
    meaning: 'a key of the configuration is not valid',
    remedy: 'correct the key that is named',
  },
  ERR_CONFIG_UNREADABLE: {
    exitStatus: 2,
    meaning: 'the configuration file cannot be read or is not TOML',
    remedy: 'correct the file or the path after --config',
  },
  ERR_NETNS_GONE: {
    exitStatus: 1,
    meaning: 'the watched network namespace was deleted',
    remedy: 'ip netns list',
  },
  ERR_REQUEST_TIMEOUT: {
    exitStatus: 1,
    meaning: 'the kernel did not answer a request in time',
    remedy: 'try again; another process may be flushing or listing a large table',
  },
  ERR_OUTPUT: {
    exitStatus: 1,
    meaning: 'standard output, or the file that takes its place, cannot be written',
    remedy: 'make room on the disk or correct the redirection',
  },
  ERR_OUTPUT_FILE: {
    exitStatus: 2,
    meaning: 'lines can be appended to a file, and this is something else',
    remedy: 'name a file, or leave the option out for standard output',
  },
  ERR_DEMO_TRAFFIC: {
    exitStatus: 1,
    meaning: 'the traffic of the demo ended before its time',
    remedy: 'see the line above; ports 6379 and 8080 must be free in the private namespace',
  },
  ERR_RECORDING_EXISTS: {
    exitStatus: 2,
    meaning: 'the file of the recording exists already and is not overwritten',
    remedy: 'name another file, or give --rotate-bytes to keep this one as FILE.1',
  },
  ERR_RECORDING_WRITE: {
    exitStatus: 1,
    meaning: 'the recording cannot be written',
    remedy: 'make room on the disk or name another file',
  },
  ERR_RECORDING_READ: {
    exitStatus: 2,
    meaning: 'the file to replay cannot be read',
    remedy: 'correct the path',
  },
  ERR_NOT_A_RECORDING: {
    exitStatus: 2,
    meaning: 'the file is neither a recording nor a conn.log of Zeek',
    remedy: 'ctwatch record FILE',
  },
  ERR_RECORDING_VERSION: {
    exitStatus: 2,
    meaning: 'the recording was written by another version of ctwatch',
    remedy: 'replay it with the version that wrote it, or a newer one',
  },
  ERR_RECORDING_ORDER: {
    exitStatus: 2,
    meaning: 'the files are not parts of one recording',
    remedy: 'replay one recording at a time',
  },
  ERR_RECORDING_DAMAGED: {
    exitStatus: 1,
    meaning: 'the recording is damaged or cut short: all before that place was replayed',
    remedy: 'none: what was written before the damage is all there is',
  },
  ERR_CONTROL_UNREACHABLE: {
    exitStatus: 3,
    meaning: 'no ctwatch answers on the control socket',
    remedy: 'systemctl status ctwatch',
  },
  ERR_CONTROL_TIMEOUT: {
    exitStatus: 3,
    meaning: 'there was no answer in time',
    remedy: 'systemctl restart ctwatch',
  },
  ERR_CONTROL_ANSWER: {
    exitStatus: 3,
    meaning: 'what answers on the control socket is no ctwatch, or refuses',
    remedy: 'ctwatch check --control PATH',
  },
  ERR_KERNEL_SOURCE: {
    exitStatus: 1,
    meaning: 'the netlink sockets failed while running',
    remedy: 'ctwatch doctor',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

interface CtwatchErrorFields {
  readonly code: ErrorCode;
  /** What was being done, e.g. `bind`, `--interval`. */
  readonly operation: string;
  /** What exactly was wrong; the code's meaning when absent. */
  readonly detail?: string;
  /** Symbolic errno of the system call, e.g. `EPERM`. */
  readonly errno?: string | undefined;
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** The only error ctwatch throws on purpose. */
export class CtwatchError extends Error {
  override readonly name = 'CtwatchError';
  readonly code: ErrorCode;
  readonly operation: string;
  readonly errno?: string;
  readonly remedy: string;

  constructor(fields: CtwatchErrorFields) {
    super(fields.detail ?? ERRORS[fields.code].meaning, { cause: fields.cause });
    this.code = fields.code;
    this.operation = fields.operation;
    if (fields.errno !== undefined) this.errno = fields.errno;
    this.remedy = fields.remedy ?? ERRORS[fields.code].remedy;
  }

  get exitStatus(): ExitStatus {
    return ERRORS[this.code].exitStatus;
  }

  /** One line for standard error: what is missing, and the command that gives it. */
  get line(): string {
    const errno = this.errno === undefined ? '' : ` (${this.errno})`;
    return `ctwatch: ${this.operation}: ${this.message}${errno} [${this.code}]; remedy: ${this.remedy}`;
  }
}
