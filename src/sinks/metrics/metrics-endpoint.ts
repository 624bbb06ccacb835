/**
 * Metrics over HTTP: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever starts and watches services. Loopback or a unix
 * socket only, GET and HEAD only.
 *
 *   socket ──(one of SCRAPE_CONNECTIONS_MAX)──> request ──(SCRAPES_PER_SECOND_MAX, the others wait)──> text of the last tick ──> answer
 *
 * The event loop is that of the pipeline, so whatever clients do must cost little: an answer is made once per tick at most, a storm of
 * requests waits its turn, idle connections go for new ones, and who is slow to ask or to read is disconnected. Whoever may connect
 * may read: no passwords, no TLS.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  SCRAPE_CONNECTIONS_MAX,
  SCRAPE_HEADER_BYTES_MAX,
  SCRAPE_TIMEOUT_MS,
  SCRAPES_PER_SECOND_MAX,
  TICK_AGE_SECONDS_MAX,
} from '../../model/limits.js';
import type { ListenAddress } from '../../model/listen-address.js';
import { listenOn, removeStaleSocket } from '../listening.js';
import { CONTENT_TYPES, chooseFormat, type ExpositionFormat, formatMetrics } from './exposition.js';
import type { MetricsState } from './metrics-state.js';

const PLAIN = 'text/plain; charset=utf-8';

/** Not `r--r--r--`: owner and group of the socket may connect. */
const SOCKET_MODE = 0o660;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

export class MetricsEndpoint {
  readonly #state: MetricsState;
  readonly #server: Server;
  readonly #counts = { scrapes: 0, refusedConnections: 0 };
  readonly #texts = new Map<ExpositionFormat, { tick: MetricsState['tick']; text: Promise<string> }>();
  readonly #connections = new Set<Socket>();
  /** Those of them whose question waits for its answer. */
  readonly #busy = new Set<Socket>();
  #nextMs = 0;

  /** `timeoutMs` is how long a client may take. */
  constructor(state: MetricsState, timeoutMs = SCRAPE_TIMEOUT_MS) {
    this.#state = state;
    this.#server = createServer(
      {
        maxHeaderSize: SCRAPE_HEADER_BYTES_MAX,
        headersTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        connectionsCheckingInterval: timeoutMs / 5,
        keepAliveTimeout: timeoutMs,
      },
      (request, response) => void this.#answer(request, response),
    );
    // Of a socket on which nothing moves, a reader that has stopped as well.
    this.#server.timeout = timeoutMs;
    this.#server.on('connection', (socket: Socket) => this.#accept(socket));
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  /** Resolves when it listens. Rejects with the errno of the system call, `EEXIST` when a path is something else than a dead socket. */
  async open(address: ListenAddress): Promise<void> {
    if (address.kind === 'unix') await removeStaleSocket(address.path);
    await listenOn(this.#server, address.kind === 'unix' ? { path: address.path, mode: SOCKET_MODE } : address);
    // Such as too many open files: the next connection may be taken again.
    this.#server.on('error', () => this.#counts.refusedConnections++);
    this.#state.served = this.#counts;
  }

  /** Nobody waits for a scraper at the end. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** For one too many the oldest that asks nothing goes, so that idle ones keep nobody out; or else it goes itself. */
  #accept(socket: Socket): void {
    if (this.#connections.size >= SCRAPE_CONNECTIONS_MAX) {
      this.#counts.refusedConnections++;
      const idle = [...this.#connections].find((each) => !this.#busy.has(each));
      if (idle === undefined) return void socket.destroy();
      this.#connections.delete(idle);
      idle.destroy();
    }
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    // One question at a time on a connection: no scraper sends the next before it has the answer.
    if (this.#busy.has(socket)) return void socket.destroy();
    this.#busy.add(socket);
    response.once('close', () => this.#busy.delete(socket));
    const delayMs = this.#delayMs();
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    const { status, type, text } = await this.#answerTo(request).catch((error: Error) => plain(500, error.message));
    if (socket.destroyed) return;
    const allow = status === 405 ? { allow: 'GET, HEAD' } : {};
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), ...allow });
    response.end(request.method === 'HEAD' ? undefined : text);
  }

  /** How long this answer must wait so that they keep their distance. */
  #delayMs(): number {
    const nowMs = performance.now();
    const dueMs = Math.max(nowMs - 1000, this.#nextMs);
    this.#nextMs = dueMs + 1000 / SCRAPES_PER_SECOND_MAX;
    return dueMs - nowMs;
  }

  async #answerTo({ method, url = '', headers }: IncomingMessage): Promise<Answer> {
    const path = url.split('?', 1)[0] ?? '';
    if (path !== '/metrics' && path !== '/healthz' && path !== '/readyz')
      return plain(404, 'not here: /metrics, /healthz, /readyz');
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'GET or HEAD only');
    if (path === '/healthz') return this.#health();
    if (path === '/readyz') return this.#readiness();
    this.#counts.scrapes++;
    const format = chooseFormat(headers.accept);
    return { status: 200, type: CONTENT_TYPES[format], text: await this.#textOf(format) };
  }

  /** Whether the pipeline goes on. */
  #health(): Answer {
    const seconds = this.#state.tickAgeSeconds();
    return seconds <= TICK_AGE_SECONDS_MAX ? plain(200, 'ok') : plain(503, `no tick for ${Math.round(seconds)} s`);
  }

  /** Whether events arrive and the table is known. */
  #readiness(): Answer {
    const { start, tick } = this.#state;
    if (start === undefined) return plain(503, 'not listening to the kernel yet');
    if (tick?.table.count === undefined) return plain(503, 'the size of the table is not known');
    return this.#health();
  }

  /** Made once per tick. */
  #textOf(format: ExpositionFormat): Promise<string> {
    const { tick } = this.#state;
    const known = this.#texts.get(format);
    if (known !== undefined && tick !== undefined && known.tick === tick) return known.text;
    const text = formatMetrics(this.#state, format);
    this.#texts.set(format, { tick, text });
    return text;
  }
}

function plain(status: number, text: string): Answer {
  return { status, type: PLAIN, text: `${text}\n` };
}
