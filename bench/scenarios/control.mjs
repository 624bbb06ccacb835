/**
 * How long a question on the control socket takes while a flood of new flows runs, with and without a line for each: the worst of
 * some dozens, from the connection to the end of the answer. Whoever checks must not be kept waiting by what is checked.
 */
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { udpFlows, withNamespace } from '../namespace.mjs';
import { REACH } from '../reach.mjs';
import { startReader } from '../readers.mjs';
import { median } from '../statistics.mjs';

/** Flushed so often that the table never fills. */
const FLUSH_EVERY = 200_000;
const PAUSE_MS = 40;

export const title = 'Answers under a flood';

export async function measure({ quick, readers }) {
  if (!readers.includes('ctwatch')) return [];
  const rows = [];
  for (const args of [[], ['--flows']]) {
    const waits = await measureOnce(args, quick ? 500_000 : 2_000_000);
    const worst = Math.max(...waits);
    rows.push({
      measure: `Worst of ${waits.length} answers of the control socket, flood${args.length > 0 ? ', --flows' : ''}`,
      unit: 'ms',
      digits: 1,
      values: { ctwatch: worst },
      reach: REACH.control,
      note: `median ${median(waits).toFixed(1)} ms`,
    });
  }
  return rows;
}

function measureOnce(args, count) {
  return withNamespace(async (namespace) => {
    const path = join(tmpdir(), `${namespace.name}.sock`);
    const reader = await startReader('ctwatch', namespace, { toFile: true, args: [...args, '--control', path] });
    await sleep(500);
    let flooding = true;
    const flood = udpFlows(namespace, { count, flushEvery: FLUSH_EVERY }).finally(() => {
      flooding = false;
    });
    const waits = [];
    while (flooding) {
      const asked = performance.now();
      await ask(path);
      waits.push(performance.now() - asked);
      await sleep(PAUSE_MS);
    }
    await flood;
    await reader.stop();
    return waits;
  });
}

function ask(path) {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write('{"v":1,"get":"status"}\n'));
    socket.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    socket.on('error', reject);
    socket.on('close', () => (text.includes('"table"') ? resolve() : reject(new Error(`no status: ${text}`))));
  });
}
