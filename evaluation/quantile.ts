/**
 * The q-quantile of some numbers, 0 <= q <= 1, by linear interpolation (type 7 of Hyndman and Fan 1996). Infinity stands for
 * "never": a quantile that touches one is Infinity. Undefined for no numbers.
 */
export function quantile(values: readonly number[], q: number): number | undefined {
  const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const place = q * (sorted.length - 1);
  const low = sorted[Math.floor(place)];
  const high = sorted[Math.ceil(place)];
  if (low === undefined || high === undefined) return undefined;
  return low === high ? low : low + (high - low) * (place - Math.floor(place));
}

/** Undefined for no numbers. */
export function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
