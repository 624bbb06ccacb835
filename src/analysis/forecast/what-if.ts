/**
 * Where the table would settle if something were changed now: the forecast's own projection, played once more for each change.
 *
 *   TIME_WAIT of 30 s ──> survival curves moved        culprit's flows not tracked, or on connections that are used again ──> its
 *                                                      part of the arrivals of its class taken away
 *
 * In the expected world alone and without an interval: it compares remedies, it does not promise. Entries that are there stay as
 * long as they would, so it says where the table is in ten minutes, not how soon.
 */

import { WHAT_IF_RATIO, WHAT_IF_SECONDS } from '../../model/limits.js';
import { TCP } from '../../model/protocol.js';
import type { TableSnapshot } from '../table.js';
import type { Forecast } from './forecast.js';
import type { ClassLifetimes, LifetimesView } from './lifetimes.js';
import { type Path, project } from './projection.js';
import { HORIZON_SECONDS } from './survival.js';

/** Entries that the table would settle at. */
export interface WhatIf {
  /** With nf_conntrack_tcp_timeout_time_wait at `TIME_WAIT_SECONDS`; absent when it is not longer now. */
  readonly timeWaitCount?: number;
  /** Without the flows of the culprit: as with a rule that does not track them. Absent without a culprit. */
  readonly withoutCount?: number;
}

export interface WhatIfInput {
  readonly table: TableSnapshot;
  readonly lifetimes: LifetimesView;
  readonly uptimeSeconds: number;
  /** The destination whose flows are taken away. */
  readonly culprit: WhatIfCulprit | undefined;
}

export interface WhatIfCulprit {
  /** IPPROTO_* number. */
  readonly protocol: number;
  readonly port: number;
  readonly newPerSecond: number;
}

export const TIME_WAIT_SECONDS = 30;
/** Where it settles is read from here on: it must have had time to, and a pause of the collector must lie in it. */
const SETTLED_SECONDS = HORIZON_SECONDS - 180;

/** Plays the changes; undefined while the table's size is not known. Pure. */
export function playWhatIf({ table, lifetimes, uptimeSeconds, culprit }: WhatIfInput): WhatIf | undefined {
  const { count, blind } = table;
  if (count === undefined) return undefined;
  const settle = (view: LifetimesView) =>
    settled(project({ count, blind, lifetimes: view, uptimeSeconds }, 'expected'));
  const fromSeconds = lifetimes.timeouts.tcp?.time_wait ?? 120;
  const shorter = { protocol: TCP, fromSeconds, toSeconds: TIME_WAIT_SECONDS };
  return {
    ...(fromSeconds > TIME_WAIT_SECONDS && {
      timeWaitCount: settle({ ...lifetimes, assumed: [...lifetimes.assumed, shorter] }),
    }),
    ...(culprit !== undefined && { withoutCount: settle(without(lifetimes, culprit)) }),
  };
}

/** Plays changes while the table fills, seldom: each costs as much as a forecast. */
export class WhatIfs {
  #last: WhatIf | undefined;
  #playedAt = Number.NEGATIVE_INFINITY;
  /** Whose flows were taken away. */
  #culprit: WhatIfCulprit | undefined;

  /** What was played last, as an object to spread. */
  get last(): { readonly whatIf?: WhatIf } {
    return this.#last === undefined ? {} : { whatIf: this.#last };
  }

  /** `forecast` is the last one. */
  play(atSeconds: number, { plateauCount = 0 }: Pick<Forecast, 'plateauCount'>, input: WhatIfInput): void {
    const { max } = input.table;
    const { protocol, port } = input.culprit ?? {};
    const isSame = this.#culprit?.protocol === protocol && this.#culprit?.port === port;
    if (max === undefined || plateauCount < WHAT_IF_RATIO * max) this.#last = undefined;
    else if (this.#last === undefined || !isSame || atSeconds - this.#playedAt >= WHAT_IF_SECONDS) {
      this.#playedAt = atSeconds;
      this.#culprit = input.culprit;
      this.#last = playWhatIf(input);
    }
  }
}

function settled({ horizons, mean }: Path): number {
  return horizons.reduce((most, at, i) => (at >= SETTLED_SECONDS ? Math.max(most, mean[i] ?? 0) : most), 0);
}

/** The class of the culprit with the arrivals of others alone. */
function without(lifetimes: LifetimesView, { protocol, port, newPerSecond }: WhatIfCulprit): LifetimesView {
  const own =
    lifetimes.classes.find((each) => each.protocol === protocol && each.port === port) ??
    lifetimes.classes.find((each) => each.protocol === protocol && each.port === undefined);
  if (own === undefined) return lifetimes;
  const rate = own.trend.ratePerSecond;
  // A class of its own is the culprit's, unless others use the port as well.
  const share = rate > 0 ? Math.min(1, newPerSecond / rate) : 1;
  const classes = lifetimes.classes.map((each) => (each === own ? thinned(each, 1 - share) : each));
  return { ...lifetimes, classes, newPerSecond: Math.max(0, lifetimes.newPerSecond - share * rate) };
}

function thinned(learned: ClassLifetimes, part: number): ClassLifetimes {
  const { trend } = learned;
  const { ratePerSecond, slope, rateError, slopeError } = trend;
  const less = {
    ratePerSecond: ratePerSecond * part,
    slope: slope * part,
    rateError: rateError * part,
    slopeError: slopeError * part,
  };
  return { ...learned, trend: { ...trend, ...less } };
}
