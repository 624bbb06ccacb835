/**
 * One run reduced to the numbers that the scoreboard adds up: for each method its error at fixed times before the table was
 * full, how early it warned for good, and how long it warned at all; for ours whether the 5-95 % interval held the truth.
 * The truth is the second in which the simulated kernel's count reached max; a method that says "never" is infinitely wrong.
 */
import type { InformedAnswer } from './informed-course.js';
import type { Run } from './play.js';
import { type Told, whatWasTold } from './told.js';

/** Seconds before the table is full at which errors are taken. */
export const HORIZONS_SECONDS = [15, 30, 60, 120, 300] as const;
/** Nobody can be right sooner after the event began. */
const ONSET_GRACE_SECONDS = 2;
/** Intervals are judged from here after the onset. */
const INTERVAL_GRACE_SECONDS = 5;
/** A warning of "full in ten minutes" has no more lead than this; times beyond it are not told. */
const LEAD_SECONDS_MAX = 600;

/** As the tables call what a forecaster would have told that knows the true rates and lifetimes. It has errors only. */
export const ORACLE = 'oracle';

/** Between two moments of a warning in which it is judged, seconds. */
const ASKED_SECONDS = 20;

/** From here on every rival has its whole window; and the daemon's dump at its start, which collects, is long over. */
const EARLY_FROM_SECONDS = 900;

export interface MethodScore {
  /** |predicted - left| / left at each of `HORIZONS_SECONDS`; undefined where the event was younger than that. */
  readonly errors: readonly (number | undefined)[];
  /** From the start of the warning that held until full; 0 when there was none. Only of runs that fill. */
  readonly leadSeconds?: number;
  /** `leadSeconds` over the longest possible one, 0..1. */
  readonly leadRatio?: number;
  /** Since the onset. */
  readonly warnedSeconds: number;
  readonly criticalSeconds: number;
  /** Warned before the onset, when nothing was wrong, from `EARLY_FROM_SECONDS` on. */
  readonly earlySeconds: number;
}

/** Seconds of a run that fills, from `INTERVAL_GRACE_SECONDS` after the onset. */
export interface Coverage {
  /** `fills` was told, with an interval. */
  readonly told: number;
  /** ... and the interval held the truth; the rest lay below its 5 % point or above its 95 % point. */
  readonly inside: number;
  readonly tooEarly: number;
  readonly tooLate: number;
  /** Something else or nothing was told. */
  readonly untold: number;
  /** Sum over the told seconds of (high - low) / left. */
  readonly widths: number;
}

export interface RunScore {
  readonly scenario: string;
  readonly family: string;
  readonly kind: Run['kind'];
  readonly isExtra?: true;
  readonly seed: number;
  /** From the onset to full; absent when it did not fill. */
  readonly fillSeconds?: number;
  /** From the onset to the end of the run. */
  readonly scoredSeconds: number;
  readonly methods: Readonly<Record<string, MethodScore>>;
  readonly coverage: Coverage;
  /** Each of our warnings, and each critical, had a moment in which it was right by the course; absent where this was not asked. */
  readonly wasRight?: { readonly warning: boolean; readonly critical: boolean };
}

/** A time in which the alert was on, seconds; `criticalFrom` when it was critical first. */
interface Episode {
  readonly from: number;
  readonly criticalFrom?: number;
  readonly to: number;
}

/** Since the onset of a run that does not fill. */
function episodesOf({ fullSecond, onsetSecond, seconds, alerts }: Run): Episode[] {
  const episodes: Episode[] = [];
  if (fullSecond !== undefined) return episodes;
  let open: Episode | undefined;
  for (const { phase, severity, atSecond } of alerts) {
    if (phase === 'resolved') {
      if (open) episodes.push({ ...open, to: atSecond });
      open = undefined;
    } else {
      open ??= { from: atSecond, to: seconds };
      if (severity === 'critical') open = { criticalFrom: atSecond, ...open };
    }
  }
  if (open) episodes.push(open);
  return episodes.filter(({ from }) => from >= onsetSecond);
}

/** From where `ASKED_SECONDS` apart whoever knows more is asked. */
function askedIn({ from, criticalFrom, to }: Episode): number[] {
  const asked = criticalFrom === undefined ? [] : [Math.floor(criticalFrom)];
  for (let at = Math.floor(from); at < to; at += ASKED_SECONDS) asked.push(at);
  return asked;
}

/** The whole seconds of a run that does not fill in which its warnings are judged. */
export function warnedMoments(run: Run): number[] {
  return episodesOf(run).flatMap(askedIn);
}

/** The seconds of a run at whose end errors are taken, one for each of `HORIZONS_SECONDS` that its event was old enough for. */
export function judgedSeconds({ fullSecond, onsetSecond }: Run): (number | undefined)[] {
  return HORIZONS_SECONDS.map((horizon) =>
    fullSecond === undefined || horizon > fullSecond - onsetSecond - ONSET_GRACE_SECONDS
      ? undefined
      : Math.floor(fullSecond - horizon),
  );
}

/** What others who know more said of a run. */
export interface Witnesses {
  /** Seconds to full that the oracle told at the `judgedSeconds`. */
  readonly oracle?: ReadonlyMap<number, number>;
  /** At the `warnedMoments`. */
  readonly informed?: ReadonlyMap<number, InformedAnswer>;
}

/** Pure. */
export function scoreRun(run: Run, { oracle, informed }: Witnesses = {}): RunScore {
  const methods = whatWasTold(run).map((told): [string, MethodScore] => [told.method, scoreMethod(run, told)]);
  if (oracle) {
    const errors = errorsOf(run, (at) => oracle.get(at));
    methods.push([ORACLE, { errors, warnedSeconds: 0, criticalSeconds: 0, earlySeconds: 0 }]);
  }
  return {
    scenario: run.scenario,
    family: run.family,
    kind: run.kind,
    ...(run.isExtra && { isExtra: run.isExtra }),
    seed: run.seed,
    ...(run.fullSecond !== undefined && { fillSeconds: run.fullSecond - run.onsetSecond }),
    scoredSeconds: run.seconds,
    methods: Object.fromEntries(methods),
    coverage: coverageOf(run),
    ...(informed && { wasRight: rightOf(run, informed) }),
  };
}

function rightOf(run: Run, informed: ReadonlyMap<number, InformedAnswer>) {
  const episodes = episodesOf(run);
  const some = (episode: Episode, from: number, of: (answer: InformedAnswer) => boolean) =>
    askedIn(episode).some((at) => {
      const answer = informed.get(at);
      return at >= Math.floor(from) && answer !== undefined && of(answer);
    });
  return {
    warning: episodes.every((episode) => some(episode, episode.from, ({ isWarning }) => isWarning)),
    critical: episodes.every(
      (episode) =>
        episode.criticalFrom === undefined || some(episode, episode.criticalFrom, ({ isCritical }) => isCritical),
    ),
  };
}

function scoreMethod(run: Run, told: Told): MethodScore {
  const seconds = (from: number, to: number, severity: number) => {
    let sum = 0;
    for (let i = from; i < to; i++) if ((told.severity[i] ?? 0) >= severity) sum++;
    return sum;
  };
  return {
    errors: errorsOf(run, (at) => told.secondsToFull[at - 1]),
    ...leadOf(run, told),
    warnedSeconds: seconds(run.onsetSecond, run.seconds, 1),
    criticalSeconds: seconds(run.onsetSecond, run.seconds, 2),
    earlySeconds: seconds(EARLY_FROM_SECONDS, run.onsetSecond, 1),
  };
}

/** Held against what was left at the end of the last whole second, not against the horizon, so that no rounding counts. */
function errorsOf(run: Run, told: (at: number) => number | undefined): (number | undefined)[] {
  return judgedSeconds(run).map((at) => {
    if (at === undefined || run.fullSecond === undefined) return undefined;
    const left = run.fullSecond - at;
    return Math.abs((told(at) ?? Infinity) - left) / left;
  });
}

function leadOf({ fullSecond, onsetSecond }: Run, { severity }: Told): Pick<MethodScore, 'leadSeconds' | 'leadRatio'> {
  if (fullSecond === undefined) return {};
  // Second i ends at i + 1: the last one that ended before the table was full, back to the first of its warning.
  let start = Math.ceil(fullSecond) - 1;
  while (start > 0 && (severity[start - 1] ?? 0) > 0) start--;
  const possible = Math.min(LEAD_SECONDS_MAX, fullSecond - onsetSecond);
  const leadSeconds = Math.min(possible, Math.max(0, fullSecond - (start + 1)));
  return { leadSeconds, leadRatio: possible > 0 ? leadSeconds / possible : 0 };
}

function coverageOf({ fullSecond, onsetSecond, forecasts }: Run): Coverage {
  const sum = { told: 0, inside: 0, tooEarly: 0, tooLate: 0, untold: 0, widths: 0 };
  if (fullSecond === undefined) return sum;
  for (let at = onsetSecond + INTERVAL_GRACE_SECONDS; at < fullSecond; at++) {
    const forecast = forecasts[at - 1];
    const left = fullSecond - at;
    if (forecast?.verdict !== 'fills') {
      sum.untold++;
      continue;
    }
    // Absent means beyond the longest time that is told.
    const low = forecast.secondsToFullLow ?? LEAD_SECONDS_MAX;
    const high = forecast.secondsToFullHigh ?? Infinity;
    sum.told++;
    sum.widths += (Math.min(high, LEAD_SECONDS_MAX) - low) / left;
    if (left < low) sum.tooEarly++;
    else if (left > high) sum.tooLate++;
    else sum.inside++;
  }
  return sum;
}
