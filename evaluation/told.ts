/**
 * What each method said in a run, second by second, in one shape: the seconds to full it told and the alarm it had on. Ours are
 * the product's own forecast and its own `time_to_full` alert with the default settings, hold times and all; a rival warns
 * whenever it says less than ten minutes.
 */
import type { Run } from './play.js';
import { RIVAL_WARNING_SECONDS } from './rivals/rival.js';
import { RIVALS } from './rivals/rivals.js';

/** Arrays with one value a second, index i for the end of second i. */
export interface Told {
  readonly method: string;
  /** Infinity: said not to fill, or said nothing. */
  readonly secondsToFull: Float64Array;
  /** 0 none, 1 warning, 2 critical. */
  readonly severity: Uint8Array;
}

/** As the tables call us. */
export const OURS = 'ctwatch';

/** Ours first, then the rivals in their order. */
export function whatWasTold(run: Run): Told[] {
  return [ours(run), ...rivals(run)];
}

function ours(run: Run): Told {
  const secondsToFull = Float64Array.from({ length: run.seconds }, (_, i) => {
    const forecast = run.forecasts[i];
    return forecast?.verdict === 'fills' ? (forecast.secondsToFull ?? Infinity) : Infinity;
  });
  const severity = new Uint8Array(run.seconds);
  let now = 0;
  let next = 0;
  for (let i = 0; i < run.seconds; i++) {
    for (let alert = run.alerts[next]; alert !== undefined && alert.atSecond <= i + 1; alert = run.alerts[++next]) {
      now = alert.phase === 'resolved' ? 0 : alert.severity === 'critical' ? 2 : 1;
    }
    severity[i] = now;
  }
  return { method: OURS, secondsToFull, severity };
}

function rivals(run: Run): Told[] {
  return RIVALS.map(({ name, create }) => {
    const rival = create();
    const secondsToFull = new Float64Array(run.seconds);
    for (let i = 0; i < run.seconds; i++) {
      rival.observe(i, run.count[i] ?? 0, run.newEvents[i] ?? 0, run.destroyEvents[i] ?? 0);
      secondsToFull[i] = rival.secondsToFull(run.max) ?? Infinity;
    }
    return { method: name, secondsToFull, severity: warnings(secondsToFull) };
  });
}

function warnings(secondsToFull: Float64Array): Uint8Array {
  return Uint8Array.from(secondsToFull, (seconds) => (seconds < RIVAL_WARNING_SECONDS ? 1 : 0));
}
