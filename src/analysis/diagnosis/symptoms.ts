/**
 * What can be seen of a suspect, in a few words each: what a doctor writes down before naming the illness.
 *
 * A symptom that cannot be told from the numbers is absent. Where a number decides, the bounds lie between what the incidents of
 * test/incident show, far from both; docs/diagnosis.md lists them.
 */
import { TCP, UDP } from '../../model/protocol.js';
import type { FlowStage } from '../flow-stage.js';
import { LOOKUPS_MIN, type StageCounts, type Traits, totalOf } from './flow-traits.js';

/** Every symptom with its values. */
export const SYMPTOMS = {
  /** Who is suspected. */
  subject: ['destination', 'source'],
  /** dns is port 53, whatever the protocol. */
  transport: ['tcp', 'udp', 'dns', 'other'],
  /** Different partners: sources of a destination, destinations of a source. `once`: many, and hardly one comes again. */
  partners: ['one', 'few', 'many', 'once'],
  /** Where most of its flows are a moment after they began. `over`: closed by either side. */
  stage: ['unanswered', 'half_open', 'established', 'over', 'answered', 'mixed'],
  /** Whether its flows are still open a quarter of a minute after they began. */
  hold: ['held', 'released'],
  /** Its rate against what is usual. */
  pace: ['surge', 'steady'],
  /** Whether its entries leave again; not told before the longest usual timeout has passed. */
  leaving: ['leaves', 'stays'],
  /** Established entries that have seen no packet for an hour, of all it has. */
  idleness: ['idle', 'in_use'],
  /** Open sockets of the owner to it against the owner's threads. */
  sockets: ['within_threads', 'beyond_threads'],
} as const;
export type SymptomName = keyof typeof SYMPTOMS;
export type Symptoms = { readonly [S in SymptomName]?: (typeof SYMPTOMS)[S][number] };

/** Who is suspected, and all that is known of it. */
export interface Suspect {
  readonly subject: 'destination' | 'source';
  /** IPPROTO_* number. */
  readonly protocol: number;
  readonly port?: number;
  readonly traits: Traits;
  /** Present rate over the usual one. */
  readonly paceRatio?: number;
  readonly newPerSecond: number;
  readonly growthPerSecond?: number;
  /** How long it has been watched. */
  readonly watchedSeconds?: number;
  /** Of its entries, by a dump: those established and idle for an hour. */
  readonly idleRatio?: number;
  readonly owner?: {
    readonly threads?: number;
    readonly openSockets?: number;
    /** One program of this host opens most of its flows: one client, from however many addresses. */
    readonly isOnlyClient?: boolean;
  };
}

/** Up to two partners are one: a client may have an address of each family. From `MANY` on it is no longer a few clients. */
const ONE_PARTNER_MAX = 2.5;
export const MANY_PARTNERS_MIN = 16;
/** Flows per partner below which hardly one came again; 1.5 is beyond the sketch's error of 13 %. */
const ONCE_FLOWS_MAX = 1.5;
const PARTNER_FLOWS_MIN = 5;
/** Part of the sampled flows that names their stage; fewer look-ups, or ends, than these are no sample. */
const STAGE_RATIO = 0.6;
const ENDED_FLOWS_MIN = 20;
const SURGE_RATIO = 2;
/** Older than TIME_WAIT and a pause of the collector together, 120 s and 60 s: what was to leave has left. */
const LEAVING_SECONDS_MIN = 200;
/** Of its new entries, those that stay. */
const STAYS_RATIO = 0.5;
const IDLE_RATIO = 0.5;
/** Sockets per thread: a thread needs one, and a second while it replaces it. */
const SOCKETS_PER_THREAD_MAX = 2;
const DNS_PORT = 53;

/** What can be seen of a suspect. Pure. */
export function symptomsOf(suspect: Suspect): Symptoms {
  const { subject, traits, paceRatio, idleRatio } = suspect;
  const partners = suspect.owner?.isOnlyClient === true ? 'one' : partnersOf(traits);
  const stage = stageSymptom(stageCountsOf(traits)?.counts);
  const hold = holdOf(traits.aged);
  const leaving = leavingOf(suspect);
  const sockets = socketsOf(suspect.owner);
  return {
    subject,
    transport: transportOf(suspect),
    ...(partners !== undefined && { partners }),
    ...(stage !== undefined && { stage }),
    ...(hold !== undefined && { hold }),
    ...(paceRatio !== undefined && { pace: paceRatio >= SURGE_RATIO ? 'surge' : 'steady' }),
    ...(leaving !== undefined && { leaving }),
    ...(idleRatio !== undefined && { idleness: idleRatio >= IDLE_RATIO ? 'idle' : 'in_use' }),
    ...(sockets !== undefined && { sockets }),
  };
}

/** The flows whose stage is judged: the young ones, or else those that ended; undefined when both are too few. */
export function stageCountsOf({ young, ended }: Traits): JudgedStages | undefined {
  if (totalOf(young) >= LOOKUPS_MIN) return { counts: young, isYoung: true };
  return totalOf(ended) >= ENDED_FLOWS_MIN ? { counts: ended, isYoung: false } : undefined;
}

interface JudgedStages {
  readonly counts: StageCounts;
  readonly isYoung: boolean;
}

function transportOf({ protocol, port }: Suspect): NonNullable<Symptoms['transport']> {
  if (port === DNS_PORT && (protocol === UDP || protocol === TCP)) return 'dns';
  return protocol === TCP ? 'tcp' : protocol === UDP ? 'udp' : 'other';
}

function partnersOf({ partners, partnerFlows }: Traits): Symptoms['partners'] {
  if (partnerFlows < PARTNER_FLOWS_MIN) return undefined;
  if (partners < ONE_PARTNER_MAX) return 'one';
  if (partners < MANY_PARTNERS_MIN) return 'few';
  return partnerFlows / partners < ONCE_FLOWS_MAX ? 'once' : 'many';
}

const OVER: readonly FlowStage[] = ['closing', 'time_wait', 'reset'];

function stageSymptom(counts: StageCounts | undefined): Symptoms['stage'] {
  if (counts === undefined) return undefined;
  const needed = STAGE_RATIO * totalOf(counts);
  for (const stage of ['unanswered', 'half_open', 'established', 'answered'] as const) {
    if (counts[stage] >= needed) return stage;
  }
  return OVER.reduce((sum, stage) => sum + counts[stage], 0) >= needed ? 'over' : 'mixed';
}

/** Flows that nobody answered are neither. */
function holdOf(aged: StageCounts): Symptoms['hold'] {
  if (totalOf(aged) < LOOKUPS_MIN) return undefined;
  switch (stageSymptom(aged)) {
    case 'established':
      return 'held';
    case 'over':
      return 'released';
    default:
      return undefined;
  }
}

function leavingOf({ growthPerSecond, newPerSecond, watchedSeconds = 0 }: Suspect): Symptoms['leaving'] {
  if (growthPerSecond === undefined || watchedSeconds < LEAVING_SECONDS_MIN || !(newPerSecond > 0)) return undefined;
  return growthPerSecond >= STAYS_RATIO * newPerSecond ? 'stays' : 'leaves';
}

function socketsOf(owner: Suspect['owner']): Symptoms['sockets'] {
  if (owner?.threads === undefined || owner.openSockets === undefined) return undefined;
  return owner.openSockets > SOCKETS_PER_THREAD_MAX * owner.threads ? 'beyond_threads' : 'within_threads';
}
