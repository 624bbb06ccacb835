/**
 * Keeps the heap near what is alive. V8 collects its old generation when that has grown by a good part, and typed arrays, such as those
 * that a census counts in, hardly make it hurry: of 12 MiB that are alive it would let 50 and more stay resident for minutes.
 *
 *   used, MiB:  12 ── 14 ── 17 ── 21 ──> collect ──> 12        at most every 10 s, and once a census is told
 *
 * A full collection takes 10 to 20 ms, as long as one drain may; no event is lost meanwhile, as they wait in the kernel.
 */
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { HEAP_COLLECT_SECONDS, HEAP_GROWTH_BYTES_MAX } from '../model/limits.js';

let collect: (() => void) | undefined;

/** Collects all garbage now. Node.js has the function only under a flag, which a context made afterwards knows. */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  collect();
}

export interface HeapWatchOptions {
  /** Heap and arrays in use, garbage included, bytes. Default: this process's. */
  readonly readUsedBytes?: () => number;
  readonly collect?: () => void;
}

export class HeapWatch {
  readonly #readUsedBytes: () => number;
  readonly #collect: () => void;
  /** The least since the last collection, whoever made it. */
  #leastBytes = Number.POSITIVE_INFINITY;
  #collectedAt = Number.NEGATIVE_INFINITY;

  constructor({ readUsedBytes = readUsed, collect = collectGarbage }: HeapWatchOptions = {}) {
    this.#readUsedBytes = readUsedBytes;
    this.#collect = collect;
  }

  /** Once a tick. */
  observe(monotonicSeconds: number): void {
    const used = this.#readUsedBytes();
    this.#leastBytes = Math.min(this.#leastBytes, used);
    if (used - this.#leastBytes < HEAP_GROWTH_BYTES_MAX) return;
    if (monotonicSeconds - this.#collectedAt < HEAP_COLLECT_SECONDS) return;
    this.#collectedAt = monotonicSeconds;
    this.#collect();
    // What is alive may have grown.
    this.#leastBytes = this.#readUsedBytes();
  }
}

/** The young generation, which has a bound of its own, is left out: how full it is says when it was collected last. */
function readUsed(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name: name }) => !name.startsWith('new_'));
  return spaces.reduce((sum, space) => sum + space.space_used_size, getHeapStatistics().external_memory);
}
