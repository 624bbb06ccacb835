/** Sums over the ages of a class. Loops: `reduce` takes ten times as long over 513 of them, and this is done for each class. */

/** Sum of all values, each times its weight; default weight 1. */
export function sumOverAges(values: Float64Array, weights?: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] ?? 0) * (weights === undefined ? 1 : (weights[i] ?? 0));
  return sum;
}

/** At each age, and at the one after the last, the sum of the values of all ages below it. */
export function sumsBelowAges(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (let age = 0; age < values.length; age++) sums[age + 1] = (sums[age] ?? 0) + (values[age] ?? 0);
  return sums;
}
