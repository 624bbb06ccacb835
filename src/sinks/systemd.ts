/**
 * Tells the service manager how the service is.
 *
 *   start ──> READY      sample ──> STATUS      tick ──> WATCHDOG      SIGHUP ──> RELOADING, config ──> READY      stop ──> STOPPING
 *
 * The watchdog is fed from ticks, not from a timer: they come through the event loop, the sockets and the pipeline, so whatever of them
 * hangs, the manager kills and restarts the service. Source: sd_notify(3).
 */
import type { ServiceManager } from '../kernel/service-manager.js';
import type { CtEvent } from '../model/events.js';
import { IDLE_TICK_SECONDS, STATUS_SECONDS } from '../model/limits.js';
import type { TickObservation } from '../pipeline/observed.js';
import type { Sink } from './sink.js';

/** The watchdog is fed before this part of its time is over, as sd_watchdog_enabled(3) asks. */
const FEED_RATIO = 0.5;

export interface SystemdSinkOptions {
  readonly manager: Pick<ServiceManager, 'notify' | 'takeFailure' | 'watchdogSeconds'>;
  /** Called once when the manager cannot be told. */
  readonly onFailure: (error: NodeJS.ErrnoException) => void;
}

export class SystemdSink implements Sink {
  readonly #manager: SystemdSinkOptions['manager'];
  readonly #onFailure: SystemdSinkOptions['onFailure'];
  #fedAt = Number.NEGATIVE_INFINITY;
  #toldAt = Number.NEGATIVE_INFINITY;
  #isStopping = false;

  constructor({ manager, onFailure }: SystemdSinkOptions) {
    this.#manager = manager;
    this.#onFailure = onFailure;
  }

  write(event: CtEvent): void {
    switch (event.type) {
      case 'start':
        this.#notify({ READY: 1, STATUS: event.msg });
        break;
      case 'sample':
        this.#tell(event);
        break;
      case 'config':
        this.#notify({ READY: 1, ...(event.outcome === 'rejected' && { STATUS: event.msg }) });
        break;
      case 'stop':
        this.#stop(event.msg);
        break;
    }
  }

  observe({ at }: TickObservation): void {
    const { watchdogSeconds } = this.#manager;
    if (watchdogSeconds === undefined) return;
    // The next tick of a quiet host may be that far away.
    if (at.monotonicSeconds - this.#fedAt + IDLE_TICK_SECONDS < watchdogSeconds * FEED_RATIO) return;
    this.#fedAt = at.monotonicSeconds;
    this.#notify({ WATCHDOG: 1 });
  }

  reopen(): void {
    this.#notify({ RELOADING: 1, MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n) });
  }

  end(): Promise<void> {
    this.#stop();
    return Promise.resolve();
  }

  /** A sentence at most every `STATUS_SECONDS`: an alert has samples four times a second with the shortest interval. */
  #tell({ unixSeconds, msg }: CtEvent): void {
    if (Math.abs(unixSeconds - this.#toldAt) < STATUS_SECONDS) return;
    this.#toldAt = unixSeconds;
    this.#notify({ STATUS: msg });
  }

  #stop(msg?: string): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#notify({ STOPPING: 1, ...(msg !== undefined && { STATUS: msg }) });
  }
  #notify(variables: Readonly<Record<string, string | number>>): void {
    this.#manager.notify(variables);
    const failure = this.#manager.takeFailure();
    if (failure !== undefined) this.#onFailure(failure);
  }
}
