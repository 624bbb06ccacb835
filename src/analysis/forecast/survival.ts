/**
 * The part of a class's entries that has not expired at each age, in three worlds.
 *
 * Up to the age that has been observed all worlds agree on the learned hazards. Beyond it nobody knows: `expected` goes on with
 * what the protocol's other classes and the kernel's timeouts say, `stays` lets nothing leave, `short` ends what is left at the
 * next timeout of any kind. The worlds differ less the more is learned; a forecast that is the same in all of them does not
 * rest on the guess.
 */
import type { ProtocolTimeouts } from '../../model/record.js';
import { type Endings, endingSurvivors, endingsWeight } from './endings.js';
import { AGES_SECONDS, type LearnedHazards } from './hazards.js';
import type { SightedLives } from './sightings.js';

/** A timeout that is taken to be another one: what if TIME_WAIT were 30 s. */
export interface AssumedTimeout {
  /** IPPROTO_* number. */
  readonly protocol: number;
  /** As the kernel has it. */
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

export type World = 'expected' | 'stays' | 'short';

/** How far ahead a forecast looks, seconds. */
export const HORIZON_SECONDS = 600;
/** Ages of a survival curve: the oldest resolved age after the whole horizon. */
export const CURVE_SECONDS: number = AGES_SECONDS + HORIZON_SECONDS + 2;

/** Ages before the frontier whose hazard is taken to go on, and what is too much for one second to be a rate. */
const TAIL_SECONDS = 60;
const MOMENT_HAZARD = 0.1;
/** An entry that is this much older than a timeout has outlived it. */
const OUTLIVED_SECONDS = 10;
/** Hazard in the seconds from a timeout on: nearly all go at once. */
const TIMEOUT_HAZARD = 0.9;

/** What is known of the lives of a class: what was observed, and what look-ups say of ages that were not. */
export type LearnedLives = LearnedHazards & { readonly endings?: Endings; readonly sighted?: SightedLives };

/** At this age whatever was closing when it was young has ended. */
const OLD_SECONDS = 180;
/** Longest that an expired entry waits for the collector, with what a sweep takes. */
const WAIT_SECONDS = 65;

/** How fast open flows close in each world. */
const CLOSING: Readonly<Record<World, -1 | 0 | 1>> = { expected: 0, stays: -1, short: 1 };

/** Timeouts in which a flow of a protocol may end, rising; the kernel's defaults where they could not be read. */
function timeoutsOf(protocol: number, { tcp, udp, icmp }: ProtocolTimeouts): readonly number[] {
  switch (protocol) {
    case 6:
      return [tcp?.close ?? 10, tcp?.last_ack ?? 30, tcp?.syn_recv ?? 60, tcp?.time_wait ?? 120].sort((a, b) => a - b);
    case 17:
      return [udp?.unreplied ?? 30, udp?.stream ?? 120].sort((a, b) => a - b);
    default:
      return [protocol === 1 ? (icmp ?? 30) : 30];
  }
}

/**
 * Writes the survival curve of a class in a world into `curve`: the part that has not expired at age 0, 1, ... s, falling from 1.
 * `hazardRatio` multiplies every hazard, `endsRatio` those beyond what is known.
 */
export function writeSurvival(
  curve: Float64Array,
  learned: LearnedLives & { readonly protocol: number; readonly hazardRatio: number; readonly endsRatio?: number },
  world: World,
  timeouts: ProtocolTimeouts,
): void {
  const { hazards, frontierSeconds, hazardRatio, endsRatio = 1, protocol } = learned;
  const next = timeoutsOf(protocol, timeouts).find((timeout) => timeout + OUTLIVED_SECONDS >= frontierSeconds);
  const endsAt = next === undefined ? Number.POSITIVE_INFINITY : Math.max(next, frontierSeconds);
  const tail = tailHazard(learned, frontierSeconds);
  let survivors = 1;
  for (let age = 0; age < curve.length; age++) {
    curve[age] = survivors;
    const bin = Math.min(age, AGES_SECONDS);
    let hazard = hazards[bin] ?? 0;
    if (bin >= frontierSeconds && world === 'short')
      hazard = age >= endsAt ? TIMEOUT_HAZARD : next === undefined ? tail : 0;
    else if (bin >= frontierSeconds && world === 'stays') hazard = 0;
    else {
      if (bin >= frontierSeconds) hazard = Math.max(hazard, tail);
      // Who ends less often than expected, or than others, at the ages that are known does so beyond them.
      const ratio = bin >= frontierSeconds ? Math.min(hazardRatio, endsRatio) : hazardRatio;
      if (ratio !== 1) hazard = 1 - (1 - hazard) ** ratio;
    }
    survivors *= 1 - hazard;
  }
  const { endings, sighted, confirmedSeconds } = learned;
  // What the class's own flows are seen to be is nearer than what others were before.
  if (endings !== undefined) mixEndings(curve, endings, confirmedSeconds, 1 - (sighted?.weight ?? 0));
  // Whoever is there that much older than an age was live at it: no expired entry waits for longer.
  const outlivedSeconds = frontierSeconds > AGES_SECONDS ? AGES_SECONDS : frontierSeconds - WAIT_SECONDS;
  if (sighted === undefined) return;
  const knownSeconds = Math.max(confirmedSeconds, outlivedSeconds);
  // How fast open flows close shows better in those that have been there for long than in the few that are looked up.
  const most = world === 'expected' && knownSeconds >= OLD_SECONDS ? tailHazard(learned, knownSeconds) : 1;
  mixSighted(curve, sighted, knownSeconds, CLOSING[world], most);
}

/** The same with what look-ups say, hazards of `most` at most: the world's curve or theirs, as far as they are to be believed. */
function mixSighted(
  curve: Float64Array,
  sighted: SightedLives,
  knownSeconds: number,
  closing: -1 | 0 | 1,
  most: number,
): void {
  const from = Math.max(knownSeconds, sighted.fromSeconds);
  if (from >= AGES_SECONDS) return;
  const hazardAt = sighted.hazards(closing);
  const { weight } = sighted;
  let survivors = curve[from] ?? 0;
  for (let age = from; age < curve.length - 1; age++) {
    survivors *= 1 - Math.min(hazardAt(age) ?? TIMEOUT_HAZARD, most);
    curve[age + 1] = (1 - weight) * (curve[age + 1] ?? 0) + weight * survivors;
  }
}

/** Beyond what is confirmed a curve is the world's or the evidence's, as likely as each is. */
function mixEndings(curve: Float64Array, endings: Endings, confirmedSeconds: number, credit: number): void {
  const confirmed = curve[confirmedSeconds] ?? 0;
  const weight = credit * endingsWeight(endings, confirmedSeconds, confirmed);
  if (weight === 0) return;
  const scale = (weight * confirmed) / endingSurvivors(endings, confirmedSeconds);
  for (let age = confirmedSeconds + 1; age < curve.length; age++) {
    curve[age] = (1 - weight) * (curve[age] ?? 0) + scale * endingSurvivors(endings, age);
  }
}

/** What has gone on for a minute goes on: the mean hazard before an age, without the timeouts, which are moments. */
function tailHazard({ hazards }: LearnedHazards, untilSeconds: number): number {
  if (untilSeconds < TAIL_SECONDS) return 0;
  const before = hazards.subarray(untilSeconds - TAIL_SECONDS, untilSeconds);
  return before.reduce((sum, hazard) => sum + (hazard < MOMENT_HAZARD ? hazard : 0), 0) / TAIL_SECONDS;
}

/**
 * Moves the ends of a curve as another timeout would: what lived to `fromSeconds` was in that timeout, and lives for the
 * difference shorter or longer. A timeout of the same protocol that is shorter than both is not touched.
 */
export function shiftSurvival(curve: Float64Array, { fromSeconds, toSeconds }: AssumedTimeout): void {
  const from = Math.round(fromSeconds);
  const to = Math.round(toSeconds);
  const before = curve.slice();
  for (let age = Math.min(from, to); age < curve.length; age++) {
    const now = before[age] ?? 0;
    const moved = before[Math.min(Math.max(age - to + from, from), curve.length - 1)] ?? 0;
    curve[age] = to < from ? Math.min(now, moved) : moved;
  }
}

/**
 * How much of a class's behaviour has been seen, 0..1: the part seen to expire, or that survived three minutes, and of the rest
 * what evidence tells.
 */
export function learnedRatioOf({ hazards, frontierSeconds, confirmedSeconds, endings, sighted }: LearnedLives): number {
  const survivorsAt = (age: number) => {
    let survivors = 1;
    for (let bin = 0; bin < Math.min(age, AGES_SECONDS); bin++) survivors *= 1 - (hazards[bin] ?? 0);
    return survivors;
  };
  const seen = Math.max(1 - survivorsAt(frontierSeconds), Math.min(1, frontierSeconds / 185));
  const told = endings === undefined ? 0 : endingsWeight(endings, confirmedSeconds, survivorsAt(confirmedSeconds));
  const sight = sighted === undefined ? 0 : sighted.weight * sighted.knownRatio;
  return seen + (1 - seen) * (1 - (1 - told) * (1 - sight));
}
