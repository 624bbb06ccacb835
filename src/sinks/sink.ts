/** Where the results of a stream go: lines, files, metrics, answers. Several of them make one. */
import type { CtEvent } from '../model/events.js';
import type { TickObservation } from '../pipeline/observed.js';

/** What waits in an output, and what it could not deliver since the start. */
export interface OutputHealth {
  /** `stdout`, or the path of a file. */
  readonly output: string;
  /** Text that waits for its reader, bytes. */
  readonly queuedBytes: number;
  /** All that were dropped, those of type `flow` included. */
  readonly lostLines: number;
}

export interface Sink {
  /** Each event, in order. Neither waits nor throws: what cannot be delivered is counted and told. */
  write(event: CtEvent): void;
  /** What is true at each tick, for a sink that is asked rather than written to. As cheap as it can be. */
  observe?(tick: TickObservation): void;
  /** SIGHUP: opens anew what it writes to, since a file may have been moved away. The `config` event comes after it. */
  reopen?(): void;
  /** Of each output it writes lines to. */
  health?(): readonly OutputHealth[];
  /** Resolves when all of it is delivered, or its time is over. */
  end(): Promise<void>;
}

/** One sink of several. Whoever joins later misses what was before. */
export class FanOut implements Sink {
  readonly #sinks: Sink[];

  constructor(sinks: readonly Sink[] = []) {
    this.#sinks = [...sinks];
  }

  add(sink: Sink): void {
    this.#sinks.push(sink);
  }

  write(event: CtEvent): void {
    for (const sink of this.#sinks) sink.write(event);
  }

  observe(tick: TickObservation): void {
    for (const sink of this.#sinks) sink.observe?.(tick);
  }

  reopen(): void {
    for (const sink of this.#sinks) sink.reopen?.();
  }

  health(): readonly OutputHealth[] {
    return this.#sinks.flatMap((sink) => sink.health?.() ?? []);
  }

  async end(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.end()));
  }
}
