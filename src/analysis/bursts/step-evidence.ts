/**
 * What speaks for a step to the ratio, against what looks like one for a moment: a smaller step, and a slow rise.
 *
 *   now <─── the window ───|─── before it ─────────────────── 20 s
 *   step to the ratio, to its root        since any part of a tick       each a sum of likelihoods over all beginnings
 *   rise to the ratio within 20 s         since any second
 *
 * Sums over beginnings need no onset, and weigh each by what came before and after it (Shiryaev 1963, Roberts 1966): a step that is a
 * second old explains a high quarter of a second better than a new and larger one. The limits are Wald's (1945): e^-limit of
 * the others pass. A log likelihood ratio is divided by the dispersion of its stretch, of the window and of what lies before it.
 */
import { factorNats } from './count-tail.js';
import type { Dispersion } from './dispersion.js';
import type { QuietHistory } from './quiet-history.js';

/** How far back a step or a rise may have begun. */
const SPAN_SECONDS = 20;
/** A rise that takes so long to the ratio is none of ours. */
const RISE_SECONDS = 20;
/** Rises are compared in blocks of this length. */
const BLOCK_SECONDS = 1;
/**
 * Nats by which the ratio must be likelier than its root, while a step to it would give less than the first `meanNats` in so long a
 * window, and from the second on: 4 times and twice overlap in the time in which a burst is to be found, and the longer it
 * lasts, the fewer doublings still look like one.
 */
const SMALL_STEP_EARLY = { nats: 4.2, meanNats: 9.3 };
const SMALL_STEP_LATE = { nats: 2.3, meanNats: 11.6 };
/** A single half of a tick must show so much more: there are twice as many, and a clump is not over. */
const SMALL_STEP_SHORT_NATS = 2.5;
const SHORT_SECONDS = 0.2;
/** Nats by which a step must be likelier than a rise, in windows up to `RISE_EARLY_SECONDS` and in longer ones. */
const RISE_EARLY_NATS = 3.7;
const RISE_EARLY_SECONDS = 2.7;
const RISE_LATE_NATS = 5.5;

/** A stretch of time and what came in it. */
interface Stretch {
  readonly seconds: number;
  readonly events: number;
  /** From its beginning, and from its middle, until now. */
  readonly sinceSeconds: number;
  readonly sinceMiddle: number;
  readonly phi: number;
}

/** What is judged: a window that ends now, and what it is compared with. */
export interface StepQuestion {
  readonly history: QuietHistory;
  readonly dispersion: Dispersion;
  /** The window, in ticks. */
  readonly ticks: number;
  /** The usual rate, > 0. */
  readonly usualPerSecond: number;
  /** Times the usual rate, > 1. */
  readonly ratio: number;
}

/** Whether a step to the ratio explains the last seconds clearly better than a smaller one or a rise. */
export function isStep(question: StepQuestion): boolean {
  const { history, dispersion, ticks, usualPerSecond, ratio } = question;
  const seconds = history.seconds(ticks);
  const root = Math.sqrt(ratio);
  const usual = usualPerSecond * seconds;
  const meanNats = factorNats(ratio * usual, root * usual, root) / dispersion.phi(seconds);
  const late = (meanNats - SMALL_STEP_EARLY.meanNats) / (SMALL_STEP_LATE.meanNats - SMALL_STEP_EARLY.meanNats);
  const part = Math.min(1, Math.max(0, late));
  const short = seconds < SHORT_SECONDS ? SMALL_STEP_SHORT_NATS : 0;
  const smallStepNats = SMALL_STEP_EARLY.nats + part * (SMALL_STEP_LATE.nats - SMALL_STEP_EARLY.nats) + short;
  if (natsOverSmallStep(question) < smallStepNats) return false;
  return natsOverRise(question) >= (seconds > RISE_EARLY_SECONDS ? RISE_LATE_NATS : RISE_EARLY_NATS);
}

/** Log likelihood ratio of a step to the ratio to one to its root, each since any moment; nats. */
export function natsOverSmallStep({ history, dispersion, ticks, usualPerSecond, ratio }: StepQuestion): number {
  const windowSeconds = history.seconds(ticks);
  const windowEvents = history.events(ticks);
  const windowPhi = dispersion.phi(windowSeconds);
  const root = Math.sqrt(ratio);
  const window = (factor: number) => factorNats(windowEvents, usualPerSecond * windowSeconds, factor) / windowPhi;
  const [windowFull, windowRoot] = [window(ratio), window(root)];
  let full = Number.NEGATIVE_INFINITY;
  let small = Number.NEGATIVE_INFINITY;
  for (let k = 1; k < history.size; k++) {
    const seconds = history.seconds(k);
    if (k > ticks && seconds > SPAN_SECONDS) break;
    const isWithin = k <= ticks;
    const events = isWithin ? history.events(k) : history.events(k) - windowEvents;
    const stretchSeconds = isWithin ? seconds : seconds - windowSeconds;
    const phi = dispersion.phi(stretchSeconds);
    const expected = usualPerSecond * stretchSeconds;
    full = logSum(full, (isWithin ? 0 : windowFull) + factorNats(events, expected, ratio) / phi);
    small = logSum(small, (isWithin ? 0 : windowRoot) + factorNats(events, expected, root) / phi);
  }
  return full - small;
}

/** Log likelihood ratio of a step to the ratio to a rise to it in `RISE_SECONDS`, each since the beginning of any block; nats. */
export function natsOverRise(question: StepQuestion): number {
  const { usualPerSecond, ratio } = question;
  const stretches = blocks(question);
  const slope = (ratio - 1) / RISE_SECONDS;
  let step = 0;
  let steps = Number.NEGATIVE_INFINITY;
  let rises = Number.NEGATIVE_INFINITY;
  stretches.forEach(({ seconds, events, sinceSeconds, phi }, last) => {
    step += factorNats(events, usualPerSecond * seconds, ratio) / phi;
    let rise = 0;
    for (let i = 0; i <= last; i++) {
      const block = stretches[i];
      if (block === undefined) continue;
      const factor = 1 + slope * (sinceSeconds - block.sinceMiddle);
      rise += factorNats(block.events, usualPerSecond * block.seconds, factor) / block.phi;
    }
    // A longer block stands for more beginnings.
    steps = logSum(steps, step + Math.log(seconds));
    rises = logSum(rises, rise + Math.log(seconds));
  });
  return steps - rises;
}

/** The last seconds in blocks, newest first: of the window from its beginning, then what lies before it. */
function blocks({ history, dispersion, ticks }: StepQuestion): Stretch[] {
  const edges = [ticks];
  for (let k = ticks - 1, from = ticks; k > 0; k--) {
    if (history.seconds(from) - history.seconds(k) < BLOCK_SECONDS * 0.98) continue;
    edges.unshift(k);
    from = k;
  }
  // What is left over at the end joins the block before it when it is short.
  if (edges.length > 1 && history.seconds(edges[0] ?? 0) < BLOCK_SECONDS / 2) edges.shift();
  for (let k = ticks + 1, from = ticks; k < history.size && history.seconds(k) <= SPAN_SECONDS; k++) {
    if (history.seconds(k) - history.seconds(from) < BLOCK_SECONDS * 0.98) continue;
    edges.push(k);
    from = k;
  }
  return edges.map((edge, i) => {
    const to = i > 0 ? (edges[i - 1] ?? 0) : 0;
    const sinceSeconds = history.seconds(edge);
    const seconds = sinceSeconds - history.seconds(to);
    return {
      ...{ seconds, events: history.events(edge) - history.events(to), sinceSeconds },
      ...{ sinceMiddle: sinceSeconds - seconds / 2, phi: dispersion.phi(seconds) },
    };
  });
}

function logSum(a: number, b: number): number {
  const largest = Math.max(a, b);
  return largest === Number.NEGATIVE_INFINITY ? largest : largest + Math.log1p(Math.exp(Math.min(a, b) - largest));
}
