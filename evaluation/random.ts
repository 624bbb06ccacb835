/**
 * Random numbers for the simulations, the same on every machine for the same seed.
 *
 * xoshiro128** (Blackman and Vigna 2021), seeded through splitmix32, which leaves no two seeds with related streams.
 * Poisson: inversion below a mean of 10, above it transformed rejection with squeeze (PTRS, Hoermann 1993).
 * Gamma: Marsaglia and Tsang (2000). Negative binomial: a Poisson count whose mean is a gamma variable.
 * Not for secrets.
 */

/** One stream of random numbers. */
export interface Random {
  /** In [0, 1), 32 bits. */
  uniform(): number;
  /** Whole number of independent events at a mean of `mean` >= 0. */
  poisson(mean: number): number;
  /** Count with this mean and a variance of `phi` times it; Poisson for phi <= 1. */
  negativeBinomial(mean: number, phi: number): number;
  /** Gamma variable with this shape > 0 and scale. */
  gamma(shape: number, scale: number): number;
  /** Mean 0, variance 1. */
  normal(): number;
  /** Waiting time with this mean. */
  exponential(mean: number): number;
}

/** The stream of a seed, a whole number; equal seeds give equal streams. */
export function createRandom(seed: number): Random {
  const state = seedState(seed);
  const uniform = () => nextWord(state) / 2 ** 32;
  let spareNormal: number | undefined;

  function normal(): number {
    if (spareNormal !== undefined) {
      const spare = spareNormal;
      spareNormal = undefined;
      return spare;
    }
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      spareNormal = y * factor;
      return x * factor;
    }
  }

  function gamma(shape: number, scale: number): number {
    if (shape < 1) return gamma(shape + 1, scale) * (1 - uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = normal();
      const v = (1 + c * x) ** 3;
      if (v <= 0) continue;
      if (Math.log(1 - uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v * scale;
    }
  }

  function poisson(mean: number): number {
    if (!(mean > 0)) return 0;
    return mean < 10 ? poissonByInversion(uniform, mean) : poissonByRejection(uniform, mean);
  }

  return {
    uniform,
    normal,
    gamma,
    poisson,
    negativeBinomial: (mean, phi) => poisson(phi > 1 && mean > 0 ? gamma(mean / (phi - 1), phi - 1) : mean),
    exponential: (mean) => -mean * Math.log(1 - uniform()),
  };
}

/** Four words of splitmix32. */
function seedState(seed: number): Uint32Array {
  const state = new Uint32Array(4);
  let word = seed >>> 0;
  for (let i = 0; i < state.length; i++) {
    word = (word + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    state[i] = mixed ^ (mixed >>> 15);
  }
  return state;
}

function nextWord(state: Uint32Array): number {
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = [state[0], state[1], state[2], state[3]];
  const scrambled = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
  const third = s2 ^ s0;
  const fourth = s3 ^ s1;
  state[1] = s1 ^ third;
  state[0] = s0 ^ fourth;
  state[2] = third ^ (s1 << 9);
  state[3] = rotateLeft(fourth, 11);
  return scrambled;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function poissonByInversion(uniform: () => number, mean: number): number {
  let term = Math.exp(-mean);
  let left = uniform();
  let count = 0;
  while (left >= term && count < 1000) {
    left -= term;
    count += 1;
    term *= mean / count;
  }
  return count;
}

function poissonByRejection(uniform: () => number, mean: number): number {
  const root = Math.sqrt(mean);
  const b = 0.931 + 2.53 * root;
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const squeeze = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = uniform() - 0.5;
    const v = 1 - uniform();
    const distance = 0.5 - Math.abs(u);
    const count = Math.floor(((2 * a) / distance + b) * u + mean + 0.43);
    if (distance >= 0.07 && v <= squeeze) return count;
    if (count < 0 || (distance < 0.013 && v > distance)) continue;
    const bound = Math.log((v * inverseAlpha) / (a / (distance * distance) + b));
    if (bound <= count * Math.log(mean) - mean - logFactorial(count)) return count;
  }
}

/** ln(n!), exact for small n, Stirling's series with three terms (error below 1e-12) beyond. */
function logFactorial(n: number): number {
  if (n < LOG_FACTORIALS.length) return LOG_FACTORIALS[n] ?? 0;
  const x = n + 1;
  return (
    (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5)
  );
}

const LOG_FACTORIALS: readonly number[] = (() => {
  const table = [0];
  for (let n = 1; n < 128; n++) table.push((table[n - 1] ?? 0) + Math.log(n));
  return table;
})();
