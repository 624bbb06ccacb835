/**
 * A line for each event, into a file, at 100,000 events/s: 50,000 new flows/s, flushed five times a second. Once by standard output,
 * once by `--flows FILE` with its rotation. Lost lines are events generated minus lines in the files. The floor writes none: its
 * column tells the events it lost under the same load.
 */
import { flushTable, udpFlows, withNamespace } from '../namespace.mjs';
import { untilQuiet } from '../process.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';

const RATE = 50_000;
/** A flush walks the whole hash table (26 ms and more), so not oftener; seldom, it would be a load of bursts. */
const FLUSH_EVERY = RATE / 5;

export const title = 'Lines lost by --flows';

export async function measure({ quick, readers }) {
  const seconds = quick ? 3 : 10;
  const results = {};
  for (const kind of readers) results[kind] = await measureOnce(kind, RATE * seconds);
  const rows = [toRow(seconds, 'into a file', results)];
  if (results.ctwatch === undefined) return rows;
  const rotated = await measureOnce('ctwatch', RATE * seconds, { flowsFile: true });
  return [...rows, toRow(seconds, 'with --flows FILE, rotated at 100 MB', { ctwatch: rotated })];
}

function toRow(seconds, where, results) {
  const ours = results.ctwatch;
  return {
    measure: `Lines lost of ${(2 * RATE * seconds).toLocaleString('en')} at 100,000 events/s ${where}`,
    unit: '',
    digits: 0,
    values: Object.fromEntries(Object.entries(results).map(([kind, { missing }]) => [kind, missing])),
    reach: REACH.lostLines,
    note:
      ours &&
      `ctwatch itself reports ${ours.lost} events and ${ours.lostLines} lines lost, at ${Math.round(ours.rate).toLocaleString('en')} events/s`,
  };
}

function measureOnce(kind, count, output = { toFile: true, args: ['--flows'] }) {
  return withNamespace(async (namespace) => {
    const reader = await startReader(kind, namespace, output);
    const { flows, per_second } = await udpFlows(namespace, { count, rate: RATE, flushEvery: FLUSH_EVERY });
    await flushTable(namespace);
    await untilQuiet(reader.pid);
    const { received, lost, lines, lostLines } = await reader.stop();
    return { missing: 2 * flows - (kind === 'floor' ? received : lines), lost, lostLines, rate: 2 * per_second };
  });
}
