/**
 * Recognises bursts that come back at a period of their own, whatever it is: a cron job, a poll, a batch of clients.
 *
 *   burst over ──> among the unexplained ones ──(two earlier ones at the same distance, alike in size)──> a kind: period, size
 *   burst begins ──> within the tolerance of a kind's next turn, and not far larger ──> expected, the nth of its kind
 *
 * A kind is learned from three bursts, or from more where so many others lie around that three would line up by chance. Up to
 * two turns may be missed. The period follows slowly, so that a job that starts "5 minutes after the last ended" is one too.
 * Not found: periods under a minute or over a day, two turns that differ by over a hundredth, calendars (weekdays, months).
 */

/** A burst of the past, on the clock of the detector. */
export interface PastBurst {
  readonly onsetSeconds: number;
  readonly durationSeconds: number;
  readonly entriesAdded: number;
  readonly peakPerSecond: number;
}

/** What is usual for the kind that a burst belongs to. */
export interface ExpectedBurst {
  /** Time between two of its kind. */
  readonly periodSeconds: number;
  /** Which of its kind this one is, from 4. */
  readonly times: number;
  readonly usualDurationSeconds: number;
  /** New entries beyond the usual rate. */
  readonly usualEntriesAdded: number;
  /** Largest mean over a second. */
  readonly usualPeakPerSecond: number;
}

interface Kind {
  periodSeconds: number;
  times: number;
  lastOnsetSeconds: number;
  durationSeconds: number;
  entriesAdded: number;
  peakPerSecond: number;
}

/** Shortest and longest period, seconds. */
const PERIOD_MIN_SECONDS = 59;
const PERIOD_MAX_SECONDS = 86_460;
/** Unexplained bursts remembered, and kinds: a host has a handful of jobs. */
const UNEXPLAINED_MAX = 64;
const KINDS_MAX = 16;
/** A turn may be early or late by this part of the period, within bounds: onsets are known to half a second. */
const TOLERANCE_RATIO = 0.01;
const TOLERANCE_MIN_SECONDS = 2;
const TOLERANCE_MAX_SECONDS = 60;
/** Bursts of one kind add entries and last within this factor of each other. */
const ALIKE_FACTOR = 2;
/** Entries and seconds by which small bursts may differ besides. */
const ALIKE_ENTRIES = 50;
const ALIKE_SECONDS = 5;
/** Chance of learning a kind that is none, per burst. */
const COINCIDENCE_MAX = 0.05;
/** Turns that a kind may miss in a row. */
const MISSED_MAX = 2;
/** Weight of the newest burst in what is usual for a kind. */
const GAIN = 0.25;

/** Memory of the bursts of one destination, or of all. Times may not go back; a step forward only costs what was learned. */
export class Recurrence {
  readonly #unexplained: PastBurst[] = [];
  readonly #kinds: Kind[] = [];

  /** The kind whose turn it is at `onsetSeconds`. */
  expect(onsetSeconds: number): ExpectedBurst | undefined {
    const kind = this.#kinds.find((candidate) => turnsSince(candidate, onsetSeconds) !== undefined);
    if (kind === undefined) return undefined;
    return {
      periodSeconds: kind.periodSeconds,
      times: kind.times + 1,
      usualDurationSeconds: kind.durationSeconds,
      usualEntriesAdded: kind.entriesAdded,
      usualPeakPerSecond: kind.peakPerSecond,
    };
  }

  /** Takes a burst that is over. */
  observe(burst: PastBurst): void {
    const expected = this.#kinds.find((kind) => turnsSince(kind, burst.onsetSeconds) !== undefined);
    if (expected) {
      follow(expected, burst);
      return;
    }
    const kind = this.#recognise(burst);
    if (kind) {
      this.#kinds.push(kind);
      if (this.#kinds.length > KINDS_MAX) this.#forgetOldestKind();
      return;
    }
    this.#unexplained.push(burst);
    if (this.#unexplained.length > UNEXPLAINED_MAX) this.#unexplained.shift();
  }

  /** A period at which enough bursts like `last` lie behind it; they are explained then. */
  #recognise(last: PastBurst): Kind | undefined {
    const alike = this.#unexplained.filter((burst) => isAlike(burst, last));
    const [first] = alike;
    if (first === undefined) return undefined;
    const perSecond = (alike.length + 1) / Math.max(1, last.onsetSeconds - first.onsetSeconds);
    for (let i = alike.length - 1; i >= 0; i--) {
      const before = alike[i];
      if (before === undefined) continue;
      const periodSeconds = last.onsetSeconds - before.onsetSeconds;
      if (periodSeconds < PERIOD_MIN_SECONDS || periodSeconds > PERIOD_MAX_SECONDS) continue;
      const turns = turnsBehind(alike, last, before, periodSeconds);
      // Each further turn is hit by chance with this probability; any of the others may be the one before.
      const hit = Math.min(1, 2 * toleranceSeconds(periodSeconds) * perSecond);
      const chance = alike.length * hit ** (turns.length - 2);
      const direct = turns.length >= 3 && alike.length === turns.length - 1;
      if (turns.length < 3 || (!direct && chance > COINCIDENCE_MAX)) continue;
      for (const turn of turns) {
        const at = this.#unexplained.indexOf(turn);
        if (at >= 0) this.#unexplained.splice(at, 1);
      }
      return kindOf(turns);
    }
    return undefined;
  }

  #forgetOldestKind(): void {
    let oldest = 0;
    this.#kinds.forEach((kind, i) => {
      if (kind.lastOnsetSeconds < (this.#kinds[oldest]?.lastOnsetSeconds ?? 0)) oldest = i;
    });
    this.#kinds.splice(oldest, 1);
  }
}

function toleranceSeconds(periodSeconds: number): number {
  return Math.min(TOLERANCE_MAX_SECONDS, Math.max(TOLERANCE_MIN_SECONDS, TOLERANCE_RATIO * periodSeconds));
}

/** How many periods after the last of its kind this onset is; undefined when it is not its turn. */
function turnsSince({ periodSeconds, lastOnsetSeconds }: Kind, onsetSeconds: number): number | undefined {
  const sinceSeconds = onsetSeconds - lastOnsetSeconds;
  const turns = Math.round(sinceSeconds / periodSeconds);
  if (!(turns >= 1 && turns <= 1 + MISSED_MAX)) return undefined;
  return Math.abs(sinceSeconds - turns * periodSeconds) <= toleranceSeconds(periodSeconds) * turns ? turns : undefined;
}

function follow(kind: Kind, burst: PastBurst): void {
  const turns = turnsSince(kind, burst.onsetSeconds) ?? 1;
  kind.periodSeconds += GAIN * ((burst.onsetSeconds - kind.lastOnsetSeconds) / turns - kind.periodSeconds);
  kind.lastOnsetSeconds = burst.onsetSeconds;
  kind.times += 1;
  // One that outgrew its kind was news and does not teach what is usual by more than this.
  const bounded = (usual: number, seen: number) => usual + GAIN * (Math.min(seen, ALIKE_FACTOR * usual) - usual);
  kind.durationSeconds = bounded(kind.durationSeconds, burst.durationSeconds);
  kind.entriesAdded = bounded(kind.entriesAdded, burst.entriesAdded);
  kind.peakPerSecond = bounded(kind.peakPerSecond, burst.peakPerSecond);
}

function isAlike(a: PastBurst, b: PastBurst): boolean {
  return (
    isNear(a.entriesAdded, b.entriesAdded, ALIKE_ENTRIES) && isNear(a.durationSeconds, b.durationSeconds, ALIKE_SECONDS)
  );
}

function isNear(a: number, b: number, slack: number): boolean {
  return Math.max(a, b) <= ALIKE_FACTOR * Math.min(a, b) + slack;
}

/** `last`, `before` and those at the same distance behind them, newest first. */
function turnsBehind(
  alike: readonly PastBurst[],
  last: PastBurst,
  before: PastBurst,
  periodSeconds: number,
): PastBurst[] {
  const turns = [last, before];
  const tolerance = toleranceSeconds(periodSeconds);
  let previous = before;
  for (let i = alike.length - 1; i >= 0; i--) {
    const burst = alike[i];
    if (burst === undefined) continue;
    if (Math.abs(previous.onsetSeconds - burst.onsetSeconds - periodSeconds) > tolerance) continue;
    turns.push(burst);
    previous = burst;
  }
  return turns;
}

function kindOf(turns: readonly PastBurst[]): Kind {
  const [last] = turns;
  const first = turns[turns.length - 1];
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const lastOnsetSeconds = last?.onsetSeconds ?? 0;
  return {
    periodSeconds: (lastOnsetSeconds - (first?.onsetSeconds ?? 0)) / (turns.length - 1),
    times: turns.length,
    lastOnsetSeconds,
    durationSeconds: median(turns.map(({ durationSeconds }) => durationSeconds)),
    entriesAdded: median(turns.map(({ entriesAdded }) => entriesAdded)),
    peakPerSecond: median(turns.map(({ peakPerSecond }) => peakPerSecond)),
  };
}
