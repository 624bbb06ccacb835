/** The arithmetic of the scoreboard on runs small enough to work out by hand. */
import { describe, expect, it } from 'vitest';
import type { Run, RunForecast } from '../../evaluation/play.js';
import { quantile } from '../../evaluation/quantile.js';
import { HORIZONS_SECONDS, judgedSeconds, type RunScore, scoreRun, warnedMoments } from '../../evaluation/run-score.js';
import { summarize } from '../../evaluation/scores.js';
import { OURS } from '../../evaluation/told.js';

/** Starts at 100 s, is full at 200.5 s; ours says at each whole second what `told` returns for the time left. */
function run(told: (leftSeconds: number) => RunForecast | undefined, part: Partial<Run> = {}): Run {
  const seconds = 200;
  const flat = new Float64Array(seconds);
  return {
    ...{
      scenario: 'a',
      family: 'spike',
      kind: 'fills',
      seed: 1,
      max: 1000,
      seconds,
      onsetSecond: 100,
      fullSecond: 200.5,
    },
    ...{ count: flat, live: flat, newEvents: flat, destroyEvents: flat, alerts: [] },
    forecasts: Array.from({ length: seconds }, (_, i) => told(200.5 - (i + 1))),
    ...part,
  };
}

const fills = (secondsToFull: number, low = 0, high = 600): RunForecast => ({
  ...{ verdict: 'fills', secondsToFull, secondsToFullLow: low, secondsToFullHigh: high },
});

const ours = (score: RunScore) => {
  const method = score.methods[OURS];
  if (!method) throw new Error('no score of ours');
  return method;
};

describe('errors', () => {
  it('are relative to what was left', () => {
    const { errors } = ours(scoreRun(run((left) => fills(1.25 * left))));
    expect(HORIZONS_SECONDS).toEqual([15, 30, 60, 120, 300]);
    expect(errors.slice(0, 3).map((error) => error?.toFixed(9))).toEqual(['0.250000000', '0.250000000', '0.250000000']);
  });

  it('are not taken before the event has lasted 2 s', () => {
    const { errors } = ours(scoreRun(run((left) => fills(left), { onsetSecond: 138.5 })));
    expect(errors).toEqual([0, 0, 0, undefined, undefined]);
    expect(ours(scoreRun(run((left) => fills(left), { onsetSecond: 139 }))).errors[2]).toBeUndefined();
  });

  it('are infinite for "does not fill", and for a forecast withheld', () => {
    expect(ours(scoreRun(run(() => ({ verdict: 'plateaus' })))).errors[0]).toBe(Infinity);
    expect(ours(scoreRun(run(() => undefined))).errors[0]).toBe(Infinity);
  });

  it('look at the second that is that far before full', () => {
    // At 30.5 s before it was right; later and earlier it was not.
    const { errors } = ours(scoreRun(run((left) => fills(left === 30.5 ? left : 3 * left))));
    expect(errors.slice(0, 3)).toEqual([2, 0, 2]);
  });
});

describe('lead', () => {
  const alert = (atSecond: number, phase: 'firing' | 'resolved', severity: 'warning' | 'critical' = 'warning') => ({
    ...{ atSecond, phase, severity },
  });

  it('counts from the warning that held until full', () => {
    const alerts = [
      alert(110, 'firing'),
      alert(130, 'resolved'),
      alert(150, 'firing'),
      alert(180, 'firing', 'critical'),
    ];
    const score = ours(scoreRun(run(() => undefined, { alerts })));
    expect(score.leadSeconds).toBe(50.5);
    expect(score.leadRatio).toBeCloseTo(50.5 / 100.5, 12);
    expect(score.warnedSeconds).toBe(20 + 51);
    expect(score.criticalSeconds).toBe(21);
  });

  it('is none when the warning was over', () => {
    const score = ours(scoreRun(run(() => undefined, { alerts: [alert(110, 'firing'), alert(199, 'resolved')] })));
    expect(score.leadSeconds).toBe(0);
  });

  it('is never longer than the event', () => {
    const score = ours(scoreRun(run(() => undefined, { alerts: [alert(50, 'firing')] })));
    expect(score.leadRatio).toBe(1);
  });
});

it('tells of warnings before the event, from the 15th minute on', () => {
  const alerts = [{ atSecond: 850, phase: 'firing', severity: 'warning' } as const];
  const late = { onsetSecond: 1000, seconds: 1100, fullSecond: 1100.5, alerts };
  const flat = new Float64Array(1100);
  const arrays = { count: flat, live: flat, newEvents: flat, destroyEvents: flat };
  expect(ours(scoreRun(run(() => undefined, { ...late, ...arrays }))).earlySeconds).toBe(100);
});

describe('coverage', () => {
  it('counts the seconds from 5 s after the onset in which the interval held the truth', () => {
    const told = (left: number) =>
      left > 60 ? fills(left, left - 1, left + 1) : left > 20 ? fills(9, 5, 10) : undefined;
    const { coverage } = scoreRun(run(told));
    // 105 .. 140 inside, 141 .. 180 too late for the high end, 181 .. 200 untold.
    expect(coverage).toMatchObject({ told: 76, inside: 36, tooEarly: 0, tooLate: 40, untold: 20 });
  });

  it('takes an end that is not told as beyond ten minutes', () => {
    const { coverage } = scoreRun(run(() => ({ verdict: 'fills' })));
    expect(coverage).toMatchObject({ told: 96, inside: 0, tooEarly: 96 });
  });
});

describe('warnings of a table that does not fill', () => {
  const { fullSecond: _, ...neverFull } = run(() => undefined, {
    kind: 'never',
    alerts: [
      { atSecond: 90, phase: 'firing', severity: 'warning' },
      { atSecond: 95, phase: 'resolved', severity: 'warning' },
      { atSecond: 120.25, phase: 'firing', severity: 'warning' },
      { atSecond: 130.5, phase: 'firing', severity: 'critical' },
      { atSecond: 140, phase: 'resolved', severity: 'critical' },
    ],
  });
  const answers = (isWarning: boolean, isCritical: boolean) =>
    new Map(warnedMoments(neverFull).map((at) => [at, { isWarning, isCritical }]));

  it('are right if whoever knows the present course warns as well', () => {
    expect(warnedMoments(neverFull)).toEqual([130, 120]);
    expect(scoreRun(neverFull, { informed: answers(true, false) }).wasRight).toEqual({
      warning: true,
      critical: false,
    });
    expect(scoreRun(neverFull, { informed: answers(false, false) }).wasRight?.warning).toBe(false);
    const runs = [answers(true, true), answers(true, false)].map((informed) => scoreRun(neverFull, { informed }));
    const figures = summarize(runs).otherNever.methods.find(({ method }) => method === OURS);
    expect(figures).toMatchObject({ warnedRuns: 2, rightWarnedRuns: 2, criticalRuns: 2, rightCriticalRuns: 1 });
  });

  it('are not asked about in a run that fills', () => {
    expect(warnedMoments(run(() => undefined, { alerts: neverFull.alerts }))).toEqual([]);
  });
});

describe('the rivals', () => {
  it('warn at less than ten minutes', () => {
    // 10 entries a second from 0: 400 s are left after 200 s, less than 600 s from the second sample on.
    const count = Float64Array.from({ length: 200 }, (_, i) => 10 * i);
    const score = scoreRun(run(() => undefined, { count, kind: 'never', max: 6000 }));
    expect(score.methods['predict_linear 1m']?.warnedSeconds).toBe(100);
    expect(score.methods['difference 10m']?.warnedSeconds).toBe(0);
  });
});

describe('the sum', () => {
  const { fullSecond: _, ...neverFull } = run(() => undefined);
  const warned = { alerts: [{ atSecond: 150, phase: 'firing', severity: 'warning' }] } as const;

  it('pools runs and keeps the kinds apart', () => {
    const scores = summarize(
      [
        run((left) => fills(1.1 * left)),
        run((left) => fills(1.2 * left), { seed: 2 }),
        run((left) => fills(1.9 * left), { scenario: 'b', family: 'growth' }),
        { ...neverFull, scenario: 'spike4x_plateau85', kind: 'never' as const },
        { ...neverFull, ...warned, scenario: 'steady', kind: 'never' as const },
        { ...neverFull, ...warned, scenario: 'new port', kind: 'unknowable' as const },
      ].map((one) => scoreRun(one)),
    );
    const pooled = scores.pooled.methods.find(({ method }) => method === OURS);
    expect(pooled?.horizons[1]).toMatchObject({ horizonSeconds: 30, runs: 3 });
    expect(pooled?.horizons[1]?.median).toBeCloseTo(0.2, 9);
    expect(pooled?.missed).toBe(3);
    const of = (group: typeof scores.plateauSpikes) => group.methods.find(({ method }) => method === OURS);
    expect(of(scores.plateauSpikes)).toMatchObject({ warnedRuns: 0, warnedRatio: 0 });
    // 51 s of a run of 200 s.
    expect(of(scores.otherNever)).toMatchObject({ warnedRuns: 1, criticalRuns: 0, warnedRatio: 0.255 });
    expect(of(scores.unknowable)?.warnedRuns).toBe(1);
    expect(scores.families.map(({ name, runs }) => [name, runs])).toEqual([
      ['spike', 2],
      ['growth', 1],
    ]);
  });

  it('pools as many runs of each scenario, whatever more some have', () => {
    const scores = summarize(
      [1, 2, 3].map((seed) => scoreRun(run((left) => fills(seed === 3 ? 2 * left : left), { seed }))),
      2,
    );
    expect(scores.pooled).toMatchObject({ runs: 2 });
    expect(scores.pooled.methods.find(({ method }) => method === OURS)?.horizons[1]?.p90).toBeCloseTo(0, 9);
    expect(scores.families[0]).toMatchObject({ name: 'spike', runs: 3 });
    expect(scores.scenarios[0]).toMatchObject({ runs: 3 });
  });

  it('holds each scenario and horizon against the best rival and the oracle', () => {
    const count = Float64Array.from({ length: 200 }, (_, i) => 5 * (i + 0.5));
    const told = run((left) => fills(1.1 * left), { count, max: 1000 });
    const oracle = new Map(judgedSeconds(told).map((at = 0) => [at, 1.05 * (200.5 - at)]));
    const { cells } = summarize([scoreRun(told, { oracle })]);
    expect(cells.map(({ horizonSeconds }) => horizonSeconds)).toEqual([15, 30, 60]);
    expect(cells[0]).toMatchObject({ scenario: 'a', bestRival: 'predict_linear 1m' });
    expect(cells[0]?.ours).toBeCloseTo(0.1, 9);
    expect(cells[0]?.oracle).toBeCloseTo(0.05, 9);
    // The line passes 1,000 at 200.5 s exactly, as the table does: the best rival is right.
    expect(cells[0]?.best).toBeCloseTo(0, 9);
  });
});

it('judges no cell that most runs of a scenario do not have', () => {
  const young = { onsetSecond: 150 };
  const runs = [run((left) => fills(left)), run((left) => fills(left), young), run((left) => fills(left), young)];
  expect(summarize(runs.map((one) => scoreRun(one))).cells.map(({ horizonSeconds }) => horizonSeconds)).toEqual([
    15, 30,
  ]);
});

describe('quantile', () => {
  it('interpolates, and is infinite when it touches a never', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([1, 2], 0.5)).toBe(1.5);
    expect(quantile([1, 2, Infinity, Infinity], 0.5)).toBe(Infinity);
    expect(quantile([Infinity, Infinity], 0.5)).toBe(Infinity);
    expect(quantile([], 0.5)).toBeUndefined();
  });
});
