/**
 * Simulated new entries, a count for each part of a tick: an eighth of a second.
 *
 * A stream has a mean, constant or moving, and a dispersion phi (variance over mean of the counts of one second) in one of two forms:
 *   seconds   the rate is redrawn each second from a gamma law: clumps last about a second, a quarter of one sees little of them
 *   instants  each part is negative binomial by itself: clumps come all at once, as a page that opens 20 connections
 * Long-range dependent traffic multiplies the mean by the exponential of fractional Gaussian noise on a grid of seconds, exact by
 * Davies and Harte (1987) in pieces of 16,384 s.
 */
import type { Random } from '../random.js';

/** The detectors' ticks are cut in two, as the live source's are where there is traffic. */
export const PART_SECONDS = 0.125;
const PARTS_PER_SECOND = 8;

export type Clumps = 'seconds' | 'instants';

/** Counts, part after part. */
export type Stream = () => number;

/** A stream whose mean over the part from `fromSeconds` is `meanPerSecond(fromSeconds)`. */
export function createStream(
  random: Random,
  meanPerSecond: (fromSeconds: number) => number,
  phi: number,
  clumps: Clumps,
): Stream {
  let part = 0;
  if (phi <= 1 || clumps === 'instants') {
    return () => random.negativeBinomial(meanPerSecond(part++ * PART_SECONDS) * PART_SECONDS, phi);
  }
  let factor = 1;
  return () => {
    const fromSeconds = part * PART_SECONDS;
    if (part % PARTS_PER_SECOND === 0) factor = secondFactor(random, meanPerSecond, fromSeconds, phi);
    part += 1;
    return random.poisson(factor * meanPerSecond(fromSeconds) * PART_SECONDS);
  };
}

function secondFactor(
  random: Random,
  meanPerSecond: (fromSeconds: number) => number,
  fromSeconds: number,
  phi: number,
): number {
  let mean = 0;
  for (let i = 0; i < PARTS_PER_SECOND; i++) mean += meanPerSecond(fromSeconds + i * PART_SECONDS) * PART_SECONDS;
  return mean > 0 ? random.gamma(mean / (phi - 1), phi - 1) / mean : 0;
}

/** A stream with a constant mean, ten times faster for clumps that come at once: drawn from a table. */
export function createSteadyStream(random: Random, ratePerSecond: number, phi: number, clumps: Clumps): Stream {
  if (phi > 1 && clumps === 'seconds') return createStream(random, () => ratePerSecond, phi, clumps);
  return drawFrom(random, countDistribution(ratePerSecond * PART_SECONDS, phi));
}

/** Probabilities of 0, 1, 2, ... events, up to where the rest is below 1e-14 of the largest. */
function countDistribution(mean: number, phi: number): number[] {
  const size = phi > 1 ? mean / (phi - 1) : Number.POSITIVE_INFINITY;
  const first = phi > 1 ? -size * Math.log(phi) : -mean;
  const logs = [first];
  let largest = first;
  for (let n = 1; ; n++) {
    const step = phi > 1 ? Math.log(((size + n - 1) / n) * ((phi - 1) / phi)) : Math.log(mean / n);
    const log = (logs[n - 1] ?? 0) + step;
    logs.push(log);
    largest = Math.max(largest, log);
    if (n > mean && log < largest - 50) break;
  }
  const sum = logs.reduce((total, log) => total + Math.exp(log), 0);
  return logs.map((log) => Math.exp(log) / sum);
}

/**
 * Walker's alias method: one look-up a draw. The cell and the position in it come from two words, so that tails of 1e-12 exist.
 */
function drawFrom(random: Random, probabilities: readonly number[]): Stream {
  const cells = probabilities.length;
  const scaled = probabilities.map((p) => p * cells);
  const keep = new Float64Array(cells).fill(1);
  const alias = new Uint32Array(cells);
  const small = scaled.flatMap((p, i) => (p < 1 ? [i] : []));
  const large = scaled.flatMap((p, i) => (p < 1 ? [] : [i]));
  while (small.length > 0 && large.length > 0) {
    const low = small.pop() ?? 0;
    const high = large.pop() ?? 0;
    keep[low] = scaled[low] ?? 0;
    alias[low] = high;
    const left = (scaled[high] ?? 0) + (scaled[low] ?? 0) - 1;
    scaled[high] = left;
    (left < 1 ? small : large).push(high);
  }
  const { uniform } = random;
  return () => {
    const cell = Math.floor(uniform() * cells);
    const kept = keep[cell] ?? 1;
    // A cell that is kept less than once in 2^32 draws needs the second word for its tail.
    const position = uniform();
    return position < kept && (kept > 1e-6 || position + uniform() * 2 ** -32 < kept) ? cell : (alias[cell] ?? 0);
  };
}

/** Factors exp(`sdLog` x fGn), one a second, with mean 1; `hurst` in (0.5, 1). */
export function createLongMemory(random: Random, hurst: number, sdLog: number): (fromSeconds: number) => number {
  let piece = new Float64Array(0);
  let pieceFrom = 0;
  return (fromSeconds) => {
    const second = Math.floor(fromSeconds);
    if (second >= pieceFrom + piece.length) {
      pieceFrom += piece.length;
      piece = fractionalNoise(random, hurst, 14).map((noise) => Math.exp(sdLog * noise - (sdLog * sdLog) / 2));
    }
    return piece[second - pieceFrom] ?? 1;
  };
}

/** 2^`bits` values of fractional Gaussian noise with unit variance: the circulant of its covariance, diagonal in Fourier space. */
function fractionalNoise(random: Random, hurst: number, bits: number): Float64Array {
  const length = 2 ** bits;
  const circle = 2 * length;
  const covariance = (lag: number) =>
    0.5 * ((lag + 1) ** (2 * hurst) - 2 * lag ** (2 * hurst) + Math.abs(lag - 1) ** (2 * hurst));
  const eigenvalues = new Float64Array(circle);
  for (let i = 0; i < circle; i++) eigenvalues[i] = covariance(i <= length ? i : circle - i);
  const unused = new Float64Array(circle);
  transform(eigenvalues, unused);
  const real = new Float64Array(circle);
  const imaginary = new Float64Array(circle);
  for (let i = 0; i < circle; i++) {
    const scale = Math.sqrt(Math.max(0, eigenvalues[i] ?? 0) / circle);
    real[i] = scale * random.normal();
    imaginary[i] = scale * random.normal();
  }
  transform(real, imaginary);
  return real.slice(0, length);
}

/** Fast Fourier transform in place, radix 2. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    for (const part of [real, imaginary]) {
      const kept = part[i] ?? 0;
      part[i] = part[j] ?? 0;
      part[j] = kept;
    }
  }
  for (let span = 2; span <= n; span *= 2) {
    const half = span / 2;
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos((2 * Math.PI * k) / span);
      const sine = -Math.sin((2 * Math.PI * k) / span);
      for (let low = k; low < n; low += span) butterfly(real, imaginary, low, low + half, cosine, sine);
    }
  }
}

function butterfly(
  real: Float64Array,
  imaginary: Float64Array,
  low: number,
  high: number,
  cosine: number,
  sine: number,
): void {
  const lowReal = real[low] ?? 0;
  const lowImaginary = imaginary[low] ?? 0;
  const highReal = (real[high] ?? 0) * cosine - (imaginary[high] ?? 0) * sine;
  const highImaginary = (real[high] ?? 0) * sine + (imaginary[high] ?? 0) * cosine;
  real[low] = lowReal + highReal;
  imaginary[low] = lowImaginary + highImaginary;
  real[high] = lowReal - highReal;
  imaginary[high] = lowImaginary - highImaginary;
}
