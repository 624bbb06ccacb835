/** The score of a run on the real kernel, on samples that can be worked out by hand. */
import { describe, expect, it } from 'vitest';
import { type KernelRunInput, type KernelSample, scoreKernelRun } from '../../evaluation/kernel/kernel-score.js';
import { kernelReach } from '../../evaluation/reach.js';

const input = (samples: readonly KernelSample[], part: Partial<KernelRunInput> = {}): KernelRunInput => ({
  ...{ incident: 'spike', kind: 'fills', max: 1000, onsetAtSeconds: 0, samples, alerts: [] },
  ...part,
});

/** Ten entries a second from 0: full at 100 s. */
const line = (told: (left: number) => Partial<KernelSample>) =>
  Array.from({ length: 120 }, (_, at) => ({
    atSeconds: at + 0.5,
    count: 10 * (at + 0.5),
    newTotal: 0,
    ...told(99.5 - at),
  }));

describe('the time to full', () => {
  it('is held against the moment between two samples at which count reached max', () => {
    const score = scoreKernelRun(
      input(line((left) => ({ secondsToFull: 1.1 * left, low: 0.9 * left, high: 1.05 * left }))),
    );
    expect(score.fillSeconds).toBeCloseTo(100, 9);
    expect(score.errors.map(({ horizonSeconds }) => horizonSeconds)).toEqual([15, 30, 60]);
    for (const { error } of score.errors) expect(error).toBeCloseTo(0.1, 9);
    expect(score).toMatchObject({ toldSeconds: 95, insideSeconds: 95 });
  });

  it('tells how near to full the table was before a sweep put it off', () => {
    const samples = [50, 99, 20, 60, 100, 110].map((count, i) => ({ atSeconds: 1000 + i, count, newTotal: 0 }));
    const score = scoreKernelRun({ ...input([]), samples, onsetAtSeconds: 1000, max: 100 });
    expect(score.missedRatio).toBe(0.99);
    expect(scoreKernelRun({ ...input([]), samples, onsetAtSeconds: 1002, max: 100 }).missedRatio).toBeUndefined();
  });

  it('is never where the forecast says that it does not fill', () => {
    const { errors } = scoreKernelRun(input(line((left) => (left > 20 ? {} : { secondsToFull: left }))));
    expect(errors.map(({ error }) => error)).toEqual([expect.closeTo(0, 9), 'never', 'never']);
  });

  it('leaves out what came before the event', () => {
    const { errors } = scoreKernelRun(
      input(
        line(() => ({})),
        { onsetAtSeconds: 60 },
      ),
    );
    expect(errors.map(({ horizonSeconds }) => horizonSeconds)).toEqual([15, 30]);
  });
});

describe('what is reached', () => {
  const run = (factor: number) => scoreKernelRun(input(line((left) => ({ secondsToFull: factor * left }))));
  const [reached, missed] = [run(1.05), run(1.3)];
  const worstOf = (...runs: Parameters<typeof kernelReach>[0]) => kernelReach(runs)[0];

  it('is as good as the worst run, and tells one apart that chance has decided', () => {
    expect(worstOf(reached)).toMatchObject({ isReached: true });
    expect(worstOf(reached, missed)).toMatchObject({ isReached: false, isPossible: false });
    expect(worstOf(reached, { ...missed, missedRatio: 0.97 })).toMatchObject({ isReached: false, isPossible: false });
    const byChance = worstOf(reached, { ...missed, missedRatio: 0.99 });
    expect(byChance).toMatchObject({ isReached: false, isPossible: true });
    expect(byChance?.measured).toBe('30 %; 5.0 % without 1 that a sweep decided');
  });
});

describe('alarms', () => {
  it('have a lead when they hold until full', () => {
    const alerts = [
      { atSeconds: 10, firing: true, critical: false },
      { atSeconds: 20, firing: false, critical: false },
      { atSeconds: 40, firing: true, critical: false },
      { atSeconds: 70, firing: true, critical: true },
    ];
    expect(
      scoreKernelRun(
        input(
          line(() => ({})),
          { alerts },
        ),
      ),
    ).toMatchObject({
      ...{ leadRatio: expect.closeTo(0.6, 9), warnings: 2, criticals: 1 },
    });
  });
});

describe('the expired share', () => {
  /** 100 births a second, each live for 10 s, on 500 that stay; nothing collected: everything born still counts. */
  const samples = Array.from({ length: 40 }, (_, at) => ({
    ...{ atSeconds: at, count: 500 + 100 * at, newTotal: 100 * at, expired: 0 },
  }));
  const flows = { timeoutSeconds: 10, background: 500 };

  it('is what the births do not explain', () => {
    const { expired } = scoreKernelRun(input(samples, { kind: 'never', max: 1e6, flows }));
    // From 11 s on live is 1,500: at the end 2,900 of 4,400 have expired, and nothing of it was told.
    expect(expired?.seconds).toBe(29);
    expect(expired?.highest).toBeCloseTo(2900 / 4400, 9);
    expect(expired?.bias).toBeCloseTo(-(expired?.meanError ?? 0), 9);
  });

  it('is compared with what the last dump collected', () => {
    const told = samples.map((sample) => ({ ...sample, expired: sample.count / 2 }));
    const reap = { atSeconds: 39, before: 4400, after: 1500 };
    expect(scoreKernelRun(input(told, { kind: 'never', max: 1e6, flows, reap })).reaped).toEqual({
      ...{ predicted: 0.5, measured: 2900 / 4400, computed: expect.closeTo(2900 / 4400, 9) },
    });
  });
});
