/**
 * A file of lines as a stream that never fails: appended to, rotated by size, opened anew when asked, and patient.
 *
 *   write(chunk) ──> the whole lines that fit ──> FILE ──(size)──> FILE becomes FILE.1, a new FILE
 *                              ^                   │
 *                              └── every second <──┘ cannot be written: told once, nothing is dropped here
 *
 * While it waits it takes no more, like a reader that stands still; how much may wait, and what is dropped, is the sink's account. It
 * writes at once, in the turn of the event, as standard output does into a file: a drain of 65,000 events would else have to wait in
 * memory. A line that a full disk cut short is completed in place, since whoever follows the file has read its beginning. One
 * that a kill cut short is ended at the next start, so that no other is glued to it.
 */
import { closeSync, fstatSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { CtwatchError } from '../model/errors.js';
import { OUTPUT_RETRY_MS } from '../model/limits.js';
import { shiftFiles } from '../recording/rotation.js';

export interface LineFileOptions {
  readonly path: string;
  /** Size at which a new file is begun, bytes; 0: never. A line that is longer has a file of its own. */
  readonly rotateBytes: number;
  /** Files kept, the current one included. */
  readonly filesKept: number;
  /** It cannot be written from now on. Called once until it has recovered. */
  readonly onFailure?: (error: NodeJS.ErrnoException) => void;
  /** All that waited has been written. */
  readonly onRecovery?: () => void;
}

interface OpenFile {
  readonly descriptor: number;
  readonly device: number;
  readonly inode: number;
  bytes: number;
}

/** A chunk on its way: what is before `at` is written. */
interface Progress {
  readonly chunk: Buffer;
  at: number;
}

const NEWLINE = 0x0a;

/** Takes chunks of whole lines. Emits no `error`. */
export class LineFile extends Writable {
  readonly #options: LineFileOptions;
  #file: OpenFile | undefined;
  #reopenAsked = false;
  #failure: NodeJS.ErrnoException | undefined;
  #retry: { readonly timer: NodeJS.Timeout; readonly now: () => void } | undefined;

  /**
   * Opens the file, or creates it readable for its group. Throws `ERR_OUTPUT_FILE` for what is no file, and what the file system says
   * otherwise: but a full disk is waited for, with `patient` everything, and told.
   */
  constructor(options: LineFileOptions, patient = false) {
    super();
    this.#options = options;
    try {
      this.#open();
    } catch (error) {
      if (error instanceof CtwatchError || !(patient || isFull(error))) throw error;
      this.write('');
    }
  }

  /** Why it cannot be written at present. */
  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure;
  }

  /** Opens the path anew between two lines: whoever renamed the file wants the next lines in a new one. */
  reopen(): void {
    if (this.destroyed || this.writableEnded) return;
    this.#reopenAsked = true;
    if (this.#retry === undefined) this.write('');
    else this.#retry.now();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    this.#advance({ chunk, at: 0 }, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#retry?.timer);
    if (this.#file !== undefined) closeQuietly(this.#file.descriptor);
    this.#file = undefined;
    done(error);
  }

  /** Writes the rest of a chunk, now or when it can be. */
  #advance(progress: Progress, done: () => void): void {
    try {
      while (!this.#isWritten(progress)) this.#writeSome(progress);
    } catch (error) {
      this.#fail(error as NodeJS.ErrnoException, () => this.#advance(progress, done));
      return;
    }
    if (this.#failure !== undefined) {
      this.#failure = undefined;
      this.#options.onRecovery?.();
    }
    done();
  }

  #isWritten({ chunk, at }: Progress): boolean {
    return at === chunk.length && this.#file !== undefined && !this.#reopenAsked;
  }

  /** One step: opens the file, makes room in it, or writes the lines that fit. */
  #writeSome(progress: Progress): void {
    const { chunk, at } = progress;
    if (this.#file === undefined || this.#reopenAsked) {
      // A line that was begun in the file before is written again, as a whole.
      if (this.#open() && at > 0) progress.at = chunk.lastIndexOf(NEWLINE, at - 1) + 1;
      return;
    }
    const end = this.#endOfRoom(this.#file, progress);
    if (end === at) {
      this.#rotate(this.#file);
      return;
    }
    const written = writeSync(this.#file.descriptor, chunk, at, end - at);
    this.#file.bytes += written;
    progress.at += written;
  }

  /** Where to stop writing: behind the last line that fits, or behind the current one when it is begun or alone. */
  #endOfRoom({ bytes }: OpenFile, { chunk, at }: Progress): number {
    const { rotateBytes } = this.#options;
    const room = rotateBytes - bytes;
    if (rotateBytes === 0 || room >= chunk.length - at) return chunk.length;
    const fits = room > 0 ? chunk.lastIndexOf(NEWLINE, at + room - 1) + 1 : 0;
    if (fits > at) return fits;
    const isBegun = at > 0 && chunk[at - 1] !== NEWLINE;
    if (bytes > 0 && !isBegun) return at;
    return chunk.indexOf(NEWLINE, at) + 1 || chunk.length;
  }

  #rotate(file: OpenFile): void {
    const { path, filesKept } = this.#options;
    const { size } = fstatSync(file.descriptor);
    // Somebody has truncated it, or it is a device: there is room.
    if (size < file.bytes) {
      file.bytes = size;
      return;
    }
    shiftFiles(path, filesKept);
    this.#open();
  }

  /** Opens what is at the path now; the file before is kept until that has succeeded. Returns whether it is another one. */
  #open(): boolean {
    const { path } = this.#options;
    refuseNoFile(path);
    const descriptor = openSync(path, 'a+', 0o640);
    try {
      const known = fstatSync(descriptor);
      const before = this.#file;
      this.#reopenAsked = false;
      if (before?.device === known.dev && before.inode === known.ino) {
        closeQuietly(descriptor);
        return false;
      }
      const bytes = known.size + (known.isFile() ? endBrokenLine(descriptor, known.size) : 0);
      this.#file = { descriptor, device: known.dev, inode: known.ino, bytes };
      if (before !== undefined) closeQuietly(before.descriptor);
      return true;
    } catch (error) {
      this.#reopenAsked = true;
      closeQuietly(descriptor);
      throw error;
    }
  }

  /** Until the next attempt. */
  #fail(error: NodeJS.ErrnoException, again: () => void): void {
    const isNew = this.#failure === undefined;
    this.#failure = error;
    // The file may have been moved to another disk, or its server have forgotten it.
    if (!isFull(error)) this.#reopenAsked = true;
    const now = () => {
      clearTimeout(timer);
      this.#retry = undefined;
      again();
    };
    const timer = setTimeout(now, OUTPUT_RETRY_MS);
    this.#retry = { timer, now };
    if (isNew) this.#options.onFailure?.(error);
  }
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** A pipe or a socket could hold the program up for ever, and a directory has no lines. */
function refuseNoFile(path: string): void {
  const known = statSync(path, { throwIfNoEntry: false });
  if (known === undefined || known.isFile() || known.isCharacterDevice()) return;
  const errno = known.isDirectory() ? 'EISDIR' : undefined;
  throw new CtwatchError({ code: 'ERR_OUTPUT_FILE', operation: `open ${path}`, errno });
}

/** Ends a last line that was cut short. Returns the bytes that were added. */
function endBrokenLine(descriptor: number, size: number): number {
  const last = Buffer.alloc(1);
  if (size === 0 || readSync(descriptor, last, 0, 1, size - 1) === 0 || last[0] === NEWLINE) return 0;
  return writeSync(descriptor, '\n');
}

/** What was written is written: a late error of another file helps nobody here. */
function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {}
}
