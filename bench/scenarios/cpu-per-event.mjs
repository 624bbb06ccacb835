/**
 * CPU time of the whole reader process per event received: new flows at a steady rate, then one flush of them all. The
 * start-up is left out by reading the clock just before the traffic. Readers take turns, so that all meet the same
 * noise.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { flushTable, udpFlows, withNamespace } from '../namespace.mjs';
import { readCpuSeconds, untilQuiet } from '../process.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { median } from '../statistics.mjs';

const RATES = [20_000, 50_000];
const WARM_UP_SECONDS = 3;

export const title = 'CPU per event';

export async function measure({ quick, readers }) {
  const rows = [];
  for (const rate of RATES) {
    const count = rate * (quick ? 2 : 4);
    const samples = Object.fromEntries(readers.map((kind) => [kind, []]));
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const kind of readers) samples[kind].push(await measureOnce(kind, rate, count));
    }
    const medians = Object.fromEntries(readers.map((kind) => [kind, median(samples[kind])]));
    rows.push({
      measure: `CPU per event, ${rate.toLocaleString('en')} new flows/s, then a flush`,
      unit: 'us',
      digits: 2,
      values: medians,
      ratio: medians.ctwatch / medians.floor,
      reach: REACH.cpuPerEvent,
    });
  }
  return rows;
}

function measureOnce(kind, rate, count) {
  return withNamespace(async (namespace) => {
    const reader = await startReader(kind, namespace);
    await sleep(1000);
    // A daemon runs for years: the first seconds, in which Node.js compiles what is hot, are not its cost.
    await udpFlows(namespace, { count: rate * WARM_UP_SECONDS, rate });
    await flushTable(namespace);
    await untilQuiet(reader.pid);
    const before = readCpuSeconds(reader.pid);
    await udpFlows(namespace, { count, rate });
    await flushTable(namespace);
    await untilQuiet(reader.pid);
    const used = readCpuSeconds(reader.pid) - before;
    await reader.stop();
    // Nothing is lost at these rates; the flush makes as many events again.
    return (used * 1e6) / (2 * count);
  });
}
