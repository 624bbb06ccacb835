/**
 * How likely a burst that is on lasts for another while.
 *
 * From the bursts seen so far (Kaplan and Meier 1958, all of them have ended) and one guessed burst without a typical length:
 * S(d) = (1 + d / 30 s)^-0.2, so that what has lasted long goes on for long. The guess decides while few bursts were seen, and
 * where none of them lasted as long as this one.
 */
import type { BurstSnapshot } from './burst.js';

const GUESS_SECONDS = 30;
const GUESS_POWER = 0.2;
/** Bursts that the guess is worth. */
const GUESS_WEIGHT = 1;
/** Of past bursts that are likened to the present one. */
const PAST_MAX = 32;

/** Probability that a burst of `ageSeconds` goes on for `moreSeconds`. */
export function burstLastsRatio(burst: BurstSnapshot, ageSeconds: number, moreSeconds: number): number {
  const past = (burst.pastDurationsSeconds ?? []).slice(-PAST_MAX);
  const age = Math.max(0, ageSeconds);
  const now = survivors(past, age);
  return now > 0 ? Math.min(1, survivors(past, age + Math.max(0, moreSeconds)) / now) : 0;
}

function survivors(past: readonly number[], seconds: number): number {
  const lasted = past.reduce((sum, duration) => sum + (duration > seconds ? 1 : 0), 0);
  return lasted + GUESS_WEIGHT * (1 + seconds / GUESS_SECONDS) ** -GUESS_POWER;
}
