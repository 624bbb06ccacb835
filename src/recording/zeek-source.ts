/**
 * A conn.log of Zeek as the records a live source would have given: each connection becomes an entry of a modelled table, with the
 * kernel's timeouts, collected as the kernel collects.
 *
 *   lines ──> rows ──(by their start)──> table model ──> NEW and DESTROY in batches, ticks of 250 ms, the count each second
 *
 * Time is that of the log. Rows that come more than `ZEEK_ROWS_AHEAD` rows after later ones are late: what is left of them is
 * entered, what is over is counted as lost. Unusable lines are counted as malformed, so both show in the lines of the replay.
 */
import { createBatch } from '../model/batch.js';
import { CtwatchError } from '../model/errors.js';
import {
  BATCH_ROWS,
  IDLE_TICK_SECONDS,
  STATS_SECONDS,
  TICK_SECONDS,
  ZEEK_GAP_SECONDS,
  ZEEK_ROWS_AHEAD,
} from '../model/limits.js';
import type { HostFacts, Instant, SourceRecord } from '../model/record.js';
import { NOTHING_YET } from './record-encoder.js';
import type { NamedChunks, RecordGroups } from './recording.js';
import { StartOrder } from './start-order.js';
import { type ModelEntry, TableModel } from './table-model.js';
import { endingOf, type ModelTimeouts } from './zeek-entry.js';
import { ZeekParser, type ZeekRow } from './zeek-log.js';
import { writeRow, type ZeekFlow } from './zeek-row.js';

export interface ZeekOptions {
  /** Size of the modelled table. */
  readonly max: number;
  readonly timeouts: ModelTimeouts;
}

/** The records of these logs, which are read one after the other. Throws `ERR_NOT_A_RECORDING` when no line can be used. */
export async function* readZeek(files: readonly NamedChunks[], options: ZeekOptions): RecordGroups {
  const rows = new StartOrder<ZeekRow>();
  const name = files[0]?.name ?? '';
  let play: Play | undefined;
  let unusable = 0;
  for (const { chunks } of files) {
    const parser = new ZeekParser();
    for await (const lines of linesOf(chunks)) {
      for (const line of lines) {
        const row = parser.parse(line);
        if (row === 'unusable') unusable++;
        else if (row !== 'header') rows.push(row);
      }
      if (rows.size <= ZEEK_ROWS_AHEAD) continue;
      play ??= new Play(rows.pop(), name, options);
      yield play.play(rows, ZEEK_ROWS_AHEAD, unusable);
    }
  }
  if (play === undefined && rows.size === 0) {
    const detail = 'no line of it is a connection of a conn.log of Zeek';
    throw new CtwatchError({ code: 'ERR_NOT_A_RECORDING', operation: `read ${name}`, detail });
  }
  play ??= new Play(rows.pop(), name, options);
  yield play.play(rows, 0, unusable);
  yield play.end();
}

/** Whole lines, as many as each chunk completes. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[], void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_CHARACTERS_MAX);
    yield lines;
  }
  if (rest !== '') yield [rest];
}

/** A line of a conn.log has a few hundred; a file without line ends must not fill the memory. */
const LINE_CHARACTERS_MAX = 1_000_000;

type Entry = ModelEntry & ZeekFlow;

class Play {
  readonly #options: ZeekOptions;
  readonly #originSeconds: number;
  readonly #model: TableModel<Entry>;
  readonly #entries = new Map<string, Entry>();
  readonly #batch = createBatch(BATCH_ROWS);
  readonly #first: ZeekRow | undefined;
  readonly #name: string;
  #now: number;
  #lastPacketSeconds: number;
  #readAt: number;
  #opened = false;
  #born: Entry[] = [];
  #dead: { readonly entry: Entry; readonly evicted: boolean }[] = [];
  #connections = 0;
  #untracked = 0;
  #late = 0;
  #unusable = 0;

  constructor(first: ZeekRow | undefined, name: string, options: ZeekOptions) {
    this.#options = options;
    this.#name = name;
    this.#first = first;
    this.#originSeconds = Math.floor(first?.startSeconds ?? 0);
    this.#now = this.#originSeconds;
    this.#readAt = this.#now;
    this.#lastPacketSeconds = this.#now;
    this.#model = new TableModel(this.#now, {
      max: options.max,
      buckets: options.max,
      onDestroy: (entry, evicted) => {
        if (this.#entries.get(entry.row.tuple) === entry) this.#entries.delete(entry.row.tuple);
        this.#dead.push({ entry, evicted });
      },
    });
  }

  /** Plays rows until `leave` are left. */
  *play(rows: StartOrder<ZeekRow>, leave: number, unusable: number): Generator<SourceRecord, void, undefined> {
    this.#unusable = unusable;
    if (!this.#opened) {
      this.#opened = true;
      yield { type: 'open', at: this.#at(), host: this.#host() };
      if (this.#first !== undefined) this.#add(this.#first);
    }
    while (rows.size > leave) {
      const row = rows.pop();
      if (row === undefined) return;
      yield* this.#passUntil(row.startSeconds);
      this.#add(row);
    }
  }

  /** What still happens until the last packet of the log. */
  *end(): Generator<SourceRecord, void, undefined> {
    yield* this.#passUntil(this.#lastPacketSeconds);
    yield* this.#step(this.#now + TICK_SECONDS);
    const { drops } = this.#model;
    const parts = [
      `${this.#connections} connections`,
      ...(this.#unusable > 0 ? [`${this.#unusable} lines not usable`] : []),
      ...(this.#untracked > 0 ? [`${this.#untracked} without an entry`] : []),
      ...(this.#late > 0 ? [`${this.#late} too late in the log`] : []),
      ...(drops > 0 ? [`${drops} refused by the full table`] : []),
    ];
    yield { type: 'close', at: this.#at(), reason: `end of the log: ${parts.join(', ')}` };
  }

  /** In steps of a tick while anything happens, of a second while not. */
  *#passUntil(seconds: number): Generator<SourceRecord, void, undefined> {
    while (this.#now + TICK_SECONDS <= seconds) {
      const gap = seconds - this.#now;
      const idle = this.#born.length + this.#dead.length === 0 && this.#now % IDLE_TICK_SECONDS === 0;
      const step =
        gap > ZEEK_GAP_SECONDS ? Math.floor(gap) : idle && gap >= IDLE_TICK_SECONDS ? IDLE_TICK_SECONDS : TICK_SECONDS;
      yield* this.#step(this.#now + step);
    }
  }

  *#step(atSeconds: number): Generator<SourceRecord, void, undefined> {
    this.#model.advance(atSeconds);
    this.#now = atSeconds;
    const at = this.#at();
    yield* this.#batches(at);
    const isRead = atSeconds - this.#readAt >= STATS_SECONDS;
    if (isRead) this.#readAt = atSeconds;
    yield {
      type: 'tick',
      at,
      loss: this.#loss(),
      ...(isRead && { table: { count: this.#model.count, max: this.#options.max }, counters: this.#counters() }),
    };
  }

  *#batches(at: Instant): Generator<SourceRecord, void, undefined> {
    const [born, dead] = [this.#born, this.#dead];
    this.#born = [];
    this.#dead = [];
    const batch = this.#batch;
    for (let from = 0; from < born.length + dead.length; from += BATCH_ROWS) {
      const newRows = born.slice(from, from + BATCH_ROWS);
      const room = BATCH_ROWS - newRows.length;
      const deadFrom = Math.max(0, from - born.length);
      const destroyRows = dead.slice(deadFrom, Math.max(0, from + newRows.length - born.length) + room);
      batch.newCount = newRows.length;
      batch.destroyCount = destroyRows.length;
      for (const [row, entry] of newRows.entries()) writeRow(batch.columns, row, entry, undefined);
      for (const [i, { entry, evicted }] of destroyRows.entries()) {
        writeRow(batch.columns, newRows.length + i, entry, { atSeconds: at.unixSeconds, evicted });
      }
      yield { type: 'batch', at, batch };
    }
  }

  #add(row: ZeekRow): void {
    this.#connections++;
    const ending = endingOf(row, this.#options.timeouts);
    if (ending === undefined) {
      this.#untracked++;
      return;
    }
    const lastPacketSeconds = row.startSeconds + row.durationSeconds;
    const expiresAt = lastPacketSeconds + ending.timeoutSeconds;
    this.#lastPacketSeconds = Math.max(this.#lastPacketSeconds, lastPacketSeconds);
    if (expiresAt <= this.#now) {
      this.#late++;
      return;
    }
    const known = this.#entries.get(row.tuple);
    if (known !== undefined) {
      // A SYN opens a TCP entry anew when that was closing; other packets belong to the entry that is there.
      if (known.expiredAt < 0 && !(ending.protocol === 6 && isClosing(known))) {
        this.#model.refresh(known, expiresAt);
        return;
      }
      this.#model.remove(known);
    }
    const bornSeconds = Math.max(row.startSeconds, this.#now);
    const entry: Entry = {
      row,
      ending,
      id: hashText(row.tuple),
      bornSeconds,
      expiresAt,
      assured: ending.assured,
      gone: false,
      expiredAt: -1,
    };
    if (!this.#model.add(entry)) return;
    this.#entries.set(row.tuple, entry);
    this.#born.push(entry);
  }

  #at(): Instant {
    return { monotonicSeconds: this.#now - this.#originSeconds, unixSeconds: this.#now };
  }

  #loss() {
    const late = this.#late;
    const loss = { lostNew: late, lostDestroy: late, malformed: this.#unusable, unknownLosses: 0 };
    return late > 0 ? { ...loss, unrecorded: 2 * late } : loss;
  }

  #counters() {
    const { drops, earlyDrops } = this.#model;
    return { ...NOTHING_YET.counters, drop: drops, early_drop: earlyDrops };
  }

  #host(): HostFacts {
    const { max, timeouts } = this.#options;
    const { generic: _, ...protocols } = timeouts;
    return {
      hostname: this.#name.split('/').at(-1) ?? this.#name,
      kernelRelease: 'a model of 6.18',
      capabilities: [],
      sysctls: { buckets: max, events: 1, acct: 1, timestamp: 1 },
      timeouts: protocols,
      table: { count: 0, max },
      counters: NOTHING_YET.counters,
      recvBufferBytes: 0,
      recvBufferForced: true,
      isModelled: true,
    };
  }
}

/** From FIN_WAIT on a SYN begins a new connection (tcp_conntracks: sTW, sCL and the like). */
function isClosing({ ending }: Entry): boolean {
  return ending.tcpState > 3;
}

/** FNV-1a, in place of the kernel's siphash. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
