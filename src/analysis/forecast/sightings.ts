/**
 * What young flows of each class were when they were looked up: the only news of a kind of flows that nobody has seen end.
 *
 * A flow that is closing, or was never answered, ends when what is left of its timeout has run out, unless it is answered or renewed:
 * its end is known. One that is established or assured stays open, closes some time, and then waits for a timeout. How fast open ones
 * close is read from how many still are at the second age. So beyond the ages that have been observed
 *
 *   survivors(a) = ends known after a + open * e^(-r (a - age - closing timeout)+)
 *
 * Both are forgotten in a minute: it is the present flows that count. What the kernel calls assured it does not evict when the table is
 * full, so the same look-ups tell the part of the entries that can be.
 */
import { type EventColumns, PRESENT } from '../../model/batch.js';
import { LOOKUP_AGES_SECONDS } from '../../model/limits.js';
import { IPS_ASSURED, isIcmp, TCP, TCP_ESTABLISHED, UDP } from '../../model/protocol.js';
import type { ProtocolTimeouts } from '../../model/record.js';
import { CLASS_COUNT } from './flow-classes.js';
import { AGES_SECONDS } from './hazards.js';

const CLOSE = 8;
const SYN_SENT2 = 9;

/** Time in which half of what was seen is forgotten, seconds. */
const HALF_LIFE_SECONDS = 45;
/** An unassured UDP flow that was renewed this shortly before the look-up is still used, seconds. */
const RENEWED_SECONDS = 5;
/** Flows seen that make the sight weigh as much as what was taken for granted. */
const PRIOR_FLOWS = 3;
/** Flow-seconds in which one flow is taken to have closed before anything is seen. */
const PRIOR_OPEN_SECONDS = 60;
/** Standard deviations between the worlds. */
const SIGMAS = 1.6;
/** Horizon on which a difference of closing rates matters, seconds. */
const MATTERS_SECONDS = 200;
/** Where fewer of those seen are left than this part, nothing is known. */
const LEFT_MIN = 0.02;

/** Flows of one class that were looked up at one age; numbers of flows, forgotten in time. */
class AgeSightings {
  /** By age at which they will end. */
  readonly ends = new Float32Array(AGES_SECONDS);
  /** Of those the ones that can be evicted. */
  readonly unassuredEnds = new Float32Array(AGES_SECONDS);
  open = 0;
  unassuredOpen = 0;
  /** Of those that will end the ones that have been open, and of these the ones in CLOSE. TCP alone tells. */
  closed = 0;
  reset = 0;
  openTcp = 0;
  ending = 0;
  gone = 0;
  ageSeconds = 0;

  get found(): number {
    return this.open + this.ending;
  }

  scale(factor: number): void {
    for (let age = 0; age < AGES_SECONDS; age++) {
      this.ends[age] = (this.ends[age] ?? 0) * factor;
      this.unassuredEnds[age] = (this.unassuredEnds[age] ?? 0) * factor;
    }
    for (const name of ['open', 'openTcp', 'unassuredOpen', 'closed', 'reset', 'ending', 'gone'] as const) {
      this[name] *= factor;
    }
  }
}

/** What look-ups say about the lives of a class. */
export interface SightedLives {
  /** How far they are to be believed, 0..1: from how many flows were seen. */
  readonly weight: number;
  /** Part of what becomes of the class that is known if they are believed, 0..1. */
  readonly knownRatio: number;
  /** Ages below this are not told, seconds. */
  readonly fromSeconds: number;
  /**
   * Part of the live entries of an age that end within a second, 0..1, while open flows close slowly (-1), as they seem to (0), or
   * fast (1); undefined where nothing is known.
   */
  readonly hazards: (closing: -1 | 0 | 1) => (ageSeconds: number) => number | undefined;
  /** Part of the live entries of each age that the kernel may evict, 0..1; those that are older than any that was seen: none. */
  readonly unassuredByAge: () => Float64Array;
}

/** Keeps what was seen. */
export class Sightings {
  readonly #timeouts: ProtocolTimeouts;
  /** By class, then age. */
  readonly #classes = Array.from({ length: CLASS_COUNT }, () => LOOKUP_AGES_SECONDS.map(() => new AgeSightings()));
  readonly #atSeconds = new Float64Array(CLASS_COUNT);

  constructor(timeouts: ProtocolTimeouts) {
    this.#timeouts = timeouts;
  }

  /** Takes a row of a look-up at this age; `isFound` unless the kernel had it no more. */
  observe(
    atSeconds: number,
    flowClass: number,
    ageSeconds: number,
    columns: EventColumns,
    row: number,
    isFound: boolean,
  ): void {
    this.#forget(flowClass, atSeconds);
    const seen = this.#classes[flowClass]?.[ageIndex(ageSeconds)];
    if (seen === undefined) return;
    seen.ageSeconds = ageSeconds;
    if (!isFound) {
      seen.gone += 1;
      return;
    }
    const isTcp = columns.protocol[row] === TCP;
    const isUnassured = ((columns.status[row] ?? 0) & IPS_ASSURED) === 0;
    const left = columns.timeoutSeconds[row] ?? 0;
    // The kernel rounds what is left down, so it ends within the second from here on.
    const end = Math.floor(ageSeconds + left);
    if (this.#isOpen(columns, row, ageSeconds) || end + 1 >= AGES_SECONDS) {
      seen.open += 1;
      if (isTcp) seen.openTcp += 1;
      if (isUnassured) seen.unassuredOpen += 1;
      return;
    }
    seen.ending += 1;
    const state = columns.tcpState[row] ?? 0;
    if (isTcp && state > TCP_ESTABLISHED && state !== SYN_SENT2) seen.closed += 1;
    if (isTcp && state === CLOSE) seen.reset += 1;
    const later = ageSeconds + left - end;
    addEnds(seen.ends, end, later);
    if (isUnassured) addEnds(seen.unassuredEnds, end, later);
  }

  /** What is known of a class of this protocol; undefined when none of it was found. */
  view(flowClass: number, protocol: number): SightedLives | undefined {
    const [young, old] = this.#classes[flowClass] ?? [];
    if (young === undefined || old === undefined || young.found + old.found <= 0) return undefined;
    return sightedLives(young, old, this.#closingSeconds(protocol, young, old));
  }

  /** Forgets a class that now means other flows. */
  clear(flowClass: number): void {
    for (const seen of this.#classes[flowClass] ?? []) seen.scale(0);
  }

  /** No NEW tells of an open flow that it ends: TCP that is established, what is assured, UDP that has just been renewed. */
  #isOpen(columns: EventColumns, row: number, ageSeconds: number): boolean {
    if (((columns.present[row] ?? 0) & PRESENT.timeout) === 0) return true;
    const protocol = columns.protocol[row] ?? 0;
    if (protocol === TCP) return columns.tcpState[row] === TCP_ESTABLISHED;
    if (isIcmp(protocol)) return false;
    const isAssured = ((columns.status[row] ?? 0) & IPS_ASSURED) !== 0;
    // Too young to have been silent, or of a protocol whose timeouts are not known.
    if (protocol !== UDP || ageSeconds < 2 * RENEWED_SECONDS) return isAssured;
    const { stream = 120, unreplied = 30 } = this.#timeouts.udp ?? {};
    return (isAssured ? stream : unreplied) - (columns.timeoutSeconds[row] ?? 0) < RENEWED_SECONDS;
  }

  /** How long an open flow of the class is in the table after its last packet. */
  #closingSeconds(protocol: number, young: AgeSightings, old: AgeSightings): number {
    const { tcp, udp } = this.#timeouts;
    if (protocol !== TCP) return udp?.stream ?? 120;
    const isReset = young.reset + old.reset > 0.5 * (young.ending + old.ending);
    return isReset && young.ending + old.ending > 1 ? (tcp?.close ?? CLOSE_SECONDS) : (tcp?.time_wait ?? 120);
  }

  #forget(flowClass: number, atSeconds: number): void {
    const seconds = atSeconds - (this.#atSeconds[flowClass] ?? 0);
    if (!(seconds >= 1)) return;
    this.#atSeconds[flowClass] = atSeconds;
    const kept = 2 ** (-seconds / HALF_LIFE_SECONDS);
    for (const seen of this.#classes[flowClass] ?? []) if (seen.found + seen.gone > 0) seen.scale(kept);
  }
}

const CLOSE_SECONDS = 10;

/** One flow that ends at this age, or a second later with that probability. */
function addEnds(ends: Float32Array, age: number, later: number): void {
  ends[age] = (ends[age] ?? 0) + 1 - later;
  ends[age + 1] = (ends[age + 1] ?? 0) + later;
}

function ageIndex(ageSeconds: number): number {
  const older = LOOKUP_AGES_SECONDS.findIndex((age) => age > ageSeconds);
  return older < 0 ? LOOKUP_AGES_SECONDS.length - 1 : Math.max(0, older - 1);
}

function sightedLives(young: AgeSightings, old: AgeSightings, closingSeconds: number): SightedLives {
  // At the second age more is decided; up to it the first one tells.
  const isOld = old.found >= PRIOR_FLOWS || old.found > young.found;
  const last = isOld ? old : young;
  const { low, mean, high } = closingRates(young, old);
  const found = last.found;
  const openRatio = last.open / found;
  const knownOpen = 1 / (1 + (high - low) * MATTERS_SECONDS);
  const seen = isOld ? young.found + old.found : young.found;
  return {
    weight: seen / (seen + PRIOR_FLOWS),
    knownRatio: 1 - openRatio * (1 - knownOpen),
    fromSeconds: Math.floor(young.found > 0 ? young.ageSeconds : last.ageSeconds),
    hazards: (closing) => {
      const rate = closing < 0 ? low : closing > 0 ? high : mean;
      const late = hazardsOf(last, closingSeconds, rate);
      if (last === young || young.found <= 0) return late;
      const early = hazardsOf(young, closingSeconds, rate);
      return (age) => (age < old.ageSeconds ? early(age) : late(age));
    },
    unassuredByAge: () => {
      const late = unassuredByAgeOf(last);
      if (last === young || young.found <= 0) return late;
      const early = unassuredByAgeOf(young);
      return late.map((ratio, age) => (age < old.ageSeconds ? (early[age] ?? 0) : ratio));
    },
  };
}

function unassuredByAgeOf(seen: AgeSightings): Float64Array {
  const ratios = new Float64Array(AGES_SECONDS + 1);
  let [unassured, all] = [seen.unassuredOpen, seen.open];
  ratios[AGES_SECONDS] = all > LEFT_MIN * seen.found ? unassured / all : 0;
  for (let age = AGES_SECONDS - 1; age >= 0; age--) {
    unassured += seen.unassuredEnds[age] ?? 0;
    all += seen.ends[age] ?? 0;
    ratios[age] = all > LEFT_MIN * seen.found ? Math.min(1, unassured / all) : 0;
  }
  return ratios;
}

/**
 * How many open flows close in a second: from how many of those open at the first age still are at the second, and from how many had
 * closed by the first, unless those were more. A gamma distribution, with one flow that closed in a minute before.
 */
function closingRates(young: AgeSightings, old: AgeSightings): { low: number; mean: number; high: number } {
  const all = old.found + old.gone;
  let closed = young.closed;
  let seconds = (young.openTcp + young.closed / 2) * young.ageSeconds;
  if (all > 0 && young.found > 0) {
    const openBefore = all * (young.open / (young.found + young.gone));
    const closedLater = Math.max(0, openBefore - old.open);
    const later = ((openBefore + Math.min(old.open, openBefore)) / 2) * (old.ageSeconds - young.ageSeconds);
    // Flows that close at once say nothing of those that do not.
    const isSteady = closed * later <= closedLater * seconds;
    closed = closedLater + (isSteady ? closed : 0);
    seconds = later + (isSteady ? seconds : 0);
  }
  const time = seconds + PRIOR_OPEN_SECONDS;
  const spread = SIGMAS * Math.sqrt(closed + 1);
  return {
    low: Math.max(0, closed + 1 - spread) / time,
    mean: (closed + 1) / time,
    high: (closed + 1 + spread) / time,
  };
}

/** Hazards by age from one age's sightings. */
function hazardsOf(
  seen: AgeSightings,
  closingSeconds: number,
  rate: number,
): (ageSeconds: number) => number | undefined {
  // Ends that are still to come at the beginning of each age.
  const ahead = new Float64Array(AGES_SECONDS + 1);
  for (let age = AGES_SECONDS - 1; age >= 0; age--) ahead[age] = (ahead[age + 1] ?? 0) + (seen.ends[age] ?? 0);
  const closesFrom = seen.ageSeconds + closingSeconds;
  const found = seen.found;
  const openAt = (age: number) => seen.open * Math.exp(-rate * Math.max(0, age - closesFrom));
  return (age) => {
    const [open, next] = [openAt(age), openAt(age + 1)];
    const left = open + (ahead[Math.min(age, AGES_SECONDS)] ?? 0);
    if (left < LEFT_MIN * found) return undefined;
    return (open - next + (seen.ends[age] ?? 0)) / left;
  };
}
