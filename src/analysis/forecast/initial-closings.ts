/**
 * What the initial dump tells about each port: which of its entries are closing, and since when.
 *
 * A closing entry began to close its timeout less what is left of it ago. So the dump holds the closings of the last seconds, each
 * timeout for itself, although nobody watched, and beside them the entries that are still active. The newest closings tell how
 * fast active ones close now. Nothing is known of ports that are not in the dump.
 *
 *   TIME_WAIT, 117 s left of 120 -> closed 3 s ago        CLOSE, 9 s left of 10 -> reset a second ago
 *
 * Source: tcp_timeouts[] and the states of nf_conntrack_proto_tcp.c.
 */
import { type EventColumns, PRESENT } from '../../model/batch.js';
import { CLOSING_PORTS_MAX } from '../../model/limits.js';
import { TCP, UDP } from '../../model/protocol.js';
import type { ProtocolTimeouts } from '../../model/record.js';
import { isRenewed } from '../flow-stage.js';
import { type Endings, endingSurvivors, endingsWeight } from './endings.js';
import type { FlowClass } from './flow-classes.js';

/** Names of the timeouts by the kernel's number of the state, with its defaults. */
const CLOSING_STATES = new Map([
  [1, ['syn_sent', 120]],
  [2, ['syn_recv', 60]],
  [4, ['fin_wait', 120]],
  [5, ['close_wait', 60]],
  [6, ['last_ack', 30]],
  [7, ['time_wait', 120]],
  [8, ['close', 10]],
  [9, ['syn_sent2', 120]],
] as const);

/** Closings of the last seconds tell the present; where there are too few, those of the whole timeout. */
const NEWEST_SECONDS = 10;
const NEWEST_MIN = 30;
/** Ports of a protocol, and one key for all of them. */
const PORT_KEYS = 65_537;
/** What closes at once does so within a second. */
const CLOSING_MAX = 1;

interface Port {
  active: number;
  /** By timeout, seconds: closings that are still there, and those of the newest seconds. */
  readonly closings: Map<number, { all: number; newest: number }>;
}

/** The closings in a dump. */
export class InitialClosings {
  readonly #timeouts: ProtocolTimeouts;
  /** By protocol and destination port; a port of -1 is all of a protocol. */
  readonly #ports = new Map<number, Port>();

  constructor(timeouts: ProtocolTimeouts) {
    this.#timeouts = timeouts;
  }

  /** Takes an entry of the dump. */
  observe(columns: EventColumns, row: number): void {
    const protocol = columns.protocol[row] ?? 0;
    if (protocol !== TCP && protocol !== UDP) return;
    const own = this.#port(protocol, columns.originalDestinationPort[row] ?? 0);
    for (const port of [this.#port(protocol, undefined), own]) {
      if (port === undefined) continue;
      if (isRenewed(columns, row)) port.active += 1;
      else if (((columns.present[row] ?? 0) & PRESENT.timeout) !== 0) this.#close(port, columns, row);
    }
  }

  /** How flows of a class end; absent when the dump does not tell. */
  endingsOf({ protocol, port }: FlowClass): Endings | undefined {
    const seen = this.#ports.get(keyOf(protocol, port));
    if (seen === undefined) return undefined;
    let rate = 0;
    let flows = 0;
    const rates = [...seen.closings]
      .sort(([a], [b]) => a - b)
      .map(([seconds, { all, newest }]) => {
        const isEnough = newest >= NEWEST_MIN;
        const counted = isEnough ? newest : all;
        const perSecond = counted / Math.max(1, isEnough ? Math.min(NEWEST_SECONDS, seconds) : seconds);
        flows += counted;
        rate += perSecond;
        return { seconds, perSecond };
      });
    if (rate <= 0) return undefined;
    return {
      timeouts: rates.map(({ seconds, perSecond }) => ({ seconds, ratio: perSecond / rate })),
      closingPerSecond: Math.min(CLOSING_MAX, rate / Math.max(seen.active, 1)),
      flows,
    };
  }

  /** Those active in the dump that are left at each age of the dump, 0, 1, ... s, if they go on to close as they did. */
  activeByAge(seconds: number): Float64Array {
    const left = new Float64Array(seconds);
    for (const [key, { active }] of this.#ports) {
      if (active === 0 || key % PORT_KEYS === PORT_KEYS - 1) continue;
      const endings = this.endingsOf({ protocol: Math.floor(key / PORT_KEYS), port: key % PORT_KEYS });
      const weight = endingsWeight(endings, 0, 1);
      for (let age = 0; age < seconds; age++) {
        left[age] = (left[age] ?? 0) + active * (1 - weight + (endings ? weight * endingSurvivors(endings, age) : 0));
      }
    }
    return left;
  }

  #close(port: Port, columns: EventColumns, row: number): void {
    const timeout = this.#timeoutOf(columns, row);
    if (timeout === undefined) return;
    const ago = timeout - (columns.timeoutSeconds[row] ?? 0);
    // More than the timeout: another policy rules this entry.
    if (ago < -1) return;
    const closings = port.closings.get(timeout) ?? { all: 0, newest: 0 };
    port.closings.set(timeout, closings);
    closings.all += 1;
    if (ago <= NEWEST_SECONDS) closings.newest += 1;
  }

  #timeoutOf(columns: EventColumns, row: number): number | undefined {
    if (columns.protocol[row] === UDP) return this.#timeouts.udp?.unreplied ?? 30;
    const state = CLOSING_STATES.get((columns.tcpState[row] ?? 0) as 1);
    return state && (this.#timeouts.tcp?.[state[0]] ?? state[1]);
  }

  #port(protocol: number, port: number | undefined): Port | undefined {
    const key = keyOf(protocol, port);
    const seen = this.#ports.get(key);
    if (seen !== undefined || this.#ports.size >= CLOSING_PORTS_MAX) return seen;
    const created: Port = { active: 0, closings: new Map() };
    this.#ports.set(key, created);
    return created;
  }
}

function keyOf(protocol: number, port: number | undefined): number {
  return protocol * PORT_KEYS + (port ?? PORT_KEYS - 1);
}
