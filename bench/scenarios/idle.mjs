/**
 * CPU of a reader that has nothing to read, as a share of one core. All readers wait at once, each in its namespace.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { withNamespace } from '../namespace.mjs';
import { readCpuSeconds } from '../process.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';

/** Until Node.js has compiled what is hot and collected what the start left. */
const SETTLE_MS = 30_000;

export const title = 'CPU when idle';

export async function measure({ quick, readers }) {
  const seconds = quick ? 15 : 60;
  const shares = await Promise.all(readers.map((kind) => measureOnce(kind, seconds)));
  return [
    {
      measure: `CPU on an empty table, ${seconds} s`,
      unit: '% of a core',
      digits: 2,
      values: Object.fromEntries(readers.map((kind, index) => [kind, shares[index] * 100])),
      reach: REACH.idle,
    },
  ];
}

function measureOnce(kind, seconds) {
  return withNamespace(async (namespace) => {
    const reader = await startReader(kind, namespace);
    await sleep(SETTLE_MS);
    const before = readCpuSeconds(reader.pid);
    const start = performance.now();
    await sleep(seconds * 1000);
    const share = (readCpuSeconds(reader.pid) - before) / ((performance.now() - start) / 1000);
    await reader.stop();
    return share;
  });
}
