/** Plays a scenario through the product's own pipeline and keeps, second by second, what was true and what was told. */
import { watchConntrack } from '../src/cli/watch.js';
import type { Scenario } from './scenarios.js';
import { type SimulatedSettings, simulatedSource } from './simulated-source.js';

/** One simulated run as every method saw it; index i of an array is the end of second i + 1 of the daemon's life. */
export interface Run {
  readonly scenario: string;
  readonly family: Scenario['family'];
  readonly kind: Scenario['kind'];
  readonly isExtra?: true;
  readonly seed: number;
  readonly max: number;
  readonly seconds: number;
  /** When the event begins. */
  readonly onsetSecond: number;
  /** When the count first reached max, to a quarter second; the run ends there. */
  readonly fullSecond?: number;
  readonly count: Float64Array;
  readonly live: Float64Array;
  readonly newEvents: Float64Array;
  readonly destroyEvents: Float64Array;
  readonly forecasts: readonly (RunForecast | undefined)[];
  /** The `time_to_full` alert with the default settings. */
  readonly alerts: readonly RunAlert[];
}

export interface RunForecast {
  readonly verdict: string;
  readonly reason?: string;
  readonly secondsToFull?: number;
  readonly secondsToFullLow?: number;
  readonly secondsToFullHigh?: number;
  readonly probabilityFull10m?: number;
  readonly plateauCount?: number;
}

export interface RunAlert {
  readonly atSecond: number;
  readonly phase: 'firing' | 'resolved';
  readonly severity: 'warning' | 'critical';
}

export interface PlayOptions {
  /** Simulated before the daemon starts. Default 5,400 s: entries of all ages are there. */
  readonly historySeconds?: number;
  /** Instead of the scenario's own. */
  readonly learnSeconds?: number;
  readonly watchSeconds?: number;
}

const HISTORY_SECONDS = 5400;
/** Where nothing is scored to the second the table is read this often, to save forecasts: while it learns, and long after. */
const QUIET_READ_SECONDS = 4;
const isScored = (sinceEvent: number) => sinceEvent >= -60 && sinceEvent < 2400;

/** The simulation of a scenario: its clock is 0 at the event, the world's when the daemon starts. */
export function simulationOf(scenario: Scenario, seed: number, options: PlayOptions = {}): SimulatedSettings {
  const learnSeconds = options.learnSeconds ?? scenario.learnSeconds;
  const lengthSeconds = learnSeconds + (options.watchSeconds ?? scenario.watchSeconds);
  const shift =
    <T>(of: (seconds: number) => T) =>
    (seconds: number) =>
      of(seconds - learnSeconds);
  return {
    traffics: scenario.traffics.map((traffic) => ({
      ...traffic,
      ratePerSecond: shift(traffic.ratePerSecond),
      life: (random, seconds) => traffic.life(random, seconds - learnSeconds),
      ...(traffic.hangsAtSeconds !== undefined && { hangsAtSeconds: traffic.hangsAtSeconds + learnSeconds }),
    })),
    ...{ max: scenario.max, buckets: scenario.buckets, lookupsPerNew: scenario.lookupsPerNew },
    isTableRead: shift((s) => isScored(s) || s % QUIET_READ_SECONDS === 0),
    ...{ dispersion: 1.3, seed, lengthSeconds, historySeconds: options.historySeconds ?? HISTORY_SECONDS },
    ...(scenario.lostRatio && { lostRatio: shift(scenario.lostRatio) }),
    ...(scenario.clockStepSeconds && { clockStepSeconds: shift(scenario.clockStepSeconds) }),
  };
}

/** Plays one scenario with one seed. Takes some seconds, and resolves when all is over. */
export async function playScenario(scenario: Scenario, seed: number, options: PlayOptions = {}): Promise<Run> {
  const recorded = {
    ...{ count: [] as number[], live: [] as number[], newEvents: [] as number[], destroyEvents: [] as number[] },
    ...{ forecasts: [] as (RunForecast | undefined)[], alerts: [] as RunAlert[] },
  };
  const settings = simulationOf(scenario, seed, options);
  const source = simulatedSource(settings, (_second, truth) => {
    recorded.count.push(truth.count);
    recorded.live.push(truth.live);
    recorded.newEvents.push(truth.newEvents);
    recorded.destroyEvents.push(truth.destroyEvents);
  });
  const watch = watchConntrack({ source, interval: 60 });
  let fullSecond: number | undefined;
  let atSeconds = 0;
  await new Promise<void>((resolve, reject) => {
    watch.ticks.subscribe({
      next: (tick) => {
        atSeconds = tick.uptimeSeconds;
        if ((tick.table.count ?? 0) >= scenario.max) fullSecond ??= atSeconds;
        if (Math.abs(atSeconds - Math.round(atSeconds)) < 0.01)
          recorded.forecasts[Math.round(atSeconds) - 1] = tick.forecast;
      },
      error: reject,
      complete: resolve,
    });
    watch.events.subscribe((event) => {
      if (event.type !== 'alert' || event.name !== 'time_to_full') return;
      recorded.alerts.push({ atSecond: atSeconds, phase: event.phase, severity: event.severity });
    });
  });
  return {
    ...{ scenario: scenario.name, family: scenario.family, kind: scenario.kind, seed, max: scenario.max },
    ...(scenario.isExtra && { isExtra: true as const }),
    ...{ seconds: recorded.count.length, onsetSecond: options.learnSeconds ?? scenario.learnSeconds },
    ...(fullSecond !== undefined && { fullSecond }),
    count: Float64Array.from(recorded.count),
    live: Float64Array.from(recorded.live),
    newEvents: Float64Array.from(recorded.newEvents),
    destroyEvents: Float64Array.from(recorded.destroyEvents),
    forecasts: recorded.forecasts,
    alerts: recorded.alerts,
  };
}
