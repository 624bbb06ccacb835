/**
 * Events lost while the kernel is asked for as many as it can make: 3 times 100,000 entries created through ctnetlink,
 * each time flushed at once. Generated minus received, whatever the reader says; ctwatch's own account must agree.
 */
import { createEntries, flushTable, withNamespace } from '../namespace.mjs';
import { untilQuiet } from '../process.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { sum } from '../statistics.mjs';

const CYCLES = 3;
const ENTRIES = 100_000;

export const title = 'Events lost at the full speed of the kernel';

export async function measure({ readers }) {
  const results = {};
  for (const kind of readers) results[kind] = await measureOnce(kind);
  const generated = 2 * CYCLES * ENTRIES;
  const ours = results.ctwatch;
  const account =
    ours && `ctwatch itself reports ${ours.lost} lost, ${generated - ours.received - ours.lost} unaccounted for`;
  return [
    {
      measure: `Events lost of ${generated.toLocaleString('en')} made as fast as the kernel can`,
      unit: '',
      digits: 0,
      values: Object.fromEntries(readers.map((kind) => [kind, results[kind].generated - results[kind].received])),
      reach: REACH.lostEvents,
      note: account,
    },
  ];
}

function measureOnce(kind) {
  return withNamespace(async (namespace) => {
    const reader = await startReader(kind, namespace, { toFile: true });
    const made = [];
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      made.push((await createEntries(namespace, ENTRIES)).flows);
      await flushTable(namespace);
    }
    await untilQuiet(reader.pid);
    const { received, lost, lines } = await reader.stop();
    return { generated: 2 * sum(made), received: kind === 'conntrack' ? lines : received, lost };
  });
}
