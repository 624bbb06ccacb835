/**
 * From the first packet of a 4x burst at 100 flows/s to the arrival of the `burst` line in the pipe. The repetitions
 * run at once, each in a namespace of its own and half a second apart: the load is small, and the onsets meet every
 * phase of the beat.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { burstFlows, withNamespace } from '../namespace.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { median } from '../statistics.mjs';

export const title = 'Detection of a burst';

export async function measure({ quick, readers }) {
  if (!readers.includes('ctwatch')) return [];
  const repeats = Array.from({ length: quick ? 3 : 8 }, (_, index) => index);
  const beforeSeconds = quick ? 30 : 60;
  const delays = await Promise.all(repeats.map((index) => measureOnce(beforeSeconds, index * 530)));
  const found = delays.filter((delay) => delay !== undefined);
  const missed = delays.length - found.length;
  const row = { unit: 's', digits: 2, reach: REACH.burst };
  return [
    {
      ...row,
      measure: `Onset of a 4x burst at 100/s to its line, median of ${delays.length}`,
      values: { ctwatch: median(found) },
      note: missed > 0 ? `${missed} not found within 6 s` : undefined,
    },
    { ...row, measure: 'The slowest of them', values: { ctwatch: found.length > 0 ? Math.max(...found) : undefined } },
  ];
}

function measureOnce(beforeSeconds, delayMs) {
  return withNamespace(async (namespace) => {
    await sleep(delayMs);
    const reader = await startReader('ctwatch', namespace);
    const burst = burstFlows(namespace, { base: 100, factor: 4, beforeSeconds, afterSeconds: 6 });
    const onset = await burst.onsetUnixMs;
    await burst.result;
    const isBurst = ({ line, unixMs }) => line.type === 'burst' && line.phase === 'start' && unixMs > onset;
    const found = reader.lines.find(isBurst);
    await reader.stop();
    return found && (found.unixMs - onset) / 1000;
  });
}
