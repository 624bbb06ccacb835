/**
 * Asks for the owners of some new flows and keeps what that costs within a budget.
 *
 *   a few times a second: wait for the next NEW ──> fresh flows ─┐
 *   every drain: picks of every kind of traffic ─────────────────┴─> a question ──> sightings, taken by the next tick
 *                                                                        └─ socket without a process: asked again
 *
 * A short connection is closed before the next drain, so fresh flows are what shares are told from. Of a pick whose socket is gone
 * nothing is said: it was asked for too late. A question costs the CPU time that it took to read /proc; until that is paid at
 * the allowed rate, none is asked. One that fails is told, and after a minute the next is tried.
 */
import { formatAddress } from '../model/address.js';
import type { EventBatch } from '../model/batch.js';
import type { CtwatchError } from '../model/errors.js';
import {
  OWNER_CHUNK_ENTRIES,
  OWNER_CPU_SECONDS,
  OWNER_FRESH_RATIO,
  OWNER_KNOWN_CPU_RATIO,
  OWNER_PENDING_MAX,
  OWNER_PENDING_SECONDS,
  OWNER_PICK_SECONDS,
  OWNER_PROBES_PER_SECOND,
  OWNER_RETRY_SECONDS,
  OWNER_SCAN_CPU_RATIO,
  OWNER_SCAN_SLICE_SECONDS,
} from '../model/limits.js';
import type { Owner, OwnerSighting } from '../model/owner.js';
import { hasSockets, isIcmp, TCP } from '../model/protocol.js';
import type { Instant, OwnersRecord } from '../model/record.js';
import {
  type ConntrackSocket,
  effectiveCapabilities,
  FLOW_DIRECTIONS,
  OWNER_FLOW_BYTES,
  type OwnerAnswer,
  type OwnerQuestion,
  SOCKET_MATCH,
  toCtwatchError,
} from './addon.js';
import { copyFlow, FlowSample, type SampledFlow } from './flow-sample.js';
import { Processes } from './processes.js';
import { userName } from './users.js';

export interface OwnerLookupsOptions {
  /** Asks the kernel. */
  readonly ask: (question: OwnerQuestion) => Promise<OwnerAnswer>;
  readonly processes: Processes;
  /** Most flows asked for in a second. */
  readonly perSecond: number;
  readonly commandLine: boolean;
  /** Processes of all users may be looked at: who was not found may be later. */
  readonly patient: boolean;
  /** CPU time that may be spent on processes at once, seconds. Default `OWNER_CPU_SECONDS`, going through all in slices. */
  readonly cpuSeconds?: number;
}

/** What a live source is asked for. */
export interface OwnerSettings {
  /** Most flows asked for in a second. */
  readonly lookupsPerSecond: number;
  /** Read command lines, which can hold secrets. */
  readonly commandLine: boolean;
  /** See `OwnerLookupsOptions`. */
  readonly cpuSeconds?: number;
}

/** Asks the namespace of this socket. */
export function openOwnerLookups(
  socket: ConntrackSocket,
  { lookupsPerSecond, commandLine, ...limits }: OwnerSettings,
): OwnerLookups {
  return new OwnerLookups({
    ask: (question) => socket.owners(question),
    processes: new Processes({ userName, unixSeconds: () => Date.now() / 1000 }),
    perSecond: lookupsPerSecond,
    commandLine,
    patient: seesProcesses(effectiveCapabilities()),
    ...limits,
  });
}

/** Whether processes of other users may be looked at: the first to read a link in /proc/PID/fd, the second to open that. */
export function seesProcesses(capabilities: readonly string[]): boolean {
  return capabilities.includes('CAP_SYS_PTRACE') && capabilities.includes('CAP_DAC_READ_SEARCH');
}

type Sighting = Omit<OwnerSighting, 'count'>;

/** A socket that a process must have, which has not been come to yet. */
interface Pending {
  readonly uid: number;
  readonly atSeconds: number;
  readonly owner: Owner;
  readonly sightings: Sighting[];
}

export class OwnerLookups {
  readonly #options: OwnerLookupsOptions;
  readonly #sample: FlowSample;
  readonly #fresh: Allowance;
  readonly #probes = new Allowance(OWNER_PROBES_PER_SECOND, 1);
  readonly #questions = new Allowance(OWNER_PROBES_PER_SECOND, OWNER_PROBES_PER_SECOND / 2);
  readonly #known: Allowance;
  readonly #scan: Allowance;
  readonly #pending = new Map<number, Pending>();
  readonly #sightings = new Map<string, { sighting: Sighting; count: number }>();
  #picks: SampledFlow[] = [];
  #asking = false;
  /** Until when nothing is asked, as the last question failed. */
  #pausedUntilSeconds = Number.NEGATIVE_INFINITY;
  #failure: CtwatchError | undefined;

  constructor(options: OwnerLookupsOptions) {
    this.#options = options;
    const { cpuSeconds = OWNER_CPU_SECONDS } = options;
    this.#known = new Allowance(OWNER_KNOWN_CPU_RATIO, cpuSeconds);
    this.#scan = new Allowance(OWNER_SCAN_CPU_RATIO, cpuSeconds);
    const fresh = options.perSecond * OWNER_FRESH_RATIO;
    this.#sample = new FlowSample({ perSecond: options.perSecond - fresh, kinds: 'destination' });
    this.#fresh = new Allowance(fresh, fresh);
  }

  /** Whether to wait for the next event now and read it at once. Ask it between two drains. */
  probe(monotonicSeconds: number): boolean {
    if (!this.#may(monotonicSeconds) || this.#fresh.left(monotonicSeconds) < 1) return false;
    if (this.#probes.left(monotonicSeconds) < 1) return false;
    this.#probes.spend(1);
    return true;
  }

  /** Looks at the NEW rows of a batch that was just read, and asks when it may. `fresh`: they have only just happened. */
  observe(batch: EventBatch, monotonicSeconds: number, fresh: boolean): void {
    const { newCount } = batch;
    if (newCount === 0) return;
    const picks = this.#sample.observe(batch, monotonicSeconds);
    const left = Math.floor(this.#fresh.left(monotonicSeconds));
    const newest = fresh ? Math.max(0, Math.min(newCount, left)) : 0;
    // Where all are asked for there is nothing to pick.
    if (newest < newCount) this.#picks.push(...picks);
    if (this.#picks.length > 0) {
      const since = monotonicSeconds - OWNER_PICK_SECONDS;
      this.#picks = this.#picks.filter(({ atSeconds }) => atSeconds >= since).slice(-this.#options.perSecond);
    }
    // Picks can wait for fresh flows where there are many: a question costs as much for one as for ten.
    const due = fresh || this.#questions.left(monotonicSeconds) >= 1;
    if (!due || !this.#may(monotonicSeconds) || newest + this.#picks.length === 0) return;
    this.#questions.spend(1);
    this.#fresh.spend(newest);
    const flows = Array.from({ length: newest }, (_, i) =>
      copyFlow(batch.columns, newCount - newest + i, monotonicSeconds),
    );
    void this.#ask([...flows, ...this.#picks.splice(0)], newest, monotonicSeconds);
  }

  /** Asks for some entries of a dump, evenly, and waits: those that can have a socket. Only one call at a time. */
  async observeEntries({ columns, newCount }: EventBatch, monotonicSeconds: number): Promise<void> {
    const rows: number[] = [];
    const step = Math.max(1, newCount / OWNER_CHUNK_ENTRIES);
    for (let at = 0; at < newCount; at += step) {
      const row = Math.floor(at);
      if (canHaveSocket(columns.protocol[row] ?? 0, columns.tcpState[row] ?? 0)) rows.push(row);
    }
    if (rows.length === 0 || !this.#may(monotonicSeconds)) return;
    const flows = rows.map((row) => copyFlow(columns, row, monotonicSeconds));
    await this.#ask(flows, flows.length, monotonicSeconds);
  }

  /** What was answered since the last call; at the end also what is still looked for. */
  take(monotonicSeconds: number, end = false): readonly OwnerSighting[] {
    for (const [inode, { atSeconds, owner, sightings }] of this.#pending) {
      if (!end && monotonicSeconds - atSeconds < OWNER_PENDING_SECONDS) continue;
      this.#pending.delete(inode);
      for (const sighting of sightings) this.#add({ ...sighting, owner });
    }
    if (this.#sightings.size === 0) return [];
    const taken = [...this.#sightings.values()].map(({ sighting, count }) => ({ ...sighting, count }));
    this.#sightings.clear();
    return taken;
  }

  /** The same, and what went wrong, as a record; undefined when there is nothing to tell. */
  takeRecord(at: Instant, end = false): OwnersRecord | undefined {
    const sightings = this.take(at.monotonicSeconds, end);
    const error = this.#failure;
    this.#failure = undefined;
    if (sightings.length === 0 && error === undefined) return undefined;
    return { type: 'owners', at, sightings, ...(error !== undefined && { error }) };
  }

  #may(monotonicSeconds: number): boolean {
    if (this.#asking || monotonicSeconds < this.#pausedUntilSeconds) return false;
    return this.#known.left(monotonicSeconds) > 0;
  }

  /** The first `newest` of the flows are fresh. */
  async #ask(flows: readonly SampledFlow[], newest: number, monotonicSeconds: number): Promise<void> {
    this.#asking = true;
    const waiting = [...this.#pending.keys()];
    const { cpuSeconds } = this.#options;
    try {
      const answer = await this.#options.ask({
        flows: packFlows(flows),
        sockets: Uint32Array.from(waiting.flatMap((inode) => [inode, this.#pending.get(inode)?.uid ?? 0])),
        knownSeconds: this.#known.left(monotonicSeconds),
        scanSeconds: Math.max(0, Math.min(cpuSeconds ?? OWNER_SCAN_SLICE_SECONDS, this.#scan.left(monotonicSeconds))),
        commandLine: this.#options.commandLine,
      });
      this.#known.spend(answer.knownSeconds);
      this.#scan.spend(answer.scanSeconds);
      const owners = this.#options.processes.describe(answer);
      this.#settle(waiting, answer, owners);
      this.#record(flows, newest, answer, owners, monotonicSeconds);
    } catch (error) {
      this.#pausedUntilSeconds = monotonicSeconds + OWNER_RETRY_SECONDS;
      this.#failure = toCtwatchError(error, 'ERR_KERNEL_SOURCE');
    } finally {
      this.#asking = false;
    }
  }

  /** What was looked for and has been found. */
  #settle(waiting: readonly number[], answer: OwnerAnswer, owners: readonly (Owner | undefined)[]): void {
    for (const [i, inode] of waiting.entries()) {
      const owner = owners[answer.sockets[i] ?? -1];
      const pending = this.#pending.get(inode);
      if (owner === undefined || pending === undefined) continue;
      this.#pending.delete(inode);
      for (const sighting of pending.sightings) this.#add({ ...sighting, owner });
    }
  }

  #record(
    flows: readonly SampledFlow[],
    newest: number,
    answer: OwnerAnswer,
    owners: readonly (Owner | undefined)[],
    atSeconds: number,
  ): void {
    const found = new Set<string>();
    for (const [i, flow] of flows.entries()) {
      const { uid, process } = answer.flows[i] ?? {};
      if (process !== undefined) found.add(kindOf(flow, uid));
    }
    for (const [i, flow] of flows.entries()) {
      const told = answer.flows[i];
      if (told === undefined) continue;
      const sighting = describeFlow(flow, told);
      const owner = told.process === undefined ? undefined : owners[told.process];
      const gone = told.match === SOCKET_MATCH.none || told.inode === 0;
      if (owner !== undefined || gone) {
        const late = owner === undefined && i >= newest && hasSocket(flow, sighting);
        if (!late) this.#add({ ...sighting, ...(owner !== undefined && { owner }) });
        continue;
      }
      const partial = this.#options.processes.describeUser(told.uid, told.cgroup);
      // Its like were found: this one is closed.
      if (!this.#options.patient || found.has(kindOf(flow, told.uid))) this.#add({ ...sighting, owner: partial });
      else this.#wait(told.inode, { uid: told.uid, atSeconds, owner: partial, sightings: [sighting] });
    }
  }

  #wait(inode: number, pending: Pending): void {
    const known = this.#pending.get(inode);
    if (known !== undefined) known.sightings.push(...pending.sightings);
    else if (this.#pending.size < OWNER_PENDING_MAX) this.#pending.set(inode, pending);
    else for (const sighting of pending.sightings) this.#add({ ...sighting, owner: pending.owner });
  }

  #add(sighting: Sighting): void {
    const { family, protocol, source, destination, port, direction, listener, owner } = sighting;
    const key = JSON.stringify([
      ...[family, protocol, source, destination, port, direction, listener],
      ...[owner?.key, owner?.pid, owner?.startTicks],
    ]);
    const known = this.#sightings.get(key);
    this.#sightings.set(key, { sighting, count: (known?.count ?? 0) + 1 });
  }
}

/** So much a second, and what was not used for up to `max`. It may be overdrawn: then there is none until that is made good. */
class Allowance {
  readonly #perSecond: number;
  readonly #max: number;
  #left: number;
  #atSeconds: number | undefined;

  constructor(perSecond: number, max: number) {
    this.#perSecond = perSecond;
    this.#max = max;
    this.#left = max;
  }

  left(monotonicSeconds: number): number {
    const seconds = monotonicSeconds - (this.#atSeconds ?? monotonicSeconds);
    this.#atSeconds = monotonicSeconds;
    this.#left = Math.min(this.#max, this.#left + seconds * this.#perSecond);
    return this.#left;
  }

  spend(amount: number): void {
    this.#left -= amount;
  }
}

/** Whether its socket, if it was open still, could have been found on this host. */
function hasSocket({ protocol }: SampledFlow, { direction }: Sighting): boolean {
  return direction !== 'forwarded' && hasSockets(protocol);
}

/** Flows to the same destination whose sockets belong to the same user are mostly those of one program. */
function kindOf({ protocol, original }: SampledFlow, uid: number | undefined): string {
  return `${protocol} ${original.destination.join('.')} ${original.destinationPort} ${uid}`;
}

/** SYN_SENT to ESTABLISHED, CLOSE_WAIT: in the others both ends may have closed it. */
function canHaveSocket(protocol: number, tcpState: number): boolean {
  return protocol !== TCP || (tcpState >= 1 && tcpState <= 3) || tcpState === 5;
}

function describeFlow(flow: SampledFlow, { direction, match }: OwnerAnswer['flows'][number]): Sighting {
  const { family, protocol, original } = flow;
  const way = FLOW_DIRECTIONS[direction] ?? 'unknown';
  return {
    family,
    protocol,
    ...(way === 'originated' && { source: formatAddress(family, original.source) }),
    destination: formatAddress(family, original.destination),
    port: isIcmp(protocol) ? 0 : original.destinationPort,
    direction: way,
    ...(way === 'accepted' && match === SOCKET_MATCH.listener && { listener: true }),
  };
}

function packFlows(flows: readonly SampledFlow[]): Uint8Array {
  const bytes = new Uint8Array(flows.length * OWNER_FLOW_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, { family, protocol, original, reply }] of flows.entries()) {
    const at = i * OWNER_FLOW_BYTES;
    bytes[at] = family;
    bytes[at + 1] = protocol;
    for (const [j, { source, destination, sourcePort, destinationPort }] of [original, reply].entries()) {
      view.setUint16(at + 4 + j * 4, sourcePort, LITTLE_ENDIAN);
      view.setUint16(at + 6 + j * 4, destinationPort, LITTLE_ENDIAN);
      bytes.set(source, at + 16 + j * 32);
      bytes.set(destination, at + 32 + j * 32);
    }
  }
  return bytes;
}

/** The addon reads in the order of the host. */
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
