import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CounterSlots } from '../../src/analysis/counter-slots.js';

const COUNTERS = 16;

/** Counters that a probe of a hash comes by. */
function probed({ slots, mask }: CounterSlots, hash: number): number[] {
  const counters: number[] = [];
  for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) counters.push((slots[slot] ?? 0) - 1);
  return counters;
}

describe('CounterSlots', () => {
  it('finds every counter under its hash while others come and go, and no other one', () => {
    // Few hashes: runs are long, and some go round the end.
    const steps = fc.array(fc.tuple(fc.nat(COUNTERS - 1), fc.oneof(fc.nat(3), fc.constant(62), fc.constant(63))), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const table = new CounterSlots(COUNTERS);
        const hashes = new Map<number, number>();
        for (const [counter, hash] of all) {
          if (hashes.has(counter)) table.unlink(counter);
          table.link(counter, hash);
          hashes.set(counter, hash);
          for (const [linked, under] of hashes) expect(probed(table, under)).toContain(linked);
          expect(table.slots.filter((entry) => entry !== 0).length).toBe(hashes.size);
        }
      }),
      { seed: 1, numRuns: 50 },
    );
  });
});
