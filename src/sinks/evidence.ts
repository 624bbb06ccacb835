/**
 * Evidence of what is critical, kept where it survives: one file for each alert that becomes critical, written before the table is
 * full, since then one often cannot log in any more.
 *
 *   start, sample, census ──> remembered, samples of ten minutes ──(critical alert)──> file: all of it, and the alert
 *                                                                  ──(census within a minute)──> the same file, with the census
 *
 * A file is written beside its name, synced and renamed, so that it is whole or not there. At most so many files and bytes, the oldest go
 * first. A full disk or a directory that cannot be written is told once as a notice; it ends nothing.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { CtEvent, EventOf } from '../model/events.js';
import {
  EVIDENCE_BYTES_MAX,
  EVIDENCE_CENSUS_SECONDS,
  EVIDENCE_FILES_MAX,
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

  /** Each file is whole when it is written. */
  end(): Promise<void> {
    return Promise.resolve();
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
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      this.#makeRoom(Buffer.byteLength(text), path);
      writeWhole(path, text);
    } catch (error) {
      if (!this.#failed) this.#onFailure(error as NodeJS.ErrnoException);
      this.#failed = true;
    }
  }

  /** Names begin with the time, so the first are the oldest. */
  #makeRoom(bytes: number, path: string): void {
    const files = readdirSync(this.#directory)
      .filter((name) => NAME.test(name) && join(this.#directory, name) !== path)
      .sort()
      .map((name) => ({ path: join(this.#directory, name), bytes: sizeOf(join(this.#directory, name)) }));
    let total = files.reduce((sum, file) => sum + file.bytes, bytes);
    for (let kept = files.length; files.length > 0 && (kept >= this.#filesMax || total > this.#bytesMax); kept--) {
      const oldest = files.shift();
      if (oldest === undefined) break;
      rmSync(oldest.path, { force: true });
      total -= oldest.bytes;
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Whole or not at all, for the owner's eyes. */
function writeWhole(path: string, text: string): void {
  const temporary = `${path}.tmp`;
  try {
    const descriptor = openSync(temporary, 'w', 0o600);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
