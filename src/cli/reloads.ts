/**
 * SIGHUP: a service reads its configuration again and opens its files anew. With a terminal as standard input it means that the
 * terminal has gone, and ends the stream.
 *
 * Before the first line there is nothing to reload: a signal that comes so early is remembered until then.
 */
import { isatty } from 'node:tty';
import { Subject } from 'rxjs';
import { CtwatchError } from '../model/errors.js';
import { changeSettings, type Reload } from '../model/reload.js';
import type { Settings } from '../model/settings.js';

export interface ReloadOptions {
  /** What holds at the start. */
  readonly settings: Settings;
  /** Reads flags, environment and file again. Throws `CtwatchError`. */
  readonly read: () => Settings;
  /** Called first, each time. */
  readonly reopen: () => void;
}

/** Whether SIGHUP is a request. To be asked at the start: a terminal that has gone is none any more. */
export function isReloadable(): boolean {
  return !isatty(0);
}

export class Reloads {
  /** Each time the configuration was read again. */
  readonly records = new Subject<Reload>();
  readonly #options: ReloadOptions;
  #settings: Settings;
  #isStarted = false;
  #isWaiting = false;

  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#settings = options.settings;
  }

  /** What holds now. */
  get settings(): Settings {
    return this.#settings;
  }

  /** The first line is written. */
  start(): void {
    this.#isStarted = true;
    if (this.#isWaiting) setImmediate(() => this.reload());
  }

  reload(): void {
    this.#isWaiting = !this.#isStarted;
    if (this.#isWaiting) return;
    this.#options.reopen();
    this.records.next(this.#read());
  }

  #read(): Reload {
    const at = { monotonicSeconds: performance.now() / 1000, unixSeconds: Date.now() / 1000 };
    try {
      const change = changeSettings(this.#settings, this.#options.read());
      this.#settings = change.settings;
      return { type: 'reload', at, ...change };
    } catch (error) {
      if (error instanceof CtwatchError) return { type: 'reload', at, error };
      throw error;
    }
  }
}
