/**
 * How the process itself fares: memory, CPU time, and how late its event loop is. Read when somebody asks; the loop's lateness needs a
 * timer that ticks meanwhile, so it is measured only while metrics are wanted.
 */
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';

/** A timer this often, ms: ten a second cost an idle host next to nothing, and what holds the loop for longer is seen. */
const LAG_RESOLUTION_MS = 100;

/** How long lateness is kept: as `PeakWindow`, the whole of such a time before the present one as well, ms. */
const LAG_WINDOW_MS = 60_000;

interface Lag {
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

export class ProcessHealth {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  #before: Lag | undefined;
  #sinceMs = performance.now();

  constructor() {
    this.#histogram.enable();
  }

  /** Once a tick. */
  advance(nowMs: number): void {
    if (nowMs - this.#sinceMs < LAG_WINDOW_MS) return;
    this.#before = this.#read();
    this.#histogram.reset();
    this.#sinceMs = nowMs;
  }

  /** Of the last minute or two, seconds; undefined before the first quarter of a second or so. */
  lag(): Lag | undefined {
    const present = this.#read();
    if (present === undefined || this.#before === undefined) return present ?? this.#before;
    return {
      median: present.median,
      p99: Math.max(present.p99, this.#before.p99),
      max: Math.max(present.max, this.#before.max),
    };
  }

  /** Ends the timer. */
  close(): void {
    this.#histogram.disable();
  }

  #read(): Lag | undefined {
    if (this.#histogram.count === 0) return undefined;
    const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1000);
    return {
      median: seconds(this.#histogram.percentile(50)),
      p99: seconds(this.#histogram.percentile(99)),
      max: seconds(this.#histogram.max),
    };
  }
}
