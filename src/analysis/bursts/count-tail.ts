/**
 * How surprising a count is: likelihood ratios and tail probabilities of Poisson and negative binomial counts.
 *
 * The negative binomial with mean m and variance phi m (size s = m / (phi - 1)) is a Poisson count whose rate is itself a gamma
 * variable. For small clumpy counts its tail is far heavier than a Poisson tail whose exponent is divided by phi. The tail is the
 * saddlepoint approximation for lattice variables, within some percent of the sum wherever the count is well above its mean.
 * Sources: Bahadur and Rao (1960); Jensen, "Saddlepoint Approximations" (1995), section 2.
 */

/** Below this dispersion counts are taken as Poisson. */
const POISSON_PHI = 1.0001;

/**
 * Log likelihood ratio of `events` at their own mean against a mean of `expected` with variance `phi` times it, in nats.
 * 0 when there are no more events than expected.
 */
export function likelihoodRatio(events: number, expected: number, phi: number): number {
  if (!(events > expected) || expected <= 0) return 0;
  const gain = events * Math.log(events / expected);
  if (phi <= POISSON_PHI) return gain - (events - expected);
  const size = expected / (phi - 1);
  return gain - (events + size) * Math.log((events + size) / (expected + size));
}

/** Log likelihood ratio of `factor` times the expected Poisson mean to the mean itself, nats; below 0 when that is less likely. */
export function factorNats(events: number, expected: number, factor: number): number {
  return events * Math.log(factor) - (factor - 1) * expected;
}

/** -ln P(N >= events) for a count with mean `expected` and variance `phi` times it, in nats; 0 up to the mean. */
export function surprise(events: number, expected: number, phi: number): number {
  if (!(events > expected) || expected <= 0) return 0;
  const size = phi <= POISSON_PHI ? Number.POSITIVE_INFINITY : expected / (phi - 1);
  // e^-tilt is the ratio of neighbouring terms of the tail, the spread that of the count once it is tilted to `events`.
  const neighbour = (expected / events) * (size === Number.POSITIVE_INFINITY ? 1 : (events + size) / (expected + size));
  const variance = events * (size === Number.POSITIVE_INFINITY ? 1 : (events + size) / size);
  return (
    likelihoodRatio(events, expected, phi) + Math.max(0, Math.log((1 - neighbour) * Math.sqrt(2 * Math.PI * variance)))
  );
}
