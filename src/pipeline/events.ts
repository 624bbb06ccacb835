/**
 * Observations to events: when a line is due and what it says.
 *
 *   open ──> start      tick ──> burst, loss, alert, sample (when due)      dump ──> census, notice      reload ──> config
 *   close ──> stop
 *
 * The fields of a line are made in `fields.ts`, its sentence in `sentence.ts`.
 */
import { concatMap, defer, from, type Observable, type OperatorFunction } from 'rxjs';
import { listDegraded, NOTICES } from '../analysis/degraded.js';
import type { CtEvent, EventOf } from '../model/events.js';
import { EVENT_TRUESIZE_BYTES, FIRST_SAMPLE_SECONDS, TICK_SECONDS } from '../model/limits.js';
import { printable } from '../model/printable-text.js';
import type { HostFacts } from '../model/record.js';
import type { Reload } from '../model/reload.js';
import type { Settings } from '../model/settings.js';
import { AlertEvents } from './alert-events.js';
import { burstEvents } from './burst-events.js';
import { configEvent, failureFields } from './config-event.js';
import { dumpEvents } from './dump-events.js';
import { addCounters, NO_INCREASE, numbersOf, round, tableFields, topFields, totalsFields } from './fields.js';
import type { CloseObservation, Observation, OpenObservation, TickObservation } from './observed.js';
import { ownersEvent, unseenOwnerEvents } from './owner-events.js';
import { describeSample, describeTable, formatCount, formatSeconds } from './sentence.js';

/** The events of a source, without its flows. `version` is told by the `start` line. */
export function toEvents(settings: Settings, version: string): OperatorFunction<Observation, CtEvent> {
  return (observations: Observable<Observation>) =>
    defer(() => {
      const reporter = new Reporter(settings, version);
      return observations.pipe(concatMap((observation) => from(reporter.report(observation))));
    });
}

/** The interval between two samples while an alert fires, seconds. */
const ALERT_INTERVAL_SECONDS = 1;

/** Seconds without a loss after which the stream counts as whole again. */
const LOSS_OVER_SECONDS = 10;

class Reporter {
  #settings: Settings;
  readonly #version: string;
  readonly #alerts: AlertEvents;
  /** Increase since the last sample. */
  #kernel = NO_INCREASE;
  #sampledAt: number | undefined;
  #stale = false;
  #losing: { cause: LossCause; lastAt: number; before: Lost } | undefined;
  #lost: Lost = { lostNew: 0, lostDestroy: 0, malformed: 0, unknownLosses: 0 };

  constructor(settings: Settings, version: string) {
    this.#settings = settings;
    this.#version = version;
    this.#alerts = new AlertEvents(settings);
  }

  report(observation: Observation): CtEvent[] {
    switch (observation.type) {
      case 'open':
        return [this.#start(observation)];
      case 'tick':
        return this.#tick(observation);
      case 'dump':
        return dumpEvents(observation, this.#settings.assume_max);
      case 'reload':
        return this.#reload(observation);
      case 'owners':
        return [ownersEvent(observation.at.unixSeconds, observation.error)];
      case 'close':
        return [this.#stop(observation)];
    }
  }

  #reload(reload: Reload): CtEvent[] {
    if ('error' in reload) return [configEvent(reload)];
    this.#settings = reload.settings;
    return [configEvent(reload), ...this.#alerts.configure(reload.settings, reload.at.unixSeconds)];
  }

  #start({ at, host }: OpenObservation): CtEvent {
    const { sysctls } = host;
    const max = this.#settings.assume_max ?? host.table.max;
    const { count } = host.table;
    const blind = Math.min(count, host.resumed?.blind ?? count);
    const table = tableFields({ count, blind, ...(max !== undefined && { max }) });
    this.#alerts.open(host);
    const degraded = listDegraded(host);
    const where = printable(host.netns === undefined ? host.hostname : `${host.netns} on ${host.hostname}`);
    return {
      type: 'start',
      level: 'info',
      unixSeconds: at.unixSeconds,
      msg: `watching ${where}${host.resumed === undefined ? '' : ', going on where the process before ended'}: ${describeTable(table)}${degraded.length > 0 ? `; limited: ${degraded.map(({ code }) => code).join(', ')}` : ''}`,
      version: this.#version,
      kernel: host.kernelRelease,
      capabilities: [...host.capabilities],
      sysctls: {
        ...(sysctls.buckets !== undefined && { nf_conntrack_buckets: sysctls.buckets }),
        ...(sysctls.events !== undefined && { nf_conntrack_events: sysctls.events }),
        ...(sysctls.acct !== undefined && { nf_conntrack_acct: sysctls.acct }),
        ...(sysctls.timestamp !== undefined && { nf_conntrack_timestamp: sysctls.timestamp }),
      },
      receive_buffer_bytes: host.recvBufferBytes,
      receive_buffer_events: Math.floor(host.recvBufferBytes / EVENT_TRUESIZE_BYTES),
      table,
      ...(host.resumed !== undefined && { resumed: resumedFields(host.resumed) }),
      degraded,
    };
  }

  #tick(tick: TickObservation): CtEvent[] {
    if (tick.kernel !== undefined) this.#kernel = addCounters(this.#kernel, tick.kernel);
    const events = [
      ...this.#noticeEvents(tick),
      ...unseenOwnerEvents(tick.at.unixSeconds, tick.unseenOwners ?? []),
      ...burstEvents(tick, () => this.#alerts.advise('burst', tick)),
      ...this.#lossEvents(tick),
    ];
    events.push(...this.#alerts.observe(tick));
    if (this.#sampleDue(tick)) events.push(this.#sample(tick));
    return events;
  }

  #sampleDue({ at, uptimeSeconds }: TickObservation): boolean {
    // Half a tick early counts as due: ticks jitter.
    const slack = TICK_SECONDS / 2;
    if (this.#sampledAt === undefined) return uptimeSeconds >= FIRST_SAMPLE_SECONDS - slack;
    const { interval } = this.#settings;
    const due = this.#alerts.firing ? Math.min(ALERT_INTERVAL_SECONDS, interval) : interval;
    return at.monotonicSeconds - this.#sampledAt >= due - slack;
  }

  #sample(tick: TickObservation): CtEvent {
    this.#sampledAt = tick.at.monotonicSeconds;
    const kernel = this.#kernel;
    this.#kernel = NO_INCREASE;
    const { table, rate, forecast } = numbersOf(tick);
    return {
      type: 'sample',
      level: 'info',
      unixSeconds: tick.at.unixSeconds,
      msg: describeSample(table, rate.growth_per_second, forecast),
      table,
      rate,
      totals: totalsFields(tick),
      kernel,
      forecast,
      top: topFields(tick.top),
    };
  }

  /** A table that does not answer limits what can be said; so does nothing else that changes while running. */
  #noticeEvents({ at, table }: TickObservation): CtEvent[] {
    const stale = table.count === undefined;
    if (stale === this.#stale) return [];
    this.#stale = stale;
    const code = stale ? 'table_stale' : 'table_fresh';
    const text = NOTICES[code];
    const level = stale ? 'warn' : 'info';
    const remedy = "ps -ef | grep '[c]onntrack'";
    return [{ type: 'notice', level, unixSeconds: at.unixSeconds, msg: text, code, text, remedy }];
  }

  #lossEvents(tick: TickObservation): CtEvent[] {
    const cause = causeOf(this.#lost, tick.loss);
    const before = this.#lost;
    this.#lost = tick.loss;
    if (cause !== undefined) {
      if (this.#losing !== undefined) {
        this.#losing.lastAt = tick.at.monotonicSeconds;
        // A loss of unknown size is the worse news.
        if (cause === 'unknown' || cause === 'malformed') this.#losing.cause = cause;
        return [];
      }
      this.#losing = { cause, lastAt: tick.at.monotonicSeconds, before };
      return [lossEvent('start', cause, before, tick)];
    }
    if (this.#losing === undefined || tick.at.monotonicSeconds - this.#losing.lastAt < LOSS_OVER_SECONDS) return [];
    const ended = this.#losing;
    this.#losing = undefined;
    return [lossEvent('end', ended.cause, ended.before, tick)];
  }

  #stop(close: CloseObservation): CtEvent {
    const { error } = close;
    const totals = totalsFields(close);
    const lost = totals.lost_new + totals.lost_destroy;
    return {
      type: 'stop',
      level: error === undefined ? 'info' : 'error',
      unixSeconds: close.at.unixSeconds,
      msg: `stopped after ${formatSeconds(close.uptimeSeconds)} (${close.reason}): ${formatCount(totals.new)} new, ${formatCount(totals.destroy)} destroyed, ${formatCount(lost)} events lost`,
      reason: close.reason,
      ...(error !== undefined && { error: failureFields(error) }),
      totals,
      uptime_seconds: round(close.uptimeSeconds, 3),
    };
  }
}

function resumedFields({ seconds }: NonNullable<HostFacts['resumed']>): NonNullable<EventOf<'start'>['resumed']> {
  return { ...(seconds !== undefined && { after_seconds: round(seconds, 3) }) };
}

type Lost = TickObservation['loss'];

type LossCause = 'receive_buffer' | 'malformed' | 'unknown' | 'recording';

function causeOf(before: Lost, after: Lost): LossCause | undefined {
  if ((after.unrecorded ?? 0) > (before.unrecorded ?? 0)) return 'recording';
  if (after.lostNew + after.lostDestroy > before.lostNew + before.lostDestroy) return 'receive_buffer';
  if (after.unknownLosses > before.unknownLosses) return 'unknown';
  if (after.malformed > before.malformed) return 'malformed';
  return undefined;
}

function lossEvent(phase: 'start' | 'end', cause: LossCause, before: Lost, { at, loss }: TickObservation): CtEvent {
  const lostNew = loss.lostNew - before.lostNew;
  const lostDestroy = loss.lostDestroy - before.lostDestroy;
  const malformed = loss.malformed - before.malformed;
  const unknown = loss.unknownLosses - before.unknownLosses;
  const counts = `${formatCount(lostNew)} NEW and ${formatCount(lostDestroy)} DESTROY events lost, ${formatCount(malformed)} unusable`;
  return {
    type: 'loss',
    level: 'warn',
    unixSeconds: at.unixSeconds,
    msg: phase === 'start' ? `events are being lost (${cause}): ${counts}` : `the stream is whole again: ${counts}`,
    phase,
    cause,
    lost_new: lostNew,
    lost_destroy: lostDestroy,
    malformed,
    unknown_losses: unknown,
    less_certain:
      cause === 'receive_buffer' || cause === 'recording' ? ['top', 'forecast'] : ['rate', 'totals', 'top', 'forecast'],
  };
}
