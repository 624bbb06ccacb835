/** What comes to a simulated table: which flows, how many, and how each lives. */
import type { Random } from './random.js';

/** How one flow lives: traffic renews its timeout for `activeSeconds`, then it runs out. */
export interface Life {
  readonly activeSeconds: number;
  /** Timeout that runs after the last packet. */
  readonly timeoutSeconds: number;
  /** What is left of the timeout while it is renewed, as the collector sees it. */
  readonly renewedSeconds: number;
}

/** Flows that arrive and live alike. */
export interface Traffic {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** New flows a second at a time after the daemon's start (negative: before). */
  readonly ratePerSecond: (seconds: number) => number;
  /** Draws the life of a flow born at that time. */
  readonly life: (random: Random, seconds: number) => Life;
  /** Changes the lives of flows that are active at a moment, as when a backend hangs. */
  readonly hangsAtSeconds?: number;
}
