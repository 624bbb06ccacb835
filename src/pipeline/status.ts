/**
 * What is true now, for whoever asks: the last reading in the words of a `sample`, the alerts that fire, who fills the table.
 * Keeps references only; the answer is made when one is asked for. No clock: its age is told by the time that is given.
 */
import { CONTROL_VERSION, type ControlStatus } from '../model/control.js';
import type { CtEvent } from '../model/events.js';
import type { AlertSettings, Settings } from '../model/settings.js';
import { culpritFields } from './culprit-fields.js';
import { isoTime, numbersOf, round, totalsFields } from './fields.js';
import type { TickObservation } from './observed.js';
import { describeFinding } from './sentence.js';

export interface StatusOptions {
  /** Those that hold now. */
  readonly settings: () => Settings;
  /** Of the program. */
  readonly version: string;
  readonly hostname: string;
}

/** Fed with what a sink gets. */
export class Status {
  readonly #options: StatusOptions;
  /** As many as there are conditions and budgets at most. */
  readonly #alerts = new Map<string, ControlStatus['alerts'][number]>();
  #tick: TickObservation | undefined;

  constructor(options: StatusOptions) {
    this.#options = options;
  }

  write(event: CtEvent): void {
    if (event.type !== 'alert') return;
    const { name, severity, key, since, msg, rule } = event;
    const advice = event.advice.map(({ text }) => text);
    if (event.phase === 'resolved') this.#alerts.delete(key);
    else this.#alerts.set(key, { name, severity, key, since, msg, advice, ...rule });
  }

  observe(tick: TickObservation): void {
    this.#tick = tick;
  }

  /** Undefined before the first reading. */
  snapshot(monotonicSeconds: number): ControlStatus | undefined {
    const tick = this.#tick;
    if (tick === undefined) return undefined;
    const { at, findings } = tick;
    const { settings, version, hostname } = this.#options;
    const { netns, alert } = settings();
    const finding = describeFinding({
      culprits: culpritFields(findings),
      basis: findings.basis,
      diagnosis: findings.diagnosis.code,
    });
    return {
      ...{ v: CONTROL_VERSION, version, host: hostname, ...(netns !== undefined && { netns }) },
      time: isoTime(at.unixSeconds),
      age_seconds: round(Math.max(0, monotonicSeconds - at.monotonicSeconds), 3),
      uptime_seconds: round(tick.uptimeSeconds, 3),
      ...numbersOf(tick),
      totals: totalsFields(tick),
      alerts: [...this.#alerts.values()],
      ...(finding !== '' && { finding }),
      thresholds: thresholdsOf(alert),
    };
  }
}

function thresholdsOf({ usage, time_to_full }: AlertSettings): ControlStatus['thresholds'] {
  const { warning_ratio, critical_ratio } = usage;
  const { warning_seconds, critical_seconds } = time_to_full;
  return { usage: { warning_ratio, critical_ratio }, time_to_full: { warning_seconds, critical_seconds } };
}
