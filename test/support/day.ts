/**
 * A day of a small host in virtual time: flows with a daily rhythm, a flood every half hour, destinations, sources, owners and ports that
 * never come again, and a census every hour. The event loop turns once a simulated minute, so that sinks can write.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { createBatch, type EventBatch, PRESENT, TUPLES_PRESENT } from '../../src/model/batch.js';
import { CtwatchError } from '../../src/model/errors.js';
import type { BatchSource, Instant, SourceObserver } from '../../src/model/record.js';
import { randomOf } from './busy-records.js';
import { HOST } from './records.js';

export interface DayOptions {
  readonly seconds: number;
  /** New flows per second on the mean, without the floods. Default 1. */
  readonly newPerSecond?: number;
  /** How far the wall clock is off at a second. */
  readonly clockStepSeconds?: (second: number) => number;
  /** Awaited after each simulated minute. */
  readonly onMinute?: (minute: number) => Promise<void> | void;
}

/** A tick costs what it costs, and a day of those of a live source would take minutes. */
const TICK_SECONDS = 10;
const HALF_HOUR = 1800;
const FLOOD_SECONDS = 120;
/** Flows live for a minute, so a flood fills the table nearly. */
const FLOOD_PER_SECOND = 20;
const TABLE_MAX = 1300;
const ROWS = 1024;
const START: Instant = { monotonicSeconds: 1000, unixSeconds: 1_790_000_000 };
const NO_LOSS = { lostNew: 0, lostDestroy: 0, malformed: 0, unknownLosses: 0 };
const NO_STEP = () => 0;

/** The same whenever it is played, but for the wall clock. */
export function daySource(options: DayOptions): BatchSource {
  return (observer, signal) => {
    const failed = (error: unknown) =>
      observer.error(new CtwatchError({ code: 'ERR_KERNEL_SOURCE', operation: 'play a day', cause: error }));
    queueMicrotask(() => new Day(options, observer).play(signal).catch(failed));
  };
}

class Day {
  readonly #options: DayOptions;
  readonly #observer: SourceObserver;
  readonly #random = randomOf(7);
  readonly #batch = createBatch(ROWS);
  /** Numbers of the flows that end at a second. */
  readonly #ends = new Map<number, number[]>();
  readonly #live = new Set<number>();
  #flows = 0;

  constructor(options: DayOptions, observer: SourceObserver) {
    this.#options = options;
    this.#observer = observer;
  }

  async play(signal: AbortSignal): Promise<void> {
    const { seconds, onMinute } = this.#options;
    const table = { count: 0, max: TABLE_MAX };
    this.#observer.next({ type: 'open', at: this.#at(0), host: { ...HOST, table } });
    for (let second = TICK_SECONDS; second <= seconds && !signal.aborted; second += TICK_SECONDS) {
      this.#playTick(second);
      if (second % 60 !== 0) continue;
      await turn();
      await onMinute?.(second / 60);
    }
    this.#observer.next({ type: 'close', at: this.#at(seconds), reason: 'end of the day' });
    this.#observer.complete();
  }

  #playTick(second: number): void {
    const at = this.#at(second);
    const inHalfHour = second % HALF_HOUR;
    const isFlooded = inHalfHour >= 600 && inHalfHour < 600 + FLOOD_SECONDS;
    const batch = this.#batch;
    batch.newCount = this.#newFlows(second, isFlooded);
    batch.destroyCount = 0;
    for (let i = 0; i < batch.newCount; i++) this.#bear(second, i, isFlooded);
    for (const flow of this.#ends.get(second) ?? []) {
      writeFlow(batch, batch.newCount + batch.destroyCount++, flow, true);
      this.#live.delete(flow);
    }
    this.#ends.delete(second);
    this.#observer.next({ type: 'batch', at, batch });
    if (second % 20 === 0) this.#observer.next({ type: 'owners', at, sightings: [sightingOf(this.#flows)] });
    const table = { count: this.#live.size, max: TABLE_MAX };
    this.#observer.next({ type: 'tick', at, loss: NO_LOSS, table, counters: HOST.counters });
    if (second % 3600 === 0) this.#count(at);
  }

  #newFlows(second: number, isFlooded: boolean): number {
    if (isFlooded) return FLOOD_PER_SECOND * TICK_SECONDS;
    const { newPerSecond = 1 } = this.#options;
    const rate = newPerSecond * (1 + 0.5 * Math.sin((2 * Math.PI * second) / 86_400));
    return Math.floor(rate * TICK_SECONDS + this.#random());
  }

  #bear(second: number, row: number, isFlooded: boolean): void {
    // Every other flow goes to a destination of its own; a flood to one.
    const flow = 2 * ++this.#flows + (isFlooded || this.#random() < 0.5 ? 0 : 1);
    writeFlow(this.#batch, row, flow, false);
    this.#live.add(flow);
    const end = second + TICK_SECONDS * (1 + Math.floor(this.#random() * 11));
    this.#ends.set(end, [...(this.#ends.get(end) ?? []), flow]);
  }

  /** A census of what is there. */
  #count(at: Instant): void {
    const table = { count: this.#live.size, max: TABLE_MAX };
    const batch = this.#batch;
    batch.destroyCount = 0;
    batch.newCount = 0;
    for (const flow of this.#live) if (batch.newCount < ROWS) writeFlow(batch, batch.newCount++, flow, false);
    this.#observer.next({ type: 'census', at, phase: 'begin', purpose: 'census', table });
    this.#observer.next({ type: 'census', at, phase: 'rows', batch });
    this.#observer.next({ type: 'census', at, phase: 'end', rows: batch.newCount, table });
  }

  #at(second: number): Instant {
    const step = (this.#options.clockStepSeconds ?? NO_STEP)(second);
    return { monotonicSeconds: START.monotonicSeconds + second, unixSeconds: START.unixSeconds + second + step };
  }
}

/** The flow of a number; an odd one has a destination, a port and a source of its own. */
function writeFlow({ columns }: EventBatch, row: number, flow: number, isDestroy: boolean): void {
  const isOwn = flow % 2 === 1;
  const source = 0x0a | (((isOwn ? flow : flow % 40) & 0xffffff) << 8);
  const destination = isOwn ? 0xc6 | ((flow & 0xffffff) << 8) : 0x050a;
  columns.originalSource.words[row * 4] = columns.replyDestination.words[row * 4] = source;
  columns.originalDestination.words[row * 4] = columns.replySource.words[row * 4] = destination;
  columns.originalSourcePort[row] = columns.replyDestinationPort[row] = 1024 + (flow % 60_000);
  columns.originalDestinationPort[row] = columns.replySourcePort[row] = isOwn ? flow % 65_536 : 6379;
  columns.family[row] = 2;
  columns.protocol[row] = 6;
  columns.tcpState[row] = isDestroy ? 7 : 1;
  columns.status[row] = isDestroy ? 0x0e : 0x08;
  columns.id[row] = Math.imul(flow, 0x9e3779b1) >>> 0;
  columns.timeoutSeconds[row] = isDestroy ? 0 : 120;
  columns.present[row] =
    TUPLES_PRESENT | PRESENT.id | PRESENT.status | PRESENT.tcpState | (isDestroy ? 0 : PRESENT.timeout);
}

/** A program that nobody saw before opened some. */
function sightingOf(flow: number) {
  const name = `job-${flow}`;
  const owner = {
    key: `cron-${flow}.service/${name}`,
    unit: `cron-${flow}.service`,
    name,
    pid: 2 + (flow % 4_000_000),
  };
  const address = `198.51.${(flow >> 8) & 255}.${flow & 255}`;
  const where = { source: '10.0.0.9', destination: address, port: 443, direction: 'originated' as const };
  return { ...where, family: 2, protocol: 6, count: 3, owner };
}
