/**
 * The part of a class's entries that is still in the table at each age, in three worlds.
 *
 * Up to the age that has been observed all worlds agree on the learned hazards. Beyond it nobody knows, and the kernel's protocol
 * timeouts are the best guess: `expected` takes the next one that most flows end in (TIME_WAIT for tcp), `short` the next one
 * of any kind, `stays` that nothing leaves. An entry still counts while it waits for collection, so a guessed stay is the timeout
 * and that wait. Flows that outlived a timeout and the longest wait for collection rule it out.
 * The worlds differ less the more is learned; a forecast that is the same in all of them does not rest on the guess.
 */
import type { ProtocolTimeouts } from '../model/record.js';
import { AGES_SECONDS, type ClassLifetimes, type LearnedHazards } from './lifetimes.js';

export type World = 'expected' | 'stays' | 'short';

/** How far ahead a forecast looks, seconds. */
export const HORIZON_SECONDS = 600;
/** Ages of a survival curve: the oldest resolved age after the whole horizon. */
export const CURVE_SECONDS: number = AGES_SECONDS + HORIZON_SECONDS + 2;

/** An expired entry may wait this long for collection before its DESTROY: a timeout is not outlived before. */
const COLLECTION_SECONDS = 65;
/** Hazard in the seconds from a timeout on: nearly all go at once. */
const TIMEOUT_HAZARD = 0.9;
/** Beyond what is learned and every timeout, the mean hazard of this many seconds before goes on. */
const TAIL_SECONDS = 60;

interface Endings {
  readonly expected: readonly number[];
  readonly short: readonly number[];
}

/** The kernel's defaults where a timeout could not be read. */
function endingsOf(protocol: number, { tcp, udp, icmp }: ProtocolTimeouts): Endings {
  switch (protocol) {
    case 6: {
      const timeWait = tcp?.time_wait ?? 120;
      const short = [tcp?.close ?? 10, tcp?.last_ack ?? 30, tcp?.close_wait ?? 60, timeWait];
      return { expected: [timeWait], short: short.sort((a, b) => a - b) };
    }
    case 17: {
      const both = [udp?.unreplied ?? 30, udp?.stream ?? 120].sort((a, b) => a - b);
      return { expected: both, short: both };
    }
    case 1:
      return { expected: [icmp ?? 30], short: [icmp ?? 30] };
    default:
      return { expected: [600], short: [30, 600] };
  }
}

/** The timeout that most flows of a class will end in, seconds, as far as those seen have not outlived it. */
export function nextTimeout({ protocol, frontierSeconds }: ClassLifetimes, timeouts: ProtocolTimeouts): number {
  const { expected } = endingsOf(protocol, timeouts);
  return expected.find((timeout) => timeout + COLLECTION_SECONDS >= frontierSeconds) ?? COLLECTION_SECONDS * 2;
}

/**
 * Writes the survival curve of a class in a world into `curve`: part still present at age 0, 1, ... s, from 1 falling.
 * `collectionSeconds` is how long an expired entry is expected to wait at the peak of a collection cycle.
 */
export function writeSurvival(
  curve: Float64Array,
  learned: ClassLifetimes,
  pool: LearnedHazards | undefined,
  world: World,
  timeouts: ProtocolTimeouts,
  collectionSeconds: number,
): void {
  const frontier = learned.frontierSeconds;
  const endings = endingsOf(learned.protocol, timeouts);
  const pooledUntil = world === 'expected' ? Math.max(frontier, pool?.frontierSeconds ?? 0) : frontier;
  const endsAt =
    world === 'stays' ? undefined : endingAge(world, endings, Math.max(frontier, pooledUntil), collectionSeconds);
  const tail = world === 'stays' ? 0 : tailHazard(learned);
  let survivors = 1;
  for (let age = 0; age < curve.length; age++) {
    curve[age] = survivors;
    const bin = Math.min(age, AGES_SECONDS);
    let hazard = tail;
    if (bin < frontier) hazard = learned.hazards[bin] ?? 0;
    else if (bin < pooledUntil) hazard = pool?.hazards[bin] ?? 0;
    else if (endsAt !== undefined) hazard = age >= endsAt ? TIMEOUT_HAZARD : 0;
    survivors *= 1 - hazard;
  }
}

/** Age at which the unknown rest is taken to leave; undefined when every timeout has been outlived. */
function endingAge(world: World, endings: Endings, known: number, collectionSeconds: number): number | undefined {
  const candidates = world === 'short' ? endings.short : endings.expected;
  const next = candidates.find((timeout) => timeout + COLLECTION_SECONDS >= known);
  // Past the timeout and not collected yet: they may go any moment.
  return next === undefined ? undefined : Math.max(next + collectionSeconds, known);
}

function tailHazard({ hazards, frontierSeconds }: LearnedHazards): number {
  const from = Math.max(0, frontierSeconds - TAIL_SECONDS);
  if (frontierSeconds - from < TAIL_SECONDS / 2) return 0;
  let sum = 0;
  for (let bin = from; bin < frontierSeconds; bin++) sum += hazards[bin] ?? 0;
  return sum / (frontierSeconds - from);
}

/** How much of a class's behaviour has been seen, 0..1: the part seen to leave, or that survived three minutes. */
export function learnedRatioOf({ hazards, frontierSeconds }: LearnedHazards): number {
  let survivors = 1;
  for (let bin = 0; bin < Math.min(frontierSeconds, AGES_SECONDS); bin++) survivors *= 1 - (hazards[bin] ?? 0);
  return Math.max(1 - survivors, Math.min(1, frontierSeconds / 185));
}
