import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AlertInput, Alerts, type AlertTransition } from '../../src/analysis/alerts.js';
import { defaultSettings } from '../../src/model/settings.js';

const QUIET: Omit<AlertInput, 'monotonicSeconds' | 'unixSeconds'> = {
  usedRatio: 0.1,
  forecast: { verdict: 'plateaus' },
  burstActive: false,
  drop: 0,
  earlyDrop: 0,
  insertFailed: 0,
  lostEvents: 0,
  lostRatio: 0,
};

/** Feeds one input each quarter second; `at(second)` overrides the quiet one. */
function play(seconds: number, at: (second: number) => Partial<AlertInput>): (AlertTransition & { second: number })[] {
  const alerts = new Alerts(defaultSettings.alert);
  return Array.from({ length: seconds * 4 }, (_, tick) => tick / 4).flatMap((second) =>
    alerts
      .observe({ ...QUIET, monotonicSeconds: 50 + second, unixSeconds: 1000 + second, ...at(second) })
      .map((transition) => ({ ...transition, second })),
  );
}

const fillsIn = (secondsToFull: number): Partial<AlertInput> => ({ forecast: { verdict: 'fills', secondsToFull } });
const told = (transitions: readonly AlertTransition[]) =>
  transitions.map(({ name, phase, severity }) => `${name} ${phase} ${severity}`);

describe('time_to_full', () => {
  it('warns after the hold time, becomes critical, and resolves when the forecast has been good for a while', () => {
    const transitions = play(60, (second) => (second < 10 ? fillsIn(500) : second < 20 ? fillsIn(60) : {}));
    expect(told(transitions)).toEqual([
      'time_to_full firing warning',
      'time_to_full firing critical',
      'time_to_full resolved critical',
    ]);
    expect(transitions.map(({ second }) => second)).toEqual([1, 11, 30]);
    expect(transitions.every(({ sinceUnixSeconds }) => sinceUnixSeconds === 1000)).toBe(true);
  });

  it('stays as it is between the threshold to raise and the one to clear', () => {
    expect(told(play(120, (second) => fillsIn(second < 5 ? 590 : second % 2 === 0 ? 610 : 880)))).toEqual([
      'time_to_full firing warning',
    ]);
  });

  it('does not fire on a forecast of less than the hold time, nor clear on one that is withheld', () => {
    expect(play(10, (second) => (second % 2 < 1 ? fillsIn(30) : {}))).toEqual([]);
    const withheld: Partial<AlertInput> = { forecast: { verdict: 'unknown', reason: 'loss' } };
    expect(told(play(120, (second) => (second < 5 ? fillsIn(30) : withheld)))).toEqual([
      'time_to_full firing critical',
    ]);
  });
});

describe('time_to_full and how likely it is', () => {
  const probably = (probabilityFull10m: number): Partial<AlertInput> => ({
    forecast: { verdict: 'fills', secondsToFull: 60, probabilityFull10m },
  });

  it('does not page for a burst that will likely end, but warns', () => {
    expect(told(play(20, () => probably(0.7)))).toEqual(['time_to_full firing warning']);
    expect(told(play(20, () => probably(0.9)))).toEqual(['time_to_full firing critical']);
    expect(play(20, () => probably(0.2))).toEqual([]);
  });

  it('does not step down for a probability a little lower', () => {
    expect(told(play(60, (second) => probably(second < 5 ? 0.9 : 0.7)))).toEqual(['time_to_full firing critical']);
  });
});

describe('usage', () => {
  it('fires at the thresholds and clears below the margin', () => {
    const transitions = play(100, (second) => ({
      usedRatio: second < 10 ? 0.85 : second < 20 ? 0.95 : second < 60 ? 0.82 : 0.7,
    }));
    expect(told(transitions)).toEqual([
      'usage firing warning',
      'usage firing critical',
      'usage firing warning',
      'usage resolved warning',
    ]);
  });

  it('keeps its state while the table is not known', () => {
    const alerts = new Alerts(defaultSettings.alert);
    const { usedRatio: _, ...unknown } = QUIET;
    for (let second = 0; second < 5; second++) {
      alerts.observe({ ...QUIET, usedRatio: 0.99, monotonicSeconds: second, unixSeconds: second });
    }
    for (let second = 5; second < 300; second++) {
      expect(alerts.observe({ ...unknown, monotonicSeconds: second, unixSeconds: second })).toEqual([]);
    }
    expect(alerts.firing).toBe(true);
  });
});

describe('dropping, loss and burst', () => {
  it('fire at once', () => {
    expect(told(play(1, () => ({ drop: 5 })))).toEqual(['dropping firing critical']);
    expect(told(play(1, () => ({ earlyDrop: 5 })))).toEqual(['dropping firing warning']);
    expect(told(play(1, () => ({ insertFailed: 1 })))).toEqual(['dropping firing warning']);
    expect(told(play(1, () => ({ lostEvents: 5, lostRatio: 0.01 })))).toEqual(['loss firing warning']);
    expect(told(play(1, () => ({ lostEvents: 5, lostRatio: 0.5 })))).toEqual(['loss firing critical']);
    expect(told(play(1, () => ({ burstActive: true })))).toEqual(['burst firing warning']);
  });
});

describe('a condition that holds only in the ticks of a reading', () => {
  it('steps down to what it still is, and does not resolve in between', () => {
    // Drops for 10 s, evictions each second all the time.
    const transitions = play(150, (second) =>
      second % 1 !== 0 ? {} : second < 10 ? { drop: 3 } : second < 80 ? { earlyDrop: 1 } : {},
    );
    expect(told(transitions)).toEqual([
      'dropping firing critical',
      'dropping firing warning',
      'dropping resolved warning',
    ]);
  });
});

describe('any sequence of inputs', () => {
  it('alternates: nothing is resolved that does not fire, nothing fires twice with the same severity', () => {
    const input = fc.record({
      usedRatio: fc.double({ min: 0, max: 1.5, noNaN: true }),
      burstActive: fc.boolean(),
      drop: fc.nat(2),
      lostEvents: fc.nat(2),
      lostRatio: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(input, { maxLength: 300 }), (inputs) => {
        const state = new Map<string, string>();
        const alerts = new Alerts(defaultSettings.alert);
        for (const [i, fields] of inputs.entries()) {
          const seconds = i * 2;
          for (const { name, phase, severity } of alerts.observe({
            ...QUIET,
            ...fields,
            monotonicSeconds: seconds,
            unixSeconds: seconds,
          })) {
            const now = phase === 'firing' ? severity : 'quiet';
            expect(state.get(name) ?? 'quiet').not.toBe(now);
            state.set(name, now);
          }
        }
        expect(alerts.firing).toBe([...state.values()].some((value) => value !== 'quiet'));
      }),
    );
  });
});

describe('budget', () => {
  const reading = (entries: number | undefined, newPerSecond = 1) => ({
    budget: { destination: '10.0.0.5:6379', max_entries: 50, max_new_per_second: 5 },
    ...(entries !== undefined && { entries, newPerSecond }),
  });

  /** Two budgets, of which the second is within its limits all the time. */
  function playBudget(seconds: number, at: (second: number) => ReturnType<typeof reading>) {
    const alerts = new Alerts(defaultSettings.alert, 2);
    return Array.from({ length: seconds * 4 }, (_, tick) => tick / 4).flatMap((second) =>
      alerts
        .observe({
          ...{ ...QUIET, monotonicSeconds: 50 + second, unixSeconds: 1000 + second },
          budgets: [at(second), reading(50, 5)],
        })
        .map((transition) => ({ ...transition, second })),
    );
  }

  it('fires when either limit is exceeded for 3 s, and is resolved a tenth below', () => {
    for (const over of [reading(51), reading(10, 5.1)]) {
      const transitions = playBudget(60, (second) => (second < 5 ? over : reading(44, 4)));
      expect(transitions).toMatchObject([
        { name: 'budget', phase: 'firing', severity: 'warning', budget: 0, second: 3 },
        { name: 'budget', phase: 'resolved', budget: 0, second: 35 },
      ]);
    }
    expect(playBudget(60, (second) => (second < 5 ? reading(51) : reading(46)))).toHaveLength(1);
    expect(playBudget(60, () => reading(50, 5))).toEqual([]);
  });

  it('neither begins nor ends while it cannot be told', () => {
    expect(playBudget(60, () => reading(undefined))).toEqual([]);
    expect(playBudget(60, (second) => reading(second < 5 ? 51 : undefined))).toHaveLength(1);
  });
});

describe('other settings', () => {
  const reading = (entries: number) => ({ budget: { destination: ':53', max_entries: 50 }, entries });
  const input = (second: number, more: Partial<AlertInput>) => ({
    ...{ ...QUIET, monotonicSeconds: second, unixSeconds: 1000 + second },
    ...more,
  });

  it('judge from the next tick on, and leave what fires as it is', () => {
    const alerts = new Alerts(defaultSettings.alert);
    for (let second = 0; second < 5; second++) alerts.observe(input(second, { usedRatio: 0.85 }));
    expect(told(alerts.firingNow())).toEqual(['usage firing warning']);
    const usage = { ...defaultSettings.alert.usage, warning_ratio: 0.5, critical_ratio: 0.8, hold_seconds: 1 };
    expect(alerts.configure({ ...defaultSettings.alert, usage }, [])).toEqual([]);
    expect(told(alerts.firingNow())).toEqual(['usage firing warning']);
    const told2 = [5, 6, 7].flatMap((second) => alerts.observe(input(second, { usedRatio: 0.85 })));
    expect(told(told2)).toEqual(['usage firing critical']);
  });

  it('end the alert of a budget that is gone, and follow one that has moved', () => {
    const alerts = new Alerts(defaultSettings.alert, 3);
    const over = { budgets: [reading(60), reading(60), reading(10)] };
    for (let second = 0; second < 5; second++) alerts.observe(input(second, over));
    expect(alerts.firingNow().map(({ budget }) => budget)).toEqual([0, 1]);
    const ends = alerts.configure(defaultSettings.alert, [undefined, 1]);
    expect(ends).toMatchObject([{ name: 'budget', phase: 'resolved', budget: 0, sinceUnixSeconds: 1000 }]);
    expect(alerts.firingNow()).toMatchObject([{ budget: 1, sinceUnixSeconds: 1000 }]);
    expect(alerts.observe(input(5, { budgets: [reading(1), reading(60)] }))).toEqual([]);
  });
});
