/** The generated parts of docs/accuracy.md: their place in the page, their numbers, their pictures. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { burstReach } from '../../evaluation/burst-reach.js';
import { drawBursts, drawErrors, drawLead, drawRuns } from '../../evaluation/plots.js';
import { forecastReach } from '../../evaluation/reach.js';
import { formatForecast, replacePart } from '../../evaluation/report.js';
import type { RunScore } from '../../evaluation/run-score.js';
import { summarize } from '../../evaluation/scores.js';
import type { Sketch } from '../../evaluation/sketch.js';
import { formatSvg, roundTicks } from '../../evaluation/svg.js';
import { percent } from '../../evaluation/tables.js';

const method = (errors: readonly (number | undefined)[]) => ({
  ...{ errors, leadSeconds: 90, leadRatio: 0.9, warnedSeconds: 90, criticalSeconds: 30, earlySeconds: 0 },
});
const run: RunScore = {
  ...{ scenario: 'spike<4x>', family: 'spike', kind: 'fills', seed: 1, fillSeconds: 100, scoredSeconds: 100 },
  methods: {
    ctwatch: method([0.05, 0.1, 0.5, undefined, undefined]),
    Holt: method([0.03, 0.12, Infinity, undefined, undefined]),
  },
  coverage: { told: 100, inside: 90, tooEarly: 4, tooLate: 6, untold: 0, widths: 50 },
};
const scores = summarize([run]);

describe('the page', () => {
  const page = readFileSync(new URL('../../docs/accuracy.md', import.meta.url), 'utf8');

  it.each(['scenarios', 'forecast', 'bursts', 'kernel'] as const)(
    'has a place for %s, which is replaced whole',
    (part) => {
      const once = replacePart(page, part, 'FIRST');
      const twice = replacePart(once, part, 'SECOND');
      expect(once).toContain('FIRST');
      expect(twice).not.toContain('FIRST');
      expect(replacePart(twice, part, 'FIRST')).toBe(once);
    },
  );

  it('is not written when a marker is lost', () => {
    expect(() => replacePart('no markers', 'kernel', '')).toThrow('begin: kernel');
  });
});

it('says what is reached and what falls short', () => {
  const rows = forecastReach(scores);
  const find = (text: string) => rows.find(({ figure }) => figure.includes(text));
  expect(find('30 s before full, median')).toMatchObject({ measured: '10 %', isReached: false });
  expect(find('30 s before full, 90th')).toMatchObject({ measured: '10 %', isReached: true });
  expect(find('best of all rivals')).toMatchObject({ reach: 'all 3', measured: '2', isReached: false });
  expect(find('interval')).toMatchObject({ measured: 'spike 90 %', isReached: true });
  expect(find('lead')?.isReached).toBe(false);
});

it('says so of bursts too, by the worst traffic of a kind', () => {
  const alarms = (scenario: string, ours: number) =>
    ({ scenario, per: 'run', amount: 10, alarms: { ctwatch: ours } }) as const;
  const rows = burstReach({
    ...{ options: { seeds: 1, months: 10 }, curve: [] },
    falseAlarms: [
      alarms('ramp 4x in 20 s', 0),
      alarms('step 2x', 0.1),
      alarms('step 2x, phi 3', 0.004),
      alarms('cron', 1),
    ],
    delays: [
      {
        scenario: '4x at 100/s, phi 3',
        lordenSeconds: 0,
        runs: 10,
        delays: { ctwatch: { median: 0.3, p95: null, within2s: 1 } },
        asked: {
          limits: { median: 0.3, p95: 0.5 },
          oracle: { delays: { median: 0.2, p95: 0.4 }, doublingsRatio: 0.002 },
        },
      },
      {
        scenario: '4x at 100/s, phi 1',
        lordenSeconds: 0,
        runs: 10,
        delays: { ctwatch: { median: 0.44, p95: 0.5, within2s: 1 } },
        asked: {
          limits: { median: 0.3, p95: 0.5 },
          oracle: { delays: { median: 0.31, p95: 0.4 }, doublingsRatio: 0.08 },
        },
      },
    ],
    longRuns: [
      { scenario: '100/s, phi 1', months: 10, alarms: 0, upperPerMonth: 0.3 },
      { scenario: '30/s, phi 3', months: 10, alarms: 2, upperPerMonth: 0.7 },
      { scenario: '10/s, phi 3', months: 10, alarms: 5, upperPerMonth: 1 },
    ],
  });
  expect(rows.map(({ measured, isReached, isPossible }) => [measured, isReached, isPossible])).toEqual([
    ['0.30 s / missed (oracle 0.20 s / 0.40 s)', false, false],
    ['0.44 s / 0.50 s (oracle 0.31 s / 0.40 s)', false, true],
    ['0.20 (2 in 10 months, 30/s, phi 3)', false, undefined],
    ['0.50 (5 in 10 months, 10/s, phi 3)', true, undefined],
    ['0 of 10', true, undefined],
    ['10 % of 10; oracle at the delays asked for 8.0 %', false, true],
    ['0.40 % of 10; oracle at the delays asked for 0.20 %', false, false],
  ]);
});

it('shows errors as a person reads them', () => {
  expect([0.0412, 0.0996, 0.5, 10.5, Infinity, undefined].map(percent)).toEqual([
    ...['4.1 %', '10 %', '50 %', '> 10x', 'never', '-'],
  ]);
  expect(formatForecast(scores, scores, '1 run.')).toContain(
    '| **ctwatch** | 5.0 % / 5.0 % | 10 % / 10 % | 50 % / 50 % | - | - |',
  );
});

describe('a picture', () => {
  const axis = { label: 'seconds', min: 0, max: 10, ticks: [{ at: 5, text: '5' }] };

  it('puts values where the axes say, and those beyond at the edge', () => {
    const marks = [
      {
        kind: 'line',
        color: '#000',
        points: [
          [0, 0],
          [5, 10],
          [99, 5],
        ],
      },
    ] as const;
    const text = formatSvg('a', [{ title: 'b', x: axis, y: axis, marks }], { columns: 1, width: 100, height: 50 });
    expect(text).toContain('d="M0 50L50 0L100 25"');
  });

  it('has a logarithmic axis', () => {
    const log = { ...axis, min: 1, max: 100, log: true };
    const marks = [{ kind: 'points', color: '#000', points: [[10, 10]] }] as const;
    const text = formatSvg('a', [{ title: 'b', x: log, y: log, marks }], { columns: 1, width: 100, height: 50 });
    expect(text).toContain('<circle cx="50" cy="25"');
  });

  it('of every kind escapes names and holds no missing number', () => {
    const sketch: Sketch = {
      ...{ scenario: 'a & b', kind: 'fills' as const, max: 100, fullAt: 10, warned: [[2, 10]], lives: [[0, 1]] },
      ...{
        counts: [
          [-5, 10],
          [10, 100],
        ],
        fans: [{ at: 2, count: 20, low: 7, median: 8, high: 9 }],
      },
    };
    const texts = [drawErrors(scores), drawLead(scores), drawRuns('runs', [sketch])];
    for (const text of texts) expect(text).not.toMatch(/NaN|Infinity|undefined/);
    expect(texts[1]).toContain('spike&lt;4x&gt;');
    expect(texts[2]).toContain('a &amp; b');
  });

  it('of burst detectors joins the thresholds of each, and has a place for none and for missed', () => {
    const point = (threshold: number, falseAlarmsPerDay: number, medianDelaySeconds: number | null) => ({
      ...{ detector: 'CUSUM', threshold, falseAlarmsPerDay, medianDelaySeconds },
    });
    const text = drawBursts([point(9, 0, null), point(5, 3000, 0.2)], '30/s');
    expect(text).toContain('d="M480 280L0 0"');
  });

  it('has round ticks', () => {
    expect(roundTicks(0, 65_536, 4)).toEqual([0, 20_000, 40_000, 60_000]);
    expect(roundTicks(-30, 110, 5)).toEqual([0, 50, 100]);
    expect(roundTicks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  });
});
