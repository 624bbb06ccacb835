/**
 * `npm run evaluate -- --kernel`: the incidents on the real kernel, all at once, some repeats of each whose onsets meet other
 * phases of the collector. At once, because the collector works for all namespaces and any dump collects in all of them:
 * all readers start together, and the one dump that measures what had expired comes when everything is over.
 *
 * Needs root. Changes nothing outside its namespaces, which go whatever happens.
 */
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
import { type Reader, startReader } from './reader.js';

/** Between the onsets of two repeats: three of them meet three thirds of a collection cycle. */
const REPEAT_APART_SECONDS = 20;
/** No flow has this protocol, so a dump filtered by it lists nothing and still collects. */
const NOBODYS_PROTOCOL = ['-p', 'dccp'];

interface Play {
  readonly incident: Incident;
  readonly namespace: Namespace;
  readonly delaySeconds: number;
}

/** Takes about six minutes. Rejects when the readers or the traffic fail. */
export async function evaluateKernel(repeats: number, onProgress: (text: string) => void): Promise<KernelRunScore[]> {
  buildTool('traffic');
  try {
    const plays: Play[] = [];
    for (const incident of incidents) {
      for (let repeat = 0; repeat < repeats; repeat++) {
        const namespace = await createNamespace({ ipv6: false });
        await prepare(namespace, incident);
        plays.push({ incident, namespace, delaySeconds: repeat * REPEAT_APART_SECONDS });
      }
    }
    onProgress(`${plays.length} namespaces, traffic runs`);
    const startedAt = Date.now() / 1000;
    const traffic = Promise.all(
      plays.map(({ incident, namespace, delaySeconds }) => incident.start(namespace, delaySeconds)),
    );
    traffic.catch(() => undefined);
    await sleep(READER_AT_SECONDS * 1000);
    const readers = await Promise.all(
      plays.map(({ incident, namespace }) => startReader(namespace.name, incident.assumeMax)),
    );
    onProgress(`${readers.length} readers, waiting for the incidents`);
    await traffic;
    const reaps = await reapAll(plays);
    await Promise.all(readers.map((reader) => reader.stop()));
    return plays.map((play, i) => score(play, readers[i], startedAt, reaps[i]));
  } finally {
    await removeNamespaces();
  }
}

/** One dump, in any of the namespaces, collects what has expired in all of them: so all are counted, then it, then all again. */
async function reapAll(plays: readonly Play[]): Promise<Reap[]> {
  const countAll = () => Promise.all(plays.map(({ namespace }) => countEntries(namespace)));
  const before = await countAll();
  const atSeconds = Date.now() / 1000;
  const [first] = plays;
  if (first) await listEntries(first.namespace, NOBODYS_PROTOCOL);
  const after = await countAll();
  return plays.map((_, i) => ({ atSeconds, before: before[i] ?? 0, after: after[i] ?? 0 }));
}

function score(
  { incident, delaySeconds }: Play,
  reader: Reader | undefined,
  startedAt: number,
  reap: Reap | undefined,
): KernelRunScore {
  const endedAt = reap?.atSeconds ?? Infinity;
  const onsetAtSeconds = startedAt + incident.onsetSeconds + delaySeconds;
  const samples = (reader?.samples ?? []).flatMap(({ atSeconds, table, totals, forecast }) =>
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
    alerts: (reader?.alerts ?? []).map(({ atSeconds, phase, severity }) => ({
      ...{ atSeconds, firing: phase === 'firing', critical: severity === 'critical' },
    })),
    ...(incident.isUdpOnly && {
      flows: { timeoutSeconds: incident.udpTimeoutSeconds, background: BACKGROUND_ENTRIES },
    }),
    ...(reap && { reap }),
  });
}
