/**
 * Turns conditions into alerts: a level to raise at, a lower one to clear at, and how long each must hold.
 *
 *            raise held >= hold_seconds                 keep lost >= clear_hold_seconds
 *   quiet ───────────────────────────────> firing ───────────────────────────────────> resolved (quiet)
 *                                           │  ^
 *                                           └──┘ severity changes, by the same two rules
 *
 * Between the two levels a condition stays as it is, so an alert does not flap. Time is an argument; no clock, no text.
 */
import type { AlertName, Severity } from '../model/events.js';
import type { AlertSettings } from '../model/settings.js';
import type { BudgetReading } from './diagnosis/budgets.js';
import type { Forecast } from './forecast/forecast.js';

/** What the conditions are judged on, once a tick. */
export interface AlertInput {
  readonly monotonicSeconds: number;
  readonly unixSeconds: number;
  /** count / max; absent while either is unknown. */
  readonly usedRatio?: number;
  readonly forecast: Forecast;
  /** A burst is on that was not expected. */
  readonly burstActive: boolean;
  /** Increase of the kernel's counters in this tick. */
  readonly drop: number;
  readonly earlyDrop: number;
  readonly insertFailed: number;
  /** Events lost in this tick, and as a share of all events of the last 10 s. */
  readonly lostEvents: number;
  readonly lostRatio: number;
  /** In the order of the configuration. */
  readonly budgets?: readonly BudgetReading[];
}

export interface AlertTransition {
  readonly name: AlertName;
  readonly phase: 'firing' | 'resolved';
  /** When resolved: the severity that ended. */
  readonly severity: Severity;
  /** When the condition began to hold, seconds since 1970. */
  readonly sinceUnixSeconds: number;
  /** Only with `budget`: its place in the configuration. */
  readonly budget?: number;
}

/** How bad a condition is now: to raise an alert, and (less strictly) to keep one. */
interface Level {
  readonly raise: Severity | undefined;
  readonly keep: Severity | undefined;
}

interface Hold {
  readonly raiseSeconds: number;
  readonly clearSeconds: number;
}

/** All conditions of `ALERT_NAMES`. */
export class Alerts {
  #settings: AlertSettings;
  #conditions: readonly Condition[];

  /** `budgets` is how many the configuration has. */
  constructor(settings: AlertSettings, budgets = 0) {
    this.#settings = settings;
    this.#conditions = [
      ...WITHOUT_BUDGET.map((name) => new Condition(name, holdOf(name, settings))),
      ...Array.from({ length: budgets }, (_, i) => new Condition('budget', holdOf('budget', settings), i)),
    ];
  }

  /**
   * Other settings from now on; what fires goes on firing. `budgets` holds, for each budget there is now, its place before, or
   * undefined. Returns the ends of the alerts whose budgets are gone, with their old places.
   */
  configure(settings: AlertSettings, budgets: readonly (number | undefined)[]): AlertTransition[] {
    this.#settings = settings;
    const others = this.#conditions.filter(({ budget }) => budget === undefined);
    const ofBudgets = this.#conditions.filter(({ budget }) => budget !== undefined);
    const hold = holdOf('budget', settings);
    const kept = budgets.map((place) => (place === undefined ? undefined : ofBudgets[place]));
    const gone = ofBudgets.filter((condition) => !kept.includes(condition));
    const ends = gone.flatMap(({ firing }) => (firing === undefined ? [] : { ...firing, phase: 'resolved' as const }));
    for (const condition of others) condition.configure(holdOf(condition.name, settings));
    const now = kept.map((condition, i) => condition?.configure(hold, i) ?? new Condition('budget', hold, i));
    this.#conditions = [...others, ...now];
    return ends;
  }

  observe(input: AlertInput): AlertTransition[] {
    return this.#conditions.flatMap((condition) => {
      const level = judge(condition, input, this.#settings);
      return condition.observe(input.monotonicSeconds, input.unixSeconds, level) ?? [];
    });
  }

  /** Every alert that fires, as it was told last. */
  firingNow(): AlertTransition[] {
    return this.#conditions.flatMap((condition) => condition.firing ?? []);
  }

  /** Whether any alert fires. */
  get firing(): boolean {
    return this.#conditions.some((condition) => condition.severity !== undefined);
  }
}

const WITHOUT_BUDGET = ['time_to_full', 'usage', 'burst', 'dropping', 'loss'] as const satisfies AlertName[];

function holdOf(name: AlertName, settings: AlertSettings): Hold {
  const { hold_seconds: raiseSeconds = 0, clear_hold_seconds: clearSeconds } = {
    hold_seconds: undefined,
    ...settings[name],
  };
  return { raiseSeconds, clearSeconds };
}

function judge({ name, budget }: Condition, input: AlertInput, settings: AlertSettings): Level {
  switch (name) {
    case 'time_to_full': {
      const { warning_seconds, critical_seconds, clear_factor } = settings.time_to_full;
      const { verdict, secondsToFull, probabilityFull10m: probability = 1 } = input.forecast;
      const seconds = verdict === 'fills' ? (secondsToFull ?? Number.POSITIVE_INFINITY) : Number.NaN;
      const within = (factor: number): Severity | undefined => {
        if (
          seconds <= critical_seconds * factor &&
          probability >= settings.time_to_full.critical_probability / factor
        ) {
          return 'critical';
        }
        return seconds <= warning_seconds * factor && probability >= settings.time_to_full.warning_probability / factor
          ? 'warning'
          : undefined;
      };
      return {
        raise: within(1),
        // A forecast that is withheld for a moment neither raises nor clears.
        keep: verdict === 'unknown' ? 'critical' : within(clear_factor),
      };
    }
    case 'usage': {
      const { warning_ratio, critical_ratio, clear_margin_ratio } = settings.usage;
      if (input.usedRatio === undefined) return { raise: undefined, keep: 'critical' };
      return {
        raise: above(input.usedRatio, warning_ratio, critical_ratio),
        keep: above(input.usedRatio, warning_ratio - clear_margin_ratio, critical_ratio - clear_margin_ratio),
      };
    }
    case 'burst':
      return same(input.burstActive ? 'warning' : undefined);
    case 'dropping':
      return same(input.drop > 0 ? 'critical' : input.earlyDrop + input.insertFailed > 0 ? 'warning' : undefined);
    case 'loss': {
      if (input.lostEvents === 0) return same(undefined);
      return same(input.lostRatio >= settings.loss.critical_ratio ? 'critical' : 'warning');
    }
    case 'budget': {
      const used = budgetRatio(input.budgets?.[budget ?? 0]);
      if (used === undefined) return { raise: undefined, keep: 'critical' };
      return {
        raise: above(used, EXCEEDED, Number.POSITIVE_INFINITY),
        keep: above(used, 1 - settings.budget.clear_margin_ratio, Number.POSITIVE_INFINITY),
      };
    }
  }
}

/** A budget is what is still allowed. */
const EXCEEDED = 1 + 1e-9;

/** The larger part used of what is allowed; undefined while it is not known. */
function budgetRatio(reading: BudgetReading | undefined): number | undefined {
  if (reading === undefined) return undefined;
  const { budget, entries, newPerSecond } = reading;
  const parts = [
    ...(budget.max_entries === undefined || entries === undefined ? [] : [entries / budget.max_entries]),
    ...(budget.max_new_per_second === undefined || newPerSecond === undefined
      ? []
      : [newPerSecond / budget.max_new_per_second]),
  ];
  return parts.length === 0 ? undefined : Math.max(...parts);
}

function same(severity: Severity | undefined): Level {
  return { raise: severity, keep: severity };
}

/** `value` is NaN when there is none. */
function above(value: number, warning: number, critical: number): Severity | undefined {
  return value >= critical ? 'critical' : value >= warning ? 'warning' : undefined;
}

const RANK = { none: 0, warning: 1, critical: 2 } as const;
const rank = (severity: Severity | undefined) => RANK[severity ?? 'none'];

/** Some conditions hold only in the ticks that bring a reading, once a second: they have not gone in between. */
const READING_SECONDS = 1.5;

class Condition {
  readonly name: AlertName;
  /** Place of its budget in the configuration. */
  budget: number | undefined;
  #hold: Hold;
  #severity: Severity | undefined;
  #sinceUnixSeconds = 0;
  /** Since when `raise` has been above, and `keep` below, the present severity. */
  #raisedAt: number | undefined;
  #lostAt: number | undefined;
  /** The worst `keep` of the last `READING_SECONDS`. */
  #kept: Severity | undefined;
  #keptAt = Number.NEGATIVE_INFINITY;

  constructor(name: AlertName, hold: Hold, budget?: number) {
    this.name = name;
    this.budget = budget;
    this.#hold = hold;
  }

  configure(hold: Hold, budget?: number): this {
    this.#hold = hold;
    this.budget = budget;
    return this;
  }

  get severity(): Severity | undefined {
    return this.#severity;
  }

  /** As it was told last; undefined while it does not fire. */
  get firing(): AlertTransition | undefined {
    return this.#severity === undefined ? undefined : this.#transition('firing', this.#severity);
  }

  observe(monotonicSeconds: number, unixSeconds: number, level: Level): AlertTransition | undefined {
    if (rank(level.raise) > rank(this.#severity)) {
      if (this.#raisedAt === undefined) {
        this.#raisedAt = monotonicSeconds;
        if (this.#severity === undefined) this.#sinceUnixSeconds = unixSeconds;
      }
    } else this.#raisedAt = undefined;

    if (rank(level.keep) < rank(this.#severity)) this.#lostAt ??= monotonicSeconds;
    else this.#lostAt = undefined;
    const keptSeconds = monotonicSeconds - this.#keptAt;
    if (keptSeconds > READING_SECONDS || rank(level.keep) >= rank(this.#kept)) {
      this.#kept = level.keep;
      this.#keptAt = monotonicSeconds;
    }

    if (this.#raisedAt !== undefined && monotonicSeconds - this.#raisedAt >= this.#hold.raiseSeconds) {
      return this.#become(level.raise);
    }
    if (this.#lostAt !== undefined && monotonicSeconds - this.#lostAt >= this.#hold.clearSeconds) {
      return this.#become(this.#kept);
    }
    return undefined;
  }

  #become(severity: Severity | undefined): AlertTransition {
    const ended = this.#severity;
    this.#severity = severity;
    this.#raisedAt = undefined;
    this.#lostAt = undefined;
    return this.#transition(severity === undefined ? 'resolved' : 'firing', severity ?? ended ?? 'warning');
  }

  #transition(phase: AlertTransition['phase'], severity: Severity): AlertTransition {
    const { name, budget } = this;
    return {
      ...{ name, phase, severity, sinceUnixSeconds: this.#sinceUnixSeconds },
      ...(budget !== undefined && { budget }),
    };
  }
}
