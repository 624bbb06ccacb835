/** Traffic in turns, as a server has it over a day: nothing, a steady rate, bursts, a flood. Counts what it made. */
import { setTimeout as sleep } from 'node:timers/promises';
import { burstFlows, flushTable, tcpConnections, udpFlows } from '../namespace.mjs';

/** Each ends with fewer entries than any table holds; the flush ends them all. */
const PHASES = {
  quiet: () => sleep(10_000),
  steady: (namespace) => udpFlows(namespace, { count: 15_000, rate: 500, dports: 20 }),
  tcp: (namespace) => tcpConnections(namespace, { count: 1500, port: 7400, rate: 100 }),
  burst: (namespace) => burstFlows(namespace, { base: 200, factor: 4, beforeSeconds: 10, afterSeconds: 10 }).result,
  flood: (namespace) => udpFlows(namespace, { count: 80_000, dport: 21_000 }),
  churn: (namespace) => udpFlows(namespace, { count: 100_000, rate: 5000, flushEvery: 25_000, dport: 22_000 }),
};

export class SoakTraffic {
  #namespace;
  madeFlows = 0;
  phase = 'start';

  constructor(namespace) {
    this.#namespace = namespace;
  }

  /** Goes on in turns until the signal; what has begun is played to its end, and the table is empty after it. */
  async play(signal) {
    for (let turn = 0; !signal.aborted; turn++) {
      const names = Object.keys(PHASES);
      this.phase = names[turn % names.length];
      const result = await PHASES[this.phase](this.#namespace);
      this.madeFlows += result?.flows ?? 0;
      if (turn % names.length === names.length - 1) await flushTable(this.#namespace);
    }
    this.phase = 'end';
    await flushTable(this.#namespace);
  }
}
