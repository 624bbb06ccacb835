/**
 * A conntrack table in virtual time: the ground truth that forecasts are held against.
 *
 * Every entry is simulated from birth to collection. It is live until its timeout runs out, then it still counts until the
 * collector sweeps or a lookup passes its bucket. Time goes in ticks of a quarter second, all randomness from one seed.
 *
 *   arrivals ──> live ──(timeout)──> expired ──(sweep every G, or lookup with hazard 2L/B)──> gone, DESTROY
 *
 * Not simulated: early drop, NAT, hash collisions, and what a full table does (a run ends there).
 * Source of the rules: gc_worker(), ____nf_conntrack_find() and nf_ct_gc_expired() in nf_conntrack_core.c, Linux 6.18.
 */
import type { EntryState } from './entry-state.js';
import { createRandom, type Random } from './random.js';
import type { Life, Traffic } from './traffic.js';

/** Length of a tick, seconds. */
export const WORLD_TICK_SECONDS = 0.25;
const TICKS_PER_SECOND = 4;
/** Entries that the collector's worker removes in a tick: 64000/HZ a run, a run every second jiffy. */
const SWEPT_PER_TICK = 8000;
/** Resolution of the lookups' accumulated hazard. */
const HAZARD_STEP = 0.0005;
const HZ = 250;
const SWEEP_MAX_SECONDS = 60;
/** Slots of the kernel's timer wheel: 64 jiffies for what is 2 to 16 s away, 512 beyond (kernel/time/timer.c). */
const FAR_JIFFIES = 4032;
const FAR_SLOT_SECONDS = 512 / HZ;
const NEAR_SLOT_SECONDS = 64 / HZ;
const LIVE = 0;
const EXPIRED = 1;
const GONE = 2;
const NONE = -1;
const FOREVER_TICK = 2 ** 30;
/** Steps of hazard that are looked ahead: one in e^32 would wait longer, and then waits for a sweep. A power of two. */
const STEPS_AHEAD = 2 ** 16;
/** Places there are at first. */
const PLACES = 2 ** 15;

export interface WorldSettings {
  readonly traffics: readonly Traffic[];
  /** nf_conntrack_buckets. */
  readonly buckets: number;
  /** Lookups of distinct flows for each new one; they meet expired neighbours. */
  readonly lookupsPerNew: number;
  /** Variance over mean of the arrivals in a tick. */
  readonly dispersion: number;
  /** Simulated before time 0. */
  readonly historySeconds: number;
  /** Simulated from time 0 on. */
  readonly lengthSeconds: number;
  readonly seed: number;
}

/** The entries that came and went in a tick, by their places; those of the gone are good until the next step. */
export interface WorldTick {
  /** End of the tick, seconds after time 0. */
  readonly atSeconds: number;
  readonly born: readonly number[];
  readonly collected: readonly number[];
}

/** Simulates one table. */
export class World {
  readonly #settings: WorldSettings;
  #random: Random;
  #tick: number;
  // Entries by place. A place is free again when the entry is gone and no list names it any more, so that all of them stay in the
  // processor's cache.
  #number = new Int32Array(PLACES);
  #traffic = new Uint8Array(PLACES);
  #renewedUntilTick = new Int32Array(PLACES);
  #expiresTick = new Int32Array(PLACES);
  #renewedSeconds = new Uint16Array(PLACES);
  #timeoutSeconds = new Uint16Array(PLACES);
  #wasRenewed = new Uint8Array(PLACES);
  #state = new Uint8Array(PLACES).fill(GONE);
  #next = new Int32Array(PLACES);
  /** How many of `#met` and `#expired` or `#sweeping` name it. */
  #lists = new Uint8Array(PLACES);
  /** Places in use or free. */
  #used = 0;
  #free: number[] = [];
  /** Free from the next step on. */
  #leaving: number[] = [];
  #total = 0;
  /** First entry of those that expire in a tick, from `#expiringFrom` on. */
  #expiring: Int32Array;
  #expiringFrom: number;
  /** First entry of those that a lookup meets when the accumulated hazard reaches a step: a ring of steps. */
  #met = new Int32Array(STEPS_AHEAD).fill(NONE);
  #hazard = 0;
  #metUntil = 0;
  #expired: number[] = [];
  #sweeping: number[] = [];
  #nextSweepTick: number;
  #liveCount = 0;
  #count = 0;
  #newPerSecond = 0;

  constructor(settings: WorldSettings) {
    this.#settings = settings;
    this.#random = createRandom(settings.seed);
    const firstTick = -Math.round(settings.historySeconds * TICKS_PER_SECOND);
    const tickCount = Math.round((settings.historySeconds + settings.lengthSeconds) * TICKS_PER_SECOND);
    this.#tick = firstTick;
    this.#expiringFrom = firstTick;
    this.#expiring = new Int32Array(tickCount + 1).fill(NONE);
    this.#nextSweepTick = firstTick + Math.floor(this.#random.uniform() * SWEEP_MAX_SECONDS * TICKS_PER_SECOND);
  }

  /** Entries in the table, expired ones included. */
  get count(): number {
    return this.#count;
  }

  /** Entries whose timeout runs. */
  get live(): number {
    return this.#liveCount;
  }

  /** Seconds after time 0. */
  get atSeconds(): number {
    return this.#tick * WORLD_TICK_SECONDS;
  }

  /** Index of the traffic that the entry at a place belongs to. */
  trafficOf(place: number): number {
    return this.#traffic[place] ?? 0;
  }

  /** The timeout that runs after its last packet, seconds. */
  timeoutOf(place: number): number {
    return this.#timeoutSeconds[place] ?? 0;
  }

  /** The how-manieth entry it is that was ever born, from 0. */
  numberOf(place: number): number {
    return this.#number[place] ?? 0;
  }

  /** What a look-up of the entry with this number tells, which was at a place; undefined when it has expired. Collects nothing. */
  lookUp(place: number, number: number): EntryState | undefined {
    if (this.#state[place] !== LIVE || this.#number[place] !== number) return undefined;
    return {
      remainingSeconds: ((this.#expiresTick[place] ?? 0) - this.#tick) * WORLD_TICK_SECONDS,
      timeoutSeconds: this.timeoutOf(place),
      isRenewed: (this.#renewedUntilTick[place] ?? 0) > this.#tick,
      wasRenewed: this.#wasRenewed[place] === 1,
    };
  }

  /** All entries that are live, the oldest first, with the seconds left of their timeout now. */
  liveEntries(): { readonly place: number; readonly remainingSeconds: number; readonly isRenewed: boolean }[] {
    const places: number[] = [];
    for (let place = 0; place < this.#used; place++) if (this.#state[place] === LIVE) places.push(place);
    return places
      .sort((a, b) => this.numberOf(a) - this.numberOf(b))
      .map((place) => ({
        place,
        remainingSeconds: this.#remainingSeconds(place),
        isRenewed: (this.#renewedUntilTick[place] ?? 0) > this.#tick,
      }));
  }

  /** Collects every expired entry, as a dump does. Returns them. */
  reap(): number[] {
    const listed = [...this.#sweeping, ...this.#expired];
    const reaped = listed.filter((place) => this.#collect(place));
    for (const place of listed) this.#leaveList(place);
    this.#sweeping = [];
    this.#expired = [];
    return reaped;
  }

  /**
   * A table in the same state that has chance of its own from here on: one of the futures that this one may have, good for
   * `lengthSeconds`. `traffics`, as many and in the same order, take the place of its own.
   */
  fork(seed: number, lengthSeconds: number, traffics = this.#settings.traffics): World {
    const copy = new World({ ...this.#settings, traffics, historySeconds: 0, lengthSeconds: 0 });
    copy.#random = createRandom(seed);
    copy.#tick = this.#tick;
    copy.#number = this.#number.slice();
    copy.#traffic = this.#traffic.slice();
    copy.#renewedUntilTick = this.#renewedUntilTick.slice();
    copy.#expiresTick = this.#expiresTick.slice();
    copy.#renewedSeconds = this.#renewedSeconds.slice();
    copy.#timeoutSeconds = this.#timeoutSeconds.slice();
    copy.#wasRenewed = this.#wasRenewed.slice();
    copy.#state = this.#state.slice();
    copy.#next = this.#next.slice();
    copy.#lists = this.#lists.slice();
    copy.#used = this.#used;
    copy.#free = this.#free.slice();
    copy.#leaving = this.#leaving.slice();
    copy.#total = this.#total;
    const from = this.#tick - this.#expiringFrom;
    copy.#expiring = this.#expiring.slice(from, from + Math.round(lengthSeconds * TICKS_PER_SECOND) + 1);
    copy.#expiringFrom = this.#tick;
    copy.#met = this.#met.slice();
    copy.#hazard = this.#hazard;
    copy.#metUntil = this.#metUntil;
    copy.#expired = this.#expired.slice();
    copy.#sweeping = this.#sweeping.slice();
    copy.#nextSweepTick = this.#nextSweepTick;
    copy.#liveCount = this.#liveCount;
    copy.#count = this.#count;
    copy.#newPerSecond = this.#newPerSecond;
    return copy;
  }

  /** One tick on. */
  step(): WorldTick {
    const born: number[] = [];
    const collected: number[] = [];
    for (const place of this.#leaving) this.#free.push(place);
    this.#leaving.length = 0;
    this.#meet(collected);
    this.#sweep(collected);
    this.#expire();
    this.#arrive(born);
    this.#tick += 1;
    return { atSeconds: this.atSeconds, born, collected };
  }

  #arrive(born: number[]): void {
    const seconds = (this.#tick + 0.5) * WORLD_TICK_SECONDS;
    const { traffics, dispersion } = this.#settings;
    for (let index = 0; index < traffics.length; index++) {
      const traffic = traffics[index];
      if (traffic === undefined) continue;
      const mean = traffic.ratePerSecond(seconds) * WORLD_TICK_SECONDS;
      const arrivals = mean > 0 ? this.#random.negativeBinomial(mean, dispersion) : 0;
      for (let i = 0; i < arrivals; i++) born.push(this.#create(index, traffic.life(this.#random, seconds)));
    }
    const perSecond = born.length / WORLD_TICK_SECONDS;
    this.#newPerSecond += (perSecond - this.#newPerSecond) * WORLD_TICK_SECONDS;
    this.#count += born.length;
    this.#liveCount += born.length;
  }

  #create(traffic: number, { activeSeconds, timeoutSeconds, renewedSeconds }: Life): number {
    const entry = this.#free.pop() ?? this.#used++;
    if (entry === this.#traffic.length) this.#grow();
    this.#number[entry] = this.#total++;
    const bornAt = this.#tick + this.#random.uniform();
    this.#traffic[entry] = traffic;
    this.#renewedUntilTick[entry] = Math.min(FOREVER_TICK, Math.floor(bornAt + activeSeconds * TICKS_PER_SECOND));
    this.#renewedSeconds[entry] = Math.min(300, renewedSeconds);
    this.#timeoutSeconds[entry] = timeoutSeconds;
    this.#wasRenewed[entry] = activeSeconds > 0 ? 1 : 0;
    const expiresTick = Math.floor(bornAt + (activeSeconds + timeoutSeconds) * TICKS_PER_SECOND);
    this.#state[entry] = LIVE;
    this.#expiresTick[entry] = Math.min(FOREVER_TICK, Math.max(expiresTick, this.#tick + 1));
    this.#schedule(entry);
    return entry;
  }

  #schedule(entry: number): void {
    const slot = (this.#expiresTick[entry] ?? 0) - this.#expiringFrom;
    if (slot >= this.#expiring.length) return;
    this.#next[entry] = this.#expiring[slot] ?? NONE;
    this.#expiring[slot] = entry;
  }

  /** What was scheduled for this tick expires, unless its backend hangs. */
  #expire(): void {
    const slot = this.#tick - this.#expiringFrom;
    const { buckets, lookupsPerNew } = this.#settings;
    for (let entry = this.#expiring[slot] ?? NONE; entry !== NONE; ) {
      const following = this.#next[entry] ?? NONE;
      if (!this.#isHanging(entry)) {
        this.#state[entry] = EXPIRED;
        this.#liveCount -= 1;
        this.#expired.push(entry);
        this.#lists[entry] = 1;
        if (lookupsPerNew > 0) this.#awaitLookup(entry);
      }
      entry = following;
    }
    this.#hazard += ((2 * lookupsPerNew * this.#newPerSecond) / buckets) * WORLD_TICK_SECONDS;
  }

  #awaitLookup(entry: number): void {
    const step = Math.ceil((this.#hazard + this.#random.exponential(1)) / HAZARD_STEP);
    if (step - this.#metUntil >= STEPS_AHEAD) return;
    this.#next[entry] = this.#met[step % STEPS_AHEAD] ?? NONE;
    this.#met[step % STEPS_AHEAD] = entry;
    this.#lists[entry] = 2;
  }

  /** A flow that was still active when its traffic began to hang stays for good. */
  #isHanging(entry: number): boolean {
    const hangsAt = this.#settings.traffics[this.#traffic[entry] ?? 0]?.hangsAtSeconds;
    if (hangsAt === undefined || (this.#renewedUntilTick[entry] ?? 0) * WORLD_TICK_SECONDS <= hangsAt) return false;
    this.#renewedUntilTick[entry] = FOREVER_TICK;
    return true;
  }

  /** Lookups meet expired neighbours. */
  #meet(collected: number[]): void {
    const until = Math.floor(this.#hazard / HAZARD_STEP);
    for (let step = this.#metUntil + 1; step <= until; step++) {
      for (let entry = this.#met[step % STEPS_AHEAD] ?? NONE; entry !== NONE; entry = this.#next[entry] ?? NONE) {
        if (this.#collect(entry)) collected.push(entry);
        this.#leaveList(entry);
      }
      this.#met[step % STEPS_AHEAD] = NONE;
    }
    this.#metUntil = until;
  }

  #sweep(collected: number[]): void {
    if (this.#sweeping.length === 0) {
      if (this.#tick < this.#nextSweepTick) return;
      this.#sweeping = this.#expired;
      this.#expired = [];
    }
    let swept = 0;
    while (swept < SWEPT_PER_TICK) {
      const entry = this.#sweeping.pop();
      if (entry === undefined) break;
      this.#leaveList(entry);
      if (!this.#collect(entry)) continue;
      collected.push(entry);
      swept += 1;
    }
    if (this.#sweeping.length === 0) this.#nextSweepTick = timerTick(this.#tick, this.#interval());
  }

  #collect(entry: number): boolean {
    if (this.#state[entry] !== EXPIRED) return false;
    this.#state[entry] = GONE;
    this.#count -= 1;
    return true;
  }

  /** Whoever no list names has been collected, or is about to be. */
  #leaveList(entry: number): void {
    const lists = (this.#lists[entry] ?? 0) - 1;
    this.#lists[entry] = lists;
    if (lists === 0) this.#leaving.push(entry);
  }

  /** gc_worker()'s next interval: its running mean stops short of the true one because it is whole jiffies. */
  #interval(): number {
    let sum = 0;
    let entries = 0;
    for (let entry = 0; entry < this.#used; entry++) {
      if (this.#state[entry] !== LIVE) continue;
      sum += Math.min(300, Math.max(1, this.#remainingSeconds(entry)));
      entries += 1;
    }
    const mean = entries > 0 ? sum / entries : SWEEP_MAX_SECONDS;
    if (mean >= SWEEP_MAX_SECONDS) return SWEEP_MAX_SECONDS;
    return Math.min(SWEEP_MAX_SECONDS, mean + Math.sqrt((100 * (SWEEP_MAX_SECONDS - mean)) / HZ));
  }

  #remainingSeconds(entry: number): number {
    if ((this.#renewedUntilTick[entry] ?? 0) > this.#tick) return this.#renewedSeconds[entry] ?? 0;
    return ((this.#expiresTick[entry] ?? 0) - this.#tick) * WORLD_TICK_SECONDS;
  }

  #grow(): void {
    const size = this.#traffic.length * 2;
    this.#number = enlarged(this.#number, new Int32Array(size));
    this.#traffic = enlarged(this.#traffic, new Uint8Array(size));
    this.#renewedUntilTick = enlarged(this.#renewedUntilTick, new Int32Array(size));
    this.#expiresTick = enlarged(this.#expiresTick, new Int32Array(size));
    this.#renewedSeconds = enlarged(this.#renewedSeconds, new Uint16Array(size));
    this.#timeoutSeconds = enlarged(this.#timeoutSeconds, new Uint16Array(size));
    this.#wasRenewed = enlarged(this.#wasRenewed, new Uint8Array(size));
    this.#state = enlarged(this.#state, new Uint8Array(size).fill(GONE));
    this.#next = enlarged(this.#next, new Int32Array(size));
    this.#lists = enlarged(this.#lists, new Uint8Array(size));
  }
}

/** When a timer fires that is set at a tick: the wheel's slots are the coarser the farther away. */
function timerTick(tick: number, seconds: number): number {
  const slotSeconds = seconds * HZ >= FAR_JIFFIES ? FAR_SLOT_SECONDS : NEAR_SLOT_SECONDS;
  const due = Math.ceil((tick / TICKS_PER_SECOND + seconds) / slotSeconds) * slotSeconds;
  return Math.ceil(due * TICKS_PER_SECOND);
}

function enlarged<T extends Uint8Array | Uint16Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
