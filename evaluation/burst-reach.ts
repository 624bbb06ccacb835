/** What burst detection is meant to reach, and whether it does. Scenarios are found by what their names say. */
import { type BurstScores, type DelayScore, type LongRunRow, OURS } from './bursts/bursts.js';
import type { ReachRow } from './reach.js';
import { percent } from './tables.js';

/** Delay of a 4x burst, seconds: names of scenarios, median, 95 %. */
const DELAYS: readonly (readonly [scenarios: RegExp, median: number, p95: number])[] = [
  [/^4x at 100\/s, phi [13]\b/, 0.3, 0.5],
  [/^4x at 10\/s, phi 1$/, 0.9, 1.8],
];
const MONTHLY: readonly (readonly [scenarios: RegExp, figure: string, limit: number])[] = [
  [/^(30|100)\/s/, 'false alarms a month, steady, 30/s and more', 0.1],
  [/^10\/s, phi 3/, 'false alarms a month, steady, 10/s with phi 3', 0.5],
];
const LONG_RANGE = { scenario: /^long-range dependent, H 0.85, sd 30 %/, perHour: 0.05 };
const NO_BURST = /^(ramp 4x|step 2x)/;

export function burstReach({ delays, falseAlarms, longRuns }: BurstScores): ReachRow[] {
  const longRange = falseAlarms.find(({ scenario }) => LONG_RANGE.scenario.test(scenario));
  const rises = falseAlarms.filter(({ scenario }) => NO_BURST.test(scenario));
  const alarming = rises.filter(({ alarms }) => (alarms[OURS] ?? 0) > 0);
  return [
    ...DELAYS.flatMap(([scenarios, median, p95]) =>
      delays
        .filter(({ scenario }) => scenarios.test(scenario))
        .map(({ scenario, delays: of }) => delayRow(`delay of a burst of ${scenario}`, of[OURS], median, p95)),
    ),
    ...MONTHLY.map(([scenarios, figure, limit]) =>
      monthlyRow(
        figure,
        longRuns.filter(({ scenario }) => scenarios.test(scenario)),
        limit,
      ),
    ),
    ...(longRange
      ? [
          {
            ...{
              figure: 'false alarms an hour, long-range dependent (H 0.85, sd 30 %)',
              reach: `<= ${LONG_RANGE.perHour}`,
            },
            measured: (longRange.alarms[OURS] ?? 0).toFixed(3),
            isReached: (longRange.alarms[OURS] ?? 0) <= LONG_RANGE.perHour,
          },
        ]
      : []),
    {
      ...{ figure: 'ramps of 20 s and more and 2x steps: runs that alarm', reach: '0' },
      measured:
        alarming.map(({ scenario, alarms }) => `${scenario} ${percent(alarms[OURS])}`).join(', ') ||
        `0 of ${rises.reduce((sum, { amount }) => sum + amount, 0)}`,
      isReached: alarming.length === 0,
    },
  ];
}

function delayRow(figure: string, score: DelayScore | undefined, median: number, p95: number): ReachRow {
  const text = (seconds: number | null | undefined) => (seconds === null ? 'missed' : `${seconds?.toFixed(2)} s`);
  return {
    ...{ figure: `${figure}, median / 95 %`, reach: `<= ${median} s / ${p95} s` },
    measured: `${text(score?.median)} / ${text(score?.p95)}`,
    isReached: (score?.median ?? Infinity) <= median && (score?.p95 ?? Infinity) <= p95,
  };
}

/** The worst of the rows: each is a kind of traffic that somebody has. */
function monthlyRow(figure: string, rows: readonly LongRunRow[], limit: number): ReachRow {
  const worst = rows.reduce((a, b) => (b.alarms / b.months > a.alarms / a.months ? b : a), rows[0] ?? NO_RUN);
  return {
    ...{ figure: `${figure}, worst of ${rows.length}`, reach: `<= ${limit}` },
    measured: `${(worst.alarms / worst.months).toFixed(2)} (${worst.alarms} in ${worst.months} months, ${worst.scenario})`,
    isReached: worst.alarms / worst.months <= limit,
  };
}

const NO_RUN: LongRunRow = { scenario: 'not run', months: 1, alarms: Infinity, upperPerMonth: Infinity };
