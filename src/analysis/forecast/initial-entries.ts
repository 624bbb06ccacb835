/**
 * Entries that are older than the daemon: all that is known of them is the initial dump.
 *
 * A closing entry leaves when its timeout is over. An established or assured one renews it: it closes as fast as those of its port
 * did, and lives for its timeout then; how fast they really go is read from how many are left. With nf_conntrack_events=2 none of them sends a DESTROY.
 */

import { type EventColumns, PRESENT } from '../../model/batch.js';
import { IPS_ASSURED } from '../../model/protocol.js';
import type { ProtocolTimeouts } from '../../model/record.js';
import { isRenewed } from '../flow-stage.js';
import type { Endings } from './endings.js';
import type { FlowClass } from './flow-classes.js';
import { InitialClosings } from './initial-closings.js';
import { HORIZON_SECONDS } from './survival.js';

/** Remaining timeouts are kept to the second up to here. */
const REMAINING_SECONDS = 1024;

/** Ages of the daemon to which it is told how many of those that renew their timeout are left, seconds. */
const RENEWED_SECONDS = REMAINING_SECONDS + HORIZON_SECONDS + 1;

/** The initial entries that should be live by now. */
export interface InitialView {
  /** A dump told them. */
  readonly isDumped: boolean;
  /** Closing entries of the dump that should still be live in so many seconds. */
  readonly closingAt: (aheadSeconds: number) => number;
  /** Those that renewed their timeout, and should be live then, closing or not. */
  readonly renewedAt: (aheadSeconds: number) => number;
  /** Of the closing ones those that are not ASSURED, which the kernel may evict. */
  readonly unassuredAt: (aheadSeconds: number) => number;
  /** Entries that expired by now, `sinceSeconds` ago at most, and count until they are collected. */
  readonly expiredSince: (sinceSeconds: number) => number;
}

/** What is left of the initial entries now. */
export interface InitialParts {
  readonly closing: number;
  readonly renewed: number;
  readonly expired: number;
}

/**
 * Of `total` initial entries that are left. The closing ones go by the clock, so what is more than these and those that renew
 * has expired and waits; `sinceSeconds` ago all that had was collected.
 */
export function initialParts(initial: InitialView, total: number, sinceSeconds: number): InitialParts {
  const closing = Math.min(total, initial.closingAt(0));
  const rest = total - closing;
  const expired = Math.max(0, Math.min(rest - initial.renewedAt(0), initial.expiredSince(sinceSeconds)));
  return { closing, renewed: rest - expired, expired };
}

function isUnassured(columns: EventColumns, row: number): boolean {
  return ((columns.status[row] ?? 0) & IPS_ASSURED) === 0;
}

/** The initial dump. */
export class InitialEntries {
  readonly #leaving = new Float64Array(REMAINING_SECONDS);
  readonly #unassuredLeaving = new Float64Array(REMAINING_SECONDS);
  #later = 0;
  #total = 0;
  readonly #closings: InitialClosings;
  /** Those left by age of the daemon; made when it is asked for. */
  #renewed: Float64Array | undefined;
  /** How many have left by each second; made when it is asked for. */
  #goneBySecond: Float64Array | undefined;

  constructor(timeouts: ProtocolTimeouts) {
    this.#closings = new InitialClosings(timeouts);
  }

  /** Takes an entry of the dump, at a second of the daemon's life. */
  observe(second: number, columns: EventColumns, row: number): void {
    this.#total += 1;
    this.#renewed = undefined;
    this.#goneBySecond = undefined;
    this.#closings.observe(columns, row);
    if (isRenewed(columns, row)) return;
    const hasTimeout = ((columns.present[row] ?? 0) & PRESENT.timeout) !== 0;
    const leaves = second + (columns.timeoutSeconds[row] ?? 0);
    if (!hasTimeout || leaves >= REMAINING_SECONDS) this.#later += 1;
    else {
      this.#leaving[leaves] = (this.#leaving[leaves] ?? 0) + 1;
      if (isUnassured(columns, row)) this.#unassuredLeaving[leaves] = (this.#unassuredLeaving[leaves] ?? 0) + 1;
    }
  }

  /** How flows of a class end, as far as the dump tells. */
  endingsOf(described: FlowClass): Endings | undefined {
    return this.#closings.endingsOf(described);
  }

  /** What should be left at this age of the daemon. */
  view(atSeconds: number): InitialView {
    this.#goneBySecond ??= this.#sumUp();
    const until = this.#goneBySecond;
    const goneBy = (seconds: number) => until[Math.max(0, Math.min(REMAINING_SECONDS, Math.floor(seconds)))] ?? 0;
    const all = goneBy(REMAINING_SECONDS);
    this.#renewed ??= this.#closings.activeByAge(RENEWED_SECONDS);
    const renewed = this.#renewed;
    return {
      isDumped: this.#total > 0,
      closingAt: (aheadSeconds) => all - goneBy(atSeconds + aheadSeconds),
      renewedAt: (aheadSeconds) =>
        this.#later + (renewed[Math.min(Math.max(0, Math.floor(atSeconds + aheadSeconds)), RENEWED_SECONDS - 1)] ?? 0),
      unassuredAt: (aheadSeconds) => {
        const from = Math.max(0, Math.floor(atSeconds + aheadSeconds));
        return from < REMAINING_SECONDS
          ? this.#unassuredLeaving.subarray(from).reduce((sum, some) => sum + some, 0)
          : 0;
      },
      expiredSince: (sinceSeconds) => goneBy(atSeconds) - goneBy(atSeconds - sinceSeconds),
    };
  }
  #sumUp(): Float64Array {
    const until = new Float64Array(REMAINING_SECONDS + 1);
    for (let second = 0; second < REMAINING_SECONDS; second++) {
      until[second + 1] = (until[second] ?? 0) + (this.#leaving[second] ?? 0);
    }
    return until;
  }
}
