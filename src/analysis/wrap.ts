/** Increase of a 32-bit counter of the kernel that wraps. */
export function wrappedIncrease(before: number, after: number): number {
  return (after - before) >>> 0;
}
