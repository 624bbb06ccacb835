/**
 * Who asks for the most connections: the busiest sources, each with how many destinations it asks and what they answer.
 *
 * Space-saving with 64 counters found by hash like those of `talkers.ts`, but over a sample of the new flows, so the smallest is
 * searched for one by one. The sample is those flows whose id passes a mask that keeps it near 1,000/s: the kernel's id is a hash
 * of the tuple. A source that makes more than a 64th of the new flows is found.
 * Source: Metwally, Agrawal, El Abbadi (ICDT 2005).
 */
import { AF_INET6 } from '../../model/address.js';
import { writeAddress } from '../../model/address-words.js';
import type { EventColumns } from '../../model/batch.js';
import { CounterSlots } from '../counter-slots.js';
import { destinationPort } from '../destination-key.js';
import { mixHash } from '../distinct.js';
import { FlowTraits, type Traits } from './flow-traits.js';

/** Sources watched. */
const SOURCES_MAX = 64;
/** Sampled flows of a tick that are looked at: beyond it the mask of the next tick is thinner and this tick's rest is left out. */
const TICK_FLOWS_MAX = 1024;
const TICK_FLOWS = 256;
const MASK_MAX = 2 ** 20 - 1;
/** Time constant of the decay, seconds. */
const DECAY_SECONDS = 10;
const KEY_WORDS = 5;

/** A busy source. */
export interface SourceFacts {
  readonly family: number;
  /** 16 bytes, IPv4 in the first four; a copy. */
  readonly address: Uint8Array;
  /** Most of its flows are of this IPPROTO_* number: that of its last one. */
  readonly protocol: number;
  /** Part of all new flows, 0..1; too high by at most `errorRatio` of itself. */
  readonly shareRatio: number;
  readonly errorRatio: number;
  /** Its partners are destinations: address and port. */
  readonly traits: Traits;
}

/** The busiest sources of NEW events. */
export class SourceFactsTable {
  readonly #keys = new Uint32Array(SOURCES_MAX * KEY_WORDS);
  readonly #weights = new Float64Array(SOURCES_MAX);
  readonly #errors = new Float64Array(SOURCES_MAX);
  readonly #protocols = new Uint8Array(SOURCES_MAX);
  readonly #traits = new FlowTraits(SOURCES_MAX);
  readonly #slots = new CounterSlots(SOURCES_MAX);
  #used = 0;
  #total = 0;
  #mask = 0;
  #tickFlows = 0;
  #tickSampled = 0;
  /** The source of the flow before: often the same again. */
  #last = 0;

  observeNew(columns: EventColumns, row: number): void {
    this.#tickFlows += 1;
    if (((columns.id[row] ?? 0) & this.#mask) !== 0 || this.#tickSampled >= TICK_FLOWS_MAX) return;
    this.#tickSampled += 1;
    const counter = this.#find(columns, row) ?? this.#take(columns, row);
    this.#weights[counter] = (this.#weights[counter] ?? 0) + 1;
    this.#protocols[counter] = columns.protocol[row] ?? 0;
    this.#total += 1;
    this.#traits.observeNew(counter, destinationHash(columns, row));
  }

  /** A sampled young flow as the kernel has it now. */
  observeYoung(columns: EventColumns, row: number, ageSeconds: number): void {
    const counter = this.#find(columns, row);
    if (counter !== undefined) this.#traits.observeYoung(counter, columns, row, ageSeconds);
  }

  observeDestroy(columns: EventColumns, row: number): void {
    if (((columns.id[row] ?? 0) & this.#mask) !== 0) return;
    const counter = this.#find(columns, row);
    if (counter !== undefined) this.#traits.observeEnd(counter, columns, row);
  }

  /** Ends a tick. */
  advance(seconds: number): void {
    if (this.#tickFlows > 2 * TICK_FLOWS * (this.#mask + 1)) this.#mask = Math.min(MASK_MAX, this.#mask * 2 + 1);
    else if (this.#tickFlows < (TICK_FLOWS / 2) * (this.#mask + 1)) this.#mask >>>= 1;
    this.#tickFlows = 0;
    this.#tickSampled = 0;
    const factor = Math.exp(-Math.max(0, seconds) / DECAY_SECONDS);
    for (let counter = 0; counter < this.#used; counter++) {
      this.#weights[counter] = (this.#weights[counter] ?? 0) * factor;
      this.#errors[counter] = (this.#errors[counter] ?? 0) * factor;
    }
    this.#total *= factor;
    this.#traits.advance(seconds);
  }

  /** The source that surely makes the most new flows; undefined before the first. */
  busiest(): SourceFacts | undefined {
    const certain = (counter: number) => (this.#weights[counter] ?? 0) - (this.#errors[counter] ?? 0);
    let best = 0;
    for (let counter = 1; counter < this.#used; counter++) if (certain(counter) > certain(best)) best = counter;
    const weight = this.#weights[best] ?? 0;
    if (this.#used === 0 || weight <= 0) return undefined;
    const key = best * KEY_WORDS;
    return {
      family: this.#keys[key + 4] ?? 0,
      address: new Uint8Array(this.#keys.slice(key, key + 4).buffer),
      protocol: this.#protocols[best] ?? 0,
      shareRatio: Math.min(1, weight / this.#total),
      errorRatio: (this.#errors[best] ?? 0) / weight,
      traits: this.#traits.describe(best),
    };
  }

  #find(columns: EventColumns, row: number): number | undefined {
    if (this.#used > 0 && this.#holds(this.#last, columns, row)) return this.#last;
    const { slots, mask } = this.#slots;
    let slot = sourceHash(columns, row) & mask;
    for (let entry = slots[slot] ?? 0; entry !== 0; entry = slots[slot] ?? 0) {
      if (this.#holds(entry - 1, columns, row)) {
        this.#last = entry - 1;
        return entry - 1;
      }
      slot = (slot + 1) & mask;
    }
    return undefined;
  }

  #holds(counter: number, columns: EventColumns, row: number): boolean {
    const keys = this.#keys;
    const { words } = columns.originalSource;
    const key = counter * KEY_WORDS;
    const at = row * 4;
    if (keys[key] !== words[at] || keys[key + 4] !== columns.family[row]) return false;
    if (columns.family[row] !== AF_INET6) return true;
    return keys[key + 1] === words[at + 1] && keys[key + 2] === words[at + 2] && keys[key + 3] === words[at + 3];
  }

  /** An unused counter, or the smallest with its weight kept as the error. */
  #take(columns: EventColumns, row: number): number {
    let counter = this.#used;
    if (this.#used < SOURCES_MAX) this.#used += 1;
    else {
      counter = 0;
      for (let i = 1; i < SOURCES_MAX; i++) if ((this.#weights[i] ?? 0) < (this.#weights[counter] ?? 0)) counter = i;
      this.#slots.unlink(counter);
    }
    this.#slots.link(counter, sourceHash(columns, row));
    this.#errors[counter] = this.#weights[counter] ?? 0;
    this.#traits.reset(counter);
    const key = counter * KEY_WORDS;
    writeAddress(this.#keys, key, columns.originalSource.words, row, columns.family[row] === AF_INET6);
    this.#keys[key + 4] = columns.family[row] ?? 0;
    this.#last = counter;
    return counter;
  }
}

/** Hash of the source of a row: address and family. */
function sourceHash(columns: EventColumns, row: number): number {
  const family = columns.family[row] ?? 0;
  return addressHash(columns.originalSource.words, row, family === AF_INET6) ^ family;
}

function destinationHash(columns: EventColumns, row: number): number {
  const { words } = columns.originalDestination;
  const protocol = columns.protocol[row] ?? 0;
  const port = destinationPort(columns, row);
  return mixHash(addressHash(words, row, columns.family[row] === AF_INET6) ^ ((protocol << 16) | port));
}

/** Hash of the address of a row; the last 12 bytes of an IPv4 one are no part of it. */
export function addressHash(words: Uint32Array, row: number, isIpv6: boolean): number {
  const at = row * 4;
  let hash = mixHash(words[at] ?? 0);
  if (isIpv6) for (let i = 1; i < 4; i++) hash = mixHash(Math.imul(hash, 31) ^ (words[at + i] ?? 0));
  return hash;
}
