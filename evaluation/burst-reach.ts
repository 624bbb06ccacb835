/** What burst detection is meant to reach, and whether it does. Scenarios are found by what their names say. */

import { DOUBLINGS_MAX } from './bursts/burst-oracle.js';
import { type BurstScores, type DelayRow, type FalseAlarmRow, type LongRunRow, OURS } from './bursts/bursts.js';
import { ORACLE_FACTOR, type ReachRow } from './reach.js';
import { percent } from './tables.js';

const MONTHLY: readonly (readonly [scenarios: RegExp, figure: string, limit: number])[] = [
  [/^(30|100)\/s/, 'false alarms a month, steady, 30/s and more', 0.1],
  [/^10\/s, phi 3/, 'false alarms a month, steady, 10/s with phi 3', 0.5],
];
const LONG_RANGE = { scenario: /^long-range dependent, H 0.85, sd 30 %/, perHour: 0.05 };
const RAMP = /^ramp 4x/;
/** A doubling, and the burst at the same traffic whose delay is asked for. */
const DOUBLINGS: readonly (readonly [doubling: string, burst: string])[] = [
  ['step 2x', '4x at 100/s, phi 1'],
  ['step 2x, phi 3', '4x at 100/s, phi 3'],
  ['step 2x, 10/s', '4x at 10/s, phi 1'],
  ['step 2x, phi 10, 1,000/s', ''],
];

export function burstReach({ delays, falseAlarms, longRuns }: BurstScores): ReachRow[] {
  const longRange = falseAlarms.find(({ scenario }) => LONG_RANGE.scenario.test(scenario));
  const rises = falseAlarms.filter(({ scenario }) => RAMP.test(scenario));
  const alarming = rises.filter(({ alarms }) => (alarms[OURS] ?? 0) > 0);
  return [
    ...delays.flatMap(delayRows),
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
      ...{ figure: 'ramps of 20 s and more: runs that alarm', reach: '0' },
      measured:
        alarming.map(({ scenario, alarms }) => `${scenario} ${percent(alarms[OURS])}`).join(', ') ||
        `0 of ${rises.reduce((sum, { amount }) => sum + amount, 0)}`,
      isReached: alarming.length === 0,
    },
    ...DOUBLINGS.flatMap(([doubling, burst]) => {
      const steps = falseAlarms.find(({ scenario }) => scenario === doubling);
      return steps ? [doublingRow(steps, delays.find(({ scenario }) => scenario === burst)?.asked)] : [];
    }),
  ];
}

const seconds = (value: number | null | undefined) =>
  value === null || value === Infinity ? 'missed' : `${value?.toFixed(2)} s`;

function delayRows({ scenario, delays, asked }: DelayRow): ReachRow[] {
  if (asked === undefined) return [];
  const { limits, oracle } = asked;
  const median = delays[OURS]?.median ?? Infinity;
  const p95 = delays[OURS]?.p95 ?? Infinity;
  const possible = `${seconds(oracle.delays.median)} / ${seconds(oracle.delays.p95)}`;
  // Of the two, each is within its limit, or as near to it as to the oracle, who is beyond it.
  const isNear = (ours: number, limit: number, best: number) =>
    ours <= limit || (best > limit && ours <= ORACLE_FACTOR * best);
  return [
    {
      ...{ figure: `delay of a burst of ${scenario}, median / 95 %`, reach: `<= ${limits.median} s / ${limits.p95} s` },
      measured: `${seconds(median)} / ${seconds(p95)} (oracle ${possible})`,
      isReached: median <= limits.median && p95 <= limits.p95,
      isPossible: isNear(median, limits.median, oracle.delays.median) && isNear(p95, limits.p95, oracle.delays.p95),
    },
  ];
}

/** None of 200 means less than one of 1,000. */
function doublingRow({ scenario, alarms, amount, ourRuns }: FalseAlarmRow, asked: DelayRow['asked']): ReachRow {
  const ratio = alarms[OURS] ?? 0;
  const least = asked?.oracle.doublingsRatio;
  const possible = least === undefined ? '' : `; oracle at the delays asked for ${(least * 100).toPrecision(2)} %`;
  return {
    ...{ figure: `${scenario}: runs that alarm`, reach: `0 (<= ${DOUBLINGS_MAX * 100} %)` },
    measured: `${(ratio * 100).toPrecision(2)} % of ${ourRuns ?? amount}${possible}`,
    isReached: ratio <= DOUBLINGS_MAX,
    isPossible: least !== undefined && least > DOUBLINGS_MAX && ratio <= ORACLE_FACTOR * least,
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
