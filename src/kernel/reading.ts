/** Requests to the kernel that are made again and again; an answer that does not come in time is no failure. */
import { TICK_SECONDS } from '../model/limits.js';
import { toCtwatchError } from './addon.js';

/** A request repeated every `seconds`, one at a time, whose answer is taken by the next tick. */
export class Reading<T> {
  readonly #seconds: number;
  readonly #request: () => Promise<T>;
  #answer: T | undefined;
  #askedAt: number;
  #pending = false;

  /** Asked one tick before each multiple of `seconds`, so that the answer is fresh on the whole second. */
  constructor(seconds: number, monotonicSeconds: number, request: () => Promise<T>) {
    this.#seconds = seconds;
    this.#request = request;
    this.#askedAt = monotonicSeconds - TICK_SECONDS;
  }

  take(): T | undefined {
    const answer = this.#answer;
    this.#answer = undefined;
    return answer;
  }

  /** Whether it was due and asked for. An answer that does not come in time is no failure: the next one may. */
  ask(monotonicSeconds: number, fail: (error: unknown) => void): boolean {
    // A quarter tick early counts as due: timers jitter.
    if (this.#pending || monotonicSeconds - this.#askedAt < this.#seconds - TICK_SECONDS / 4) return false;
    this.#pending = true;
    this.#askedAt = monotonicSeconds;
    this.#request()
      .then(
        (answer) => {
          this.#answer = answer;
        },
        (error: unknown) => {
          if (!isTimeout(error)) fail(error);
        },
      )
      .finally(() => {
        this.#pending = false;
      });
    return true;
  }
}

/** A kernel that is busy is no failure. */
export function isTimeout(error: unknown): boolean {
  return toCtwatchError(error, 'ERR_KERNEL_SOURCE').code === 'ERR_REQUEST_TIMEOUT';
}
