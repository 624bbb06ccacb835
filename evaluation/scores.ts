/**
 * Runs added up: the figures of a method over any set of runs (all, a scenario, a family), and every figure of the scoreboard
 * from all runs. Errors are pooled over runs, so a scenario counts as often as its table filled. Pure.
 */
import { mean, quantile } from './quantile.js';
import { HORIZONS_SECONDS, ORACLE, type RunScore } from './run-score.js';
import { OURS } from './told.js';

/** Errors at one time before full. */
export interface HorizonFigure {
  readonly horizonSeconds: number;
  /** Runs whose event was old enough. */
  readonly runs: number;
  /** Relative, Infinity for "never"; absent without runs. */
  readonly median?: number;
  readonly p90?: number;
}

/** A method over some runs. Ratios 0..1. */
export interface MethodFigures {
  readonly method: string;
  readonly horizons: readonly HorizonFigure[];
  /** Lead over the longest possible one, of the runs that fill. */
  readonly leadMedian?: number;
  readonly leadMean?: number;
  readonly leadSecondsMedian?: number;
  /** Runs that filled without a warning that held. */
  readonly missed: number;
  readonly warnedRuns: number;
  readonly criticalRuns: number;
  /** Of these runs those whose warnings, or criticals, were all right by the course of their moment. */
  readonly rightWarnedRuns: number;
  readonly rightCriticalRuns: number;
  /** Share of the time of the run, which begins before the onset. */
  readonly warnedRatio: number;
  readonly criticalRatio: number;
  /** Runs with a warning before anything was wrong. */
  readonly earlyRuns: number;
}

export interface CoverageFigures {
  /** Seconds in which `fills` was told. */
  readonly told: number;
  /** Of those, inside the interval / before its low end / after its high end; absent when nothing was told. */
  readonly insideRatio?: number;
  readonly tooEarlyRatio?: number;
  readonly tooLateRatio?: number;
  /** Mean width over the time left. */
  readonly widthRatio?: number;
  /** Share of all seconds in which something else was told. */
  readonly untoldRatio: number;
}

export interface GroupScore {
  readonly name: string;
  readonly family: string;
  readonly kind: RunScore['kind'];
  readonly runs: number;
  readonly filledRuns: number;
  /** From the onset to full, median. */
  readonly fillSeconds?: number;
  readonly methods: readonly MethodFigures[];
  readonly coverage: CoverageFigures;
}

/** A scenario and a horizon in which we are held against the best rival and the oracle. */
export interface Cell {
  readonly scenario: string;
  readonly horizonSeconds: number;
  /** Median errors. */
  readonly ours: number;
  readonly best: number;
  readonly bestRival: string;
  readonly oracle?: number;
}

export interface Scores {
  readonly all: GroupScore;
  /** Of the runs that fill, as many of each scenario. */
  readonly pooled: GroupScore;
  readonly scenarios: readonly GroupScore[];
  /** By family, of the runs that fill. */
  readonly families: readonly GroupScore[];
  readonly cells: readonly Cell[];
  /** 4x spikes that plateau, other runs that never fill, and those whose answer is unknowable at the time. */
  readonly plateauSpikes: GroupScore;
  readonly otherNever: GroupScore;
  readonly unknowable: GroupScore;
}

/** Runs beyond `seeds`, which some scenarios have, count for their scenario and family only. */
export function summarize(runs: readonly RunScore[], seeds = Number.POSITIVE_INFINITY): Scores {
  const filling = runs.filter(({ kind }) => kind === 'fills');
  const never = runs.filter(({ kind }) => kind === 'never');
  const scenarios = groupBy(runs, ({ scenario }) => scenario);
  return {
    all: groupScore('all', runs),
    pooled: groupScore(
      'pooled',
      filling.filter(({ seed }) => seed <= seeds),
    ),
    scenarios,
    families: groupBy(filling, ({ family }) => family),
    cells: scenarios.filter(({ kind }) => kind === 'fills').flatMap(cellsOf),
    plateauSpikes: groupScore('4x spikes that plateau', never.filter(isPlateauSpike)),
    otherNever: groupScore(
      'others that never fill',
      never.filter((run) => !isPlateauSpike(run)),
    ),
    unknowable: groupScore(
      'unknowable at the time',
      runs.filter(({ kind }) => kind === 'unknowable'),
    ),
  };
}

function isPlateauSpike({ scenario }: RunScore): boolean {
  return /^spike4x_plateau/.test(scenario);
}

function groupBy(runs: readonly RunScore[], key: (run: RunScore) => string): GroupScore[] {
  const groups = new Map<string, RunScore[]>();
  for (const run of runs) {
    const group = groups.get(key(run));
    if (group) group.push(run);
    else groups.set(key(run), [run]);
  }
  return [...groups].map(([name, members]) => groupScore(name, members));
}

function groupScore(name: string, runs: readonly RunScore[]): GroupScore {
  const fills = runs.flatMap(({ fillSeconds }) => fillSeconds ?? []);
  const fillSeconds = quantile(fills, 0.5);
  const methods = [...new Set(runs.flatMap((run) => Object.keys(run.methods)))];
  return {
    name,
    family: runs[0]?.family ?? '',
    kind: runs[0]?.kind ?? 'never',
    runs: runs.length,
    filledRuns: fills.length,
    ...(fillSeconds !== undefined && { fillSeconds }),
    methods: methods.map((method) => methodFigures(method, runs)),
    coverage: coverageFigures(runs),
  };
}

/** Figures of one method over some runs. */
export function methodFigures(method: string, runs: readonly RunScore[]): MethodFigures {
  const scored = runs.flatMap((run) => {
    const score = run.methods[method];
    return score ? [{ run, score }] : [];
  });
  const leads = scored.flatMap(({ score }) => score.leadRatio ?? []);
  const seconds = scored.reduce((sum, { run }) => sum + run.scoredSeconds, 0);
  const share = (of: (score: RunScore['methods'][string]) => number) =>
    seconds > 0 ? scored.reduce((sum, { score }) => sum + of(score), 0) / seconds : 0;
  return {
    method,
    horizons: HORIZONS_SECONDS.map((horizonSeconds, i) => {
      const errors = scored.flatMap(({ score }) => score.errors[i] ?? []);
      return {
        horizonSeconds,
        runs: errors.length,
        ...given('median', quantile(errors, 0.5)),
        ...given('p90', quantile(errors, 0.9)),
      };
    }),
    ...given('leadMedian', quantile(leads, 0.5)),
    ...given('leadMean', mean(leads)),
    ...given(
      'leadSecondsMedian',
      quantile(
        scored.flatMap(({ score }) => score.leadSeconds ?? []),
        0.5,
      ),
    ),
    missed: scored.filter(({ score }) => score.leadSeconds === 0).length,
    warnedRuns: scored.filter(({ score }) => score.warnedSeconds > 0).length,
    criticalRuns: scored.filter(({ score }) => score.criticalSeconds > 0).length,
    rightWarnedRuns: scored.filter(({ run, score }) => score.warnedSeconds > 0 && run.wasRight?.warning).length,
    rightCriticalRuns: scored.filter(({ run, score }) => score.criticalSeconds > 0 && run.wasRight?.critical).length,
    warnedRatio: share((score) => score.warnedSeconds),
    criticalRatio: share((score) => score.criticalSeconds),
    earlyRuns: scored.filter(({ score }) => score.earlySeconds > 0).length,
  };
}

function coverageFigures(runs: readonly RunScore[]): CoverageFigures {
  const sum = (name: keyof RunScore['coverage']) => runs.reduce((total, run) => total + run.coverage[name], 0);
  const told = sum('told');
  const all = told + sum('untold');
  return {
    told,
    ...(told > 0 && {
      insideRatio: sum('inside') / told,
      tooEarlyRatio: sum('tooEarly') / told,
      tooLateRatio: sum('tooLate') / told,
      widthRatio: sum('widths') / told,
    }),
    untoldRatio: all > 0 ? sum('untold') / all : 0,
  };
}

/** Of one filling scenario: every horizon that at least half of its runs have. */
function cellsOf(group: GroupScore): Cell[] {
  return HORIZONS_SECONDS.flatMap((horizonSeconds, i) => {
    const at = (method: MethodFigures) => method.horizons[i];
    const find = (name: string) => group.methods.find(({ method }) => method === name)?.horizons[i];
    const ours = find(OURS);
    if (ours?.median === undefined || ours.runs * 2 < group.filledRuns) return [];
    const rivals = group.methods.filter(({ method }) => method !== OURS && method !== ORACLE);
    const best = rivals.reduce((a, b) => ((at(b)?.median ?? Infinity) < (at(a)?.median ?? Infinity) ? b : a));
    return [
      {
        scenario: group.name,
        horizonSeconds,
        ours: ours.median,
        best: at(best)?.median ?? Infinity,
        bestRival: best.method,
        ...given('oracle', find(ORACLE)?.median),
      },
    ];
  });
}

function given<K extends string>(name: K, value: number | undefined): Partial<Record<K, number>> {
  return value === undefined ? {} : ({ [name]: value } as Partial<Record<K, number>>);
}
