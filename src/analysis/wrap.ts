/** Increases of the kernel's 32-bit counters, which wrap. */
import type { KernelCounters } from '../model/record.js';

/** What was added to each counter of `after` since `before`. */
export function wrappedIncreases(before: KernelCounters, after: KernelCounters): KernelCounters {
  const increases = Object.entries(after).map(([name, value]) => [
    name,
    (value - before[name as keyof KernelCounters]) >>> 0,
  ]);
  return Object.fromEntries(increases) as KernelCounters;
}
