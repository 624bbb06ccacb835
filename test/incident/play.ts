/** Plays an incident under `ctwatch stream`, as a user would run it, and writes down what it said and when. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { type EventLine, eventSchema } from '../../src/model/events.js';
import { createNamespace } from '../kernel/namespace.js';
import type { Incident } from './incidents.js';

const CLI = fileURLToPath(new URL('../../dist/ctwatch.js', import.meta.url));
/** Ordinary traffic under watch before the onset: long enough to know what is usual. */
const WARM_UP_SECONDS = 35;
/** Watched on after the answer, to see it change its mind. */
const AFTER_ANSWER_SECONDS = 10;

type Alert = Extract<EventLine, { type: 'alert' }>;

/** What ctwatch said of an incident. */
export interface Account {
  readonly incident: Incident;
  readonly culpritPid: number | undefined;
  readonly lines: readonly EventLine[];
  /** Alerts after the onset. */
  readonly alerts: readonly Alert[];
  /** The first that names what was expected; of the unclear one, the last. */
  readonly answer: Alert | undefined;
  /** From the onset to the answer. */
  readonly answerSeconds: number | undefined;
  /** Diagnoses that were told and are wrong. */
  readonly wrong: readonly string[];
  readonly stderr: string;
}

/** Takes up to two minutes. `config` is the text of a configuration file, `options` are further ones of `ctwatch stream`. */
export async function playIncident(incident: Incident, config = '', options: readonly string[] = []): Promise<Account> {
  const namespace = await createNamespace({ ipv6: false });
  const directory = mkdtempSync(join(tmpdir(), 'ctwatch-incident-'));
  try {
    const scene = await incident.prepare(namespace);
    const configPath = join(directory, 'ctwatch.toml');
    writeFileSync(configPath, config);
    const args = ['--netns', namespace.name, '--assume-max', String(incident.assumeMax), '--config', configPath];
    const child = spawn(process.execPath, [CLI, 'stream', ...args, '--interval', '1s', ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = new Promise((resolve) => child.once('close', resolve));
    const lines: EventLine[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(v.parse(eventSchema, JSON.parse(line))));
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    await sleep(incident.expected === 'timeout_artefact' ? 0 : WARM_UP_SECONDS * 1000);
    const onsetMs = Date.now();
    await scene.begin();
    const isOver = () =>
      child.exitCode !== null || (secondsSince(onsetMs) > AFTER_ANSWER_SECONDS && told(incident, lines, onsetMs));
    while (secondsSince(onsetMs) < incident.seconds && !isOver()) await sleep(250);
    child.kill('SIGTERM');
    await closed;
    return judge({ incident, culpritPid: scene.culpritPid, lines, stderr }, onsetMs);
  } finally {
    await namespace.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

function secondsSince(ms: number): number {
  return (Date.now() - ms) / 1000;
}

/** The answer has been there for a while, or the table is full. */
function told(incident: Incident, lines: readonly EventLine[], onsetMs: number): boolean {
  const samples = lines.filter((line) => line.type === 'sample');
  if ((samples.at(-1)?.table.used_ratio ?? 0) >= 1) return true;
  if (incident.expected === undefined || incident.expected === 'unclear') return false;
  const alerts = alertsAfter(lines, onsetMs);
  if (incident.untilCritical === true && alerts.every(({ severity }) => severity !== 'critical')) return false;
  const answer = alerts.find(({ diagnosis }) => diagnosis?.code === incident.expected);
  return answer !== undefined && secondsSince(Date.parse(answer.time)) > AFTER_ANSWER_SECONDS;
}

function alertsAfter(lines: readonly EventLine[], onsetMs: number): Alert[] {
  return lines.filter(
    (line) => line.type === 'alert' && line.phase === 'firing' && Date.parse(line.time) > onsetMs,
  ) as Alert[];
}

function judge(seen: Pick<Account, 'incident' | 'culpritPid' | 'lines' | 'stderr'>, onsetMs: number): Account {
  const { incident, lines } = seen;
  const alerts = alertsAfter(lines, onsetMs);
  const fitting = alerts.filter(
    ({ diagnosis }) => diagnosis?.code === incident.expected && incident.expected !== undefined,
  );
  const answer = incident.expected === 'unclear' ? fitting.at(-1) : fitting[0];
  const codes = alerts.flatMap(({ diagnosis }) => diagnosis?.code ?? []);
  return {
    ...seen,
    alerts,
    answer,
    answerSeconds: answer && (Date.parse(answer.time) - onsetMs) / 1000,
    wrong: [...new Set(codes.filter((code) => code !== 'unclear' && code !== incident.expected))],
  };
}
