/**
 * What naming owners costs: the CPU of `stream` less that of one that does not ask, at 10,000 new flows/s, in turns. Once with a
 * sender that has few descriptors, and once beside a process that holds 4,000 and opens a socket for each of its own flows.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { udpFlows, withNamespace } from '../namespace.mjs';
import { readCpuSeconds } from '../process.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { median } from '../statistics.mjs';

const RATE = 10_000;
const WARM_UP_SECONDS = 5;
const DESCRIPTORS = 4000;

/** Holds as many sockets as it is told; then 500 times a second a new one that sends once and is closed 5 ms later. */
const CROWD = `
const dgram = require('node:dgram');
const held = Array.from({ length: Number(process.argv[1]) }, () => dgram.createSocket('udp4').bind());
Promise.all(held.map((socket) => new Promise((resolve) => socket.once('listening', resolve)))).then(() => {
  console.log('ready');
  setInterval(() => {
    for (let i = 0; i < 5; i++) {
      const socket = dgram.createSocket('udp4');
      socket.on('error', () => {}).send('x', 7300, '127.0.0.1', () => setTimeout(() => socket.close(), 5));
    }
  }, 10);
});`;

export const title = 'Naming owners';

export async function measure({ quick, readers }) {
  if (!readers.includes('ctwatch')) return [];
  const directory = mkdtempSync(join(tmpdir(), 'ctwatch-bench-'));
  const without = join(directory, 'without.toml');
  writeFileSync(without, '[owners]\nenabled = false\n');
  try {
    const shape = { rounds: quick ? 3 : 7, seconds: quick ? 8 : 12, without };
    return [
      await compare('Naming owners, CPU beside the watch, 10,000 new flows/s', { ...shape, crowded: false }),
      await compare('The same beside a process with 4,000 sockets that opens 500/s', { ...shape, crowded: true }),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function compare(measure, { rounds, seconds, without, crowded }) {
  const off = [];
  const on = [];
  const told = [];
  for (let round = 0; round < rounds; round++) {
    off.push((await measureCpu(seconds, crowded, ['--config', without])).share);
    const { share, attributed } = await measureCpu(seconds, crowded, []);
    on.push(share);
    if (attributed !== undefined) told.push(attributed);
  }
  return {
    measure,
    unit: '% of a core',
    digits: 2,
    values: { ctwatch: (median(on) - median(off)) * 100 },
    reach: REACH.owners,
    note: `${Math.round(median(told) * 100)} % of the flows looked up were told`,
  };
}

function measureCpu(seconds, crowded, args) {
  return withNamespace(async (namespace) => {
    if (crowded) {
      const command = ['-c', `ulimit -n 8192; exec "$0" -e "$1" ${DESCRIPTORS}`, process.execPath, CROWD];
      const crowd = namespace.spawn('sh', command, { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(crowd.stdout, 'data');
    }
    const reader = await startReader('ctwatch', namespace, { args });
    await sleep(1000);
    await udpFlows(namespace, { count: RATE * WARM_UP_SECONDS, rate: RATE });
    const before = readCpuSeconds(reader.pid);
    const start = performance.now();
    await udpFlows(namespace, { count: RATE * seconds, rate: RATE });
    const share = (readCpuSeconds(reader.pid) - before) / ((performance.now() - start) / 1000);
    const tops = reader.lines.flatMap(({ line }) => (line.type === 'sample' ? [line.top] : [])).at(-1) ?? [];
    const ratios = tops.flatMap(({ attributed_ratio }) => (attributed_ratio === undefined ? [] : [attributed_ratio]));
    await reader.stop();
    const attributed = ratios.length === 0 ? undefined : ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
    return { share, attributed };
  });
}
