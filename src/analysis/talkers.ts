/**
 * Who opens the most connections: space-saving heavy hitters with exponential decay.
 *
 * 256 counters. A watched destination adds to its counter, an unwatched one takes over the smallest and inherits its weight as
 * its error bound, so weight - error <= truth <= weight always holds, and whoever has over 1/256 of the total is watched.
 * Decay is forward: instead of shrinking every counter each tick, the weight of an event grows, and order and bounds stay.
 *
 *   hash slots -> counter index -> key words, weight, error        min-heap of counter indexes by weight, smallest on top
 *
 * A key is compared in full, the hash only finds it. Not counted: sources, and bytes.
 * Sources: Metwally, Agrawal, El Abbadi (ICDT 2005); Cormode et al., "Forward decay" (ICDE 2009).
 */
import { AF_INET6 } from '../model/address.js';
import type { EventColumns } from '../model/batch.js';
import { TALKERS_MAX } from '../model/limits.js';
import { CounterSlots } from './counter-slots.js';
import {
  DESTINATION_KEY_WORDS,
  type Destination,
  writeDestinationKey,
  writeDestinationKeyOf,
} from './destination-key.js';
import type { DestinationOwners } from './owners/owner-shares.js';

/** A destination and how many new entries it gets. */
export interface Talker extends Destination {
  /** Its counter in `Talkers`, by which other tables know it until it changes hands. */
  readonly counter: number;
  /** New entries per second, decayed with `TALKER_DECAY_SECONDS`. Never too low; too high by at most `errorRatio`. */
  readonly newPerSecond: number;
  /** Part of all new entries, 0..1. Never too low; too high by at most `errorRatio` of itself. */
  readonly shareRatio: number;
  /** Largest part of `newPerSecond` and `shareRatio` that can be somebody else's, 0..1. */
  readonly errorRatio: number;
  /** Whose they are; not known here, see `owners.ts`. */
  readonly owners?: DestinationOwners;
}

/** Time constant of the decay, seconds: a destination that stopped has a third of its weight left. */
export const TALKER_DECAY_SECONDS = 10;

const MARKS = 3;

/** Weights are scaled back long before they leave the range of a double (a gain of 1e100 takes 38 minutes). */
const GAIN_MAX = 1e100;

/** Heavy hitters among the destinations of NEW events. */
export class Talkers {
  readonly #keys = new Uint32Array(TALKERS_MAX * DESTINATION_KEY_WORDS);
  /** Key of the row that is being looked at. */
  readonly #key = new Uint32Array(DESTINATION_KEY_WORDS);
  readonly #slots = new CounterSlots(TALKERS_MAX);
  readonly #weights = new Float64Array(TALKERS_MAX);
  readonly #errors = new Float64Array(TALKERS_MAX);
  /** Events since the last `advance`, exact since the counter's present owner has it. */
  readonly #tickEvents = new Uint32Array(TALKERS_MAX);
  /** How often the counter changed hands. */
  readonly #owners = new Uint32Array(TALKERS_MAX);
  readonly #heap = new Uint16Array(TALKERS_MAX);
  readonly #heapPosition = new Uint16Array(TALKERS_MAX);
  /** Rates at the last marks, oldest first; `growth` is since the oldest. */
  readonly #marks: Float64Array[] = [];
  #used = 0;
  #gain = 1;
  #total = 0;
  #exposureSeconds = 0;

  /** Counts the NEW event in `row` and returns the counter of its destination. Allocates nothing, O(log 256). */
  observeNew(columns: EventColumns, row: number): number {
    const hash = this.#readKey(columns, row);
    this.#total += this.#gain;
    let counter = this.#probe(hash);
    if (counter < 0) {
      counter = this.#takeCounter(hash);
      this.#keys.set(this.#key, counter * DESTINATION_KEY_WORDS);
    }
    this.#add(counter);
    return counter;
  }

  /** The counter of the destination of the flow in `row`, -1 when it has none. Counts nothing. */
  find(columns: EventColumns, row: number): number {
    return this.#probe(this.#readKey(columns, row));
  }

  /** The same for a destination, its address in 16 bytes. */
  counterOf(destination: Destination): number {
    writeDestinationKeyOf(this.#key, destination);
    return this.#probe(hashKey(this.#key));
  }

  /** Reads the key of a row into `#key`; returns its hash. */
  #readKey(columns: EventColumns, row: number): number {
    writeDestinationKey(this.#key, columns, row);
    return hashKey(this.#key);
  }

  /** The counter that has the key in `#key`, or -1. */
  #probe(hash: number): number {
    const keys = this.#keys;
    const key = this.#key;
    const { slots, mask } = this.#slots;
    let slot = hash & mask;
    for (let entry = slots[slot] ?? 0; entry !== 0; entry = slots[slot] ?? 0) {
      const at = (entry - 1) * DESTINATION_KEY_WORDS;
      if (
        keys[at] === key[0] &&
        keys[at + 4] === key[4] &&
        keys[at + 1] === key[1] &&
        keys[at + 2] === key[2] &&
        keys[at + 3] === key[3]
      ) {
        return entry - 1;
      }
      slot = (slot + 1) & mask;
    }
    return -1;
  }

  /** Ends a tick of `seconds`: everything counted so far weighs less from now on. */
  advance(seconds: number): void {
    this.#tickEvents.fill(0);
    if (!(seconds > 0)) return;
    const growth = Math.exp(Math.min(seconds / TALKER_DECAY_SECONDS, 200));
    this.#gain *= growth;
    this.#exposureSeconds = (this.#exposureSeconds + seconds) / growth;
    if (this.#gain < GAIN_MAX) return;
    const scale = 1 / this.#gain;
    for (let i = 0; i < this.#used; i++) {
      this.#weights[i] = (this.#weights[i] ?? 0) * scale;
      this.#errors[i] = (this.#errors[i] ?? 0) * scale;
    }
    this.#total *= scale;
    this.#gain = 1;
  }

  /** Counters in use: 0 to `used` - 1. */
  get used(): number {
    return this.#used;
  }

  /** New entries per second, all destinations, decayed with `TALKER_DECAY_SECONDS`. */
  get newPerSecond(): number {
    return this.#exposureSeconds > 0 ? this.#total / this.#gain / this.#exposureSeconds : 0;
  }

  /** Changes when the counter is taken over by another destination. */
  ownerOf(counter: number): number {
    return this.#owners[counter] ?? 0;
  }

  /** NEW events of the counter's destination in the tick that has not been ended yet. */
  tickEvents(counter: number): number {
    return this.#tickEvents[counter] ?? 0;
  }

  /** Its rate before that tick of `seconds`, never too low: what a newcomer inherits is an upper bound. */
  ratePerSecondBefore(counter: number, seconds: number): number {
    const before = (this.#weights[counter] ?? 0) / this.#gain - this.tickEvents(counter);
    return before / Math.max(this.#exposureSeconds, seconds, 1e-3);
  }

  /** At most `limit` destinations, those with the most weight that is certainly theirs first. Call it after `advance`. */
  snapshot(limit: number): Talker[] {
    const certain = (counter: number) => (this.#weights[counter] ?? 0) - (this.#errors[counter] ?? 0);
    return Array.from({ length: this.#used }, (_, counter) => counter)
      .sort((a, b) => certain(b) - certain(a) || (this.#weights[b] ?? 0) - (this.#weights[a] ?? 0) || a - b)
      .slice(0, limit)
      .map((counter) => this.describe(counter));
  }

  /** Remembers the present rates as usual. Three are kept, so that the oldest lies two to three times the marks' distance back. */
  mark(): void {
    const mark = this.#marks.length < MARKS ? new Float64Array(TALKERS_MAX) : this.#marks.shift();
    if (mark === undefined) return;
    for (let counter = 0; counter < TALKERS_MAX; counter++) mark[counter] = this.#rateOf(counter);
    this.#marks.push(mark);
  }

  /**
   * At most `limit` destinations whose rate has grown since the oldest mark, most first; `shareRatio` is their part
   * of all the growth. A counter that changed its owner since is compared with its former owner, so its growth is a lower bound.
   */
  growth(limit: number): Talker[] {
    const grown = Array.from({ length: this.#used }, (_, counter) => ({
      counter,
      perSecond: this.#rateOf(counter) - (this.#marks[0]?.[counter] ?? 0),
    })).filter(({ perSecond }) => perSecond > 0);
    const total = grown.reduce((sum, { perSecond }) => sum + perSecond, 0);
    return grown
      .sort((a, b) => b.perSecond - a.perSecond || a.counter - b.counter)
      .slice(0, limit)
      .map(({ counter, perSecond }) => ({ ...this.describe(counter), shareRatio: perSecond / total }));
  }

  /** New entries per second of a counter at the oldest mark, 0 before the first. */
  markedPerSecond(counter: number): number {
    return this.#marks[0]?.[counter] ?? 0;
  }

  #rateOf(counter: number): number {
    return this.#exposureSeconds > 0 ? (this.#weights[counter] ?? 0) / this.#gain / this.#exposureSeconds : 0;
  }

  /** The destination that has this counter. */
  describe(counter: number): Talker {
    const key = counter * DESTINATION_KEY_WORDS;
    const meta = this.#keys[key + 4] ?? 0;
    const weight = this.#weights[counter] ?? 0;
    return {
      counter,
      family: meta >>> 24 === 1 ? AF_INET6 : 2,
      protocol: (meta >>> 16) & 0xff,
      address: new Uint8Array(this.#keys.slice(key, key + 4).buffer),
      port: meta & 0xffff,
      newPerSecond: this.#rateOf(counter),
      shareRatio: this.#total > 0 ? Math.min(1, weight / this.#total) : 0,
      errorRatio: weight > 0 ? (this.#errors[counter] ?? 0) / weight : 0,
    };
  }

  #add(counter: number): void {
    this.#weights[counter] = (this.#weights[counter] ?? 0) + this.#gain;
    this.#tickEvents[counter] = (this.#tickEvents[counter] ?? 0) + 1;
    this.#siftDown(this.#heapPosition[counter] ?? 0);
  }

  /** A counter for a new key with this hash: an unused one, or the smallest with its weight kept as the error. */
  #takeCounter(hash: number): number {
    let counter: number;
    if (this.#used < TALKERS_MAX) {
      // Nothing weighs less than a counter without weight, so it belongs on top; its first event sifts it down.
      counter = this.#used++;
      this.#heap[counter] = counter;
      this.#heapPosition[counter] = counter;
      this.#siftUp(counter);
    } else {
      counter = this.#heap[0] ?? 0;
      this.#errors[counter] = this.#weights[counter] ?? 0;
      this.#slots.unlink(counter);
    }
    this.#tickEvents[counter] = 0;
    this.#owners[counter] = (this.#owners[counter] ?? 0) + 1;
    this.#slots.link(counter, hash);
    return counter;
  }

  #siftDown(start: number): void {
    const heap = this.#heap;
    const weights = this.#weights;
    const counter = heap[start] ?? 0;
    const weight = weights[counter] ?? 0;
    let position = start;
    for (;;) {
      let child = 2 * position + 1;
      if (child >= this.#used) break;
      let childWeight = weights[heap[child] ?? 0] ?? 0;
      if (child + 1 < this.#used) {
        const rightWeight = weights[heap[child + 1] ?? 0] ?? 0;
        if (rightWeight < childWeight) {
          child += 1;
          childWeight = rightWeight;
        }
      }
      if (childWeight >= weight) break;
      this.#place(position, heap[child] ?? 0);
      position = child;
    }
    this.#place(position, counter);
  }

  #siftUp(start: number): void {
    const counter = this.#heap[start] ?? 0;
    const weight = this.#weights[counter] ?? 0;
    let position = start;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      const other = this.#heap[parent] ?? 0;
      if ((this.#weights[other] ?? 0) <= weight) break;
      this.#place(position, other);
      position = parent;
    }
    this.#place(position, counter);
  }

  #place(position: number, counter: number): void {
    this.#heap[position] = counter;
    this.#heapPosition[counter] = position;
  }
}

/** The mixing steps of MurmurHash3 (Appleby, public domain) over the five words of a key. */
function hashKey(key: Uint32Array): number {
  let hash = Math.imul((key[0] ?? 0) ^ 0x9e3779b9, 0xcc9e2d51);
  hash = Math.imul((hash ^ (hash >>> 15) ^ (key[1] ?? 0)) | 0, 0x1b873593);
  hash = Math.imul((hash ^ (hash >>> 13) ^ (key[2] ?? 0)) | 0, 0x85ebca6b);
  hash = Math.imul((hash ^ (hash >>> 15) ^ (key[3] ?? 0)) | 0, 0xcc9e2d51);
  hash = Math.imul((hash ^ (hash >>> 13) ^ (key[4] ?? 0)) | 0, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
