/**
 * Ranges of the monitoring plugins: a threshold alerts when a value is outside of it, or with `@` inside.
 *
 *   10       outside 0..10             ~:10     above 10
 *   10:      below 10                  10:20    outside 10..20          @10:20   inside 10..20
 *
 * Both ends belong to the range. Source: Monitoring Plugins Development Guidelines, "Threshold and Ranges".
 */

export interface ThresholdRange {
  /** May be infinite. */
  readonly low: number;
  readonly high: number;
  /** `outside` the range is what alerts, or what is inside. */
  readonly alerts: 'outside' | 'inside';
}

export const RANGE_FORMS = '80, 80:, ~:80, 10:20 or @10:20';

const RANGE = /^(@?)(?:(~|-?\d*\.?\d+)?:)?(-?\d*\.?\d+)?$/;

/** A range as `RANGE_FORMS` has it; a text says what is wrong. */
export function parseRange(text: string): ThresholdRange | string {
  const match = RANGE.exec(text);
  const [, at, start, end] = match ?? [];
  if (match === null || (start === undefined && end === undefined)) return `a range such as ${RANGE_FORMS} is expected`;
  // The sum makes -0 an ordinary 0.
  const low = start === '~' ? Number.NEGATIVE_INFINITY : 0 + Number(start ?? 0);
  const high = end === undefined ? Number.POSITIVE_INFINITY : 0 + Number(end);
  if (low > high) return 'a range begins below its end';
  return { low, high, alerts: at === '@' ? 'inside' : 'outside' };
}

/** As performance data has it; `parseRange` reads the same again. */
export function formatRange({ low, high, alerts }: ThresholdRange): string {
  const start =
    low === 0 && high !== Number.POSITIVE_INFINITY
      ? ''
      : low === Number.NEGATIVE_INFINITY
        ? '~:'
        : `${formatEnd(low)}:`;
  return `${alerts === 'inside' ? '@' : ''}${start}${high === Number.POSITIVE_INFINITY ? '' : formatEnd(high)}`;
}

/** Without an exponent, which the plugins' ranges do not know. */
function formatEnd(end: number): string {
  return end.toLocaleString('en', { useGrouping: false, maximumFractionDigits: 20 });
}

/** Whether a value, which may be infinite, raises the alert. */
export function isAlert(value: number, { low, high, alerts }: ThresholdRange): boolean {
  const isInside = value >= low && value <= high;
  return alerts === 'inside' ? isInside : !isInside;
}

/**
 * A range of usage, in percent: `80`, `80%`, `0.8` are the same. Without a `%` ends up to 1 are ratios, larger ones percent.
 * A text says what is wrong.
 */
export function parseUsageRange(text: string): ThresholdRange | string {
  const range = parseRange(text.replaceAll(/(?<=\d)%(?=:|$)/g, ''));
  if (typeof range === 'string') return range;
  const ends = [range.low, range.high].filter(Number.isFinite).map(Math.abs);
  if (text.includes('%') || ends.some((end) => end > 1)) return range;
  return { ...range, low: percent(range.low), high: percent(range.high) };
}

/** Without the digits that only binary fractions have. */
function percent(ratio: number): number {
  return Number.isFinite(ratio) ? Number((ratio * 100).toPrecision(12)) : ratio;
}
