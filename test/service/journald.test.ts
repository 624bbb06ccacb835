/** The journal of a real systemd, with as many lines as no service of ours should write. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventSchema } from '../../src/model/events.js';
import { buildTool } from '../kernel/traffic.js';
import { bootObstacle, GUEST_FILES, Guest } from './booted.js';

const RECORDING = '/tmp/flows.ctrec';
const RULES = `table inet t { chain output { type filter hook output priority 0; ct state new accept; }; }`;

let guest: Guest;
const ctwatch = (...args: string[]) => [`${GUEST_FILES}/node`, `${GUEST_FILES}/dist/ctwatch.js`, ...args].join(' ');

beforeAll(async () => {
  if (bootObstacle() !== undefined) return;
  guest = await Guest.boot({
    files: {
      ...{ 'dist/ctwatch.js': 'dist/ctwatch.js', 'build/Release/ctwatch.node': 'build/Release/ctwatch.node' },
      ...{ 'package.json': 'package.json', traffic: buildTool('traffic') },
      'journal.conf': 'contrib/journald/ctwatch-journal.conf',
    },
  });
  await guest.exec('nft', ['-f', '-'], RULES);
});
afterAll(async () => guest?.stop());

const obstacle = bootObstacle();
describe.skipIf(obstacle !== undefined)(`journald${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`, () => {
  it('keeps 50,000 lines of a unit that has the drop-in, each once and whole', async () => {
    // A stream writes no flows to the journal, so the lines are those of a replay.
    const record = `${ctwatch('record', RECORDING)} & until [ -s ${RECORDING} ]; do sleep 0.1; done; sleep 0.5`;
    const traffic = `${GUEST_FILES}/traffic udp 25000 && ${GUEST_FILES}/traffic flush && sleep 1`;
    await guest.exec('sh', ['-c', `${record}; ${traffic}; kill -INT $!; wait $!`]);
    await guest.write(
      '/etc/systemd/system/many.service',
      `[Service]\nType=oneshot\nExecStart=${ctwatch('replay', RECORDING, '--flows')}\n`,
    );
    await guest.exec('sh', [
      '-c',
      'mkdir "$1" && cp "$2" "$1"',
      'sh',
      '/etc/systemd/system/many.service.d',
      `${GUEST_FILES}/journal.conf`,
    ]);
    await guest.exec('systemctl', ['daemon-reload']);
    await guest.exec('systemctl', ['start', 'many.service']);
    const flows = await readFlows();
    expect(flows.length).toBe(50_000);
    const keys = new Set(flows.map(({ action, source }) => `${action} ${source.ip} ${source.port}`));
    expect(keys.size).toBe(50_000);
    for (const line of flows.filter((_, at) => at % 100 === 0)) v.parse(eventSchema, line);
  });
});

interface Flow {
  readonly type: string;
  readonly action: string;
  readonly source: { readonly ip: string; readonly port: number };
}

/** What the journal has once the last line is in it. */
async function readFlows(): Promise<Flow[]> {
  for (const deadline = performance.now() + 30_000; ; await sleep(200)) {
    const text = await guest.exec('journalctl', [
      '-u',
      'many.service',
      '-o',
      'json',
      '--output-fields=MESSAGE',
      '_COMM=node',
    ]);
    const lines = text.split('\n').flatMap((row) => (row === '' ? [] : [JSON.parse(JSON.parse(row).MESSAGE) as Flow]));
    if (lines.at(-1)?.type === 'stop') return lines.filter(({ type }) => type === 'flow');
    if (performance.now() > deadline) throw new Error(`the journal has ${lines.length} lines, not the last`);
  }
}
