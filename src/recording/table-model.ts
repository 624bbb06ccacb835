/**
 * The kernel's table as far as its size and its events go: entries are born, wait, expire, and are collected later.
 *
 *   add ──> live ──(timeout)──> expired ──(a lookup in its bucket, or the sweep)──> gone, DESTROY
 *
 * The sweep comes after the kernel's own interval, 60 s as soon as entries wait long, and takes 32,000 entries a second. Lookups
 * take the expired neighbours of new flows: 2 of `buckets` for each. At the limit an unassured entry makes room, or the flow is
 * refused. Not modelled: hash chains, other namespaces, packets of flows that exist already.
 * Sources: linux nf_conntrack_core.c, gc_worker, ____nf_conntrack_find and early_drop; docs/conntrack.md.
 */

/** An entry of the model. */
export interface ModelEntry {
  /** Seconds on the model's clock. */
  expiresAt: number;
  readonly assured: boolean;
  /** Left the table. */
  gone: boolean;
  /** Place among the expired ones, or -1. */
  expiredAt: number;
}

export interface TableModelOptions<E extends ModelEntry> {
  readonly max: number;
  readonly buckets: number;
  /** An entry leaves; `evicted` before its time. */
  readonly onDestroy: (entry: E, evicted: boolean) => void;
}

/** Bounds of the kernel's interval and of the times it is a mean of, seconds (gc_worker). */
const SWEEP_SECONDS_MAX = 60;
const SWEEP_SECONDS_MIN = 1;
const REMAINING_SECONDS_MAX = 300;

/** The mean is one over integers, seeded with this many samples of 60 s; with HZ=250 it stops short of the true mean. */
const SEED_SAMPLES = 100;
const HZ = 250;

/** 257 expired entries every other jiffy. */
const SWEEP_ENTRIES_PER_SECOND = 32_000;

/** Width of a slot of the timer wheel, seconds. */
const SLOT_SECONDS = 0.25;

export class TableModel<E extends ModelEntry> {
  readonly #options: TableModelOptions<E>;
  readonly #live = new Set<E>();
  readonly #expired: E[] = [];
  /** Entries by the slot in which they expire; one whose time was put off is moved on when its slot comes. */
  readonly #wheel = new Map<number, E[]>();
  /** Unassured entries in the order of their birth, those gone included until they are met. */
  #evictable: E[] = [];
  #evictableFrom = 0;
  #now: number;
  #slot: number;
  #sweepAt: number;
  #sweepLeft = 0;
  /** Expired entries that lookups have not quite taken yet. */
  #takeCarry = 0;
  #random = 1;
  earlyDrops = 0;
  drops = 0;

  constructor(atSeconds: number, options: TableModelOptions<E>) {
    this.#options = options;
    this.#now = atSeconds;
    this.#slot = Math.floor(atSeconds / SLOT_SECONDS);
    this.#sweepAt = atSeconds + SWEEP_SECONDS_MAX;
  }

  /** What the kernel compares with the limit: expired entries count until they are collected. */
  get count(): number {
    return this.#live.size + this.#expired.length;
  }

  /** A new flow. False when the table is full of entries that cannot be evicted: its packet is dropped. */
  add(entry: E): boolean {
    if (this.count >= this.#options.max && !this.#makeRoom()) {
      this.drops++;
      return false;
    }
    this.#live.add(entry);
    if (!entry.assured) this.#rememberEvictable(entry);
    this.#schedule(entry);
    this.#takeByLookup();
    return true;
  }

  /** A packet puts the end of a live entry off. */
  refresh(entry: E, expiresAt: number): void {
    entry.expiresAt = Math.max(entry.expiresAt, expiresAt);
  }

  /** Takes an entry out now: a SYN opened it again, or a lookup met it expired. */
  remove(entry: E): void {
    const evicted = entry.expiredAt < 0;
    if (evicted) this.#live.delete(entry);
    else this.#takeExpired(entry.expiredAt);
    entry.gone = true;
    this.#options.onDestroy(entry, evicted);
  }

  /** Lets time pass: entries expire, sweeps collect them. Steps of at most a few seconds. */
  advance(atSeconds: number): void {
    const seconds = atSeconds - this.#now;
    this.#now = atSeconds;
    this.#expireUntil(Math.floor(atSeconds / SLOT_SECONDS));
    if (atSeconds >= this.#sweepAt) {
      this.#sweepLeft = this.#expired.length;
      this.#sweepAt = atSeconds + this.#sweepIntervalSeconds();
    }
    const take = Math.min(this.#sweepLeft, this.#expired.length, Math.ceil(SWEEP_ENTRIES_PER_SECOND * seconds));
    for (let i = 0; i < take; i++) this.#collectOne();
    this.#sweepLeft -= take;
  }

  #rememberEvictable(entry: E): void {
    this.#evictable.push(entry);
    if (this.#evictable.length < 1000 + 2 * this.count) return;
    this.#evictable = this.#evictable.slice(this.#evictableFrom).filter(({ gone }) => !gone);
    this.#evictableFrom = 0;
  }

  #schedule(entry: E): void {
    const slot = Math.max(this.#slot, Math.floor(entry.expiresAt / SLOT_SECONDS));
    const entries = this.#wheel.get(slot);
    if (entries === undefined) this.#wheel.set(slot, [entry]);
    else entries.push(entry);
  }

  /** A long gap has more empty slots than there are others. */
  #expireUntil(last: number): void {
    while (this.#slot < last) {
      this.#expireSlot();
      this.#slot++;
      if (last - this.#slot <= this.#wheel.size) continue;
      this.#slot = Math.min(last, ...this.#wheel.keys());
    }
  }

  #expireSlot(): void {
    const due = this.#wheel.get(this.#slot);
    this.#wheel.delete(this.#slot);
    for (const entry of due ?? []) {
      if (entry.gone) continue;
      if (entry.expiresAt >= (this.#slot + 1) * SLOT_SECONDS) {
        this.#schedule(entry);
        continue;
      }
      this.#live.delete(entry);
      entry.expiredAt = this.#expired.push(entry) - 1;
    }
  }

  /** The integer mean of gc_worker in closed form: it stops moving once a step is below one jiffy a sample. */
  #sweepIntervalSeconds(): number {
    if (this.#live.size === 0) return SWEEP_SECONDS_MAX;
    let sum = 0;
    for (const { expiresAt } of this.#live) {
      sum += Math.min(REMAINING_SECONDS_MAX, Math.max(SWEEP_SECONDS_MIN, expiresAt - this.#now));
    }
    const mean = sum / this.#live.size;
    if (mean >= SWEEP_SECONDS_MAX) return SWEEP_SECONDS_MAX;
    const lag = Math.sqrt(SEED_SAMPLES * (SWEEP_SECONDS_MAX - mean) * HZ) / HZ;
    return Math.min(SWEEP_SECONDS_MAX, Math.max(SWEEP_SECONDS_MIN, mean + lag));
  }

  /** A new flow looks into two buckets; each expired entry stands in two. */
  #takeByLookup(): void {
    this.#takeCarry += (2 * this.#expired.length) / this.#options.buckets;
    for (; this.#takeCarry >= 1 && this.#expired.length > 0; this.#takeCarry--) this.#collectOne();
  }

  /** Any expired entry: buckets are in no order. The same each time, as a replay must be. */
  #collectOne(): void {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    const entry = this.#expired[Math.floor((this.#random / 2 ** 32) * this.#expired.length)];
    if (entry !== undefined) this.remove(entry);
  }

  #takeExpired(place: number): void {
    const last = this.#expired.pop();
    if (last === undefined || place >= this.#expired.length) return;
    this.#expired[place] = last;
    last.expiredAt = place;
  }

  /** Early drop: an expired or else an unassured entry goes. */
  #makeRoom(): boolean {
    if (this.#expired.length > 0) {
      this.#collectOne();
      return true;
    }
    while (this.#evictableFrom < this.#evictable.length) {
      const victim = this.#evictable[this.#evictableFrom++];
      if (victim === undefined || victim.gone) continue;
      this.earlyDrops++;
      this.remove(victim);
      return true;
    }
    return false;
  }
}
