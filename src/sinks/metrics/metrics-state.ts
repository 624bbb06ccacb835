/**
 * What metrics are read from: the last tick, what was counted of the events, and the process itself. As a sink it keeps references and
 * adds up a few numbers; everything else is computed when somebody asks.
 *
 *   tick ──> the last one, kernel counters added up      event ──> counted by type; the alerts that fire, by key
 */
import { performance } from 'node:perf_hooks';
import type { AlertName, CtEvent, EventOf, EventType, Severity } from '../../model/events.js';
import type { KernelCounters } from '../../model/record.js';
import type { TickObservation } from '../../pipeline/observed.js';
import type { OutputHealth, Sink } from '../sink.js';
import { PeakWindow } from './peak-window.js';
import { ProcessHealth } from './process-health.js';

/** Counters of the metrics' own ways out. */
export interface ServedCounts {
  scrapes: number;
  /** Connections that were one too many. */
  refusedConnections: number;
}

export interface PushedCounts {
  pushes: number;
  failedPushes: number;
  /** Alerts that wait for the collector, and those that could not wait any longer. */
  waitingAlerts: number;
  lostAlerts: number;
}

export class MetricsState implements Sink {
  /** Of the stream's other sinks. */
  readonly outputs: () => readonly OutputHealth[];
  readonly process = new ProcessHealth();
  readonly notices = new Map<string, number>();
  readonly bursts = { total: 0, destination: 0 };
  /** By name and severity, separated by a space. */
  readonly alerts = new Map<`${AlertName} ${Severity}`, number>();
  /** The last line of each alert that fires, by its key. */
  readonly firing = new Map<string, EventOf<'alert'>>();
  readonly longestDrain = new PeakWindow();
  /** Present while metrics are served, or pushed. */
  served: ServedCounts | undefined;
  pushed: PushedCounts | undefined;
  readonly #lines = new Map<EventType, number>();
  #flowLines = 0;
  #start: EventOf<'start'> | undefined;
  #tick: TickObservation | undefined;
  #tickedAtMs = performance.now();
  #kernel: KernelCounters | undefined;

  constructor(outputs: () => readonly OutputHealth[] = () => []) {
    this.outputs = outputs;
  }

  /** Lines by type, of those that came. */
  get lines(): ReadonlyMap<EventType, number> {
    return this.#flowLines === 0 ? this.#lines : new Map([...this.#lines, ['flow', this.#flowLines]]);
  }

  /** Absent until the first events can arrive. */
  get start(): EventOf<'start'> | undefined {
    return this.#start;
  }

  get tick(): TickObservation | undefined {
    return this.#tick;
  }

  /** Increase of the kernel's counters since the start; absent before their first reading. */
  get kernel(): KernelCounters | undefined {
    return this.#kernel;
  }

  /** Since the last tick, or before the first since this was made. */
  tickAgeSeconds(): number {
    return (performance.now() - this.#tickedAtMs) / 1000;
  }

  write(event: CtEvent): void {
    // A hundred thousand times a second.
    if (event.type === 'flow') {
      this.#flowLines++;
      return;
    }
    this.#lines.set(event.type, (this.#lines.get(event.type) ?? 0) + 1);
    switch (event.type) {
      case 'start':
        this.#start = event;
        break;
      case 'burst':
        if (event.phase === 'start') this.bursts[event.destination === undefined ? 'total' : 'destination']++;
        break;
      case 'notice':
        this.notices.set(event.code, (this.notices.get(event.code) ?? 0) + 1);
        break;
      case 'alert':
        this.#observeAlert(event);
        break;
    }
  }

  observe(tick: TickObservation): void {
    this.#tick = tick;
    this.#tickedAtMs = performance.now();
    this.process.advance(this.#tickedAtMs);
    if (tick.kernel !== undefined) this.#kernel = sumOf(this.#kernel, tick.kernel);
    if (tick.drains !== undefined) this.longestDrain.observe(this.#tickedAtMs / 1000, tick.drains.longestSeconds);
  }

  end(): Promise<void> {
    this.process.close();
    return Promise.resolve();
  }

  #observeAlert(alert: EventOf<'alert'>): void {
    const { key, name, phase, severity } = alert;
    const before = this.firing.get(key);
    if (phase === 'resolved') this.firing.delete(key);
    else this.firing.set(key, alert);
    // A line that only tells more is no new alert.
    if (phase === 'resolved' || before?.severity === severity) return;
    this.alerts.set(`${name} ${severity}`, (this.alerts.get(`${name} ${severity}`) ?? 0) + 1);
  }
}

function sumOf(before: KernelCounters | undefined, increase: KernelCounters): KernelCounters {
  if (before === undefined) return increase;
  const names = Object.keys(increase) as (keyof KernelCounters)[];
  return Object.fromEntries(names.map((name) => [name, before[name] + increase[name]])) as unknown as KernelCounters;
}
