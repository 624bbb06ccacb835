/** Scores as Markdown tables, the same on the terminal and in docs/accuracy.md. Pure. */
import { HORIZONS_SECONDS, ORACLE } from './run-score.js';
import type { Cell, CoverageFigures, GroupScore, HorizonFigure, MethodFigures, Scores } from './scores.js';
import { OURS } from './told.js';

/** A relative error or a share: `4.1 %`, `23 %`, `> 10x`, `never`; a dash for none. */
export function percent(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value === Infinity) return 'never';
  if (value > 10) return '> 10x';
  const hundred = value * 100;
  return `${Math.abs(hundred) < 9.95 ? hundred.toFixed(1) : hundred.toFixed(0)} %`;
}

export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function figure({ median, p90, runs }: HorizonFigure): string {
  return runs === 0 ? '-' : `${percent(median)} / ${percent(p90)}`;
}

const BEFORE = HORIZONS_SECONDS.map((seconds) => `${seconds} s`);

/** One row a method: median / 90th percentile at each horizon, lead. */
export function formatErrors({ methods }: GroupScore): string {
  return formatTable(
    ['method', ...BEFORE, 'lead: median / mean', 'no warning before full'],
    methods.map((figures) => [
      name(figures.method),
      ...figures.horizons.map(figure),
      ...(figures.method === ORACLE
        ? ['-', '-']
        : [`${percent(figures.leadMedian)} / ${percent(figures.leadMean)}`, String(figures.missed)]),
    ]),
  );
}

function name(method: string): string {
  return method === OURS ? `**${method}**` : method;
}

/** One row a scenario and horizon, one column a method: median errors. The best rival of a row is the one to beat. */
export function formatScenarioErrors(groups: readonly GroupScore[]): string {
  const filling = groups.filter(({ kind }) => kind === 'fills');
  const methods = filling[0]?.methods.map(({ method }) => method) ?? [];
  return formatTable(
    ['scenario (runs; onset to full)', 'before full', ...methods.map(name)],
    filling.flatMap((group) => [
      ...HORIZONS_SECONDS.flatMap((before, i) => {
        const figures = methods.map((method) => find(group, method)?.horizons[i]);
        if (figures.every((one) => one === undefined || one.runs === 0)) return [];
        return [[title(group), `${before} s`, ...figures.map((one) => percent(one?.median))]];
      }),
      [title(group), 'lead', ...methods.map((method) => seconds(find(group, method)?.leadSecondsMedian))],
    ]),
  );
}

function seconds(value: number | undefined): string {
  return value === undefined ? '-' : `${Math.round(value)} s`;
}

function title({ name: scenario, filledRuns, runs, fillSeconds }: GroupScore): string {
  const filled = filledRuns === runs ? String(runs) : `${filledRuns} of ${runs} filled`;
  return `${scenario} (${filled}; ${seconds(fillSeconds)})`;
}

function find({ methods }: GroupScore, wanted: string): MethodFigures | undefined {
  return methods.find(({ method }) => method === wanted);
}

/**
 * One row a scenario that never fills: runs with a warning and share of the time, for ours also of a critical. The last row is
 * of all scenarios before their event.
 */
export function formatNever({ all, scenarios }: Scores): string {
  const never = scenarios.filter(({ kind }) => kind !== 'fills');
  const methods = all.methods.map(({ method }) => method).filter((method) => method !== ORACLE);
  return formatTable(
    ['scenario', ...methods.map(name), `${OURS}, critical`, 'right at the time: warning, critical'],
    [
      ...never.map((group) => [
        group.kind === 'unknowable' ? `${group.name} (unknowable)` : group.name,
        ...methods.map((method) => {
          const figures = find(group, method);
          return alarm(figures?.warnedRuns, group.runs, figures?.warnedRatio);
        }),
        alarm(find(group, OURS)?.criticalRuns, group.runs, find(group, OURS)?.criticalRatio),
        right(find(group, OURS)),
      ]),
      [
        'all scenarios, from 15 min after the start to the event',
        ...methods.map((method) => `${find(all, method)?.earlyRuns}/${all.runs} runs`),
        ...['', ''],
      ],
    ],
  );
}

/** Runs whose warnings, and criticals, were all right by the course of their moment. */
function right(figures: MethodFigures | undefined): string {
  if (figures === undefined || figures.warnedRuns === 0) return '';
  const critical = figures.criticalRuns > 0 ? `, ${figures.rightCriticalRuns} of ${figures.criticalRuns}` : '';
  return `${figures.rightWarnedRuns} of ${figures.warnedRuns}${critical}`;
}

function alarm(alarmed: number | undefined, runs: number, ratio: number | undefined): string {
  return alarmed === undefined || alarmed === 0 ? '0' : `${alarmed}/${runs} runs, ${percent(ratio)} t`;
}

/** One row a family and scenario: how often the 5-95 % interval held the truth. */
export function formatCoverage({ families, scenarios, pooled }: Scores): string {
  const row = (
    label: string,
    { told, insideRatio, tooEarlyRatio, tooLateRatio, widthRatio, untoldRatio }: CoverageFigures,
  ) => [
    ...[label, percent(insideRatio), percent(tooEarlyRatio), percent(tooLateRatio), percent(widthRatio)],
    ...[String(told), percent(untoldRatio)],
  ];
  return formatTable(
    [
      'family',
      'inside',
      'full before it',
      'full after it',
      'mean width / time left',
      'seconds told',
      'seconds not told',
    ],
    [
      row('**all**', pooled.coverage),
      ...families.flatMap((family) => [
        row(`**${family.name}**`, family.coverage),
        ...scenarios
          .filter((scenario) => scenario.kind === 'fills' && scenario.family === family.name)
          .map((scenario) => row(scenario.name, scenario.coverage)),
      ]),
    ],
  );
}

/** Where a rival is better by more than the factor that is allowed. */
export function formatLostCells(cells: readonly Cell[]): string {
  if (cells.length === 0) return 'None.';
  return formatTable(
    ['scenario', 'before full', OURS, 'best rival', 'oracle'],
    cells.map(({ scenario, horizonSeconds, ours, best, bestRival, oracle }) => [
      ...[scenario, `${horizonSeconds} s`, percent(ours), `${percent(best)} (${bestRival})`, percent(oracle)],
    ]),
  );
}
