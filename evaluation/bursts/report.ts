/** The scores of burst detection as Markdown tables. */
import { type BurstScores, type DelayScore, OURS } from './bursts.js';
import { RIVALS } from './rivals.js';

const NAMES = [OURS, ...RIVALS.map(({ name }) => name)];

/** Three tables: false alarms, delays, and the long runs. */
export function formatBurstScores({ falseAlarms, delays, longRuns }: BurstScores): string {
  const header = (first: string, names: readonly string[]) => [
    `| ${[first, ...names].join(' | ')} |`,
    `|${'---|'.repeat(names.length + 1)}`,
  ];
  return [
    '### False alarms',
    '',
    'Episodes an hour, or the share of runs that alarm. True bursts in brackets.',
    '',
    ...header('Traffic without a burst', NAMES),
    ...falseAlarms.map(({ scenario, per, amount, alarms, burstsPerHour }) => {
      const what = `${scenario} (${formatNumber(amount)} ${per === 'hour' ? 'h' : 'runs'})`;
      const true_ = burstsPerHour === undefined ? '' : ` [${burstsPerHour}/h]`;
      const cells = NAMES.map((name) => formatAlarms(alarms[name] ?? 0, per));
      return `| ${[what + true_, ...cells].join(' | ')} |`;
    }),
    '',
    '### Delays',
    '',
    'Seconds from the onset to the alarm: median / 95 %, and the share found within 2 s.',
    '',
    ...header('Burst', ['Lower bound', ...NAMES]),
    ...delays.map(({ scenario, lordenSeconds, runs, delays: byName }) => {
      const cells = NAMES.map((name) => formatDelay(byName[name]));
      return `| ${[`${scenario} (${runs} runs)`, formatNumber(lordenSeconds), ...cells].join(' | ')} |`;
    }),
    '',
    `### Steady traffic for months (${OURS})`,
    '',
    ...header('Traffic', ['Months', 'Alarms', 'A month at most (95 %)']),
    ...longRuns.map(
      ({ scenario, months, alarms, upperPerMonth }) =>
        `| ${[scenario, formatNumber(months), alarms, formatNumber(upperPerMonth)].join(' | ')} |`,
    ),
    '',
  ].join('\n');
}

function formatAlarms(value: number, per: 'hour' | 'run'): string {
  return per === 'hour' ? formatNumber(value) : `${formatNumber(value * 100)} %`;
}

function formatDelay(score: DelayScore | undefined): string {
  if (score === undefined) return '';
  const seconds = (value: number | null) => (value === null ? 'missed' : value.toFixed(2));
  return `${seconds(score.median)} / ${seconds(score.p95)}, ${Math.round(score.within2s * 100)} %`;
}

/** Three significant digits. */
function formatNumber(value: number): string {
  return Number(value.toPrecision(3)).toString();
}
