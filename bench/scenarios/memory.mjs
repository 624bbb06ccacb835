/**
 * Resident memory while 1,000,000 flows come and go with default settings, looked at every 100,000: it must stay flat.
 */
import { flushTable, udpFlows, withNamespace } from '../namespace.mjs';
import { readMemoryKib, untilQuiet } from '../process.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';

const STEP = 100_000;

export const title = 'Resident memory';

export async function measure({ quick, readers }) {
  const steps = quick ? 3 : 10;
  const results = {};
  for (const kind of readers) results[kind] = await measureOnce(kind, steps);
  const count = (steps * STEP).toLocaleString('en');
  const column = (field) => Object.fromEntries(readers.map((kind) => [kind, results[kind][field] / 1024]));
  const series = results.ctwatch?.series.map((kib) => Math.round(kib / 1024)).join(', ');
  return [
    {
      measure: `Resident memory after ${count} flows`,
      unit: 'MiB',
      digits: 1,
      values: column('resident'),
      reach: REACH.memory,
      note: series && `at the start, then every 100,000 flows: ${series} MiB`,
    },
    { measure: 'Highest resident memory', unit: 'MiB', digits: 1, values: column('highest'), reach: REACH.memory },
  ];
}

function measureOnce(kind, steps) {
  return withNamespace(async (namespace) => {
    const reader = await startReader(kind, namespace);
    const series = [readMemoryKib(reader.pid).resident];
    for (let step = 0; step < steps; step++) {
      await udpFlows(namespace, { count: STEP });
      await flushTable(namespace);
      await untilQuiet(reader.pid);
      series.push(readMemoryKib(reader.pid).resident);
    }
    const memory = readMemoryKib(reader.pid);
    await reader.stop();
    return { ...memory, series };
  });
}
