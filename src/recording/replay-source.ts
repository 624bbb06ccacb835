/**
 * Records that were read from files as a source: in virtual time, as fast as they can be worked on or at a multiple of their
 * own pace. It waits where a live source cannot: for the reader of the output, so that no line is lost.
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { CtwatchError } from '../model/errors.js';
import type { BatchSource, Instant, LossTotals, SourceObserver, SourceRecord } from '../model/record.js';
import { NOTHING_YET } from './record-encoder.js';
import type { RecordGroups } from './recording.js';

export interface ReplayOptions {
  /** The records; read once. */
  readonly groups: RecordGroups;
  /** How many times faster than recorded. Default: Infinity, as fast as possible. */
  readonly speed?: number;
  /** Whether to wait before the next record: undefined when not, else until it resolves. */
  readonly ready?: () => Promise<void> | undefined;
}

/** A source of what was recorded. A failure before the first record is an error, one after it is in the `close` record. */
export function replaySource(options: ReplayOptions): BatchSource {
  return (observer, signal) => void new Replay(options, observer, signal).run();
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #observer: SourceObserver;
  readonly #signal: AbortSignal;
  readonly #aborted: Promise<void>;
  #at: Instant | undefined;
  #loss: LossTotals = NOTHING_YET.loss;
  #closed = false;
  #firstSeconds: number | undefined;
  #startedAt = 0;

  constructor(options: ReplayOptions, observer: SourceObserver, signal: AbortSignal) {
    this.#options = options;
    this.#observer = observer;
    this.#signal = signal;
    this.#aborted = new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  async run(): Promise<void> {
    const { groups } = this.#options;
    try {
      // A turn later, so that every subscriber of a shared source is there for the first record.
      await turn();
      for await (const group of groups) {
        for (const record of group) {
          if (this.#signal.aborted) break;
          const pause = this.#pause(record);
          if (pause !== undefined) await pause;
          if (this.#signal.aborted) break;
          this.#give(record);
          const ready = this.#options.ready?.();
          if (ready !== undefined) await Promise.race([ready, this.#aborted]);
        }
        if (this.#signal.aborted) break;
        // Timers, signals and the output get their turn.
        await turn();
      }
      if (this.#signal.aborted) this.#stop();
      this.#observer.complete();
    } catch (cause) {
      this.#fail(cause);
    } finally {
      await groups.return();
    }
  }

  #give(record: SourceRecord): void {
    this.#at = record.at;
    if (record.type === 'tick') this.#loss = record.loss;
    if (record.type === 'close') this.#closed = true;
    this.#observer.next(record);
  }

  /** Until the time of the record has come, when a pace is asked for. */
  #pause({ at }: SourceRecord): Promise<void> | undefined {
    const { speed = Number.POSITIVE_INFINITY } = this.#options;
    if (speed === Number.POSITIVE_INFINITY) return undefined;
    if (this.#firstSeconds === undefined) {
      this.#firstSeconds = at.monotonicSeconds;
      this.#startedAt = performance.now();
    }
    const due = this.#startedAt + ((at.monotonicSeconds - this.#firstSeconds) / speed) * 1000;
    const milliseconds = due - performance.now();
    if (milliseconds < 1) return undefined;
    return sleep(milliseconds, undefined, { signal: this.#signal }).catch(() => {});
  }

  #stop(): void {
    if (this.#at === undefined || this.#closed) return;
    this.#observer.next({ type: 'tick', at: this.#at, loss: this.#loss });
    this.#observer.next({ type: 'close', at: this.#at, reason: String(this.#signal.reason) });
  }

  #fail(cause: unknown): void {
    const error = toCtwatchError(cause);
    if (this.#at === undefined) {
      this.#observer.error(error);
      return;
    }
    if (!this.#closed) this.#observer.next({ type: 'close', at: this.#at, reason: error.message, error });
    this.#observer.complete();
  }
}

/** A number that no writer writes, behind a checksum that is right, is damage too. */
function toCtwatchError(cause: unknown): CtwatchError {
  if (cause instanceof CtwatchError) return cause;
  const { message: detail } = cause as Error;
  return new CtwatchError({ code: 'ERR_RECORDING_DAMAGED', operation: 'decode', detail, cause });
}
