/**
 * Evidence of what is critical, kept where it survives: one file for each alert that becomes critical, written before the table is
 * full, since then one often cannot log in any more.
 *
 *   start, sample, census ──> remembered, samples of ten minutes ──(critical alert)──> file: all of it, and the alert
 *                                                                  ──(census within a minute)──> the same file, with the census
 *
 * A file is written beside its name, synced and renamed, so that it is whole or not there; one after the other, while the stream goes
 * on: a slow disk keeps neither events nor questions waiting. At most so many files and bytes, the oldest go first. A full disk or
 * a directory that cannot be written is told once as a notice; it ends nothing.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CtEvent, EventOf } from '../model/events.js';
import {
  EVIDENCE_BYTES_MAX,
  EVIDENCE_CENSUS_SECONDS,
  EVIDENCE_FILES_MAX,
  EVIDENCE_FILES_WAITING_MAX,
  EVIDENCE_SAMPLES_MAX,
  EVIDENCE_SECONDS,
} from '../model/limits.js';
import type { Sink } from './sink.js';

export interface EvidenceOptions {
  readonly directory: string;
  /** Called once with the reason when a file cannot be written. */
  readonly onFailure: (error: NodeJS.ErrnoException) => void;
  readonly filesMax?: number;
  readonly bytesMax?: number;
}

const NAME = /^ctwatch-\d{8}T\d{6}Z-[a-z_]+\.json$/;

/** Takes every event of a stream; see above. */
export class EvidenceKeeper implements Sink {
  readonly #directory: string;
  readonly #onFailure: EvidenceOptions['onFailure'];
  readonly #filesMax: number;
  readonly #bytesMax: number;
  #start: EventOf<'start'> | undefined;
  #census: EventOf<'census'> | undefined;
  #samples: EventOf<'sample'>[] = [];
  /** The last file, until its census has come. */
  #open: { readonly path: string; readonly alert: EventOf<'alert'> } | undefined;
  /** Texts by their paths, oldest first. */
  readonly #waiting = new Map<string, string>();
  #writing: Promise<void> | undefined;
  #failed = false;

  constructor({ directory, onFailure, filesMax = EVIDENCE_FILES_MAX, bytesMax = EVIDENCE_BYTES_MAX }: EvidenceOptions) {
    this.#directory = directory;
    this.#onFailure = onFailure;
    this.#filesMax = filesMax;
    this.#bytesMax = bytesMax;
  }

  write(event: CtEvent): void {
    switch (event.type) {
      case 'start':
        this.#start = event;
        break;
      case 'sample':
        this.#remember(event);
        break;
      case 'census':
        this.#census = event;
        this.#complete(event);
        break;
      case 'alert':
        if (event.phase === 'firing' && event.severity === 'critical') this.#keep(event);
        break;
    }
  }

  /** Resolves when nothing waits any more. */
  end(): Promise<void> {
    return this.#writing ?? Promise.resolve();
  }

  #remember(sample: EventOf<'sample'>): void {
    this.#samples.push(sample);
    const from = sample.unixSeconds - EVIDENCE_SECONDS;
    const old = this.#samples.findIndex(({ unixSeconds }) => unixSeconds > from);
    if (old > 0 || this.#samples.length > EVIDENCE_SAMPLES_MAX) this.#samples.splice(0, Math.max(1, old));
  }

  #keep(alert: EventOf<'alert'>): void {
    const time = new Date(alert.unixSeconds * 1000).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const path = join(this.#directory, `ctwatch-${time}-${alert.name}.json`);
    this.#open = { path, alert };
    this.#writeFile(path, alert);
  }

  /** The census that an alert asks for comes a moment after it. */
  #complete({ unixSeconds }: EventOf<'census'>): void {
    if (this.#open === undefined || unixSeconds - this.#open.alert.unixSeconds > EVIDENCE_CENSUS_SECONDS) return;
    const { path, alert } = this.#open;
    this.#open = undefined;
    this.#writeFile(path, alert);
  }

  #writeFile(path: string, alert: EventOf<'alert'>): void {
    const evidence = { alert, census: this.#census, start: this.#start, samples: this.#samples };
    const text = `${JSON.stringify(evidence, (key, value: unknown) => (key === 'unixSeconds' ? undefined : value))}\n`;
    if (this.#waiting.size >= EVIDENCE_FILES_WAITING_MAX && !this.#waiting.has(path)) {
      this.#fail(Object.assign(new Error('the disk does not keep up'), { code: 'EBUSY' }));
      return;
    }
    this.#waiting.set(path, text);
    this.#writing ??= this.#writeWaiting();
  }

  async #writeWaiting(): Promise<void> {
    for (const [path, text] of this.#waiting) {
      this.#waiting.delete(path);
      try {
        await mkdir(this.#directory, { recursive: true, mode: 0o700 });
        await this.#makeRoom(Buffer.byteLength(text), path);
        await writeWhole(path, text);
      } catch (error) {
        this.#fail(error as NodeJS.ErrnoException);
      }
    }
    this.#writing = undefined;
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (!this.#failed) this.#onFailure(error);
    this.#failed = true;
  }

  /** Names begin with the time, so the first are the oldest. */
  async #makeRoom(bytes: number, path: string): Promise<void> {
    const names = (await readdir(this.#directory)).filter((name) => NAME.test(name)).sort();
    const paths = names.map((name) => join(this.#directory, name)).filter((other) => other !== path);
    const files = await Promise.all(paths.map(async (other) => ({ path: other, bytes: await sizeOf(other) })));
    let total = files.reduce((sum, file) => sum + file.bytes, bytes);
    for (let kept = files.length; files.length > 0 && (kept >= this.#filesMax || total > this.#bytesMax); kept--) {
      const oldest = files.shift();
      if (oldest === undefined) break;
      await rm(oldest.path, { force: true });
      total -= oldest.bytes;
    }
  }
}

/** 0 when it is not there. */
async function sizeOf(path: string): Promise<number> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  return size;
}

/** Whole or not at all, for the owner's eyes. */
async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
