import { describe, expect, it, vi } from 'vitest';
import { collectGarbage, HeapWatch } from '../../src/cli/heap.js';
import { HEAP_COLLECT_SECONDS, HEAP_GROWTH_BYTES_MAX } from '../../src/model/limits.js';

const MIB = 2 ** 20;
const heldMib = () => process.memoryUsage().arrayBuffers / MIB;

it('gives back arrays that nobody holds', async () => {
  const before = heldMib();
  let held: Uint32Array[] = Array.from({ length: 16 }, () => new Uint32Array(MIB / 4).fill(1));
  expect(heldMib()).toBeGreaterThanOrEqual(before + 16);
  held = [];
  collectGarbage();
  expect(held).toHaveLength(0);
  // V8 frees the memory of dead arrays on a thread of its own, which on a busy machine runs after this one.
  await vi.waitFor(() => expect(heldMib()).toBeLessThan(before + 2), { timeout: 10_000 });
  expect(globalThis).not.toHaveProperty('gc');
});

describe('HeapWatch', () => {
  /** Ticks of these uses; those at which it collected. A collection leaves `alive`. */
  function collectedAt(
    uses: readonly number[],
    alive: (tick: number) => number,
    secondsPerTick = HEAP_COLLECT_SECONDS,
  ) {
    const at: number[] = [];
    let used = 0;
    let tick = 0;
    const heap = new HeapWatch({
      readUsedBytes: () => used,
      collect: () => {
        at.push(tick);
        used = alive(tick);
      },
    });
    for (; tick < uses.length; tick++) {
      used = uses[tick] ?? 0;
      heap.observe(tick * secondsPerTick);
    }
    return at;
  }
  const bound = HEAP_GROWTH_BYTES_MAX;

  it('collects when so much has come since the least that was used, and not before', () => {
    expect(collectedAt([20 * MIB, 20 * MIB + bound - 1, 20 * MIB + bound], () => 20 * MIB)).toEqual([2]);
    // V8 has collected in between, and left less than at the start.
    expect(collectedAt([20 * MIB, 12 * MIB, 12 * MIB + bound], () => 12 * MIB)).toEqual([2]);
  });

  it('goes by what is alive: a heap that has grown is not collected at each tick', () => {
    const grown = Array.from({ length: 50 }, () => 40 * MIB);
    expect(collectedAt([20 * MIB, ...grown], () => 40 * MIB)).toEqual([1]);
  });

  it('collects no more often than it may', () => {
    const uses = Array.from({ length: 40 }, (_, tick) => (tick === 0 ? 12 * MIB : 60 * MIB));
    expect(collectedAt(uses, () => 12 * MIB, HEAP_COLLECT_SECONDS / 10)).toEqual([1, 11, 21, 31]);
  });

  it('reads the heap of this process', () => {
    let collections = 0;
    const heap = new HeapWatch({ collect: () => collections++ });
    // What others have left behind must not go while the array comes.
    collectGarbage();
    heap.observe(0);
    const held = new Uint8Array(2 * bound).fill(1);
    heap.observe(1);
    expect(held).toHaveLength(2 * bound);
    expect(collections).toBe(1);
  });
});
