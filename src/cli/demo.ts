/**
 * `ctwatch demo`: the incident in a private network namespace, watched by the real addon and the real pipeline.
 *
 *   demo ──unshare──> demo --inside (private namespace: lo, an nft rule, the watch) ──> demo-traffic (the incident)
 *
 * Everything happens in the namespace, which ends with its last process; nothing on the host changes, no root is needed
 * where user namespaces are allowed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import * as v from 'valibot';
import { CtwatchError } from '../model/errors.js';
import type { CtEvent, EventOf } from '../model/events.js';
import { settingsSchema } from '../model/settings.js';
import { formatCount, formatSeconds } from '../pipeline/sentence.js';
import { NdjsonSink, outputError } from '../sinks/ndjson.js';
import type { Sink } from '../sinks/sink.js';
import { formatNarration } from '../views/narration.js';
import { JOBS_PER_SECOND, VISITORS_PER_SECOND } from './incident.js';
import { runStream } from './stream.js';

/**
 * Room for the visitors (60/s x 120 s in TIME_WAIT and up to 60 s until collected = 86 % of it), not for the jobs as well.
 */
const ASSUMED_MAX = 12_500;

/** Turns conntrack on in the namespace; it has no other rule. */
const RULES = `table inet ctwatch_demo {
  chain track { type filter hook prerouting priority 0; ct state new counter; }
}
`;

export interface DemoOptions {
  /** JSON lines on a terminal too. */
  readonly json: boolean;
}

/** Starts the demo in namespaces of its own and passes its ending on. */
export async function enterDemo({ json }: DemoOptions): Promise<void> {
  const program = [process.execPath, process.argv[1] ?? '', 'demo', '--inside', ...(json ? ['--json'] : [])];
  const flags = usableUnshare();
  // In a session of its own, so that Ctrl-C reaches it once: from here.
  const child = spawn('unshare', [...flags, '--', ...program], { stdio: 'inherit', detached: true });
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  process.on('SIGINT', pass).on('SIGTERM', pass).on('SIGHUP', pass);
  process.exitCode = await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

/** The least privileged way that works here: a user namespace, or (as root) a network namespace alone. */
function usableUnshare(): string[] {
  const ways = [['--user', '--map-root-user', '--net'], ['--net']];
  for (const way of ways) {
    const { error, status } = spawnSync('unshare', [...way, 'true']);
    if (error !== undefined) throw new CtwatchError({ code: 'ERR_TOOL_MISSING', operation: 'unshare', cause: error });
    if (status === 0) return way;
  }
  throw new CtwatchError({ code: 'ERR_USERNS_UNAVAILABLE', operation: 'unshare --user --net' });
}

/** Inside the namespace: prepares it, plays the incident, and watches it until the table is full or the time is over. */
export async function playDemo({ json }: DemoOptions): Promise<void> {
  runTool('ip', ['link', 'set', 'lo', 'up']);
  runTool('nft', ['-f', '-'], RULES);
  // Not the host's configuration: the demo is the same everywhere.
  const settings = v.parse(settingsSchema, { assume_max: ASSUMED_MAX, interval: 5 });
  const controller = new AbortController();
  const verdict = new Verdict((reason) => controller.abort(reason));
  let traffic: ChildProcess | undefined;
  let failure: CtwatchError | undefined;
  try {
    await runStream({
      settings,
      signal: controller.signal,
      openSink: (onClosed) => {
        const sink = json || !process.stdout.isTTY ? openJson(onClosed) : openNarration(onClosed);
        traffic = startTraffic((error) => {
          failure ??= error;
          controller.abort('the demo is over');
        });
        return {
          write: (event) => {
            sink.write(event);
            verdict.observe(event);
          },
          end: () => sink.end(),
        };
      },
    });
  } finally {
    traffic?.removeAllListeners().kill();
  }
  if (failure !== undefined) throw failure;
  if (!json && process.stdout.isTTY) process.stdout.write(verdict.text());
}

function openJson(onClosed: (error?: CtwatchError) => void): Sink {
  return new NdjsonSink({ stream: process.stdout, hostname: hostname(), onClosed });
}

function openNarration(onClosed: (error?: CtwatchError) => void): Sink {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => onClosed(outputError(error)));
  process.stdout.write(
    `A private namespace: ${VISITORS_PER_SECOND} visitors/s on the web port and a pool of connections to Redis, a table of ${formatCount(ASSUMED_MAX)}.\n` +
      `In a moment the pool is lost and every job opens its own connection: ${JOBS_PER_SECOND}/s, each 120 s in TIME_WAIT.\n\n`,
  );
  return {
    write: (event) => void process.stdout.write(formatNarration(event, process.stdout.hasColors?.() ?? false)),
    end: () => Promise.resolve(),
  };
}

/** `onEnd` gets the error when the traffic did not come to its end. */
function startTraffic(onEnd: (error?: CtwatchError) => void): ChildProcess {
  const child = spawn(process.execPath, [process.argv[1] ?? '', 'demo-traffic'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const failed = (cause?: unknown) => onEnd(new CtwatchError({ code: 'ERR_DEMO_TRAFFIC', operation: 'demo', cause }));
  child.once('error', failed);
  child.once('exit', (status) => (status === 0 ? onEnd() : failed()));
  return child;
}

/** Compares what was predicted with what came. */
class Verdict {
  readonly #stop: (reason: string) => void;
  #alert: EventOf<'alert'> | undefined;
  #fullAt: number | undefined;

  constructor(stop: (reason: string) => void) {
    this.#stop = stop;
  }

  observe(event: CtEvent): void {
    if (event.type === 'alert' && event.phase === 'firing' && event.forecast.verdict === 'fills') this.#alert ??= event;
    if (event.type !== 'sample' || this.#fullAt !== undefined) return;
    if ((event.table.count ?? 0) >= ASSUMED_MAX) {
      this.#fullAt = event.unixSeconds;
      this.#stop('the table is full');
    }
  }

  text(): string {
    const predicted = this.#alert?.forecast.seconds_to_full;
    if (this.#alert === undefined || predicted === undefined) return '\nNo alert came.\n';
    const used = Math.round((this.#alert.table.used_ratio ?? 0) * 100);
    const warned = `\nThe first alert came at ${used} % and said: full in ${formatSeconds(predicted)}.`;
    if (this.#fullAt === undefined) return `${warned} The demo ended before the table was full.\n`;
    return `${warned} It was full ${formatSeconds(this.#fullAt - this.#alert.unixSeconds)} later.\n`;
  }
}

function runTool(command: string, args: readonly string[], input?: string): void {
  const { error, status, stderr } = spawnSync(command, args, { input, encoding: 'utf8' });
  if (error !== undefined) throw new CtwatchError({ code: 'ERR_TOOL_MISSING', operation: command, cause: error });
  if (status !== 0) {
    throw new CtwatchError({
      code: 'ERR_USERNS_UNAVAILABLE',
      operation: `${command} ${args.join(' ')}`,
      detail: stderr.trim(),
    });
  }
}
