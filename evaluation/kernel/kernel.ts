/**
 * `npm run evaluate -- --kernel`: the incidents on the real kernel, all at once, some repeats of each whose onsets meet other
 * phases of the collector. At once, because the collector works for all namespaces and any dump collects in all of them:
 * all readers start together, and the one dump that measures what had expired comes when everything is over.
 *
 * Needs root. Changes nothing outside its namespaces, which go whatever happens.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  countEntries,
  createNamespace,
  listEntries,
  type Namespace,
  removeNamespaces,
} from '../../test/kernel/namespace.js';
import { buildTool } from '../../test/kernel/traffic.js';
import { BACKGROUND_ENTRIES, type Incident, incidents, prepare, READER_AT_SECONDS } from './incidents.js';
import { type KernelRunScore, type Reap, scoreKernelRun } from './kernel-score.js';
import { replayRecording, startReader, type Told } from './reader.js';

/** Between the onsets of two repeats: three of them meet three thirds of a collection cycle. */
const REPEAT_APART_SECONDS = 20;
/** No flow has this protocol, so a dump filtered by it lists nothing and still collects. */
const NOBODYS_PROTOCOL = ['-p', 'dccp'];

/** An incident as it was played: with its recording, all that a score needs. */
interface Play {
  readonly incident: string;
  /** Unix seconds. */
  readonly onsetAtSeconds: number;
  readonly reap: Reap | undefined;
  /** Name of its recording within the folder. */
  readonly recording: string;
}

/** Lists the plays of a folder of recordings. */
const PLAYS = 'plays.json';

/**
 * Takes about six minutes. Rejects when the readers or the traffic fail. With `keep`, an empty or missing folder, what the readers
 * saw is recorded there for `rescoreKernel`.
 */
export async function evaluateKernel(
  repeats: number,
  onProgress: (text: string) => void,
  keep?: string,
): Promise<KernelRunScore[]> {
  buildTool('traffic');
  if (keep !== undefined) mkdirSync(keep, { recursive: true });
  try {
    const staged: { readonly incident: Incident; readonly namespace: Namespace; readonly delaySeconds: number }[] = [];
    for (const incident of incidents) {
      for (let repeat = 0; repeat < repeats; repeat++) {
        const namespace = await createNamespace({ ipv6: false });
        await prepare(namespace, incident);
        staged.push({ incident, namespace, delaySeconds: repeat * REPEAT_APART_SECONDS });
      }
    }
    onProgress(`${staged.length} namespaces, traffic runs`);
    const startedAt = Date.now() / 1000;
    const endSeconds = (repeats - 1) * REPEAT_APART_SECONDS;
    const traffic = Promise.all(
      staged.map(({ incident, namespace, delaySeconds }) =>
        incident.start(namespace, { onsetSeconds: delaySeconds, endSeconds }),
      ),
    );
    traffic.catch(() => undefined);
    await sleep(READER_AT_SECONDS * 1000);
    const recordings = staged.map(({ incident: { name } }, i) => `${i + 1}-${name.replaceAll(' ', '-')}.ctrec`);
    const readers = await Promise.all(
      staged.map(({ incident, namespace }, i) =>
        startReader(namespace.name, incident.assumeMax, keep && join(keep, recordings[i] ?? '')),
      ),
    );
    onProgress(`${readers.length} readers, waiting for the incidents`);
    await traffic;
    const reaps = await reapAll(staged.map(({ namespace }) => namespace));
    await Promise.all(readers.map((reader) => reader.stop()));
    const plays = staged.map(
      ({ incident, delaySeconds }, i): Play => ({
        ...{ incident: incident.name, onsetAtSeconds: startedAt + incident.onsetSeconds + delaySeconds },
        ...{ reap: reaps[i], recording: recordings[i] ?? '' },
      }),
    );
    if (keep !== undefined) writeFileSync(join(keep, PLAYS), JSON.stringify(plays, null, 2));
    return plays.flatMap((play, i) => (readers[i] ? score(play, readers[i]) : []));
  } finally {
    await removeNamespaces();
  }
}

/** What the forecast of today says to the recordings that an earlier run has kept in a folder. */
export async function rescoreKernel(folder: string): Promise<KernelRunScore[]> {
  const plays = JSON.parse(readFileSync(join(folder, PLAYS), 'utf8')) as Play[];
  const scores: KernelRunScore[] = [];
  for (const play of plays) {
    scores.push(score(play, await replayRecording(join(folder, play.recording), incidentOf(play).assumeMax)));
  }
  return scores;
}

function incidentOf({ incident: name }: Play): Incident {
  const incident = incidents.find((known) => known.name === name);
  if (incident === undefined) throw new Error(`no incident ${name}`);
  return incident;
}

/** One dump, in any of the namespaces, collects what has expired in all of them: so all are counted, then it, then all again. */
async function reapAll(namespaces: readonly Namespace[]): Promise<Reap[]> {
  const countAll = () => Promise.all(namespaces.map((namespace) => countEntries(namespace)));
  const before = await countAll();
  const atSeconds = Date.now() / 1000;
  const [first] = namespaces;
  if (first) await listEntries(first, NOBODYS_PROTOCOL);
  const after = await countAll();
  return namespaces.map((_, i) => ({ atSeconds, before: before[i] ?? 0, after: after[i] ?? 0 }));
}

function score(play: Play, told: Told): KernelRunScore {
  const { reap, onsetAtSeconds } = play;
  const incident = incidentOf(play);
  const endedAt = reap?.atSeconds ?? Infinity;
  const samples = told.samples.flatMap(({ atSeconds, table, totals, forecast }) =>
    table.count === undefined || atSeconds > endedAt
      ? []
      : {
          ...{ atSeconds, count: table.count, newTotal: totals.new + totals.lost_new },
          ...(table.expired !== undefined && { expired: table.expired }),
          ...(forecast.verdict === 'fills' && {
            secondsToFull: forecast.seconds_to_full ?? Infinity,
            low: forecast.seconds_to_full_low ?? 0,
            high: forecast.seconds_to_full_high ?? Infinity,
          }),
        },
  );
  return scoreKernelRun({
    ...{ incident: incident.name, kind: incident.kind, max: incident.assumeMax, onsetAtSeconds, samples },
    alerts: told.alerts.map(({ atSeconds, phase, severity }) => ({
      ...{ atSeconds, firing: phase === 'firing', critical: severity === 'critical' },
    })),
    ...(incident.isUdpOnly && {
      flows: { timeoutSeconds: incident.udpTimeoutSeconds, background: BACKGROUND_ENTRIES },
    }),
    ...(reap && { reap }),
  });
}
