/** From the start of the process to its `start` line, which is written when it listens. `ip netns exec` is included. */
import { withNamespace } from '../namespace.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { median } from '../statistics.mjs';

export const title = 'Start';

export async function measure({ quick, readers }) {
  const kinds = readers.filter((kind) => kind !== 'conntrack'); // It does not say when it listens.
  const samples = Object.fromEntries(kinds.map((kind) => [kind, []]));
  for (let repeat = 0; repeat < (quick ? 3 : 10); repeat++) {
    for (const kind of kinds) samples[kind].push(await measureOnce(kind));
  }
  return [
    {
      measure: `Process start to listening, median of ${quick ? 3 : 10}`,
      unit: 'ms',
      digits: 0,
      values: Object.fromEntries(kinds.map((kind) => [kind, median(samples[kind])])),
      reach: REACH.start,
    },
  ];
}

function measureOnce(kind) {
  return withNamespace(async (namespace) => {
    const reader = await startReader(kind, namespace);
    await reader.stop();
    return reader.toStartMs;
  });
}
