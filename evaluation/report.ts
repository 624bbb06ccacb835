/**
 * The generated parts of docs/accuracy.md. The page itself is written by hand; each part stands between two markers and is
 * replaced by the run that measured it, so that a run of one part does not lose another. Pure.
 */
import { burstReach } from './burst-reach.js';
import type { BurstScores } from './bursts/bursts.js';
import { formatBurstScores } from './bursts/report.js';
import type { Noise } from './bursts/scenarios.js';
import { KERNEL_HORIZONS_SECONDS, type KernelRunScore } from './kernel/kernel-score.js';
import { forecastReach, kernelReach, lostToRivals, type ReachRow } from './reach.js';
import type { Scenario } from './scenarios.js';
import type { Scores } from './scores.js';
import {
  formatCoverage,
  formatErrors,
  formatLostCells,
  formatNever,
  formatScenarioErrors,
  formatTable,
  percent,
} from './tables.js';

/** The parts of the page, by the names in their markers. */
export type Part = 'scenarios' | 'forecast' | 'bursts' | 'kernel' | 'incidents';

/** Puts `body` between the markers of a part. Throws when the page has lost them. */
export function replacePart(page: string, part: Part, body: string): string {
  const begin = `<!-- begin: ${part} -->`;
  const end = `<!-- end: ${part} -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`the page has lost its markers ${begin} and ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${body.trim()}\n\n${page.slice(to)}`;
}

export function formatScenarios(scenarios: readonly Scenario[]): string {
  const kinds = { fills: 'fills', never: 'never fills', unknowable: 'never fills, unknowable' } as const;
  return formatTable(
    ['scenario', 'family', '', 'what happens'],
    scenarios.map(({ name, family, kind, isExtra, description }) => [
      ...[isExtra ? `${name} (extra)` : name, family, kinds[kind], description],
    ]),
  );
}

/** Everything about the simulated forecasts: `core` of the scenarios that the reach is meant for. `run` says with what it was made. */
export function formatForecast(scores: Scores, core: Scores, run: string): string {
  return [
    run,
    '### Reached or not',
    formatReach(forecastReach(core), forecastReach(scores)),
    '### All runs that fill',
    'Relative error of the time to full, median / 90th percentile of the runs, by the time that was left.',
    formatErrors(scores.pooled),
    '![Error by time before full](accuracy/errors.svg)',
    '### Where the best of the rivals is better by more than 1.3',
    formatLostCells(lostToRivals(scores.cells)),
    '### Each scenario that fills',
    'Median errors, and the median lead.',
    formatScenarioErrors(scores.scenarios),
    '![Lead by scenario](accuracy/lead.svg)',
    '![Runs that fill](accuracy/fills.svg)',
    '### The 5-95 % interval',
    formatCoverage(scores),
    '### Scenarios that never fill',
    [
      'Runs with a warning, and the share of the time of the run (t) that it was on. Before the event there is a reason to warn',
      'in mixed_spike_and_leak alone, whose leak has begun.',
    ].join('\n'),
    formatNever(scores),
    '![Runs that never fill](accuracy/never.svg)',
  ].join('\n\n');
}

/** `all`: the same figures of a wider set of runs, shown beside. */
export function formatReach(rows: readonly ReachRow[], all: readonly ReachRow[] = []): string {
  const besideOf = (row: ReachRow) => all.find(({ figure }) => figure === row.figure)?.measured ?? '-';
  return formatTable(
    ['figure', 'to reach', 'measured', '', ...(all.length > 0 ? ['with the extra scenarios'] : [])],
    rows.map((row) => [
      ...[row.figure, row.reach, row.measured],
      row.isReached ? 'reached' : row.isPossible ? 'as near as possible' : '**falls short**',
      ...(all.length > 0 ? [besideOf(row)] : []),
    ]),
  );
}

/** Everything about simulated bursts. */
export function formatBursts(scores: BurstScores, run: string): string {
  return [
    run,
    '### Reached or not',
    formatReach(burstReach(scores)),
    '![Delay against false alarms](accuracy/bursts.svg)',
    formatBurstScores(scores),
  ].join('\n\n');
}

export function formatNoise({ ratePerSecond, phi }: Noise): string {
  return `at ${ratePerSecond}/s with phi ${phi}`;
}

/** The real kernel: one row a run. */
/** With what it had reached before a sweep put it off. */
function formatFill({ fillSeconds, missedRatio }: KernelRunScore): string {
  if (fillSeconds === undefined) return 'never';
  return `${fillSeconds.toFixed(0)} s${missedRatio === undefined ? '' : `, ${percent(missedRatio)} before a sweep`}`;
}

export function formatKernel(runs: readonly KernelRunScore[], run: string): string {
  const rows = runs.map((one) => [
    one.incident,
    formatFill(one),
    ...KERNEL_HORIZONS_SECONDS.map((wanted) => {
      const error = one.errors.find(({ horizonSeconds }) => horizonSeconds === wanted)?.error;
      return error === 'never' ? error : percent(error);
    }),
    one.toldSeconds === 0 ? '-' : `${one.insideSeconds} of ${one.toldSeconds}`,
    one.kind === 'never' ? String(one.warnings + one.criticals) : percent(one.leadRatio),
    one.expired
      ? `${percent(one.expired.meanError)} (${percent(one.expired.bias)}; to ${percent(one.expired.highest)})`
      : '-',
    one.reaped ? [one.reaped.predicted, one.reaped.measured, one.reaped.computed].map(percent).join(' / ') : '-',
  ]);
  const head = [
    ...['incident', 'onset to full', ...KERNEL_HORIZONS_SECONDS.map((seconds) => `error ${seconds} s before`)],
    ...['seconds inside 5-95 %', 'lead, or alarms', 'expired share: mean error (bias; highest)'],
    'at the last dump: predicted / measured / computed',
  ];
  return [run, formatReach(kernelReach(runs)), formatTable(head, rows)].join('\n\n');
}
