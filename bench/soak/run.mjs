/**
 * `npm run soak -- --minutes N`: a `ctwatch stream` with every output on, under traffic in turns, in a namespace of its own, looked at every
 * few seconds. Writes build/soak/samples.ndjson and build/soak/soak.svg, prints a table and a verdict. Asserts only what must be exact: it
 * lives, it answers, and it tells every flow that was made. Ctrl-C ends it early, with the verdict of the time it had.
 * Exit: 0 done, 1 one of these failed, 2 usage, 3 not permitted or something is not installed.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const SAMPLE_SECONDS = 5;
const CHECK_SECONDS = 60;

function refuse(status, text) {
  console.error(`soak: ${text}`);
  process.exit(status);
}

function parseMinutes() {
  try {
    const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
    const minutes = Number(values.minutes);
    if (!(minutes > 0 && minutes <= 100_000)) throw new Error('--minutes: a positive number is expected');
    return minutes;
  } catch (error) {
    return refuse(2, error.message);
  }
}

const minutes = parseMinutes();
if (process.getuid() !== 0) refuse(3, 'network namespaces need root: sudo npm run soak');

const { buildTool, namespaceObstacle, ROOT, withNamespace } = await import('../namespace.mjs');
const obstacle = namespaceObstacle();
if (obstacle) refuse(3, obstacle);
const { SoakTraffic } = await import('./traffic.mjs');
const { SoakedStream } = await import('./stream.mjs');
const { describeMachine } = await import('../report.mjs');

const report = join(ROOT, 'build', 'bench', 'soak-report.mjs');
await build({
  ...{ absWorkingDir: ROOT, entryPoints: ['bench/soak/report.ts'], outfile: report },
  ...{ bundle: true, platform: 'node', format: 'esm', logLevel: 'warning' },
});
const { drawSoak, formatTable, formatVerdict } = await import(report);

buildTool('traffic');
const output = join(ROOT, 'build', 'soak');
mkdirSync(output, { recursive: true });
const samplesFile = join(output, 'samples.ndjson');
writeFileSync(samplesFile, '');

const controller = new AbortController();
// The first one ends it as its time does; the second one at once, which removes the namespace as well.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => (controller.signal.aborted ? process.exit(130) : controller.abort()));
}

const { samples, totals, status } = await withNamespace(soak);
writeFileSync(join(output, 'soak.svg'), drawSoak(samples));
console.log(`${describeMachine(false)}\n\n${formatTable(samples)}\n\n${formatVerdict(samples, totals)}`);
const isExact = totals.toldFlows === totals.madeFlows && totals.unanswered === 0 && status === 0;
process.exit(isExact ? 0 : 1);

async function soak(namespace) {
  const stream = await SoakedStream.start(namespace);
  const traffic = new SoakTraffic(namespace);
  const begun = performance.now();
  const end = setTimeout(() => controller.abort(), minutes * 60_000);
  const played = traffic.play(controller.signal);
  const all = [];
  let checkedAt = 0;
  const look = async () => {
    const seconds = (performance.now() - begun) / 1000;
    const looked = await stream.sample();
    if (looked === undefined) return undefined;
    const sample = { seconds: Math.round(seconds * 10) / 10, phase: traffic.phase, ...looked };
    all.push(sample);
    appendFileSync(samplesFile, `${JSON.stringify(sample)}\n`);
    if (seconds - checkedAt < CHECK_SECONDS) return sample;
    checkedAt = seconds;
    await stream.check(namespace);
    return sample;
  };
  let isOver = false;
  const settled = played.finally(() => {
    isOver = true;
  });
  settled.catch(() => undefined);
  while (!isOver && !stream.hasEnded) {
    await look();
    await Promise.race([sleep(SAMPLE_SECONDS * 1000), settled.catch(() => undefined)]);
  }
  clearTimeout(end);
  controller.abort();
  await settled;
  // What was made last is told with one of the next ticks.
  let last = await look();
  for (let i = 0; i < 10 && last?.newFlows !== traffic.madeFlows; i++) {
    await sleep(500);
    last = await look();
  }
  const exit = await stream.stop();
  const { answered, unanswered } = stream;
  return {
    samples: all,
    status: exit,
    totals: {
      ...{ madeFlows: traffic.madeFlows, toldFlows: last?.newFlows ?? 0, toldLostEvents: last?.lostEvents ?? 0 },
      ...{ answered, unanswered },
    },
  };
}
