/**
 * The control socket: whoever may write to it asks what is true now. `model/control.ts` has the words.
 *
 *   connection ──(a line, 1 KiB and 2 s at most)──> answer or refusal ──> closed
 *
 * One question a connection, a bounded number of connections (for one more the oldest goes, so that idle ones keep nobody out) and of
 * answers a second: none of them can make the stream wait or grow. Who may connect the mode of the socket says: the kernel wants the
 * right to write to it. It is there from the `start` event to the end. A socket that nobody answers on is replaced; anything else in
 * its place is told and left alone.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { type ControlErrorCode, formatRefusal, parseControlRequest } from '../model/control.js';
import type { CtEvent } from '../model/events.js';
import {
  CONTROL_ANSWERS_PER_SECOND,
  CONTROL_CONNECTION_MS,
  CONTROL_CONNECTIONS_MAX,
  CONTROL_REQUEST_BYTES_MAX,
} from '../model/limits.js';
import type { TickObservation } from '../pipeline/observed.js';
import type { Status } from '../pipeline/status.js';
import { listenOn, removeStaleSocket } from './listening.js';
import type { Sink } from './sink.js';

export interface ControlOptions {
  readonly path: string;
  /** Permission bits of the socket. */
  readonly mode: number;
  readonly status: Status;
  /** The clock of the ticks. */
  readonly monotonicSeconds: () => number;
  /** Called at most once, when the socket cannot be opened or fails: nobody is answered any more. */
  readonly onFailure: (error: ControlFailure) => void;
  /** How long a connection may last, ms. Default `CONTROL_CONNECTION_MS`. */
  readonly connectionMs?: number;
}

/** `code` is an errno: EADDRINUSE when another process answers there, EEXIST when it is no socket. */
export type ControlFailure = Pick<NodeJS.ErrnoException, 'code' | 'message'>;

/** Feeds a `Status` and answers with it. */
export class ControlSink implements Sink {
  readonly #options: ControlOptions;
  readonly #connections = new Set<Connection>();
  #opening: Promise<void> | undefined;
  #server: Server | undefined;
  #ended = false;
  /** Answers that may be given now; grows with time. */
  #allowance = CONTROL_ANSWERS_PER_SECOND;
  #allowedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  write(event: CtEvent): void {
    this.#options.status.write(event);
    if (event.type === 'start') this.#opening ??= this.#open();
  }

  observe(tick: TickObservation): void {
    this.#options.status.observe(tick);
  }

  /** Removes the socket. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#opening;
    for (const connection of this.#connections) connection.destroy();
    await new Promise<void>((resolve) => (this.#server?.listening ? this.#server.close(() => resolve()) : resolve()));
  }

  async #open(): Promise<void> {
    const { path, mode, onFailure } = this.#options;
    try {
      await removeStaleSocket(path);
      if (this.#ended) return;
      // Half open: an answer is still read by a peer that has closed its side.
      const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
      await listenOn(server, { path, mode });
      server.on('error', onFailure);
      this.#server = server;
    } catch (error) {
      onFailure(error as NodeJS.ErrnoException);
    }
  }

  #accept(socket: Socket): void {
    const connection: Connection = new Connection(socket, {
      lifetimeMs: this.#options.connectionMs ?? CONTROL_CONNECTION_MS,
      reply: (line) => this.#reply(line),
      onClosed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    if (this.#connections.size <= CONTROL_CONNECTIONS_MAX) return;
    const [oldest] = this.#connections;
    oldest?.refuse('too_many_connections');
  }

  #reply(line: string): string {
    const now = this.#options.monotonicSeconds();
    if (!this.#allow(now)) return formatRefusal('too_many_requests');
    const request = parseControlRequest(line);
    if ('error' in request) return formatRefusal(request.error);
    const status = this.#options.status.snapshot(now);
    return status === undefined ? formatRefusal('not_ready') : `${JSON.stringify(status)}\n`;
  }

  #allow(now: number): boolean {
    const grown = this.#allowance + (now - this.#allowedAt) * CONTROL_ANSWERS_PER_SECOND;
    this.#allowance = Math.min(CONTROL_ANSWERS_PER_SECOND, grown);
    this.#allowedAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }
}

interface ConnectionOptions {
  readonly lifetimeMs: number;
  readonly reply: (line: string) => string;
  readonly onClosed: () => void;
}

/** One question. Ends by itself, whatever its peer does. */
class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #timer: NodeJS.Timeout;
  #request = '';
  #answered = false;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#timer = setTimeout(() => this.refuse('too_slow'), options.lifetimeMs);
    socket
      .setEncoding('latin1')
      .on('data', (text: string) => this.#read(text))
      .on('end', () => this.#end())
      // The peer has gone; `close` follows.
      .on('error', () => {})
      .on('close', () => this.#closed());
  }

  /** Says why and closes; what is not taken at once is dropped. */
  refuse(code: ControlErrorCode): void {
    if (!this.#answered) this.#answer(formatRefusal(code));
    this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#closed();
  }

  #read(text: string): void {
    if (this.#answered) return;
    this.#request += text.slice(0, CONTROL_REQUEST_BYTES_MAX + 1);
    const end = this.#request.indexOf('\n');
    const bytes = end < 0 ? this.#request.length : end;
    if (bytes > CONTROL_REQUEST_BYTES_MAX) this.refuse('too_long');
    else if (end >= 0) this.#answer(this.#options.reply(this.#request.slice(0, end)));
  }

  /** The peer will say no more: an end without a line feed is one too. */
  #end(): void {
    if (this.#answered) return;
    if (this.#request === '') this.destroy();
    else this.#answer(this.#options.reply(this.#request));
  }

  #answer(line: string): void {
    this.#answered = true;
    this.#request = '';
    // Closed as soon as it is written, or when its time is over: whoever does not read does not stay.
    this.#socket.end(line, () => this.destroy());
  }

  #closed(): void {
    clearTimeout(this.#timer);
    this.#options.onClosed();
  }
}
