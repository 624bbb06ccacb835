/**
 * When a dump of the table is worth its price: for a census while an alert on the table's size is near or fires, and, if that is asked
 * for, to make the kernel collect expired entries before the table is full.
 *
 *   far ──(nearly a warning)──> near: a census at once, then every 5 min ──(a warning)──> firing: every minute
 *
 * Only says what is wanted; whether it can be granted is the source's business. Time is an argument.
 */
import { CENSUS_NEAR_SECONDS, CENSUS_SECONDS_MIN, DUMP_SECONDS_MIN } from '../../model/limits.js';
import type { DumpPurpose } from '../../model/record.js';
import type { AlertSettings } from '../../model/settings.js';
import type { Forecast } from '../forecast/forecast.js';

export interface DumpWishesOptions {
  readonly alert: Pick<AlertSettings, 'usage' | 'time_to_full'>;
  /** Whether censuses are wanted at all. */
  readonly census: boolean;
  /** count / max from which expired entries are to be collected; never when absent. */
  readonly reapAtRatio?: number | undefined;
}

/** What a wish is judged on, once a tick. */
export interface DumpWishesInput {
  readonly monotonicSeconds: number;
  /** Entries and their limit, the real one or one that is assumed; absent while unknown. */
  readonly count?: number | undefined;
  readonly max?: number | undefined;
  /** Expired entries that still count (model). */
  readonly expired?: number | undefined;
  readonly forecast: Pick<Forecast, 'verdict' | 'secondsToFull' | 'probabilityFull10m'>;
}

/** An alert is near at this many times its time to full, however probable. */
const NEAR_FACTOR = 2;

/** Share of the limit that expired entries must take up for a reap: less would be refilled before the next. */
const REAP_EXPIRED_RATIO_MIN = 0.02;

/** Follows the ticks. */
export class DumpWishes {
  #options: DumpWishesOptions;
  #censusAt = Number.NEGATIVE_INFINITY;
  #reapAt = Number.NEGATIVE_INFINITY;

  constructor(options: DumpWishesOptions) {
    this.#options = options;
  }

  configure(options: DumpWishesOptions): void {
    this.#options = options;
  }

  /** What is wanted now; a census collects as well, so it goes first. */
  observe(input: DumpWishesInput): DumpPurpose | undefined {
    if (this.#isCensusDue(input)) {
      this.#censusAt = input.monotonicSeconds;
      this.#reapAt = input.monotonicSeconds;
      return 'census';
    }
    if (!this.#isReapDue(input)) return undefined;
    this.#reapAt = input.monotonicSeconds;
    return 'reap';
  }

  #isCensusDue(input: DumpWishesInput): boolean {
    if (!this.#options.census) return false;
    const sinceSeconds = input.monotonicSeconds - this.#censusAt;
    if (sinceSeconds < CENSUS_SECONDS_MIN) return false;
    if (this.#isWithin(input, 1)) return true;
    return sinceSeconds >= CENSUS_NEAR_SECONDS && this.#isWithin(input, NEAR_FACTOR);
  }

  /** Whether a warning holds, or at a factor above 1 nearly does. */
  #isWithin({ count, max, forecast }: DumpWishesInput, factor: number): boolean {
    const { usage, time_to_full } = this.#options.alert;
    const { warning_ratio, clear_margin_ratio } = usage;
    const level = factor > 1 ? Math.max(warning_ratio - clear_margin_ratio, warning_ratio / factor) : warning_ratio;
    if (count !== undefined && max !== undefined && count / max >= level) return true;
    const { verdict, secondsToFull = Number.POSITIVE_INFINITY, probabilityFull10m = 1 } = forecast;
    return (
      verdict === 'fills' &&
      secondsToFull <= time_to_full.warning_seconds * factor &&
      (factor > 1 || probabilityFull10m >= time_to_full.warning_probability)
    );
  }

  #isReapDue({ monotonicSeconds, count, max, expired }: DumpWishesInput): boolean {
    const { reapAtRatio } = this.#options;
    if (reapAtRatio === undefined || count === undefined || max === undefined || expired === undefined) return false;
    if (monotonicSeconds - this.#reapAt < DUMP_SECONDS_MIN) return false;
    return count >= reapAtRatio * max && expired >= Math.max(1, REAP_EXPIRED_RATIO_MIN * max);
  }
}
