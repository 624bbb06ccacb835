/** The pictures of docs/accuracy.md, from scores and sketches. Pure: text out. */
import { HORIZONS_SECONDS, ORACLE } from './run-score.js';
import type { MethodFigures, Scores } from './scores.js';
import type { Sketch } from './sketch.js';
import { type Axis, formatSvg, type Mark, type Panel, roundTicks } from './svg.js';
import { OURS } from './told.js';

const OURS_COLOR = '#0060a8';
const TRUTH_COLOR = '#222';
const WARN_COLOR = '#e69f00';
/** Okabe and Ito's, which also the colour-blind can tell apart; for the rivals in their order. */
const RIVAL_COLORS = ['#e69f00', '#56b4e9', '#009e73', '#d55e00', '#cc79a7', '#999'];
/** There are more burst detectors. */
const DETECTOR_COLORS = [...RIVAL_COLORS, '#8a6d00', '#7a1f5c'];

function count(at: number): string {
  return at >= 10_000 ? `${Math.round(at / 1000)}k` : at >= 1000 ? `${at / 1000}k` : String(at);
}

function linear(label: string, min: number, max: number, ticks: number, format: (at: number) => string = String): Axis {
  return { label, min, max, ticks: roundTicks(min, max, ticks).map((at) => ({ at, text: format(at) })) };
}

/** A panel for each run: what is in the table, what was forecast on the way, when it was warned of. */
export function drawRuns(description: string, sketches: readonly Sketch[]): string {
  return formatSvg(description, sketches.map(runPanel), { columns: 3, width: 230, height: 130 });
}

function runPanel({ scenario, max, fullAt, counts, lives, fans, warned }: Sketch): Panel {
  const first = counts[0]?.[0] ?? 0;
  const last = (counts.at(-1)?.[0] ?? 1) * (fullAt === undefined ? 1 : 1.25);
  const top = Math.max(max, ...counts.map(([, value]) => value)) * 1.08;
  const hours = last > 10_000;
  return {
    title: scenario,
    x: linear(hours ? 'hours since the onset' : 'seconds since the onset', first, last, hours ? 6 : 5, (at) =>
      hours ? String(Math.round(at / 360) / 10) : String(at),
    ),
    y: linear('entries', 0, top, 4, count),
    marks: [
      ...warned.map(
        ([from, to]): Mark => ({
          ...{ kind: 'area', color: WARN_COLOR, opacity: 0.25, name: 'warned' },
          points: box(Math.max(first, from), Math.max(first, to), 0, top),
        }),
      ),
      ...fans.flatMap(({ at, count: now, low, median, high }): Mark[] => [
        {
          ...{ kind: 'area', color: OURS_COLOR, opacity: 0.22, name: 'forecast, 5-95 %' },
          points: [
            [at, now],
            [at + low, max],
            [at + high, max],
          ],
        },
        {
          ...{ kind: 'line', color: OURS_COLOR, width: 1, name: 'forecast, median' },
          points: [
            [at, now],
            [at + median, max],
          ],
        },
      ]),
      { kind: 'line', color: '#777', dash: '2 2', width: 1, points: lives, name: 'not expired' },
      { kind: 'line', color: TRUTH_COLOR, points: counts, name: 'count' },
      { kind: 'line', color: '#c00', width: 1, name: 'max', points: rule(first, last, max) },
      ...(fullAt === undefined
        ? []
        : [{ kind: 'points', color: '#c00', width: 3.5, points: [[fullAt, max]], name: 'full' } as const]),
    ],
  };
}

function box(from: number, to: number, low: number, high: number): Mark['points'] {
  return [
    [from, low],
    [to, low],
    [to, high],
    [from, high],
  ];
}

function rule(from: number, to: number, at: number): Mark['points'] {
  return [
    [from, at],
    [to, at],
  ];
}

const NEVER = 30;

/** Error by time before full, of every method, pooled over the runs that fill. */
export function drawErrors({ pooled }: Scores): string {
  const panel = (title: string, of: (figures: MethodFigures, i: number) => number | undefined): Panel => ({
    title,
    x: {
      ...{ label: 'seconds before the table is full', min: 13, max: 340, log: true },
      ticks: HORIZONS_SECONDS.map((at) => ({ at, text: String(at) })),
    },
    y: {
      ...{ label: 'relative error of the time to full', min: 0.01, max: NEVER, log: true },
      ticks: [
        ...[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10].map((at) => ({ at, text: `${Math.round(at * 100)} %` })),
        { at: NEVER, text: 'never' },
      ],
    },
    marks: [...pooled.methods]
      .reverse()
      .map((figures) => methodLine(figures.method, pooled.methods, (i) => of(figures, i) ?? Infinity)),
  });
  return formatSvg(
    'Error of the predicted time to full by time before full, for ctwatch and its rivals',
    [
      panel('Median', ({ horizons }, i) => horizons[i]?.median),
      panel('90th percentile', ({ horizons }, i) => horizons[i]?.p90),
    ],
    { columns: 2, width: 330, height: 260 },
  );
}

function methodLine(method: string, methods: readonly MethodFigures[], value: (i: number) => number): Mark {
  return {
    ...{ kind: 'line', name: method, color: methodColor(method, methods), width: method === OURS ? 3 : 1.5 },
    ...(method === ORACLE && { dash: '5 3' }),
    points: HORIZONS_SECONDS.map((horizon, i) => [horizon, value(i)] as const),
  };
}

function methodColor(method: string, methods: readonly MethodFigures[]): string {
  if (method === OURS) return OURS_COLOR;
  if (method === ORACLE) return TRUTH_COLOR;
  const rivals = methods.map((figures) => figures.method).filter((name) => name !== OURS && name !== ORACLE);
  return RIVAL_COLORS[rivals.indexOf(method) % RIVAL_COLORS.length] ?? '#999';
}

/** Lead of each method in each scenario that fills. */
export function drawLead({ scenarios }: Scores): string {
  const rows = scenarios.filter(({ kind }) => kind === 'fills');
  const methods = (rows[0]?.methods ?? []).filter(({ method }) => method !== ORACLE);
  const marks = [...methods].reverse().map(
    ({ method }): Mark => ({
      ...{ kind: 'points', name: method, color: methodColor(method, methods), width: method === OURS ? 5 : 3.5 },
      points: rows.map(
        (row, i) =>
          [row.methods.find((figures) => figures.method === method)?.leadMedian ?? 0, rows.length - i] as const,
      ),
    }),
  );
  const panel: Panel = {
    title: 'Lead: how early the warning came that lasted, median',
    x: linear('share of the longest possible lead', 0, 1, 5, (at) => `${Math.round(at * 100)} %`),
    y: {
      label: '',
      min: 0.4,
      max: rows.length + 0.6,
      ticks: rows.map(({ name }, i) => ({ at: rows.length - i, text: name })),
    },
    marks,
  };
  return formatSvg('Share of the possible lead time by scenario, for ctwatch and its rivals', [panel], {
    ...{ columns: 1, width: 420, height: 19 * rows.length, left: 200 },
  });
}

/** A burst detector at one threshold. */
export interface BurstPoint {
  readonly detector: string;
  readonly threshold: number;
  /** Null: most bursts were missed. */
  readonly medianDelaySeconds: number | null;
  readonly falseAlarmsPerDay: number;
}

const NO_ALARMS = 0.03;
const MISSED = 30;

/** Delay against false alarms: a line through the thresholds of each detector; the nearer to the lower left corner the better. */
export function drawBursts(points: readonly BurstPoint[], traffic: string): string {
  const detectors = [...new Set(points.map(({ detector }) => detector))];
  const places = (wanted: string) =>
    points
      .filter(({ detector }) => detector === wanted)
      .sort((a, b) => a.threshold - b.threshold)
      .map(({ falseAlarmsPerDay, medianDelaySeconds }) => [falseAlarmsPerDay, medianDelaySeconds ?? MISSED] as const);
  const panel: Panel = {
    title: `A burst of four times the usual rate, ${traffic}`,
    x: {
      ...{ label: 'false alarms a day without a burst', min: NO_ALARMS, max: 3000, log: true },
      ticks: [
        { at: NO_ALARMS, text: 'none' },
        ...[0.1, 1, 10, 100, 1000].map((at) => ({ at, text: at.toLocaleString('en') })),
      ],
    },
    y: {
      ...{ label: 'median delay, seconds', min: 0.2, max: MISSED, log: true },
      ticks: [...[0.2, 0.5, 1, 2, 5, 10].map((at) => ({ at, text: String(at) })), { at: MISSED, text: 'missed' }],
    },
    marks: detectors.reverse().flatMap((detector, i): Mark[] => {
      const isOurs = detector === OURS;
      const color = isOurs ? OURS_COLOR : (DETECTOR_COLORS[i % DETECTOR_COLORS.length] ?? '#999');
      return [
        { kind: 'line', color, width: isOurs ? 3 : 1.5, points: places(detector) },
        { kind: 'points', color, width: isOurs ? 4.5 : 3, points: places(detector), name: detector },
      ];
    }),
  };
  return formatSvg('Delay of burst detectors against their false alarms', [panel], {
    columns: 1,
    width: 480,
    height: 280,
  });
}
