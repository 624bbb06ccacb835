/** What a plot needs of a run, a hundred times smaller than the run: the count around the event, and some forecasts on the way. */
import type { Run } from './play.js';

/** Times are seconds from the onset. */
export interface Sketch {
  readonly scenario: string;
  readonly kind: Run['kind'];
  readonly max: number;
  readonly fullAt?: number;
  readonly counts: readonly (readonly [at: number, count: number])[];
  readonly lives: readonly (readonly [at: number, live: number])[];
  /** What was told at some moments; times left in seconds. */
  readonly fans: readonly Fan[];
  /** When `time_to_full` was on. */
  readonly warned: readonly (readonly [from: number, to: number])[];
}

interface Fan {
  readonly at: number;
  readonly count: number;
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

const POINTS_MAX = 160;
const FANS_AT = [0.15, 0.4, 0.7];
const LONGEST_TOLD_SECONDS = 600;

export function sketchRun(run: Run): Sketch {
  const { scenario, kind, max, fullSecond, onsetSecond, seconds } = run;
  const length = seconds - onsetSecond;
  const start = Math.max(0, Math.round(onsetSecond - Math.max(20, 0.15 * length)));
  const points = (values: Float64Array) =>
    outline(values, start, seconds).map((i) => [i + 1 - onsetSecond, Math.round(values[i] ?? 0)] as const);
  return {
    ...{ scenario, kind, max, counts: points(run.count), lives: points(run.live) },
    ...(fullSecond !== undefined && { fullAt: fullSecond - onsetSecond }),
    fans: fullSecond === undefined ? [] : fansOf(run, fullSecond),
    warned: warnedOf(run),
  };
}

/** Indexes in [from, to): the lowest and the highest value of each stretch, so that a sawtooth keeps its teeth. */
function outline(values: Float64Array, from: number, to: number): number[] {
  const stride = Math.max(1, Math.ceil(((to - from) * 2) / POINTS_MAX));
  const at = new Set([from, to - 1]);
  for (let begin = from; begin < to; begin += stride) {
    let low = begin;
    let high = begin;
    for (let i = begin; i < Math.min(to, begin + stride); i++) {
      if ((values[i] ?? 0) < (values[low] ?? 0)) low = i;
      if ((values[i] ?? 0) > (values[high] ?? 0)) high = i;
    }
    at.add(low).add(high);
  }
  return [...at].sort((a, b) => a - b);
}

function fansOf({ onsetSecond, forecasts, count }: Run, fullSecond: number): Fan[] {
  return FANS_AT.flatMap((part) => {
    const at = Math.round(onsetSecond + part * (fullSecond - onsetSecond));
    const told = forecasts[at - 1];
    if (told?.verdict !== 'fills' || told.secondsToFull === undefined) return [];
    const {
      secondsToFull: median,
      secondsToFullLow: low = median,
      secondsToFullHigh: high = LONGEST_TOLD_SECONDS,
    } = told;
    return [{ at: at - onsetSecond, count: count[at - 1] ?? 0, low, median, high }];
  });
}

function warnedOf({ alerts, onsetSecond, seconds }: Run): (readonly [number, number])[] {
  const spans: (readonly [number, number])[] = [];
  let since: number | undefined;
  for (const { atSecond, phase } of alerts) {
    if (phase === 'firing') since ??= atSecond - onsetSecond;
    else if (since !== undefined) {
      spans.push([since, atSecond - onsetSecond]);
      since = undefined;
    }
  }
  if (since !== undefined) spans.push([since, seconds - onsetSecond]);
  return spans;
}
