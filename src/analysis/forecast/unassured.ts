/**
 * Which part of the entries the kernel may evict when the table is full: those that are not ASSURED.
 *
 * No event tells: an entry is assured when packets have come back. Look-ups of young flows do, class by class and age by age, and the
 * initial dump does for what was there before. Where neither knows enough of what is in the table, nothing is said.
 */

import type { TableSnapshot } from '../table.js';
import { sumOverAges } from './age-sums.js';
import { initialParts } from './initial-entries.js';
import type { LifetimesView } from './lifetimes.js';

export interface Unassured {
  /** Of the live entries, 0..1. */
  readonly ratio: number;
  /** Of the flows that arrive now, a few seconds after their NEW, 0..1. */
  readonly arrivingRatio: number;
}

/** Part of the entries, or of the arrivals, about which nothing may be known. */
const UNKNOWN_MAX = 0.1;

/**
 * Of the table at the moment of the view; undefined while too little is known. What a census has counted goes before what is weighed
 * here, and stands for the arrivals too while nothing of them was looked up.
 */
export function unassuredOf(
  { classes, initial, collector }: LifetimesView,
  { count, blind, unassuredRatio: counted }: Pick<TableSnapshot, 'count' | 'blind' | 'unassuredRatio'>,
): Unassured | undefined {
  if (count === undefined) return undefined;
  const entries = new Share();
  const arrivals = new Share();
  let tracked = 0;
  for (const { sighted, liveByAge, expired, trend } of classes) {
    const live = sumOverAges(liveByAge);
    tracked += live + expired;
    if (sighted === undefined) {
      entries.add(live, undefined);
      arrivals.add(trend.ratePerSecond, undefined);
      continue;
    }
    const ratios = sighted.unassuredByAge();
    entries.add(live, live > 0 ? sumOverAges(liveByAge, ratios) / live : 0);
    arrivals.add(trend.ratePerSecond, ratios[sighted.fromSeconds]);
  }
  const parts = initialParts(initial, Math.min(blind, Math.max(0, count - tracked)), collector.sinceSweepSeconds);
  const { closing, renewed } = parts;
  if (initial.isDumped) {
    entries.add(closing, Math.min(1, initial.unassuredAt(0) / Math.max(closing, 1)));
    entries.add(renewed, 0);
  } else entries.add(closing + renewed, undefined);
  const [ratio, arrivingRatio] = [counted ?? entries.ratio, arrivals.ratio ?? counted];
  return ratio === undefined || arrivingRatio === undefined ? undefined : { ratio, arrivingRatio };
}

/** A mean over what is known. */
class Share {
  #known = 0;
  #unknown = 0;
  #sum = 0;

  add(weight: number, ratio: number | undefined): void {
    if (ratio === undefined) this.#unknown += weight;
    else {
      this.#known += weight;
      this.#sum += weight * ratio;
    }
  }

  get ratio(): number | undefined {
    if (this.#known <= 0 || this.#unknown > UNKNOWN_MAX * (this.#known + this.#unknown)) return undefined;
    return this.#sum / this.#known;
  }
}
