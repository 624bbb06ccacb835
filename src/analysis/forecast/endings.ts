/**
 * How flows of a class are likely to end, known before one of them was watched to its end.
 *
 * A flow is active for a while and then runs out in one of its protocol's timeouts. Whoever sees the state and the time left of
 * some flows knows how fast active ones close, and in which timeouts, long before the first has run out:
 *
 *   S(a) = sum over timeouts T of ratio(T) * (1 until T, exp(-closing * (a - T)) after)
 *
 * It is evidence beside the worlds of `survival.ts`: as far as it is strong, all of them take it; what the class then shows by
 * itself confirms or refutes it. Does not say where the evidence is from: see `initial-closings.ts`.
 */

export interface Endings {
  /** Timeouts that closing flows run out in, rising, with the part of them that does so; the parts sum to 1. */
  readonly timeouts: readonly { readonly seconds: number; readonly ratio: number }[];
  /** Part of the active flows that begins to run out, per second. */
  readonly closingPerSecond: number;
  /** Flows that were seen closing. */
  readonly flows: number;
}

/** Flows that the guess without evidence is worth. */
const GUESS_FLOWS = 10;
/** Younger than this a class has not shown by itself what becomes of it: the usual timeouts and a minute. */
const TOLD_BY_ITSELF_SECONDS = 185;

/** Part of a class's flows that has not run out at an age, 0..1. */
export function endingSurvivors({ timeouts, closingPerSecond }: Endings, ageSeconds: number): number {
  let survivors = 0;
  for (const { seconds, ratio } of timeouts) {
    survivors += ageSeconds <= seconds ? ratio : ratio * Math.exp(-closingPerSecond * (ageSeconds - seconds));
  }
  return survivors;
}

/**
 * Weight of the evidence against a guess that lets all stay, 0..1, for flows of which `survivors` are left at `ageSeconds`: it
 * was as right as it gave that a chance.
 */
export function endingsWeight(endings: Endings | undefined, ageSeconds: number, survivors: number): number {
  if (endings === undefined || ageSeconds >= TOLD_BY_ITSELF_SECONDS) return 0;
  const credible = endings.flows / (endings.flows + GUESS_FLOWS);
  const likely = Math.min(1, endingSurvivors(endings, ageSeconds) / Math.max(survivors, 1e-9));
  return (credible * likely) / (credible * likely + 1 - credible);
}
