/**
 * What recording costs beside watching, and how fast a recording is replayed. The cost is the CPU time of `stream --record`
 * minus that of `stream`, side by side under the same real traffic: in turns the machine's moods hide it. Bytes and replay are
 * those of a made host whose flows have random ids, ephemeral ports and some NAT (test/support/busy-records.ts): the traffic of
 * the kernel part is too regular.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { flushTable, ROOT, udpFlows, withNamespace } from '../namespace.mjs';
import { readCpuSeconds, untilQuiet } from '../process.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { median } from '../statistics.mjs';

const RATE = 20_000;
/** Longer than elsewhere: V8 takes half a million events to settle on the code of the encoder, a tenth of a second of CPU. */
const WARM_UP_SECONDS = 10;

export const title = 'Recording and replay';

export async function measure({ quick, readers }) {
  if (!readers.includes('ctwatch')) return [];
  const directory = mkdtempSync(join(tmpdir(), 'ctwatch-bench-'));
  try {
    const extra = await measureExtra(directory, quick ? 1 : 5, quick ? 4 : 8);
    const plain = await measureReplay(directory, 'plain', quick);
    const details = await measureReplay(directory, 'details', quick);
    return [
      row('Recording: CPU per event beside the watch', 'us', 2, extra, REACH.recordCpu),
      row('Recording: bytes per event', '', 1, plain.bytesPerEvent, REACH.recordBytes),
      row('The same with accounting and timestamps on', '', 1, details.bytesPerEvent, ''),
      row('Replay through the whole pipeline', '/s', 0, plain.perSecond, REACH.replayRate),
      row('The same with accounting and timestamps on', '/s', 0, details.perSecond, ''),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function row(measure, unit, digits, value, reach) {
  return { measure, unit, digits, values: { ctwatch: value }, reach };
}

async function measureExtra(directory, rounds, seconds) {
  const extras = [];
  for (let round = 0; round < rounds; round++)
    extras.push(await measureRound(join(directory, `live-${round}`), seconds));
  return median(extras);
}

/** CPU time per event, us, of readers that record over that of those that do not; two of each, as no two processes take the same. */
function measureRound(path, seconds) {
  return withNamespace(async (namespace) => {
    const readers = [];
    // In this order who starts first takes no advantage.
    for (const [i, records] of [false, true, true, false].entries()) {
      const args = records ? ['--record', `${path}-${i}.ctrec`] : [];
      readers.push({ ...(await startReader('ctwatch', namespace, { args })), records });
    }
    await sleep(1000);
    await makeTraffic(namespace, readers, WARM_UP_SECONDS);
    const before = readers.map(({ pid }) => readCpuSeconds(pid));
    await makeTraffic(namespace, readers, seconds);
    const extra = readers.reduce((sum, { pid, records }, i) => {
      const used = readCpuSeconds(pid) - before[i];
      return sum + (records ? used : -used) / 2;
    }, 0);
    for (const reader of readers) await reader.stop();
    return (extra * 1e6) / (2 * RATE * seconds);
  });
}

/** Flows that come and go, and all that the readers make of them. */
async function makeTraffic(namespace, readers, seconds) {
  await udpFlows(namespace, { count: RATE * seconds, rate: RATE });
  await flushTable(namespace);
  for (const { pid } of readers) await untilQuiet(pid);
}

async function measureReplay(directory, kind, quick) {
  const path = join(directory, `${kind}.ctrec`);
  const seconds = quick ? 60 : 300;
  const { writeBusy } = await loadBusy();
  const events = await writeBusy({ path, seconds, newPerSecond: 5000, details: kind === 'details' });
  const bytesPerEvent = statSync(path).size / events;
  const times = Array.from({ length: quick ? 1 : 3 }, () => {
    const began = performance.now();
    execFileSync(process.execPath, [join(ROOT, 'dist/ctwatch.js'), 'replay', path], { stdio: 'ignore' });
    return (performance.now() - began) / 1000;
  });
  const start = performance.now();
  spawnSync(process.execPath, [join(ROOT, 'dist/ctwatch.js'), '--version']);
  const startSeconds = (performance.now() - start) / 1000;
  return { bytesPerEvent, perSecond: events / (median(times) - startSeconds) };
}

async function loadBusy() {
  const outfile = join(ROOT, 'build', 'bench', 'busy.mjs');
  await build({
    absWorkingDir: ROOT,
    stdin: {
      resolveDir: ROOT,
      loader: 'ts',
      contents: `
        import { setTimeout as sleep } from 'node:timers/promises';
        import { Recorder } from './src/recording/recorder.js';
        import { busyRecords } from './test/support/busy-records.js';
        export async function writeBusy({ path, ...options }) {
          const recorder = await Recorder.open({ path, program: 'bench', queueBytes: 2 ** 30 });
          let count = 0;
          for (const record of busyRecords(options)) {
            recorder.write(record);
            if (++count % 100 === 0) await sleep(1);
          }
          return (await recorder.end()).events;
        }`,
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
  return import(outfile);
}
