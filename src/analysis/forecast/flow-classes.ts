/**
 * Which flows are expected to stay alike long: those of one protocol and destination port.
 *
 * The busiest ports have a class of their own, every other flow belongs to the rest of its protocol, so the number of classes is
 * fixed. A port is given a free class as soon as it has shown some traffic; when none is free, once a minute the idlest class goes
 * to a port with twice its traffic. What the old owner had joins the rest.
 *
 *   index 0..27 own ports | 28 tcp | 29 udp | 30 icmp | 31 other
 */
import type { EventColumns } from '../../model/batch.js';
import { CLASSES_MAX } from '../../model/limits.js';
import { isIcmp, TCP, UDP } from '../../model/protocol.js';

/** Own classes plus one rest each for tcp, udp, icmp and other protocols. */
export const CLASS_COUNT: number = CLASSES_MAX + 4;

/** What the members of a class have in common. */
export interface FlowClass {
  /** IPPROTO_* number; 0 for the rest of the less usual protocols. */
  readonly protocol: number;
  /** Destination port; absent for the rest of a protocol. */
  readonly port?: number;
}

const PORTS = 65_536;
const REST_TCP = CLASSES_MAX;
const REST_UDP = CLASSES_MAX + 1;
const REST_ICMP = CLASSES_MAX + 2;
const REST_OTHER = CLASSES_MAX + 3;
/** New flows in a minute before a port gets a class: fewer teach nothing about how long they stay. */
const OWN_CLASS_FLOWS_MIN = 30;
/** Traffic of a port without a class, relative to the idlest one with, that makes them change places. */
const REPLACE_FACTOR = 2;

/** Sorts flows into classes. */
export class FlowClasses {
  /** Class + 1 of a port, 0 for none: tcp ports, then udp ports. */
  readonly #owned = new Uint8Array(2 * PORTS);
  /** New flows since the last rotation, halved at each. */
  readonly #flows = new Uint32Array(2 * PORTS);
  /** Port index of an own class, -1 while it is free. */
  readonly #ports = new Int32Array(CLASSES_MAX).fill(-1);
  #used = 0;

  /** Class of the flow in `row`, 0..31; does not count it. */
  classOf(columns: EventColumns, row: number): number {
    const protocol = columns.protocol[row] ?? 0;
    if (protocol !== TCP && protocol !== UDP) return isIcmp(protocol) ? REST_ICMP : REST_OTHER;
    const index = (protocol === TCP ? 0 : PORTS) + (columns.originalDestinationPort[row] ?? 0);
    const owned = this.#owned[index] ?? 0;
    if (owned > 0) return owned - 1;
    return protocol === TCP ? REST_TCP : REST_UDP;
  }

  /** Counts the new flow in `row` and returns its class. Allocates nothing. */
  observeNew(columns: EventColumns, row: number): number {
    const protocol = columns.protocol[row] ?? 0;
    if (protocol === TCP || protocol === UDP) {
      const index = (protocol === TCP ? 0 : PORTS) + (columns.originalDestinationPort[row] ?? 0);
      const flows = (this.#flows[index] ?? 0) + 1;
      this.#flows[index] = flows;
      if (flows >= OWN_CLASS_FLOWS_MIN && this.#used < CLASSES_MAX && this.#owned[index] === 0) {
        this.#own(this.#used, index);
        this.#used += 1;
      }
    }
    return this.classOf(columns, row);
  }

  /**
   * Once a minute: gives the idlest class to the busiest port without one, when that has much more traffic.
   * Returns the class that changed hands and the rest its flows belong to now.
   */
  rotate(): { readonly changed: number; readonly rest: number } | undefined {
    let busiest = -1;
    let busiestFlows = OWN_CLASS_FLOWS_MIN;
    for (let index = 0; index < 2 * PORTS; index++) {
      const flows = this.#flows[index] ?? 0;
      if (flows === 0) continue;
      if (flows > busiestFlows && this.#owned[index] === 0) {
        busiest = index;
        busiestFlows = flows;
      }
    }
    const replaced = busiest < 0 || this.#used < CLASSES_MAX ? undefined : this.#replaceIdlest(busiest, busiestFlows);
    for (let index = 0; index < 2 * PORTS; index++) this.#flows[index] = (this.#flows[index] ?? 0) >>> 1;
    return replaced;
  }

  /** What class `index` is; undefined while it is free. */
  describe(index: number): FlowClass | undefined {
    if (index === REST_TCP) return { protocol: TCP };
    if (index === REST_UDP) return { protocol: UDP };
    if (index === REST_ICMP) return { protocol: 1 };
    if (index === REST_OTHER) return { protocol: 0 };
    const port = this.#ports[index] ?? -1;
    return port < 0 ? undefined : { protocol: port < PORTS ? TCP : UDP, port: port % PORTS };
  }

  #own(index: number, port: number): void {
    this.#ports[index] = port;
    this.#owned[port] = index + 1;
  }

  #replaceIdlest(port: number, flows: number): { changed: number; rest: number } | undefined {
    let idlest = 0;
    for (let index = 1; index < CLASSES_MAX; index++) {
      if (this.#flowsOf(index) < this.#flowsOf(idlest)) idlest = index;
    }
    if (flows < REPLACE_FACTOR * this.#flowsOf(idlest)) return undefined;
    const before = this.#ports[idlest] ?? 0;
    this.#owned[before] = 0;
    this.#own(idlest, port);
    return { changed: idlest, rest: before < PORTS ? REST_TCP : REST_UDP };
  }

  #flowsOf(index: number): number {
    return this.#flows[this.#ports[index] ?? 0] ?? 0;
  }
}
