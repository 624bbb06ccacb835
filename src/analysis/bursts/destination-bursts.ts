/**
 * Bursts of single destinations that the total does not show: one service at ten times its rate among a hundred others.
 *
 *   all 256 talkers: a count per tick, exact ──> the busiest 32 have a detector each ──> told, unless the total's burst tells it
 *
 * A destination gets a detector when it reaches the floor of what can be a burst; its rate before is known from the talkers, so
 * the tick that makes it known is already judged. A finding waits 2 s: if the total bursts by then, that is the same news.
 * The false-alarm allowance given is divided by 32, so it holds for all together. What a destination repeats is remembered
 * after its detector has gone. Not seen: events that were lost, and destinations beyond the busiest 32.
 */

import { DESTINATION_RECURRENCES_MAX, DESTINATIONS_WATCHED_MAX } from '../../model/limits.js';
import type { Talker, Talkers } from '../talkers.js';
import {
  BurstDetector,
  type BurstSettings,
  type BurstSnapshot,
  type BurstStart,
  type BurstTransition,
} from './burst.js';
import { Recurrence } from './recurrence.js';

/** A burst of one destination. */
export interface DestinationBurst {
  readonly destination: Talker;
  readonly transition: BurstTransition;
}

/** Dispersion of a destination until it is learned: single services come in larger clumps than their sum. */
const PRIOR_PHI = 4;
/** The rates of the talkers mean something after this long. */
const KNOWN_SECONDS = 15;
/** How long a finding waits for the total. */
const HOLD_SECONDS = 2;
/** A newcomer replaces the least busy destination when it has this many times its rate. */
const REPLACE_FACTOR = 2;

interface Watched {
  readonly counter: number;
  readonly owner: number;
  readonly destination: Talker;
  readonly key: string;
  readonly detector: BurstDetector;
  readonly recurrence: Recurrence;
  perSecond: number;
  isActive: boolean;
  /** A start that waits for the total, and for how long it has. */
  held: BurstStart | undefined;
  heldSeconds: number;
  isTold: boolean;
}

/** Detectors of the busiest destinations. */
export class DestinationBursts {
  #settings: BurstSettings;
  #floorPerSecond: number;
  readonly #watched = new Map<number, Watched>();
  readonly #recurrences = new Map<string, Recurrence>();
  #uptimeSeconds = 0;

  /** `falseAlarmsPerYear` is of all destinations together. */
  constructor(settings: BurstSettings) {
    this.#settings = ofEach(settings);
    this.#floorPerSecond = settings.minRatePerSecond / settings.ratio;
  }

  /** Other settings from now on, for those that are watched as well. */
  configure(settings: BurstSettings): void {
    this.#settings = ofEach(settings);
    this.#floorPerSecond = settings.minRatePerSecond / settings.ratio;
    for (const { detector } of this.#watched.values()) detector.configure(this.#settings);
  }

  /** Takes the tick of `seconds` that ended `atSeconds` from the talkers, before they `advance`. `total` is of the same tick. */
  observe(atSeconds: number, seconds: number, talkers: Talkers, total: BurstSnapshot): DestinationBurst[] {
    this.#uptimeSeconds += seconds;
    const told: DestinationBurst[] = [];
    this.#adopt(seconds, talkers);
    for (const watched of this.#watched.values()) {
      const isPresent = talkers.ownerOf(watched.counter) === watched.owner;
      const events = isPresent ? talkers.tickEvents(watched.counter) : 0;
      watched.perSecond = talkers.ratePerSecondBefore(watched.counter, seconds);
      const transition = watched.detector.observe(atSeconds, seconds, events);
      if (transition) this.#follow(watched, transition, told);
      this.#release(watched, seconds, total.active, told);
      if (!isPresent && !watched.isActive) this.#watched.delete(watched.counter);
    }
    return told;
  }

  /** Gives a detector to destinations that have become busy enough. */
  #adopt(seconds: number, talkers: Talkers): void {
    if (!(seconds > 0)) return;
    for (let counter = 0; counter < talkers.used; counter++) {
      const beforePerSecond = talkers.ratePerSecondBefore(counter, seconds);
      const nowPerSecond = Math.max(beforePerSecond, talkers.tickEvents(counter) / Math.max(seconds, 1));
      if (nowPerSecond < this.#floorPerSecond || this.#watched.has(counter)) continue;
      if (this.#watched.size >= DESTINATIONS_WATCHED_MAX && !this.#makeRoom(nowPerSecond)) continue;
      this.#watched.set(counter, this.#watch(counter, talkers, beforePerSecond));
    }
  }

  /** Stops watching the least busy destination, if it is much less busy than `perSecond`. */
  #makeRoom(perSecond: number): boolean {
    let least: Watched | undefined;
    for (const watched of this.#watched.values()) {
      if (!watched.isActive && (least === undefined || watched.perSecond < least.perSecond)) least = watched;
    }
    if (least === undefined || perSecond < REPLACE_FACTOR * least.perSecond) return false;
    return this.#watched.delete(least.counter);
  }

  #watch(counter: number, talkers: Talkers, beforePerSecond: number): Watched {
    const destination = talkers.describe(counter);
    const key = `${destination.family} ${destination.protocol} ${destination.address.join('.')} ${destination.port}`;
    const recurrence = this.#recurrences.get(key) ?? new Recurrence();
    const isKnown = this.#uptimeSeconds >= KNOWN_SECONDS;
    const detector = new BurstDetector(this.#settings, {
      phi: PRIOR_PHI,
      recurrence,
      ...(isKnown && { usualPerSecond: beforePerSecond }),
    });
    const owner = talkers.ownerOf(counter);
    const state = { perSecond: beforePerSecond, isActive: false, held: undefined, heldSeconds: 0, isTold: false };
    return { counter, owner, destination, key, detector, recurrence, ...state };
  }

  #follow(watched: Watched, transition: BurstTransition, told: DestinationBurst[]): void {
    if (transition.phase === 'start') {
      watched.isActive = true;
      watched.held = transition;
      watched.heldSeconds = 0;
      return;
    }
    if (watched.held !== undefined) {
      told.push({ destination: watched.destination, transition: watched.held });
      watched.held = undefined;
      watched.isTold = true;
    }
    if (watched.isTold) told.push({ destination: watched.destination, transition });
    watched.isActive = false;
    watched.isTold = false;
    this.#remember(watched);
  }

  /** Tells a start that has waited long enough; drops it when the total's burst is the news, or both are none. */
  #release(watched: Watched, seconds: number, total: BurstSnapshot['active'], told: DestinationBurst[]): void {
    const { held } = watched;
    if (held === undefined) return;
    watched.heldSeconds += seconds;
    const isExpected = held.expected !== undefined && held.outgrown === undefined;
    if (total !== undefined && (total.expected === undefined || isExpected)) watched.held = undefined;
    else if (watched.heldSeconds > HOLD_SECONDS) {
      told.push({ destination: watched.destination, transition: held });
      watched.held = undefined;
      watched.isTold = true;
    }
  }

  /** The newest last; the one that burst longest ago is forgotten. */
  #remember({ key, recurrence }: Watched): void {
    this.#recurrences.delete(key);
    this.#recurrences.set(key, recurrence);
    if (this.#recurrences.size <= DESTINATION_RECURRENCES_MAX) return;
    const [oldest] = this.#recurrences.keys();
    if (oldest !== undefined) this.#recurrences.delete(oldest);
  }
}

function ofEach(settings: BurstSettings): BurstSettings {
  return { ...settings, falseAlarmsPerYear: settings.falseAlarmsPerYear / DESTINATIONS_WATCHED_MAX };
}
