/**
 * What a soak has measured: its slope of memory with its error, one table, one picture, one sentence. Pure: samples in, text out.
 *
 * The slope is that of least squares. Memory of one moment is much like that of the moment before, so its error is widened as for so many
 * fewer samples (1 + r) / (1 - r), r being the correlation of neighbouring residuals.
 */
import { type Axis, formatSvg, type Mark, roundTicks } from '../../evaluation/svg.js';

/** One look at the process. Counters are since its start. */
export interface SoakSample {
  readonly seconds: number;
  /** What the traffic did. */
  readonly phase: string;
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Highest lag of the last minute or two. */
  readonly lagMaxSeconds: number;
  /** The longest of the answers to a scrape and to a question on the control socket. */
  readonly answerSeconds: number;
  readonly cpuSeconds: number;
  readonly newFlows: number;
  readonly lostEvents: number;
  readonly lostLines: number;
}

/** What the soak knows beside its samples. */
export interface SoakTotals {
  /** Flows that the traffic made, by its own count. */
  readonly madeFlows: number;
  /** Flows that ctwatch told at the end, those of lost events included, and the events it told as lost. */
  readonly toldFlows: number;
  readonly toldLostEvents: number;
  /** Scrapes, questions and runs of `ctwatch check` that were answered, and those that were not. */
  readonly answered: number;
  readonly unanswered: number;
}

/** The first samples are of a process that still fills its tables. */
export const WARM_UP_RATIO = 1 / 3;

export function afterWarmUp(samples: readonly SoakSample[]): readonly SoakSample[] {
  const end = samples.at(-1)?.seconds ?? 0;
  return samples.filter(({ seconds }) => seconds >= end * WARM_UP_RATIO);
}

/** Slope of `y` over `x` and one standard error of it, per unit of `x`; NaN for fewer than four points. */
export function fitSlope(points: readonly (readonly [x: number, y: number])[]): { slope: number; error: number } {
  const n = points.length;
  if (n < 4) return { slope: Number.NaN, error: Number.NaN };
  const mean = (axis: 0 | 1) => points.reduce((sum, point) => sum + point[axis], 0) / n;
  const [meanX, meanY] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const residuals = points.map(([x, y]) => y - meanY - slope * (x - meanX));
  const square = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const product = residuals.slice(1).reduce((sum, residual, i) => sum + residual * (residuals[i] ?? 0), 0);
  const correlation = square > 0 ? Math.min(0.95, Math.max(0, product / square)) : 0;
  const widened = Math.sqrt((1 + correlation) / (1 - correlation));
  return { slope, error: Math.sqrt(square / (n - 2) / spread) * widened };
}

const MIB = 2 ** 20;
const HOUR = 3600;

/** The last line of a soak. */
export function formatVerdict(samples: readonly SoakSample[], totals: SoakTotals): string {
  const warm = afterWarmUp(samples);
  const slopeOf = (bytes: (sample: SoakSample) => number) => {
    const { slope, error } = fitSlope(warm.map((sample) => [sample.seconds / HOUR, bytes(sample) / 1024]));
    return Number.isNaN(slope)
      ? 'unknown'
      : `${signed(slope)} (standard error ${Math.round(error).toLocaleString('en')}) KiB/h`;
  };
  const { madeFlows, toldFlows, toldLostEvents, answered, unanswered } = totals;
  const count = (value: number) => value.toLocaleString('en');
  return [
    `soak: ${Math.round((samples.at(-1)?.seconds ?? 0) / 6) / 10} min`,
    `memory ${slopeOf(({ residentBytes }) => residentBytes)}, its heap ${slopeOf(({ heapBytes }) => heapBytes)} after warm-up`,
    `highest ${Math.round(highest(samples, ({ residentBytes }) => residentBytes) / MIB)} MiB`,
    `worst lag ${milliseconds(highest(samples, ({ lagMaxSeconds }) => lagMaxSeconds))}`,
    `slowest answer ${milliseconds(highest(samples, ({ answerSeconds }) => answerSeconds))} of ${count(answered)}, ${unanswered} unanswered`,
    `flows ${count(toldFlows)} told of ${count(madeFlows)} made, ${count(toldLostEvents)} events lost`,
  ].join('; ');
}

/** A row for each tenth of the time: the mean of what is read, the highest lag and answer, what was lost in it. */
export function formatTable(samples: readonly SoakSample[]): string {
  const end = samples.at(-1)?.seconds ?? 0;
  const rows = ['minutes   RSS MiB  heap MiB  CPU %   lag ms  answer ms  new flows/s   lost events  lost lines'];
  let before: SoakSample | undefined;
  for (let part = 1; part <= 10; part++) {
    const of = samples.filter(({ seconds }) => seconds > ((part - 1) * end) / 10 && seconds <= (part * end) / 10);
    const last = of.at(-1);
    const first = before ?? of[0];
    if (last === undefined || first === undefined) continue;
    const seconds = Math.max(1, last.seconds - first.seconds);
    const mean = (value: (sample: SoakSample) => number) =>
      of.reduce((sum, sample) => sum + value(sample), 0) / of.length;
    const columns = [
      [(last.seconds / 60).toFixed(1), 7],
      [(mean(({ residentBytes }) => residentBytes) / MIB).toFixed(1), 10],
      [(mean(({ heapBytes }) => heapBytes) / MIB).toFixed(1), 10],
      [(((last.cpuSeconds - first.cpuSeconds) / seconds) * 100).toFixed(1), 7],
      [(highest(of, ({ lagMaxSeconds }) => lagMaxSeconds) * 1000).toFixed(0), 9],
      [(highest(of, ({ answerSeconds }) => answerSeconds) * 1000).toFixed(0), 11],
      [((last.newFlows - first.newFlows) / seconds).toFixed(0), 13],
      [String(last.lostEvents - first.lostEvents), 14],
      [String(last.lostLines - first.lostLines), 12],
    ] as const;
    rows.push(columns.map(([text, width]) => text.padStart(width)).join(''));
    before = last;
  }
  return rows.join('\n');
}

/** Memory and lag over time, as SVG. */
export function drawSoak(samples: readonly SoakSample[]): string {
  const minutes = samples.map(({ seconds }) => seconds / 60);
  const line = (name: string, color: string, value: (sample: SoakSample) => number): Mark => ({
    ...{ kind: 'line', name, color },
    points: samples.map((sample, i) => [minutes[i] ?? 0, value(sample)] as const),
  });
  const x = axis('minutes', Math.max(1, ...minutes));
  const memory = [
    line('resident', '#0060a8', ({ residentBytes }) => residentBytes / MIB),
    line('heap', '#009e73', ({ heapBytes }) => heapBytes / MIB),
  ];
  const lag = [
    line('event loop lag, highest of the last minute or two', '#d55e00', ({ lagMaxSeconds }) => lagMaxSeconds * 1000),
    line('slowest answer', '#999', ({ answerSeconds }) => answerSeconds * 1000),
  ];
  return formatSvg(
    'Memory and lag of ctwatch over the time of a soak',
    [
      { title: 'Memory', x, y: axis('MiB', topOf(memory)), marks: memory },
      { title: 'Lag', x, y: axis('ms', topOf(lag)), marks: lag },
    ],
    { columns: 1, width: 640, height: 180 },
  );
}

function axis(label: string, max: number): Axis {
  return { label, min: 0, max, ticks: roundTicks(0, max, 6).map((at) => ({ at, text: String(at) })) };
}

function topOf(marks: readonly Mark[]): number {
  return 1.1 * Math.max(1, ...marks.flatMap(({ points }) => points.map(([, y]) => y)));
}

function highest(samples: readonly SoakSample[], value: (sample: SoakSample) => number): number {
  return Math.max(0, ...samples.map(value));
}

function milliseconds(seconds: number): string {
  return `${Math.round(seconds * 1000)} ms`;
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${Math.round(value).toLocaleString('en')}`;
}
