/** What the pipeline knows after each record that tells something: facts, rounded nowhere, in no words. */
import type { BurstSnapshot, BurstTransition } from '../analysis/bursts/burst.js';
import type { DestinationBurst } from '../analysis/bursts/destination-bursts.js';
import type { Findings } from '../analysis/diagnosis/suspects.js';
import type { Forecast } from '../analysis/forecast/forecast.js';
import type { WhatIf } from '../analysis/forecast/what-if.js';
import type { RateSnapshot } from '../analysis/rates.js';
import type { TableSnapshot } from '../analysis/table.js';
import type { Talker } from '../analysis/talkers.js';
import type { CtwatchError } from '../model/errors.js';
import type { DrainTotals, HostFacts, Instant, KernelCounters, LossTotals } from '../model/record.js';
import type { Reload } from '../model/reload.js';
import type { DumpObservation } from './dump-watch.js';

/** Events since the source opened. All only grow. */
export interface Totals {
  readonly newEvents: number;
  readonly destroyEvents: number;
}

export interface OpenObservation {
  readonly type: 'open';
  readonly at: Instant;
  readonly host: HostFacts;
}

/** What is true at the end of a tick. Rates are per second, times in seconds. */
export interface TickObservation {
  readonly type: 'tick';
  readonly at: Instant;
  readonly uptimeSeconds: number;
  /** With `--assume-max` applied to `max`. Empty of numbers while the last reading is older than `TABLE_STALE_SECONDS`. */
  readonly table: TableSnapshot;
  readonly rates: RateSnapshot;
  readonly burst: BurstSnapshot;
  readonly burstTransition?: BurstTransition;
  /** Bursts of single destinations that the total's does not tell. */
  readonly destinationBursts: readonly DestinationBurst[];
  readonly forecast: Forecast;
  /** Destinations by their rate of new entries. */
  readonly top: readonly Talker[];
  /** While a burst is on: destinations by the growth of their rate since before it; shares are of that growth. */
  readonly growth: readonly Talker[];
  /** Who fills the table and what it looks like; made anew once a second, and when a burst begins or ends. */
  readonly findings: Findings;
  /** Where the table would settle with a change; only while it fills, not older than `WHAT_IF_SECONDS`. */
  readonly whatIf?: WhatIf;
  /** Received since the source opened. */
  readonly totals: Totals;
  /** Since the source opened. */
  readonly loss: LossTotals;
  /** NEW and DESTROY events lost in this tick. */
  readonly lostEvents: number;
  /** Share of the events of the last 10 s that were lost, 0..1. */
  readonly lostRatio: number;
  /** A dump made the kernel collect within the last `DESTROY_WINDOW_SECONDS`: their DESTROY events came in a burst. */
  readonly collectedByDump: boolean;
  /** As the source tells them, for the metrics. */
  readonly drains?: DrainTotals;
  /** Owners that the budgets name and nobody was told to be, each once. */
  readonly unseenOwners?: readonly string[];
  /** Increase of the kernel's counters in this tick; absent when no reading came. */
  readonly kernel?: KernelCounters;
}

/** Owners cannot be asked for, with why; or again. */
export interface OwnersObservation {
  readonly type: 'owners';
  readonly at: Instant;
  readonly error?: CtwatchError;
}

export interface CloseObservation {
  readonly type: 'close';
  readonly at: Instant;
  readonly reason: string;
  readonly error?: CtwatchError;
  readonly uptimeSeconds: number;
  readonly totals: Totals;
  readonly loss: LossTotals;
}

export type Observation =
  | OpenObservation
  | TickObservation
  | DumpObservation
  | OwnersObservation
  | Reload
  | CloseObservation;
