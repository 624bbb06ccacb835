/**
 * The readers that are compared, behind one shape: start it in a namespace, look at its pid, stop it, and hear what it
 * received and what it lost. `ctwatch` is the built program, `floor` is bench/floor_reader.c, `conntrack` is
 * `conntrack -E`.
 */
import { once } from 'node:events';
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildTool, ROOT, untilSubscribed } from './namespace.mjs';

const PROGRAM = join(ROOT, 'dist', 'ctwatch.js');

/** A reader that has not started or ended by then never will. */
const DEADLINE_MS = 60_000;

/** Files of the current run, gone with the process; in memory where possible, as the disk is not what is measured. */
const files = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ctwatch-bench-'));
process.on('exit', () => rmSync(files, { recursive: true, force: true }));
let fileCounter = 0;

/** Readers that can run here. */
export function availableReaders() {
  return ['ctwatch', 'floor', 'conntrack'].filter((kind) => kind !== 'ctwatch' || existsSync(PROGRAM));
}

/**
 * Starts a reader and resolves when it listens: `{ kind, pid, lines, toStartMs, stop() }`. With `toFile` its output
 * goes into a file that `stop()` counts; otherwise ctwatch's lines come in `lines` as `{ line, unixMs }` when they
 * arrive. `stop()` resolves to `{ received, lost, lines }`: events, events lost by its own account, lines of the file
 * by type.
 */
export function startReader(kind, namespace, options = {}) {
  return START[kind](namespace, options);
}

const START = { ctwatch: startCtwatch, floor: startFloor, conntrack: startConntrack };

async function startCtwatch(namespace, { toFile = false, flowsFile = false, args = [] }) {
  const output = toFile ? openOutput() : undefined;
  const parts = flowsFile ? mkdtempSync(join(files, 'flows-')) : undefined;
  const flowArgs =
    parts === undefined ? [] : ['--flows', join(parts, 'flows'), '--rotate-bytes', '100MB', '--keep', '100'];
  const spawned = performance.now();
  // By its first line, as whoever installed it does.
  const child = namespace.spawn(PROGRAM, ['stream', ...flowArgs, ...args], {
    stdio: ['ignore', output ? output.descriptor : 'pipe', 'inherit'],
  });
  const ended = endOf(child);
  const lines = [];
  let toStartMs;
  if (output) {
    await until(child, () => readFileSync(output.path, 'utf8').includes('"type":"start"'));
  } else {
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text);
      if (line.type === 'start') toStartMs = performance.now() - spawned;
      lines.push({ line, unixMs: performance.timeOrigin + performance.now() });
    });
    await until(child, () => toStartMs !== undefined);
  }
  return {
    kind: 'ctwatch',
    pid: child.pid,
    lines,
    toStartMs,
    async stop() {
      await end(child, 'SIGINT', ended);
      const counted = output ? await countLines(output) : { flow: 0, others: lines.map(({ line }) => line) };
      for (const name of parts === undefined ? [] : readdirSync(parts)) {
        counted.flow += (await countLines({ path: join(parts, name) })).flow;
      }
      const totals = counted.others.find((line) => line.type === 'stop')?.totals;
      if (!totals) throw new Error('ctwatch ended without a stop line');
      return {
        received: totals.new + totals.destroy,
        lost: totals.lost_new + totals.lost_destroy,
        lines: counted.flow,
        lostLines: counted.others
          .filter((line) => line.type === 'loss' && line.phase === 'end')
          .reduce((total, line) => total + (line.lost_flow_lines ?? 0), 0),
      };
    },
  };
}

async function startFloor(namespace) {
  const spawned = performance.now();
  const child = namespace.spawn(buildTool('floor_reader'), [], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = endOf(child);
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (text) => lines.push(JSON.parse(text)));
  await until(child, () => lines.length > 0);
  const toStartMs = performance.now() - spawned;
  return {
    kind: 'floor',
    pid: child.pid,
    lines: [],
    toStartMs,
    async stop() {
      await end(child, 'SIGTERM', ended);
      const { received, dropped } = lines.at(-1);
      return { received, lost: dropped, lines: 0, lostLines: 0 };
    },
  };
}

/** It keeps no account of losses, so `lost` is undefined. What it showed it tells on standard error at its end. */
async function startConntrack(namespace, { toFile = false }) {
  const output = toFile ? openOutput() : undefined;
  const args = ['-E', '-e', 'NEW,DESTROY', '--buffer-size', String(32 << 20)];
  const child = namespace.spawn('conntrack', args, { stdio: ['ignore', output?.descriptor ?? 'ignore', 'pipe'] });
  const ended = endOf(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said = (said + text).slice(-1000); // Only the last line counts; it warns of every overrun.
  });
  await untilSubscribed(child, namespace);
  return {
    kind: 'conntrack',
    pid: child.pid,
    lines: [],
    async stop() {
      await end(child, 'SIGTERM', ended);
      const received = Number(/(\d+) flow events have been shown/.exec(said)?.[1] ?? Number.NaN);
      const counted = output ? await countLines(output) : { all: 0 };
      return { received, lost: undefined, lines: counted.all, lostLines: 0 };
    },
  };
}

function openOutput() {
  const path = join(files, `output-${++fileCounter}`);
  return { path, descriptor: openSync(path, 'w') };
}

async function countLines({ path, descriptor }) {
  if (descriptor !== undefined) closeSync(descriptor);
  const others = [];
  let all = 0;
  let flow = 0;
  for await (const line of createInterface({ input: createReadStream(path, { highWaterMark: 1 << 20 }) })) {
    all++;
    if (line.includes('"type":"flow"')) flow++;
    else if (line.startsWith('{')) others.push(JSON.parse(line));
  }
  rmSync(path);
  return { all, flow, others };
}

/** Output is complete at `close`, later than `exit`. */
function endOf(child) {
  return once(child, 'close');
}

async function end(child, signal, ended) {
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  await ended;
  clearTimeout(late);
}

async function until(child, condition) {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(
        `${child.spawnargs.join(' ')} ended with ${child.exitCode ?? child.signalCode} before it listened`,
      );
    }
    if (performance.now() > deadline) throw new Error(`${child.spawnargs.join(' ')} does not listen`);
    await sleep(5);
  }
}
