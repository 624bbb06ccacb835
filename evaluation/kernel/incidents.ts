/**
 * The incidents that are played on the real kernel: real packets, real timeouts, real collector, in a namespace each. Bounded
 * in flows and time. nf_conntrack_max belongs to the whole host and is left alone: the limit is what `--assume-max` says.
 *
 *   t = 0              READER_AT            onset                                    end, all at once
 *   ordinary traffic ──> ctwatch starts ────> spike, leak or flood ──────────────────> one dump, which reaps
 *
 * Entries of the background stay all the time. They make the collector's interval 60 s, as on any host with long connections.
 */
import type { Namespace } from '../../test/kernel/namespace.js';
import { buildTool, burstFlows, createEntries } from '../../test/kernel/traffic.js';

export interface Incident {
  readonly name: string;
  readonly kind: 'fills' | 'never';
  readonly description: string;
  /** What count is compared with. */
  readonly assumeMax: number;
  /** From the start of the ordinary traffic. */
  readonly onsetSeconds: number;
  /** From the onset to the end of its traffic, when nothing puts that off. */
  readonly afterSeconds: number;
  /** nf_conntrack_udp_timeout of its namespace, which all flows share: so what is live is known from the flows' births. */
  readonly udpTimeoutSeconds: number;
  /** All entries but the background are UDP, so the expired ones can be computed at any time. */
  readonly isUdpOnly: boolean;
  /** Starts ordinary traffic and, at the onset, the incident. */
  start(namespace: Namespace, delay: Delay): Promise<void>;
}

export interface Delay {
  /** Puts the onset off. */
  readonly onsetSeconds: number;
  /** Puts the end off, at least as much. */
  readonly endSeconds: number;
}

export const BACKGROUND_ENTRIES = 5000;
/** The ordinary traffic is older than the daemon. */
export const READER_AT_SECONDS = 20;

/**
 * All go on until the last has been scored: lookups of one namespace collect in all, and nobody can foresee that a neighbour's
 * flood ends.
 */
const AFTER_SECONDS = 170;

const LEAK_PORT = 5432;
const FLOOD_PORT = 7000;

/** What arrives in the input hook has been confirmed at the sender's end of the loopback: an entry, but never an answer. */
const SILENT_PORT = `table inet ctwatch_silent {
  chain input { type filter hook input priority 0; tcp dport ${FLOOD_PORT} drop; }
}
`;

/** Connects at a pace and never closes; ends with the namespace. Both ends of a connection are open files of it. */
const LEAK_PROGRAM = `
const net = require('node:net');
const [port, rate, count] = process.argv.slice(1).map(Number);
const server = net.createServer((socket) => socket.on('error', () => {}).resume());
server.listen(port, '127.0.0.1', 1024, () => {
  const start = performance.now();
  let made = 0;
  setInterval(() => {
    for (; made < count && made < ((performance.now() - start) * rate) / 1000; made++)
      net.connect({ port, host: '127.0.0.1' }).on('error', () => {}).resume();
  }, 20);
});
`;

/** The background entries, there before anything else. */
export async function prepare(namespace: Namespace, { udpTimeoutSeconds }: Incident): Promise<void> {
  await namespace.sysctl('net.netfilter.nf_conntrack_udp_timeout', udpTimeoutSeconds);
  await namespace.exec('nft', ['-f', '-'], { input: SILENT_PORT });
  await createEntries(namespace, BACKGROUND_ENTRIES, 36_000);
}

function phasesOf({ onsetSeconds, afterSeconds }: Pick<Incident, 'onsetSeconds' | 'afterSeconds'>, delay: Delay) {
  return {
    beforeSeconds: onsetSeconds + delay.onsetSeconds,
    afterSeconds: afterSeconds + delay.endSeconds - delay.onsetSeconds,
  };
}

function spike(
  part: Omit<Incident, 'isUdpOnly' | 'start'> & { readonly base: number; readonly factor: number },
): Incident {
  return {
    ...part,
    isUdpOnly: true,
    async start(namespace, delay) {
      const { base, factor } = part;
      await burstFlows(namespace, { base, factor, ...phasesOf(part, delay) }).result;
    },
  };
}

/** Ordinary traffic of `base` flows a second throughout, and a second program from the onset on. */
function joined(
  part: Omit<Incident, 'isUdpOnly' | 'start'> & {
    readonly base: number;
    readonly command: (seconds: number) => readonly [string, ...(string | number)[]];
  },
): Incident {
  return {
    ...part,
    isUdpOnly: false,
    async start(namespace, delay) {
      const { base, command } = part;
      const phases = phasesOf(part, delay);
      const ordinary = burstFlows(namespace, { base, factor: 1, ...phases });
      await ordinary.onsetUnixMs;
      const [program, ...args] = command(phases.afterSeconds);
      namespace.spawn(program, args.map(String), { stdio: ['ignore', 'ignore', 'inherit'] });
      await ordinary.result;
    },
  };
}

export const incidents: readonly Incident[] = [
  spike({
    ...{ name: 'spike that fills', kind: 'fills', base: 150, factor: 4, udpTimeoutSeconds: 60 },
    description: '150 UDP flows a second that stay 60 s, then 600; full about 45 s later',
    ...{ assumeMax: 42_000, onsetSeconds: 170, afterSeconds: AFTER_SECONDS },
  }),
  spike({
    ...{ name: 'spike that plateaus', kind: 'never', base: 150, factor: 4, udpTimeoutSeconds: 30 },
    description: '150 UDP flows a second that stay 30 s, then 600; the sawtooth settles at 85 %',
    ...{ assumeMax: 64_100, onsetSeconds: 170, afterSeconds: AFTER_SECONDS },
  }),
  joined({
    ...{ name: 'leak', kind: 'fills', base: 50, udpTimeoutSeconds: 30 },
    description: '50 UDP flows a second, and 40 TCP connections a second that are never closed; full about 110 s later',
    ...{ assumeMax: 12_300, onsetSeconds: 170, afterSeconds: AFTER_SECONDS },
    command: (seconds) => [process.execPath, '-e', LEAK_PROGRAM, LEAK_PORT, 40, 40 * seconds],
  }),
  joined({
    ...{ name: 'SYN flood', kind: 'fills', base: 50, udpTimeoutSeconds: 30 },
    description: '50 UDP flows a second, and 600 SYNs a second to a port that never answers; full about 50 s later',
    ...{ assumeMax: 38_000, onsetSeconds: 170, afterSeconds: AFTER_SECONDS },
    command: (seconds) => [buildTool('traffic'), 'syn', 600 * seconds, '--rate', 600, '--dport', FLOOD_PORT],
  }),
];
