/** The rivals on the scoreboard, in the order of its columns. */
import { Difference } from './difference.js';
import { Fluid } from './fluid.js';
import { Holt } from './holt.js';
import { PredictLinear } from './predict-linear.js';
import type { RivalKind } from './rival.js';

export const RIVALS: readonly RivalKind[] = [
  { name: 'predict_linear 1m', create: () => new PredictLinear(60) },
  { name: 'predict_linear 5m', create: () => new PredictLinear(300) },
  { name: 'predict_linear 15m', create: () => new PredictLinear(900) },
  { name: 'Holt', create: () => new Holt() },
  { name: 'difference 10m', create: () => new Difference() },
  { name: 'fluid M/M/inf', create: () => new Fluid() },
];
