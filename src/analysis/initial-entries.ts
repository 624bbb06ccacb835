/**
 * Entries that are older than the daemon: all that is known of them is the initial dump.
 *
 * A closing entry leaves when its timeout is over. An established or assured one renews it, so its time is not known; how fast
 * those go is read from how many are left. With nf_conntrack_events=2 none of them sends a DESTROY.
 */
import { type EventColumns, PRESENT } from '../model/batch.js';
import { isIcmp } from '../model/protocol.js';

const TCP = 6;
const TCP_ESTABLISHED = 3;
const IPS_ASSURED = 4;
/** Remaining timeouts are kept to the second up to here. */
const REMAINING_SECONDS = 1024;

/** The initial entries that should be live by now. */
export interface InitialView {
  /** A dump told them. */
  readonly isDumped: boolean;
  /** Entries of the dump that should still be live in so many seconds, if those that renew their timeout stay. */
  readonly liveAt: (aheadSeconds: number) => number;
  /** Those of them that renew their timeout. */
  readonly renewed: number;
  /** Entries that expired by now, `sinceSeconds` ago at most, and count until they are collected. */
  readonly expiredSince: (sinceSeconds: number) => number;
}

/** The initial dump. */
export class InitialEntries {
  readonly #leaving = new Float64Array(REMAINING_SECONDS);
  #later = 0;
  #renewed = 0;
  #total = 0;
  /** How many have left by each second; made when it is asked for. */
  #goneBySecond: Float64Array | undefined;

  /** Takes an entry of the dump, at a second of the daemon's life. */
  observe(second: number, columns: EventColumns, row: number): void {
    this.#total += 1;
    this.#goneBySecond = undefined;
    const protocol = columns.protocol[row] ?? 0;
    const isRenewed =
      protocol === TCP
        ? columns.tcpState[row] === TCP_ESTABLISHED
        : !isIcmp(protocol) && ((columns.status[row] ?? 0) & IPS_ASSURED) !== 0;
    const hasTimeout = ((columns.present[row] ?? 0) & PRESENT.timeout) !== 0;
    const leaves = second + (columns.timeoutSeconds[row] ?? 0);
    if (isRenewed || !hasTimeout) this.#renewed += 1;
    else if (leaves >= REMAINING_SECONDS) this.#later += 1;
    else this.#leaving[leaves] = (this.#leaving[leaves] ?? 0) + 1;
  }

  /** What should be left at this age of the daemon. */
  view(atSeconds: number): InitialView {
    this.#goneBySecond ??= this.#sumUp();
    const until = this.#goneBySecond;
    const total = this.#total;
    const goneBy = (seconds: number) => until[Math.max(0, Math.min(REMAINING_SECONDS, Math.floor(seconds)))] ?? 0;
    return {
      isDumped: total > 0,
      liveAt: (aheadSeconds) => total - goneBy(atSeconds + aheadSeconds),
      renewed: this.#renewed + this.#later,
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
