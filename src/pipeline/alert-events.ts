/**
 * The `alert` lines of a tick: conditions that begin, change or end, and what became clear of one that fires.
 *
 * What a diagnosis needs comes some seconds after a burst was found: flows must be old enough to have a state. So the alert that
 * matters most is told again when its diagnosis becomes clear, or is another one; seldom, since somebody may be paged by it.
 */

import { Alerts, type AlertTransition } from '../analysis/alerts.js';
import { listAdvice } from '../analysis/diagnosis/advice.js';
import { formatEndpoint } from '../model/address.js';
import { budgetKey } from '../model/budget.js';
import type { AlertName, BudgetFields, CtEvent, CulpritFields, DiagnosisCode, EventOf } from '../model/events.js';
import type { HostFacts } from '../model/record.js';
import type { Settings } from '../model/settings.js';
import { budgetFields, culpritFields, diagnosisFields } from './culprit-fields.js';
import { addCounters, isoTime, NO_INCREASE, numbersOf, round, totalsFields, unixAt } from './fields.js';
import type { TickObservation } from './observed.js';
import { describeAlert } from './sentence.js';

/** Alerts that a diagnosis explains, what matters most first. */
const EXPLAINED: readonly AlertName[] = ['time_to_full', 'dropping', 'usage', 'burst'];
/** A diagnosis must hold so long to be told again, and is not told more often than that, seconds. */
const CLEAR_SECONDS = 1;
const CHANGED_SECONDS = 10;

/** Builds the lines; keeps what has been told. */
export class AlertEvents {
  #settings: Settings;
  #lastTick: TickObservation | undefined;
  readonly #alerts: Alerts;
  #recvBuffer = { recvBufferBytes: 0, recvBufferForced: false };
  /** Increase since `dropping` began to fire. */
  #damage = NO_INCREASE;
  #dropping = false;
  /** The diagnosis of the alerts that fire, as it was told last. */
  #told: { readonly code: DiagnosisCode; readonly atSeconds: number } | undefined;
  /** A code that was not told yet, and since when it holds. */
  #held: { readonly code: DiagnosisCode; readonly sinceSeconds: number } | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#alerts = new Alerts(settings.alert, settings.budget.length);
  }

  open({ recvBufferBytes, recvBufferForced }: HostFacts): void {
    this.#recvBuffer = { recvBufferBytes, recvBufferForced };
  }

  /** Other settings from now on; tells the end of alerts whose budgets are gone. */
  configure(settings: Settings, unixSeconds: number): CtEvent[] {
    const before = this.#settings.budget.map(budgetKey);
    const places = settings.budget.map((budget) => before.indexOf(budgetKey(budget)));
    const ends = this.#alerts.configure(
      settings.alert,
      places.map((place, i) => (place < 0 || places.indexOf(place) < i ? undefined : place)),
    );
    const tick = this.#lastTick;
    const events = tick === undefined ? [] : ends.map((end) => ({ ...this.#alert(tick, end), unixSeconds }));
    this.#settings = settings;
    return events;
  }

  /** Whether any alert fires. */
  get firing(): boolean {
    return this.#alerts.firing;
  }

  observe(tick: TickObservation): CtEvent[] {
    this.#lastTick = tick;
    if (tick.kernel !== undefined) {
      const moved = tick.kernel.drop + tick.kernel.early_drop + tick.kernel.insert_failed > 0;
      if (moved || this.#dropping) this.#damage = addCounters(this.#damage, tick.kernel);
    }
    const transitions = this.#observeAlerts(tick);
    const events = transitions.map((transition) => {
      if (transition.name === 'dropping') this.#dropping = transition.phase === 'firing';
      return this.#alert(tick, transition);
    });
    if (!this.#dropping) this.#damage = NO_INCREASE;
    const cleared = this.#becameClear(tick, transitions);
    return cleared === undefined ? events : [...events, this.#alert(tick, cleared)];
  }

  #observeAlerts(tick: TickObservation): AlertTransition[] {
    const { count, max } = tick.table;
    return this.#alerts.observe({
      ...tick.at,
      ...(count !== undefined && max !== undefined && { usedRatio: count / max }),
      forecast: tick.forecast,
      burstActive: tick.burst.active !== undefined && tick.burst.active.expected === undefined,
      drop: tick.kernel?.drop ?? 0,
      earlyDrop: tick.kernel?.early_drop ?? 0,
      insertFailed: tick.kernel?.insert_failed ?? 0,
      lostEvents: tick.lostEvents,
      lostRatio: tick.lostRatio,
      budgets: tick.findings.budgets,
    });
  }

  /** The alert to tell again because its diagnosis has become another one; undefined: none. */
  #becameClear(
    { at, findings }: TickObservation,
    transitions: readonly AlertTransition[],
  ): AlertTransition | undefined {
    const { code } = findings.diagnosis;
    const atSeconds = at.monotonicSeconds;
    const firing = this.#alerts.firingNow();
    const alert = EXPLAINED.flatMap((name) => firing.filter((transition) => transition.name === name))[0];
    if (alert === undefined) this.#told = undefined;
    if (transitions.some(({ name, phase }) => name === alert?.name && phase === 'firing')) {
      this.#told = { code, atSeconds };
    }
    if (this.#held?.code !== code) this.#held = { code, sinceSeconds: atSeconds };
    if (alert === undefined || code === 'unclear' || code === this.#told?.code) return undefined;
    const wait = this.#told === undefined || this.#told.code === 'unclear' ? CLEAR_SECONDS : CHANGED_SECONDS;
    if (atSeconds - this.#held.sinceSeconds < wait) return undefined;
    this.#told = { code, atSeconds };
    return alert;
  }

  #alert(tick: TickObservation, transition: AlertTransition): CtEvent {
    const { name, phase, severity, sinceUnixSeconds } = transition;
    const { table, rate, forecast } = numbersOf(tick);
    const { active } = tick.burst;
    const { findings } = tick;
    const reading = transition.budget === undefined ? undefined : findings.budgets[transition.budget];
    const budget = reading && budgetFields(reading);
    const culprits = culpritFields(findings).filter((culprit) => budget === undefined || isBudgeted(culprit, budget));
    const burst = active && { since: isoTime(unixAt(tick, active.onsetSeconds)), ratio: active.ratio };
    const lost = tick.loss.lostNew + tick.loss.lostDestroy;
    const resolved = phase === 'resolved';
    const isExplained = !resolved && EXPLAINED.includes(name);
    return {
      type: 'alert',
      level: resolved ? 'info' : severity === 'critical' ? 'error' : 'warn',
      unixSeconds: tick.at.unixSeconds,
      msg: describeAlert({
        ...{ name, phase, severity, table, forecast, burst, lost, budget },
        culprits: name === 'loss' ? [] : culprits,
        basis: findings.basis,
        diagnosis: isExplained ? findings.diagnosis.code : 'unclear',
        growthPerSecond: rate.growth_per_second,
        kernel: this.#damage,
      }),
      name,
      phase,
      severity,
      key: budget === undefined ? name : budgetKey(budget),
      since: isoTime(sinceUnixSeconds),
      ...this.#rule(name),
      table,
      rate,
      forecast,
      ...(name === 'dropping' && { kernel: this.#damage }),
      ...(name === 'loss' && { totals: totalsFields(tick) }),
      ...(budget !== undefined && { budget }),
      culprits: resolved ? [] : culprits,
      ...(isExplained && { diagnosis: diagnosisFields(findings.diagnosis) }),
      advice: resolved ? [] : this.advise(name, tick),
    };
  }

  /** Where to read what to do. */
  #rule(name: AlertName): Pick<EventOf<'alert'>, 'rule'> {
    const { runbook_url: address = '' } = this.#settings;
    return address === '' ? {} : { rule: { reference: address.replaceAll('{name}', name) } };
  }

  /** What would help now, as an alert of this name has it. */
  advise(name: AlertName, tick: TickObservation): EventOf<'alert'>['advice'] {
    const { table, forecast, findings, whatIf } = tick;
    const [culprit] = culpritFields(findings);
    const advice = listAdvice({
      ...{ name, max: table.max, plateauCount: forecast.plateauCount, whatIf, ...this.#recvBuffer },
      maxAssumed: this.#settings.assume_max !== undefined,
      diagnosis: findings.diagnosis.code,
      pooledEntries: culprit?.expected_entries ?? culprit?.process?.threads,
      ...(culprit?.destination !== undefined && {
        destination: { transport: culprit.network.transport, ...culprit.destination },
      }),
    });
    return advice.map(({ text, plateauRatio }) => ({
      text,
      ...(plateauRatio !== undefined && { effect: { plateau_ratio: round(plateauRatio, 4) } }),
    }));
  }
}

/** Whether the budget is of this culprit's destination. */
function isBudgeted(
  { destination, expected_entries, expected_new_per_second }: CulpritFields,
  budget: BudgetFields,
): boolean {
  if (destination === undefined || expected_entries !== budget.max_entries) return false;
  return (
    expected_new_per_second === budget.max_new_per_second &&
    formatEndpoint(destination.ip, destination.port) === budget.destination
  );
}
