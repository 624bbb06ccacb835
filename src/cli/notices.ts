/** Notices of what a stream's results go to: they come beside the pipeline, so their time is their own. */
import { NOTICES } from '../analysis/degraded.js';
import type { CtEvent } from '../model/events.js';
import type { Sink } from '../sinks/sink.js';

export type NoticeCode = keyof typeof NOTICES;

export interface NoticeDetails {
  /** A command. */
  readonly remedy: string;
  /** What exactly it is about. */
  readonly detail?: string | undefined;
  /** Default `warn`; `info` for what is over. */
  readonly level?: CtEvent['level'];
  /** File of lines that it is about. */
  readonly path?: string;
}

/** Writes a notice of its own time. */
export function tellNotice(to: Pick<Sink, 'write'>, code: NoticeCode, details: NoticeDetails): void {
  const { remedy, detail, level = 'warn', path } = details;
  const text = NOTICES[code];
  const msg = `${path === undefined ? '' : `${path}: `}${text}${detail === undefined ? '' : ` (${detail})`}`;
  const file = path === undefined ? {} : { file: { path } };
  to.write({ type: 'notice', level, unixSeconds: Date.now() / 1000, msg, code, text, remedy, ...file });
}

/** Notices that may come before the `start` line, which is the first: they wait for it. Itself a sink, to see it. */
export class EarlyNotices implements Sink {
  readonly #to: Pick<Sink, 'write'>;
  #waiting: (() => void)[] | undefined = [];

  constructor(to: Pick<Sink, 'write'>) {
    this.#to = to;
  }

  tell(code: NoticeCode, details: NoticeDetails): void {
    const tell = () => tellNotice(this.#to, code, details);
    if (this.#waiting === undefined) tell();
    else this.#waiting.push(tell);
  }

  write({ type }: CtEvent): void {
    if (type !== 'start') return;
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    // The other sinks have not seen the start yet, and what this one writes goes to them as well.
    queueMicrotask(() => {
      for (const tell of waiting) tell();
    });
  }

  end(): Promise<void> {
    return Promise.resolve();
  }
}
