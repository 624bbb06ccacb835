/**
 * What a census costs: `ctwatch who` on a table of 260,000 entries, beside one on an empty table; and one that a watch takes by
 * itself while 5,000 flows/s come: no event may be lost.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEntries, ROOT, udpFlows, withNamespace } from '../namespace.mjs';
import { readMemoryKib, untilQuiet } from '../process.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { median } from '../statistics.mjs';

/** What fits below the usual limit of 262,144. */
const ENTRIES = 260_000;
/** Of them, flows that come while a watch takes its census. */
const FLOWS = 10_000;
const RATE = 5000;

/** Tells the resources of the process at its exit: the highest resident memory in KiB, CPU time in microseconds. */
const TELL_USAGE = 'data:text/javascript,process.on("exit",()=>console.error(JSON.stringify(process.resourceUsage())))';

export const title = 'Census';

export async function measure({ quick, readers }) {
  if (!readers.includes('ctwatch')) return [];
  const full = await measureWho(ENTRIES, quick ? 3 : 7);
  const empty = await measureWho(0, 3);
  const watched = await measureWatch(true);
  const plain = await measureWatch(false);
  const count = ENTRIES.toLocaleString('en');
  const row = (measure, unit, digits, value, reach, note) => ({
    measure,
    unit,
    digits,
    values: { ctwatch: value },
    reach,
    note,
  });
  return [
    row(
      `Census of ${count} entries, the dump and the count`,
      's',
      2,
      full.seconds,
      REACH.census,
      `\`who\` as a whole: ${full.wallSeconds.toFixed(2)} s, of which ${full.cpuSeconds.toFixed(2)} s of CPU (on an empty table ${empty.cpuSeconds.toFixed(2)} s)`,
    ),
    row('Memory of `who` beyond that of an empty table', 'MiB', 1, (full.kib - empty.kib) / 1024, REACH.censusMemory),
    row(
      'Memory of a watch beyond that of one without a census',
      'MiB',
      1,
      (watched.kib - plain.kib) / 1024,
      REACH.censusMemory,
    ),
    row(
      `Events lost by a watch meanwhile, at ${RATE.toLocaleString('en')} flows/s`,
      'events',
      0,
      watched.lost,
      REACH.lostEvents,
      `${watched.events} events, ${watched.censuses} census of ${watched.entries.toLocaleString('en')} entries in ${watched.seconds} s`,
    ),
  ];
}

function measureWho(entries, repeats) {
  return withNamespace(async (namespace) => {
    if (entries > 0) await createEntries(namespace, entries, 3600);
    const runs = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const start = performance.now();
      const args = ['--import', TELL_USAGE, join(ROOT, 'dist/ctwatch.js'), 'who'];
      const { stdout, stderr } = await namespace.exec(process.execPath, args);
      const wallSeconds = (performance.now() - start) / 1000;
      const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(stderr);
      const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6;
      runs.push({ seconds: JSON.parse(stdout).duration_seconds, wallSeconds, cpuSeconds, kib: maxRSS });
    }
    const middle = (field) => median(runs.map((run) => run[field]));
    return Object.fromEntries(['seconds', 'wallSeconds', 'cpuSeconds', 'kib'].map((field) => [field, middle(field)]));
  });
}

async function measureWatch(isWanted) {
  const directory = mkdtempSync(join(tmpdir(), 'ctwatch-bench-'));
  const config = join(directory, 'ctwatch.toml');
  // From a table of 251,000 on: while the flows come.
  writeFileSync(
    config,
    `census = ${isWanted}\n[alert.usage]\nwarning_ratio = 0.9575\ncritical_ratio = 0.99\nclear_margin_ratio = 0\n`,
  );
  try {
    return await withNamespace(async (namespace) => {
      await createEntries(namespace, ENTRIES - FLOWS, 3600);
      const reader = await startReader('ctwatch', namespace, { args: ['--config', config] });
      await untilQuiet(reader.pid);
      await udpFlows(namespace, { count: FLOWS, rate: RATE });
      await untilQuiet(reader.pid);
      const { highest } = readMemoryKib(reader.pid);
      await reader.stop();
      const lines = reader.lines.map(({ line }) => line);
      const { totals } = lines.findLast(({ type }) => type === 'stop');
      const censuses = lines.filter(({ type }) => type === 'census');
      return {
        kib: highest,
        lost: totals.lost_new + totals.lost_destroy + Math.abs(FLOWS - totals.new),
        events: totals.new + totals.destroy,
        censuses: censuses.length,
        entries: censuses[0]?.entries ?? 0,
        seconds: censuses[0]?.duration_seconds,
      };
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
