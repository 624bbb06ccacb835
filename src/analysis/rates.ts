/**
 * Connection rates over the last second, ten seconds and minute.
 *
 * A ring keeps one row per tick; each window is a pair of running sums with its own tail in the ring, so a tick costs O(1).
 * A window holds the fewest recent ticks that span it: after a stalled reader one long tick is the whole of the short window,
 * and the average is over the time it really covers. Counts are whole numbers, so their sums stay exact.
 * It does not smooth, detect or forecast.
 */

/** Averages over the three windows, or over what has been observed while younger than the window. Per second. */
export interface WindowedRate {
  readonly over1s: number;
  readonly over10s: number;
  readonly over60s: number;
}

/** Rates of table entries made and removed. `netPerSecond` is new minus destroy and may be negative. */
export interface RateSnapshot {
  readonly newPerSecond: WindowedRate;
  readonly destroyPerSecond: WindowedRate;
  readonly netPerSecond: WindowedRate;
}

/** Ticks kept: a minute of quarter seconds twice over. With shorter ticks the long window covers less than a minute. */
const RING_TICKS = 512;

/** Ticks are never exactly their nominal length; a window that lacks no more than this counts as complete, seconds. */
const SLACK_SECONDS = 0.02;

class Window {
  readonly #windowSeconds: number;
  #tail = 0;
  #seconds = 0;
  #newEvents = 0;
  #destroyEvents = 0;

  constructor(windowSeconds: number) {
    this.#windowSeconds = windowSeconds;
  }

  push(ring: TickRing, head: number): void {
    const slot = head % RING_TICKS;
    this.#seconds += ring.seconds[slot] ?? 0;
    this.#newEvents += ring.newEvents[slot] ?? 0;
    this.#destroyEvents += ring.destroyEvents[slot] ?? 0;
    while (this.#tail < head && this.#mustDrop(ring, head)) this.#drop(ring);
  }

  newPerSecond(): number {
    return this.#seconds > 0 ? this.#newEvents / this.#seconds : 0;
  }

  destroyPerSecond(): number {
    return this.#seconds > 0 ? this.#destroyEvents / this.#seconds : 0;
  }

  #mustDrop(ring: TickRing, head: number): boolean {
    const without = this.#seconds - (ring.seconds[this.#tail % RING_TICKS] ?? 0);
    return without >= this.#windowSeconds - SLACK_SECONDS || head - this.#tail >= RING_TICKS - 1;
  }

  #drop(ring: TickRing): void {
    const slot = this.#tail % RING_TICKS;
    this.#seconds -= ring.seconds[slot] ?? 0;
    this.#newEvents -= ring.newEvents[slot] ?? 0;
    this.#destroyEvents -= ring.destroyEvents[slot] ?? 0;
    this.#tail += 1;
  }
}

interface TickRing {
  readonly seconds: Float64Array;
  readonly newEvents: Float64Array;
  readonly destroyEvents: Float64Array;
}

/** Rates of NEW and DESTROY events. Feed it once a tick. */
export class RateMeter {
  readonly #ring: TickRing = {
    seconds: new Float64Array(RING_TICKS),
    newEvents: new Float64Array(RING_TICKS),
    destroyEvents: new Float64Array(RING_TICKS),
  };
  readonly #over1s = new Window(1);
  readonly #over10s = new Window(10);
  readonly #over60s = new Window(60);
  #head = 0;
  #carriedNew = 0;
  #carriedDestroy = 0;

  /**
   * Takes one tick of `seconds` with the events received and lost in it. A tick of no length has its events counted in the next.
   */
  observe(seconds: number, newEvents: number, destroyEvents: number): void {
    this.#carriedNew += newEvents;
    this.#carriedDestroy += destroyEvents;
    if (!(seconds > 0)) return;
    const slot = this.#head % RING_TICKS;
    this.#ring.seconds[slot] = seconds;
    this.#ring.newEvents[slot] = this.#carriedNew;
    this.#ring.destroyEvents[slot] = this.#carriedDestroy;
    this.#carriedNew = 0;
    this.#carriedDestroy = 0;
    this.#over1s.push(this.#ring, this.#head);
    this.#over10s.push(this.#ring, this.#head);
    this.#over60s.push(this.#ring, this.#head);
    this.#head += 1;
  }

  /** The rates at the end of the last tick; 0 before the first. */
  snapshot(): RateSnapshot {
    const newPerSecond = this.#read((window) => window.newPerSecond());
    const destroyPerSecond = this.#read((window) => window.destroyPerSecond());
    const netPerSecond = this.#read((window) => window.newPerSecond() - window.destroyPerSecond());
    return { newPerSecond, destroyPerSecond, netPerSecond };
  }

  #read(rate: (window: Window) => number): WindowedRate {
    return { over1s: rate(this.#over1s), over10s: rate(this.#over10s), over60s: rate(this.#over60s) };
  }
}
