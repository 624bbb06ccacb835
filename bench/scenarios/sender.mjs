/**
 * What a reader takes from the traffic itself: new UDP flows per second of an unpaced sender, with each reader and
 * none.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { udpFlows, withNamespace } from '../namespace.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { median } from '../statistics.mjs';

const FLOWS = 200_000;

export const title = 'Slow-down of the sender';

export async function measure({ quick, readers }) {
  const kinds = [...readers, 'none'];
  const samples = Object.fromEntries(kinds.map((kind) => [kind, []]));
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    for (const kind of kinds) samples[kind].push(await measureOnce(kind));
  }
  const medians = Object.fromEntries(kinds.map((kind) => [kind, median(samples[kind])]));
  return [
    {
      measure: 'New flows/s of an unpaced sender',
      unit: '/s',
      digits: 0,
      values: medians,
      ratio: medians.ctwatch / medians.floor,
      reach: REACH.senderRate,
      note: `without any reader ${Math.round(medians.none).toLocaleString('en')}/s; a reader that loses events costs the sender less`,
    },
  ];
}

function measureOnce(kind) {
  return withNamespace(async (namespace) => {
    const reader = kind === 'none' ? undefined : await startReader(kind, namespace);
    await sleep(1000);
    const { per_second } = await udpFlows(namespace, { count: FLOWS });
    await reader?.stop();
    return per_second;
  });
}
