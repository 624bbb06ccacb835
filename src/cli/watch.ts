/**
 * The composition root of the library: settings -> source -> pipeline. One source serves all three streams; it opens with
 * the first subscription and closes with the last.
 */
import { EMPTY, filter, merge, type Observable, share, tap } from 'rxjs';
import * as v from 'valibot';
import { DumpWishes, type DumpWishesOptions } from '../analysis/census/dump-wishes.js';
import { liveSource } from '../kernel/live-source.js';
import type { SocketKeeper } from '../kernel/service-manager.js';
import { budgetKey } from '../model/budget.js';
import { CtwatchError } from '../model/errors.js';
import type { CtEvent } from '../model/events.js';
import { FLOW_BATCH_ROWS, IDLE_TICK_SECONDS, TICK_SECONDS } from '../model/limits.js';
import type { BatchRecord, BatchSource, DumpPurpose, SourceAsks } from '../model/record.js';
import type { Reload } from '../model/reload.js';
import { type Settings, type SettingsInput, settingsSchema, wantsFlows } from '../model/settings.js';
import { toEvents } from '../pipeline/events.js';
import { toFlows } from '../pipeline/flow.js';
import { observe } from '../pipeline/observation.js';
import type { Observation, TickObservation } from '../pipeline/observed.js';
import { fromSource } from '../pipeline/source.js';
import { VERSION } from './version.js';

export interface WatchOptions extends SettingsInput {
  /** Ends the watch: what waits is delivered, then a `stop` event. */
  readonly signal?: AbortSignal;
  /** Where records come from. Default: the live kernel. */
  readonly source?: BatchSource;
  /** Other settings while the watch runs; each becomes a `config` event. */
  readonly reloads?: Observable<Reload>;
}

/** The three views of one watch. All complete when it ends; all fail with a `CtwatchError` when it cannot begin. */
export interface ConntrackWatch {
  /** Raw events as columns, every few ms while there are any. Readable only while `next` runs: copy what you keep. */
  readonly batches: Observable<BatchRecord>;
  /** What is true of the table, four times a second. Rates per second, times in seconds, shares 0..1. */
  readonly ticks: Observable<TickObservation>;
  /** The lines of `ctwatch stream` as typed objects, the first of them `start`, the last `stop`. */
  readonly events: Observable<CtEvent>;
}

/**
 * Watches the connection-tracking table. Options are the keys of the configuration file (`docs/events.md` has the units).
 * Needs Linux and CAP_NET_ADMIN. Throws `ERR_BAD_CONFIG` for an option that is not valid.
 */
export function watchConntrack({ signal, source, reloads, ...input }: WatchOptions = {}): ConntrackWatch {
  const settings = parseSettings(input);
  const mailbox = new Mailbox(settings);
  const records = fromSource(source ?? openLive(settings), { signal, reloads, asks: mailbox }).pipe(share());
  const observations = records.pipe(
    observe(settings),
    tap((observation) => mailbox.observe(observation)),
    share(),
  );
  const flows = wantsFlows(settings) ? records.pipe(toFlows()) : EMPTY;
  return {
    batches: records.pipe(filter((record) => record.type === 'batch')),
    ticks: observations.pipe(filter((observation) => observation.type === 'tick')),
    events: merge(flows, observations.pipe(toEvents(settings, VERSION))),
  };
}

/** Where the wishes of a watch wait until its source takes them. The pipeline never calls a source. */
class Mailbox implements SourceAsks {
  readonly #wishes: DumpWishes;
  #wish: DumpPurpose | undefined;

  #budgets: ReadonlySet<string>;
  #interval: number;
  #blind: number | undefined;

  constructor(settings: Settings) {
    this.#wishes = new DumpWishes(wishesOf(settings));
    this.#budgets = new Set(settings.budget.map(budgetKey));
    this.#interval = settings.interval;
  }

  observe(observation: Observation): void {
    if (observation.type === 'reload' && 'settings' in observation) this.#configure(observation.settings);
    if (observation.type !== 'tick') return;
    const { at, table, forecast } = observation;
    const { count, max, expired } = table;
    this.#blind = table.blind;
    this.#wish = this.#wishes.observe({ ...at, count, max, expired, forecast }) ?? this.#wish;
  }

  takeDump(): DumpPurpose | undefined {
    const wish = this.#wish;
    this.#wish = undefined;
    return wish;
  }

  /** An interval that whole seconds do not meet needs the quick beat on a quiet host too. */
  idleTickSeconds(): number {
    return Number.isInteger(this.#interval) ? IDLE_TICK_SECONDS : TICK_SECONDS;
  }

  blindEntries(): number | undefined {
    return this.#blind === undefined ? undefined : Math.round(this.#blind);
  }

  /** What a new budget is about may have entries already: a census counts them. */
  #configure(settings: Settings): void {
    this.#wishes.configure(wishesOf(settings));
    const budgets = settings.budget.map(budgetKey);
    if (settings.census && budgets.some((key) => !this.#budgets.has(key))) this.#wish = 'census';
    this.#budgets = new Set(budgets);
    this.#interval = settings.interval;
  }
}

function wishesOf({ alert, census, reap_at_ratio, assume_max }: Settings): DumpWishesOptions {
  // A limit that is only assumed is no reason to touch the real table.
  return { alert, census, reapAtRatio: assume_max === undefined ? reap_at_ratio : undefined };
}

/** The live kernel as these settings ask for it. With a `keeper` its event sockets outlive the process. */
export function openLive(settings: Settings, keeper?: SocketKeeper): BatchSource {
  return liveSource({
    recvBufferBytes: settings.receive_buffer_bytes,
    netns: settings.netns,
    ...(wantsFlows(settings) && { batchRows: FLOW_BATCH_ROWS }),
    owners: settings.owners.enabled
      ? { lookupsPerSecond: settings.owners.lookups_per_second, commandLine: settings.owners.command_line }
      : undefined,
    keeper,
  });
}

function parseSettings(input: SettingsInput): Settings {
  const result = v.safeParse(settingsSchema, input);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new CtwatchError({
    code: 'ERR_BAD_CONFIG',
    operation: v.getDotPath(issue) ?? 'options',
    detail: issue.message,
  });
}
