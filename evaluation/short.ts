/**
 * The short form of the evaluation: a few scenarios with little history, one seed each, reduced to whole numbers. The same on
 * every machine, so a test compares them exactly: who changes the forecast sees what changed, and accepts it deliberately with
 * `npm run evaluate -- --update-expected`. It says nothing about how good the forecast is; the full run does.
 */
import { playScenario } from './play.js';
import { HORIZONS_SECONDS, scoreRun } from './run-score.js';
import { scenarios } from './scenarios.js';
import { OURS } from './told.js';

/** What is compared. Percent, seconds; `never` for a forecast that said so. */
export interface ShortResult {
  readonly scenario: string;
  readonly seed: number;
  /** From the onset. */
  readonly fullSeconds: number | 'never';
  /** Ours and one rival's, which shows whether the simulation changed or the forecast. */
  readonly errorPercent: Readonly<Record<string, readonly (number | 'never')[]>>;
  readonly leadSeconds: number;
  readonly warnedSeconds: number;
  readonly criticalSeconds: number;
  /** Seconds in which an interval was told, and in which it held the truth. */
  readonly toldSeconds: number;
  readonly insideSeconds: number;
}

const WITNESS = 'Holt';
const SHORT = { historySeconds: 600, learnSeconds: 420, watchSeconds: 300 };
const PLAYED = [
  ['spike4x_fills', 1],
  ['spike4x_fills_sweepgc', 2],
  ['synflood3000/s_fills', 3],
  ['newport_long250/s', 4],
  ['spike4x_plateau85', 5],
  ['steady60', 6],
] as const;

/** Takes some seconds. */
export async function playShort(): Promise<ShortResult[]> {
  const results: ShortResult[] = [];
  for (const [name, seed] of PLAYED) {
    const scenario = scenarios.find((one) => one.name === name);
    if (!scenario) throw new Error(`no scenario ${name}`);
    const score = scoreRun(await playScenario(scenario, seed, SHORT));
    const ours = score.methods[OURS];
    results.push({
      ...{
        scenario: name,
        seed,
        fullSeconds: score.fillSeconds === undefined ? 'never' : Math.round(score.fillSeconds),
      },
      errorPercent: Object.fromEntries(
        [OURS, WITNESS].map((method) => [method, percents(score.methods[method]?.errors ?? [])]),
      ),
      leadSeconds: Math.round(ours?.leadSeconds ?? 0),
      ...{ warnedSeconds: ours?.warnedSeconds ?? 0, criticalSeconds: ours?.criticalSeconds ?? 0 },
      ...{ toldSeconds: score.coverage.told, insideSeconds: score.coverage.inside },
    });
  }
  return results;
}

/** In the order of `HORIZONS_SECONDS`, as far as the event was old enough. */
function percents(errors: readonly (number | undefined)[]): (number | 'never')[] {
  return HORIZONS_SECONDS.flatMap((_, i) => {
    const error = errors[i];
    return error === undefined ? [] : error === Infinity ? 'never' : Math.round(100 * error);
  });
}
