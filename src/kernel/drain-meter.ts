/** How often the event sockets are read, and how long that takes: two looks at a clock per drain, under 0.1 us of at least 2 ms. */
import { performance } from 'node:perf_hooks';
import type { DrainTotals } from '../model/record.js';

export class DrainMeter {
  #count = 0;
  #ms = 0;
  #longestMs = 0;
  #startedMs = 0;

  begin(): void {
    this.#startedMs = performance.now();
  }

  end(): void {
    const ms = performance.now() - this.#startedMs;
    this.#count++;
    this.#ms += ms;
    if (ms > this.#longestMs) this.#longestMs = ms;
  }

  /** Once a tick: the longest begins anew. */
  take(): DrainTotals {
    const longestSeconds = this.#longestMs / 1000;
    this.#longestMs = 0;
    return { count: this.#count, seconds: this.#ms / 1000, longestSeconds };
  }
}
