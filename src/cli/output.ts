/**
 * The lines of a stream, to standard output or a file, and its flows to a file of their own if the settings say so.
 *
 *   events ──┬── flows ─────> flows_file, or where the others go
 *            └── the others ─> file, or standard output
 *
 * A file that cannot be written is a notice and ends nothing. Only where the stream has nowhere to go it does not begin.
 */
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { CtwatchError } from '../model/errors.js';
import type { CtEvent, EventOf } from '../model/events.js';
import { pathOf } from '../model/output-settings.js';
import type { Settings } from '../model/settings.js';
import { isJournal, journalPrefix } from '../sinks/journal.js';
import { LineFile } from '../sinks/line-file.js';
import { NdjsonSink } from '../sinks/ndjson.js';
import type { OutputHealth, Sink } from '../sinks/sink.js';
import type { EarlyNotices } from './notices.js';

export interface OutputOptions {
  readonly settings: Settings;
  /** The reader of standard output has gone, or what should have been written could not be. */
  readonly onClosed: (error?: CtwatchError) => void;
  /** Where it is told that a file fails, and that it does not any more. */
  readonly notices: Pick<EarlyNotices, 'tell'>;
  /** Where it is told what was lost of the flows: not among them. */
  readonly losses: Pick<Sink, 'write'>;
}

/** Throws `ERR_OUTPUT_FILE` for a directory, `ERR_OUTPUT` when the file that stands for standard output cannot be opened. */
export function openOutput(options: OutputOptions): Sink {
  const { output } = options.settings;
  const path = pathOf(output.file);
  const flowsPath = pathOf(output.flows_file);
  const others = path === undefined ? openStandardOutput(options) : openFile(path, options);
  if (flowsPath === undefined || (path !== undefined && resolve(path) === resolve(flowsPath))) return others;
  const { losses } = options;
  return new FlowRoute(
    openFile(flowsPath, options, (loss) => losses.write(loss)),
    others,
  );
}

/** Standard output. The journal gets a priority with each line, and no flows. */
function openStandardOutput({ settings, onClosed, notices }: OutputOptions): Sink {
  const { netns, flows, output } = settings;
  const toJournal = isJournal(process.stdout.fd, process.env['JOURNAL_STREAM']);
  const stdout = new NdjsonSink({
    ...{ stream: process.stdout, hostname: hostname(), netns, onClosed },
    ...(toJournal && { prefix: journalPrefix, flows: false }),
  });
  const leavesOut = toJournal && flows && pathOf(output.flows_file) === undefined;
  if (leavesOut) notices.tell('flows_left_out', { remedy: 'ctwatch stream --flows FILE' });
  return stdout;
}

/** A file for lines; one that tells its losses elsewhere may also be missing for now. */
function openFile(path: string, options: OutputOptions, tellLoss?: (loss: EventOf<'loss'>) => void): FileSink {
  const { settings, onClosed, notices } = options;
  const { output, netns } = settings;
  const fileOptions = {
    path,
    rotateBytes: output.rotate_bytes,
    filesKept: output.keep,
    onFailure: (error: NodeJS.ErrnoException) =>
      notices.tell('output_failed', {
        path,
        detail: error.code ?? error.message,
        remedy: remedyOf(path, error),
      }),
    onRecovery: () => notices.tell('output_restored', { path, level: 'info', remedy: `ls -l ${path}` }),
  };
  try {
    const file = new LineFile(fileOptions, tellLoss !== undefined);
    const lines = new NdjsonSink({ stream: file, hostname: hostname(), netns, path, tellLoss });
    return new FileSink({ path, file, lines, onClosed });
  } catch (cause) {
    if (cause instanceof CtwatchError) throw cause;
    throw outputFailure('open', path, cause as NodeJS.ErrnoException);
  }
}

interface FileSinkParts {
  readonly path: string;
  readonly file: LineFile;
  readonly lines: NdjsonSink;
  readonly onClosed: OutputOptions['onClosed'];
}

/** Lines into a file. Ends with an error when the last of them could not be written. */
class FileSink implements Sink {
  readonly #parts: FileSinkParts;

  constructor(parts: FileSinkParts) {
    this.#parts = parts;
  }

  write(event: CtEvent): void {
    this.#parts.lines.write(event);
  }

  reopen(): void {
    this.#parts.file.reopen();
  }

  tellLosses(): void {
    this.#parts.lines.tellLosses();
  }

  health(): readonly OutputHealth[] {
    return this.#parts.lines.health();
  }

  async end(): Promise<void> {
    const { path, file, lines, onClosed } = this.#parts;
    await lines.end();
    if (file.failure !== undefined) onClosed(outputFailure('write', path, file.failure));
    file.destroy();
  }
}

/** Flows to one sink, everything else to another. */
class FlowRoute implements Sink {
  readonly #flows: FileSink;
  readonly #others: Sink;

  constructor(flows: FileSink, others: Sink) {
    this.#flows = flows;
    this.#others = others;
  }

  write(event: CtEvent): void {
    if (event.type === 'flow') {
      this.#flows.write(event);
      return;
    }
    // The last line is the last.
    if (event.type === 'stop') this.#flows.tellLosses();
    this.#others.write(event);
  }

  reopen(): void {
    this.#flows.reopen();
    this.#others.reopen?.();
  }

  health(): readonly OutputHealth[] {
    return [...(this.#others.health?.() ?? []), ...this.#flows.health()];
  }

  async end(): Promise<void> {
    await Promise.all([this.#flows.end(), this.#others.end()]);
  }
}

function outputFailure(verb: 'open' | 'write', path: string, cause: NodeJS.ErrnoException): CtwatchError {
  const { code: errno } = cause;
  const fields = {
    code: 'ERR_OUTPUT',
    operation: `${verb} ${path}`,
    errno,
    remedy: remedyOf(path, cause),
    cause,
  } as const;
  return new CtwatchError(fields);
}

function remedyOf(path: string, error: NodeJS.ErrnoException): string {
  if (error instanceof CtwatchError) return error.remedy;
  const { code } = error;
  const directory = dirname(path);
  if (code === 'ENOSPC' || code === 'EDQUOT') return `df -h ${directory}`;
  return code === 'ENOENT' ? `sudo install -d -m 0750 -o "$USER" ${directory}` : `ls -ld ${directory} ${path}`;
}
