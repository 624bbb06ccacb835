/** A `ctwatch stream` with every output on, and the questions that are put to it. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../namespace.mjs';
import { readCpuSeconds, readMemoryKib } from '../process.mjs';

const PROGRAM = join(ROOT, 'dist', 'ctwatch.js');
const DEADLINE_MS = 30_000;

export class SoakedStream {
  #directory = mkdtempSync(join(tmpdir(), 'ctwatch-soak-'));
  #child;
  #ended;
  answered = 0;
  unanswered = 0;

  /** Resolves when it answers. */
  static async start(namespace) {
    const stream = new SoakedStream();
    process.once('exit', () => rmSync(stream.#directory, { recursive: true, force: true }));
    const config = stream.#path('ctwatch.toml');
    writeFileSync(
      config,
      `state_dir = ${JSON.stringify(stream.#path('state'))}
[output]
file = ${JSON.stringify(stream.#path('lines'))}
flows_file = ${JSON.stringify(stream.#path('flows'))}
rotate_bytes = "16MiB"
keep = 2
[metrics]
listen = ${JSON.stringify(`unix:${stream.#path('metrics.sock')}`)}
[control]
socket = ${JSON.stringify(stream.#path('ctwatch.sock'))}
`,
    );
    stream.#child = namespace.spawn(PROGRAM, ['stream', '--config', config], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    stream.#ended = once(stream.#child, 'close');
    for (const deadline = performance.now() + DEADLINE_MS; performance.now() < deadline; await sleep(50)) {
      if (stream.hasEnded) throw new Error('ctwatch stream has ended before it answered');
      const metrics = await stream.#scrape().catch(() => undefined);
      if (metrics?.includes('ctwatch_new_flows_total')) return stream;
    }
    throw new Error('ctwatch stream does not answer');
  }

  get hasEnded() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** One look, its two answers included; undefined when there was none. */
  async sample() {
    const scraped = await this.#timed(() => this.#scrape());
    const asked = await this.#timed(() => this.#ask());
    if (scraped === undefined || this.hasEnded) return undefined;
    const value = (series) => sumOf(scraped.answer, series);
    return {
      residentBytes: readMemoryKib(this.#child.pid).resident * 1024,
      heapBytes: value('ctwatch_heap_memory_bytes'),
      lagMaxSeconds: value('ctwatch_event_loop_lag_seconds{statistic="max"}'),
      answerSeconds: Math.max(scraped.seconds, asked?.seconds ?? 0),
      cpuSeconds: readCpuSeconds(this.#child.pid),
      newFlows: value('ctwatch_new_flows_total'),
      lostEvents: value('ctwatch_lost_events_total'),
      lostLines: value('ctwatch_lost_lines_total'),
    };
  }

  /** `ctwatch check` as a monitoring system runs it; any of its four statuses is an answer but 3. */
  async check(namespace) {
    const args = ['netns', 'exec', namespace.name, PROGRAM, 'check', '--control', this.#path('ctwatch.sock')];
    await this.#timed(
      () =>
        new Promise((resolve, reject) =>
          execFile('ip', args, (error, stdout) => (error?.code === 3 ? reject(new Error(stdout)) : resolve(stdout))),
        ),
    );
  }

  /** Ends it and resolves to its exit status. */
  async stop() {
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE_MS);
    const [status] = await this.#ended;
    clearTimeout(late);
    return status;
  }

  #path(name) {
    return join(this.#directory, name);
  }

  async #timed(question) {
    const begun = performance.now();
    try {
      const answer = await question();
      this.answered++;
      return { answer, seconds: (performance.now() - begun) / 1000 };
    } catch {
      this.unanswered++;
      return undefined;
    }
  }

  #scrape() {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#path('metrics.sock'), path: '/metrics', agent: false, timeout: DEADLINE_MS };
      const asking = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
      });
      asking.on('timeout', () => asking.destroy(new Error('no answer'))).on('error', reject);
      asking.end();
    });
  }

  #ask() {
    return new Promise((resolve, reject) => {
      let text = '';
      const socket = createConnection(this.#path('ctwatch.sock')).setEncoding('utf8').setTimeout(DEADLINE_MS);
      socket.on('timeout', () => socket.destroy(new Error('no answer'))).on('error', reject);
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('end', () => (text.includes('"table"') ? resolve(text) : reject(new Error(text))));
      socket.end('{"v":1,"get":"status"}\n');
    });
  }
}

/** The sum of the series of a metric, or the value of one series. */
function sumOf(text, series) {
  const rows = text.split('\n').filter((row) => row.startsWith(series) && /^[{ ]/.test(row.slice(series.length)));
  return rows.reduce(
    (sum, row) =>
      sum +
      Number(
        row
          .slice(row.lastIndexOf('}') + 1)
          .trim()
          .split(' ')
          .at(-1),
      ),
    0,
  );
}
