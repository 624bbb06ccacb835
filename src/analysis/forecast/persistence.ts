/**
 * How likely a burst that is on, or a rise, lasts for another while.
 *
 * A burst: from the bursts seen so far (Kaplan and Meier 1958, all of them have ended) and one guessed burst without a typical length:
 * S(d) = (1 + d / 30 s)^-0.2, so that what has lasted long goes on for long. The guess decides while few bursts were seen, and
 * where none of them lasted as long as this one.
 *
 * A rise: one that is met at a moment like any other of its life goes on for another d after a with probability a / (a + d),
 * where no a is longer than `RISE_SECONDS_MAX`.
 * Source: Gott, "Implications of the Copernican principle for our future prospects" (Nature 363, 1993).
 */
import type { BurstSnapshot } from '../bursts/burst.js';

const GUESS_SECONDS = 30;
const GUESS_POWER = 0.2;
/**
 * A rise is not trusted for longer than one of this age: one that ends as the table nears its limit is as old as one that does not
 * (`npm run evaluate -- --only ramp4x30m_plateau85,ramp7x30m_fills`), and only the first must not be an alarm.
 */
const RISE_SECONDS_MAX = 400;
/** Bursts that the guess is worth. */
const GUESS_WEIGHT = 1;
/** A burst is like another that lasted so much less: how long one lasts is measured to the moment its end was sure. */
const ALIKE_RATIO = 1.25;
const ALIKE_SECONDS = 2;

/** Probability that the burst that is on, of `ageSeconds`, goes on for `moreSeconds`. */
export function burstLastsRatio(burst: BurstSnapshot, ageSeconds: number, moreSeconds: number): number {
  const expected = burst.active?.expected;
  // Bursts of its own kind tell more than all the others.
  const past = expected
    ? Array.from({ length: expected.times }, () => expected.usualDurationSeconds)
    : burst.pastDurationsSeconds;
  const age = Math.max(0, ageSeconds);
  const now = survivors(past, age);
  return Math.min(1, survivors(past, age + Math.max(0, moreSeconds)) / now);
}

function survivors(past: readonly number[], seconds: number): number {
  const lasted = past.filter((duration) => duration * ALIKE_RATIO + ALIKE_SECONDS > seconds).length;
  return lasted + GUESS_WEIGHT * (1 + seconds / GUESS_SECONDS) ** -GUESS_POWER;
}

/** Probability that what has risen evenly for `ageSeconds` goes on rising for `moreSeconds`. */
export function riseLastsRatio(ageSeconds: number, moreSeconds: number): number {
  const age = Math.max(0, Math.min(RISE_SECONDS_MAX, ageSeconds));
  const more = Math.max(0, moreSeconds);
  return age + more > 0 ? age / (age + more) : 1;
}
