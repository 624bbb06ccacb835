/**
 * Cuts a tick in two at the drain nearest to its middle, so that the burst detector sees an eighth of a second.
 *
 * A burst begins anywhere in a tick. In whole ticks the one it begins in holds a mixture of old and new, which looks like a smaller
 * burst; its second half is often all new. A cut is only where a drain brought everything up to then: after a stall of the reader, or
 * without an event near the middle, the tick stays whole, and so it does when events were lost, since no one knows in which half.
 */
import { TICK_SECONDS } from '../../model/limits.js';

/** A stretch of time that ended `atSeconds`, and the new entries in it. */
export interface TickPart {
  readonly atSeconds: number;
  readonly seconds: number;
  readonly newEvents: number;
  /** Whether the tick ends with it. */
  readonly isLast: boolean;
}

/** Where a cut may be: two drains apart at most, so that one nearly always falls in. */
const CUT_FROM_SECONDS = 0.4 * TICK_SECONDS;
const CUT_TO_SECONDS = 0.6 * TICK_SECONDS;

/** Parts of one tick after the other. */
export class TickParts {
  #startSeconds: number;
  #cut: { readonly atSeconds: number; readonly newEvents: number } | undefined;
  #backSeconds = 0;
  #backEvents = 0;

  constructor(startSeconds: number) {
    this.#startSeconds = startSeconds;
  }

  /** A drain: `newEvents` have come since the tick began. */
  observe(atSeconds: number, newEvents: number): void {
    const seconds = atSeconds - this.#startSeconds;
    if (seconds >= CUT_FROM_SECONDS && seconds <= CUT_TO_SECONDS) this.#cut = { atSeconds, newEvents };
  }

  /**
   * The tick is over with `newEvents` received and `lostEvents` lost. `observe` takes its parts in their order until it has something
   * to tell; a tick tells one thing, so what came after that waits for the next tick.
   */
  end<T>(
    atSeconds: number,
    newEvents: number,
    lostEvents: number,
    observe: (part: TickPart) => T | undefined,
  ): T | undefined {
    const [first, second] = this.#cutTick(atSeconds, newEvents, lostEvents);
    const told = observe(first);
    if (told === undefined || second === undefined) return told ?? (second && observe(second));
    this.#backSeconds = second.seconds;
    this.#backEvents = second.newEvents;
    return told;
  }

  #cutTick(atSeconds: number, newEvents: number, lostEvents: number): [TickPart, TickPart?] {
    const cut = this.#cut;
    const startSeconds = this.#startSeconds - this.#backSeconds;
    const backEvents = this.#backEvents;
    this.#startSeconds = atSeconds;
    this.#cut = undefined;
    this.#backSeconds = 0;
    this.#backEvents = 0;
    const seconds = atSeconds - startSeconds;
    const events = newEvents + lostEvents + backEvents;
    if (cut === undefined || lostEvents > 0 || atSeconds - cut.atSeconds < CUT_FROM_SECONDS) {
      return [{ atSeconds, seconds, newEvents: events, isLast: true }];
    }
    const first = {
      ...{ atSeconds: cut.atSeconds, seconds: cut.atSeconds - startSeconds },
      ...{ newEvents: cut.newEvents + backEvents, isLast: false },
    };
    const rest = { seconds: seconds - first.seconds, newEvents: events - first.newEvents };
    return [first, { atSeconds, ...rest, isLast: true }];
  }
}
