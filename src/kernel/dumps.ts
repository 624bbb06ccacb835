/**
 * Lists the table of a live namespace: what was there before us, and a census or a reap on demand.
 *
 * A dump is read on libuv workers in chunks of a batch of its own, so events are drained meanwhile; the kernel walks the table only as
 * far as it was read. One at a time: a wish that comes during another is left in its mailbox. A dump that fails on demand is told by
 * its `end` record and ends nothing else; one that the kernel puts off is read on in silence, as its socket is busy until then.
 */
import { createBatch, type EventBatch } from '../model/batch.js';
import type { CtwatchError } from '../model/errors.js';
import { BATCH_ROWS, DUMP_SECONDS_MIN, DUMP_TIMEOUTS_MAX } from '../model/limits.js';
import type { CensusRecord, DumpPurpose, EntriesRecord, Instant, SourceAsks, TableStats } from '../model/record.js';
import { type ConntrackSocket, toCtwatchError } from './addon.js';

export interface DumpsOptions {
  readonly socket: Pick<ConntrackSocket, 'stats' | 'addresses' | 'dumpStart' | 'dumpRead'>;
  /** Takes a record; a batch is leased while it runs. */
  readonly emit: (record: EntriesRecord | CensusRecord) => void;
  readonly readClocks: () => Instant;
  /** Told of each chunk of a census before it is emitted. */
  readonly lookUp?: (batch: EventBatch) => Promise<void>;
  /** The source has ended: nothing is emitted any more. */
  readonly isClosed: () => boolean;
}

/** The dumps of one source. */
export class TableDumps {
  readonly #options: DumpsOptions;
  #busy = false;
  /** The entries that were there before us come first. */
  #initialListed = false;
  #beganAt = Number.NEGATIVE_INFINITY;

  constructor(options: DumpsOptions) {
    this.#options = options;
  }

  /** The entries that were there before us, as `entries` records. Waits as long as the kernel is busy; throws what else fails. */
  async listInitial(): Promise<void> {
    const { socket, emit, readClocks, isClosed } = this.#options;
    this.#busy = true;
    try {
      const batch = createBatch(BATCH_ROWS);
      await socket.dumpStart(false);
      while (await this.#read(batch, Number.POSITIVE_INFINITY)) {
        if (isClosed()) return;
        emit({ type: 'entries', at: readClocks(), batch });
      }
    } finally {
      this.#busy = false;
      this.#initialListed = true;
    }
  }

  /** Begins the dump that is wanted, if it can be granted now. Call it at each tick. */
  ask(asks: SourceAsks | undefined, monotonicSeconds: number): void {
    if (this.#busy || !this.#initialListed || monotonicSeconds - this.#beganAt < DUMP_SECONDS_MIN) return;
    const purpose = asks?.takeDump();
    if (purpose === undefined) return;
    this.#beganAt = monotonicSeconds;
    void this.list(purpose);
  }

  /** One dump as `census` records, `begin` to `end`. Never rejects; without effect while another is on its way. */
  async list(purpose: DumpPurpose): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const { emit, readClocks, isClosed } = this.#options;
    const batch = createBatch(BATCH_ROWS);
    let rows = 0;
    let failure: CtwatchError | undefined;
    const [before, addresses] = await Promise.all([this.#readTable(), readAddresses(this.#options.socket)]);
    if (isClosed()) return;
    emit({ type: 'census', at: readClocks(), phase: 'begin', purpose, ...before, ...addresses });
    try {
      await this.#options.socket.dumpStart(purpose === 'reap');
      while (await this.#read(batch, DUMP_TIMEOUTS_MAX)) {
        if (isClosed()) return;
        // A kernel that does not know the filter lists what nobody asked for.
        if (purpose === 'reap') continue;
        rows += batch.newCount;
        await this.#options.lookUp?.(batch);
        if (isClosed()) return;
        emit({ type: 'census', at: readClocks(), phase: 'rows', batch });
      }
    } catch (error) {
      failure = toCtwatchError(error, 'ERR_KERNEL_SOURCE');
    }
    const after = failure === undefined ? await this.#readTable() : {};
    if (isClosed()) return;
    const error = failure === undefined ? {} : { error: failure };
    emit({ type: 'census', at: readClocks(), phase: 'end', rows, ...after, ...error });
    if (failure?.code === 'ERR_REQUEST_TIMEOUT') await this.#readOn(batch);
    this.#busy = false;
  }

  /** Fills the batch; false at the end. A kernel that is busy is asked again, so many times. */
  async #read(batch: EventBatch, timeoutsMax: number): Promise<boolean> {
    for (let timeouts = 1; ; timeouts++) {
      try {
        batch.newCount = await this.#options.socket.dumpRead(batch.buffer, batch.capacity);
        return batch.newCount > 0;
      } catch (error) {
        if (toCtwatchError(error, 'ERR_KERNEL_SOURCE').code !== 'ERR_REQUEST_TIMEOUT' || timeouts >= timeoutsMax)
          throw error;
      }
    }
  }

  /** Until the socket can begin another. */
  async #readOn(batch: EventBatch): Promise<void> {
    try {
      while (!this.#options.isClosed() && (await this.#read(batch, Number.POSITIVE_INFINITY)));
    } catch {
      // It has ended, in one way or another.
    }
  }

  /** A reading that does not come in time is missing, no failure. */
  async #readTable(): Promise<{ readonly table?: TableStats }> {
    try {
      const { table } = await this.#options.socket.stats();
      return { table };
    } catch {
      return {};
    }
  }
}

/** Without them directions cannot be told: no reason not to watch. */
export async function readAddresses(
  socket: Pick<ConntrackSocket, 'addresses'>,
): Promise<{ readonly addresses?: readonly string[] }> {
  try {
    return { addresses: await socket.addresses() };
  } catch {
    return {};
  }
}
