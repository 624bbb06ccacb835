/**
 * A bounded set of flows that are followed from NEW to DESTROY: key -> class and second of birth.
 *
 * Only flows whose id passes a mask are in it. The kernel's id is a hash of the tuple, so the mask picks the same flows in NEW and
 * DESTROY and favours none; when the set is full the mask is doubled and half of the flows leave. The id is not unique, so the
 * key is the id and a hash of the original tuple and zone: 64 bits. Open addressing with linear probes, half full at most.
 */
import type { EventColumns } from '../../model/batch.js';
import { TRACKED_FLOWS_MAX } from '../../model/limits.js';

/** Slots; a power of two, twice the flows. */
const SLOTS = 2 ** Math.ceil(Math.log2(TRACKED_FLOWS_MAX * 2));
const SLOT_MASK = SLOTS - 1;
const FREE = 0xff;
/** Set in a class byte: the key was live already when its NEW came. */
const REUSED = 0x40;

/** Told about each flow that leaves because the sample became thinner. */
export type OnThinned = (flowClass: number, bornSecond: number) => void;

/** Sampled flows, at most `TRACKED_FLOWS_MAX`. */
export class TrackedFlows {
  #ids = new Uint32Array(SLOTS);
  #hashes = new Uint32Array(SLOTS);
  #born = new Uint32Array(SLOTS);
  #classes = new Uint8Array(SLOTS).fill(FREE);
  #size = 0;
  /** Of the tuple that was last looked for. */
  #hash = 0;
  #mask = 0;

  /** Flows that one tracked flow stands for: a power of two. */
  get factor(): number {
    return this.#mask + 1;
  }

  /** Tracked flows. */
  get size(): number {
    return this.#size;
  }

  /** Whether the flow in `row` belongs to the sample. */
  isSampled(columns: EventColumns, row: number): boolean {
    return ((columns.id[row] ?? 0) & this.#mask) === 0;
  }

  /** Slot of the flow in `row`; without it, -1 - the slot for `add`. */
  find(columns: EventColumns, row: number): number {
    const id = columns.id[row] ?? 0;
    const hash = tupleHash(columns, row);
    this.#hash = hash;
    let slot = home(id, hash);
    while (this.#classes[slot] !== FREE) {
      if (this.#ids[slot] === id && this.#hashes[slot] === hash) return slot;
      slot = (slot + 1) & SLOT_MASK;
    }
    return -1 - slot;
  }

  /** Whether no flow can be added: thin the sample first. */
  get isFull(): boolean {
    return this.#size >= TRACKED_FLOWS_MAX;
  }

  /** Adds the flow in `row`, which the last `find` did not know, to the slot that it gave. Not when it is full. */
  add(slot: number, columns: EventColumns, row: number, flowClass: number, bornSecond: number): void {
    this.#write(slot, columns.id[row] ?? 0, this.#hash, flowClass, bornSecond);
  }

  /** Class of the flow in a slot. */
  classAt(slot: number): number {
    return (this.#classes[slot] ?? 0) & ~REUSED;
  }

  /** Second of birth of the flow in a slot. */
  bornAt(slot: number): number {
    return this.#born[slot] ?? 0;
  }

  /** A NEW came for the flow in a slot: the key was used again, and the DESTROY of its old owner may still follow. */
  reuse(slot: number, flowClass: number, bornSecond: number): void {
    this.#classes[slot] = flowClass | REUSED;
    this.#born[slot] = bornSecond;
  }

  /** Whether the old owner's DESTROY may still follow; asking ends that. */
  takeReused(slot: number): boolean {
    const flowClass = this.#classes[slot] ?? 0;
    this.#classes[slot] = flowClass & ~REUSED;
    return (flowClass & REUSED) !== 0;
  }

  /** Removes the flow in a slot and closes the gap. */
  remove(slot: number): void {
    let hole = slot;
    for (let next = (hole + 1) & SLOT_MASK; this.#classes[next] !== FREE; next = (next + 1) & SLOT_MASK) {
      const wanted = home(this.#ids[next] ?? 0, this.#hashes[next] ?? 0);
      if (((next - wanted) & SLOT_MASK) < ((next - hole) & SLOT_MASK)) continue;
      this.#ids[hole] = this.#ids[next] ?? 0;
      this.#hashes[hole] = this.#hashes[next] ?? 0;
      this.#born[hole] = this.#born[next] ?? 0;
      this.#classes[hole] = this.#classes[next] ?? 0;
      hole = next;
    }
    this.#classes[hole] = FREE;
    this.#size -= 1;
  }

  /** Halves the sample. Rare: allocates new tables. */
  thin(onThinned: OnThinned): void {
    this.#mask = this.#mask * 2 + 1;
    const { ids, hashes, born, classes } = {
      ids: this.#ids,
      hashes: this.#hashes,
      born: this.#born,
      classes: this.#classes,
    };
    this.#ids = new Uint32Array(SLOTS);
    this.#hashes = new Uint32Array(SLOTS);
    this.#born = new Uint32Array(SLOTS);
    this.#classes = new Uint8Array(SLOTS).fill(FREE);
    this.#size = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      const flowClass = classes[slot] ?? FREE;
      if (flowClass === FREE) continue;
      if (((ids[slot] ?? 0) & this.#mask) === 0) {
        this.#insert(ids[slot] ?? 0, hashes[slot] ?? 0, flowClass, born[slot] ?? 0);
      } else onThinned(flowClass & ~REUSED, born[slot] ?? 0);
    }
  }

  /** Moves every flow of one class to another. */
  reassign(fromClass: number, toClass: number): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#classes[slot] !== FREE && this.classAt(slot) === fromClass) this.#classes[slot] = toClass;
    }
  }

  #insert(id: number, hash: number, flowClass: number, bornSecond: number): void {
    let slot = home(id, hash);
    while (this.#classes[slot] !== FREE) slot = (slot + 1) & SLOT_MASK;
    this.#write(slot, id, hash, flowClass, bornSecond);
  }

  #write(slot: number, id: number, hash: number, flowClass: number, bornSecond: number): void {
    this.#ids[slot] = id;
    this.#hashes[slot] = hash;
    this.#born[slot] = bornSecond;
    this.#classes[slot] = flowClass;
    this.#size += 1;
  }
}

/** The low bits of a sampled id are all zero, so the high ones and the tuple decide. */
function home(id: number, hash: number): number {
  return (Math.imul(id ^ hash, 0x9e3779b1) >>> 15) & SLOT_MASK;
}

function tupleHash(columns: EventColumns, row: number): number {
  const at = row * 4;
  const source = columns.originalSource.words;
  const destination = columns.originalDestination.words;
  const ports = ((columns.originalSourcePort[row] ?? 0) << 16) | (columns.originalDestinationPort[row] ?? 0);
  let hash = Math.imul((source[at] ?? 0) ^ ports, 0xcc9e2d51);
  hash = Math.imul(hash ^ (hash >>> 15) ^ (destination[at] ?? 0), 0x1b873593);
  if (columns.family[row] === 10) {
    hash = Math.imul(hash ^ (source[at + 1] ?? 0) ^ (destination[at + 1] ?? 0), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13) ^ (source[at + 2] ?? 0) ^ (destination[at + 2] ?? 0), 0xcc9e2d51);
    hash = Math.imul(hash ^ (source[at + 3] ?? 0), 0x1b873593);
    hash = Math.imul(hash ^ (hash >>> 15) ^ (destination[at + 3] ?? 0), 0x85ebca6b);
  }
  hash = Math.imul(hash ^ (hash >>> 13) ^ ((columns.zone[row] ?? 0) << 8) ^ (columns.protocol[row] ?? 0), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
