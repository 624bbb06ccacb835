/** What the forecast is meant to reach, and whether it does: one row a figure. Nothing is rounded before it is compared. */
import type { KernelRunScore } from './kernel/kernel-score.js';
import { mean } from './quantile.js';
import { ORACLE } from './run-score.js';
import type { Cell, GroupScore, MethodFigures, Scores } from './scores.js';
import { percent } from './tables.js';
import { OURS } from './told.js';
import { WORLD_TICK_SECONDS } from './world.js';

export interface ReachRow {
  readonly figure: string;
  readonly reach: string;
  readonly measured: string;
  readonly isReached: boolean;
  /** Not reached, but within `ORACLE_FACTOR` of what the oracle could do, or but for warnings that were right at their time. */
  readonly isPossible?: boolean;
}

/** Medians and 90th percentiles of the error by time before full. */
const ERRORS: readonly (readonly [horizonSeconds: number, median: number, p90: number])[] = [
  [30, 0.06, 0.2],
  [60, 0.04, 0.2],
  [120, 0.04, 0.2],
  [300, 0.08, 0.35],
];
const RIVAL_FACTOR = 1.3;
/** As near to the oracle as counts as possible. */
export const ORACLE_FACTOR = 1.5;
const COVERAGE = { low: 0.85, high: 0.95 };
const LEAD = 0.95;
const NEVER_RUNS = { warning: 0.1, critical: 0.005 };
const UNKNOWABLE_TIME = { warning: 0.01, critical: 0.003 };
const KERNEL_ERROR = 0.1;
/** A table that came so near to max and was swept then: nobody could know on which side of the sweep it would fill. */
const CHANCE_RATIO = 0.98;
const EXPIRED_ERROR = 0.05;

export function forecastReach(scores: Scores): ReachRow[] {
  const pooled = ours(scores.pooled);
  if (!pooled) return [];
  return [
    ...ERRORS.flatMap(([seconds, median, p90]) => errorRows(scores.pooled, seconds, median, p90)),
    rivalRow(scores.cells),
    coverageRow(scores),
    row('share of the possible lead at the warning that lasted, median (mean)', `>= ${LEAD}`, {
      measured: `${pooled.leadMedian?.toFixed(3)} (${pooled.leadMean?.toFixed(3)})`,
      isReached: (pooled.leadMedian ?? 0) >= LEAD,
    }),
    ...neverRows(scores),
  ];
}

/** Pooled over the incidents that fill, and over all that have an `expired` figure. */
export function kernelReach(runs: readonly KernelRunScore[]): ReachRow[] {
  const isChance = ({ missedRatio = 0 }: KernelRunScore) => missedRatio >= CHANCE_RATIO;
  const plateaus = runs.filter(({ kind }) => kind === 'never');
  const alarms = plateaus.filter(({ warnings, criticals }) => warnings + criticals > 0).length;
  const expired = mean(runs.flatMap((run) => run.expired?.meanError ?? []));
  const chance = runs.filter(isChance);
  const worst = worstKernelError(runs);
  const worstKnowable = worstKernelError(runs.filter((run) => !isChance(run)));
  return [
    row('real kernel: error of the time to full 30 s before, worst run', `<= ${percent(KERNEL_ERROR)}`, {
      measured: `${percent(worst)}${chance.length > 0 ? `; ${percent(worstKnowable)} without ${chance.length} that a sweep decided` : ''}`,
      isReached: worst <= KERNEL_ERROR,
      isPossible: worstKnowable <= KERNEL_ERROR,
    }),
    row('real kernel: runs that plateau with an alarm', '0', {
      measured: `${alarms} of ${plateaus.length}`,
      isReached: alarms === 0,
    }),
    row('real kernel: error of the expired share of count, mean over gc cycles', `<= ${percent(EXPIRED_ERROR)}`, {
      measured: percent(expired),
      isReached: (expired ?? Infinity) <= EXPIRED_ERROR,
    }),
  ];
}

function worstKernelError(runs: readonly KernelRunScore[]): number {
  const errors = runs.flatMap((run) =>
    run.errors
      .filter(({ horizonSeconds }) => horizonSeconds === 30)
      .map(({ error }) => (error === 'never' ? Infinity : error)),
  );
  return Math.max(0, ...errors);
}

function row(figure: string, reach: string, rest: Pick<ReachRow, 'measured' | 'isReached' | 'isPossible'>): ReachRow {
  return { figure, reach, ...rest };
}

function ours({ methods }: GroupScore): MethodFigures | undefined {
  return methods.find(({ method }) => method === OURS);
}

function errorRows({ methods }: GroupScore, seconds: number, median: number, p90: number): ReachRow[] {
  const find = (name: string) =>
    methods.find(({ method }) => method === name)?.horizons.find(({ horizonSeconds }) => horizonSeconds === seconds);
  const figure = find(OURS);
  const possible = find(ORACLE);
  if (figure === undefined || figure.runs === 0) return [];
  const one = (name: string, limit: number, value = Infinity, oracle?: number): ReachRow => ({
    ...{ figure: `error ${seconds} s before full, ${name}`, reach: `<= ${percent(limit)}` },
    measured: oracle === undefined ? percent(value) : `${percent(value)} (oracle ${percent(oracle)})`,
    isReached: value <= limit,
    isPossible: oracle !== undefined && oracle > limit && value <= ORACLE_FACTOR * oracle,
  });
  return [
    one('median', median, figure.median, possible?.median),
    one('90th percentile', p90, figure.p90, possible?.p90),
  ];
}

/** Cells in which the best of the rivals is better by more than the factor, and by more than the truth is known to. */
export function lostToRivals(cells: readonly Cell[]): Cell[] {
  return cells.filter((cell) => cell.ours > RIVAL_FACTOR * cell.best && !isTie(cell));
}

/** A table is full at the end of a tick, and became so within it. */
function isTie({ ours, best, horizonSeconds }: Cell): boolean {
  return ours - best < WORLD_TICK_SECONDS / horizonSeconds;
}

function rivalRow(cells: readonly Cell[]): ReachRow {
  const lost = lostToRivals(cells);
  const near = lost.filter(({ ours, oracle = 0 }) => ours <= ORACLE_FACTOR * oracle).length;
  return {
    figure: `scenarios x horizons in which the best of all rivals is not better by more than ${RIVAL_FACTOR}`,
    reach: `all ${cells.length}`,
    measured: `${cells.length - lost.length}${near > 0 ? `, ${near} more within ${ORACLE_FACTOR} of the oracle` : ''}`,
    isReached: lost.length === 0,
    isPossible: near === lost.length,
  };
}

function coverageRow({ families }: Scores): ReachRow {
  const told = families.filter(({ coverage }) => coverage.insideRatio !== undefined);
  const outside = told.filter(
    ({ coverage: { insideRatio = 0 } }) => insideRatio < COVERAGE.low || insideRatio > COVERAGE.high,
  );
  const list = told.map(({ name, coverage }) => `${name} ${percent(coverage.insideRatio)}`).join(', ');
  return row(
    '5-95 % interval holds the truth, in every family',
    `${percent(COVERAGE.low)} to ${percent(COVERAGE.high)}`,
    {
      measured: list,
      isReached: outside.length === 0 && told.length === families.length,
    },
  );
}

function neverRows({ plateauSpikes, otherNever, unknowable }: Scores): ReachRow[] {
  const plateau = ours(plateauSpikes);
  const other = ours(otherNever);
  const hard = ours(unknowable);
  const runs = (alarmed: number, right: number, limit: number) => ({
    measured:
      `${alarmed} of ${otherNever.runs} (${percent(alarmed / otherNever.runs)})` +
      (alarmed > 0 ? `, ${right} right by the course at the time` : ''),
    isReached: alarmed <= limit * otherNever.runs,
    isPossible: alarmed - right <= limit * otherNever.runs,
  });
  const time = (ratio: number, limit: number) => ({ measured: percent(ratio), isReached: ratio <= limit });
  return [
    ...(plateau
      ? [
          row('4x spikes that plateau at 85 %: runs with an alarm', '0', {
            ...{ measured: `${plateau.warnedRuns} of ${plateauSpikes.runs}`, isReached: plateau.warnedRuns === 0 },
          }),
        ]
      : []),
    ...(other
      ? [
          row(
            'others that never fill: runs with a warning',
            `<= ${percent(NEVER_RUNS.warning)}`,
            runs(other.warnedRuns, other.rightWarnedRuns, NEVER_RUNS.warning),
          ),
          row(
            '... with a critical',
            `<= ${percent(NEVER_RUNS.critical)}`,
            runs(other.criticalRuns, other.rightCriticalRuns, NEVER_RUNS.critical),
          ),
        ]
      : []),
    ...(hard
      ? [
          row(
            'unknowable at the time: share of the time under a warning',
            `<= ${percent(UNKNOWABLE_TIME.warning)}`,
            time(hard.warnedRatio, UNKNOWABLE_TIME.warning),
          ),
          row(
            '... under a critical',
            `<= ${percent(UNKNOWABLE_TIME.critical)}`,
            time(hard.criticalRatio, UNKNOWABLE_TIME.critical),
          ),
        ]
      : []),
  ];
}
