/** ctwatch as the service of a real systemd: contrib/systemd/ as it is, in a machine of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type EventLine, type EventType, eventSchema } from '../../src/model/events.js';
import { buildTool } from '../kernel/traffic.js';
import { bootObstacle, GUEST_FILES, Guest } from './booted.js';

const TRAFFIC = `${GUEST_FILES}/traffic`;
const WRAPPER = `#!/bin/sh\nexec ${GUEST_FILES}/node ${GUEST_FILES}/dist/ctwatch.js "$@"\n`;
const CONFIG = '/etc/ctwatch/ctwatch.toml';
const UNIT = 'ctwatch.service';
const DROP_INS = `/etc/systemd/system/${UNIT}.d`;
const RULES = `table inet t { chain output { type filter hook output priority 0; ct state new accept; }; }`;
const CAP_NET_ADMIN = 1n << 12n;
const OWNER_CAPS = (1n << 19n) | (1n << 2n);

interface Entry {
  readonly priority: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly line: EventLine;
}

/** Files of this checkout under their own names. */
const asThere = (...paths: readonly string[]) => Object.fromEntries(paths.map((path) => [path, path]));

let guest: Guest;

/** What the service wrote, from the journal; each line is held against the contract. */
async function journal(): Promise<Entry[]> {
  const text = await guest.exec('journalctl', ['-u', UNIT, '-o', 'json', '--no-pager', '_COMM=node']);
  return text.split('\n').flatMap((row) => {
    if (row === '') return [];
    const fields = JSON.parse(row) as Record<string, string>;
    const line = v.parse(eventSchema, JSON.parse(fields['MESSAGE'] ?? ''));
    return [{ priority: Number(fields['PRIORITY']), fields, line }];
  });
}

function linesOf<T extends EventType>(entries: readonly Entry[], type: T) {
  return entries.flatMap(({ line }) => (line.type === type ? [line as Extract<EventLine, { type: T }>] : []));
}

/** Starts the service; returns the place of its first line in the journal, which has it a moment later. */
async function start(): Promise<number> {
  const from = (await journal()).length;
  await systemctl('start', UNIT);
  await until(from, ({ line }) => line.type === 'start');
  return from;
}

/** Stops it; returns what it wrote from entry `from` on, once the journal has the last line. */
async function stop(from: number): Promise<Entry[]> {
  await systemctl('stop', UNIT);
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; await sleep(50)) {
    const entries = await journal();
    if (entries.at(-1)?.line.type === 'stop') return entries.slice(from);
  }
  throw new Error('no stop line in the journal');
}

/** Waits for it in what the journal has from entry `from` on. */
async function until(from: number, isIt: (entry: Entry) => boolean): Promise<Entry> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const entries = (await journal()).slice(from);
    const found = entries.find(isIt);
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not in the journal: ${JSON.stringify(entries.slice(-5))}`);
    await sleep(50);
  }
}

const systemctl = (...args: string[]) => guest.exec('systemctl', args);
const show = async (property: string) => (await systemctl('show', '-P', property, UNIT)).trim();
const makeFlows = (count: number, ...more: string[]) => guest.exec(TRAFFIC, ['udp', String(count), ...more]);
const flush = () => guest.exec(TRAFFIC, ['flush']);

async function statusOf(name: string): Promise<string> {
  const status = await guest.exec('cat', [`/proc/${await show('MainPID')}/status`]);
  return new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? '';
}

beforeAll(async () => {
  if (bootObstacle() !== undefined) return;
  guest = await Guest.boot({
    files: {
      ...asThere('dist/ctwatch.js', 'dist/ctwatch-metrics.js', 'build/Release/ctwatch.node', 'package.json'),
      traffic: buildTool('traffic'),
      ...{ [UNIT]: `contrib/systemd/${UNIT}`, 'attribution.conf': 'contrib/systemd/attribution.conf' },
    },
  });
  await guest.write('/usr/bin/ctwatch', WRAPPER);
  await guest.exec('chmod', ['755', '/usr/bin/ctwatch']);
  await guest.exec('cp', [`${GUEST_FILES}/${UNIT}`, '/etc/systemd/system/']);
  await systemctl('daemon-reload');
  await guest.exec('nft', ['-f', '-'], RULES);
  await guest.write('/proc/sys/net/netfilter/nf_conntrack_events', '2');
});
afterEach(async () => {
  await guest?.tryExec('systemctl', ['stop', UNIT]);
});
afterAll(async () => guest?.stop());

// What is missing is told: CI=true counts a skipped test as a failure.
const obstacle = bootObstacle();
describe.skipIf(obstacle !== undefined)(`a service${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`, () => {
  it('is ready when events can arrive, as a user of its own with one capability', async () => {
    await systemctl('start', UNIT);
    await makeFlows(500);
    expect(await show('StatusText')).toMatch(/^watching .* 0 of [\d,]+ entries/);
    for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) {
      expect(BigInt(`0x${await statusOf(set)}`), set).toBe(CAP_NET_ADMIN);
    }
    expect(await statusOf('NoNewPrivs')).toBe('1');
    expect(await statusOf('Seccomp')).toBe('2');
    const uid = Number(await statusOf('Uid'));
    expect(uid).toBeGreaterThanOrEqual(61_184);
    expect(uid).toBeLessThanOrEqual(65_519);
    const entries = await stop(0);
    // Not limited by the host's net.core.rmem_max.
    const told = { capabilities: ['CAP_NET_ADMIN'], receive_buffer_bytes: 64 * 1024 * 1024 };
    expect(entries[0]?.line).toMatchObject({ type: 'start', ...told });
    expect(entries.at(-1)?.line).toMatchObject({ type: 'stop', reason: 'SIGTERM', totals: { new: 500, lost_new: 0 } });
    expect([await show('Result'), await show('ExecMainStatus')]).toEqual(['success', '0']);
  });

  it('reloads its configuration, keeps the old one when the new one is not valid, and has journal priorities', async () => {
    await guest.write(CONFIG, 'interval = "1h"\n');
    await flush();
    const from = await start();
    const usage = '[alert.usage]\nhold_seconds = "250ms"\n';
    await guest.write(CONFIG, `interval = "1s"\nassume_max = 1000\nreceive_buffer_bytes = 65536\n${usage}`);
    await systemctl('reload', UNIT);
    const applied = await until(from, ({ line }) => line.type === 'config');
    const changed = ['alert.usage.hold_seconds', 'assume_max', 'interval'];
    expect(applied.line).toMatchObject({ outcome: 'applied', changed, needs_restart: ['receive_buffer_bytes'] });
    await guest.write(CONFIG, 'interval = "1s"\nnonsense = 1\n');
    await systemctl('reload', UNIT);
    const rejected = await until(from, ({ line }) => line.type === 'config' && line.outcome === 'rejected');
    expect(rejected.line).toMatchObject({ error: { code: 'ERR_BAD_CONFIG', operation: `nonsense in ${CONFIG}` } });
    expect(await show('ActiveState')).toBe('active');
    await makeFlows(950);
    const critical = await until(from, ({ line }) => line.type === 'alert' && line.severity === 'critical');
    const sample = await until(from, ({ line }) => line.type === 'sample' && line.table.count === 950);
    expect([applied, rejected, critical, sample].map(({ priority }) => priority)).toEqual([4, 3, 2, 6]);
    expect(critical.fields).toMatchObject({ _SYSTEMD_UNIT: UNIT, SYSLOG_IDENTIFIER: 'ctwatch', _TRANSPORT: 'stdout' });
    expect(await show('StatusText')).toContain('of 1,000 entries');
    await stop(from);
  });

  it('serves metrics within its confines', async () => {
    await guest.write(CONFIG, '[metrics]\nlisten = "127.0.0.1:9751"\n');
    await start();
    const ask = `fetch('http://127.0.0.1:9751/readyz').then(async (answer) => console.log(answer.status, await answer.text()))`;
    let answer = '';
    // Ready is who has looked at the table.
    for (let tries = 0; tries < 40 && answer !== '200 ok'; tries++) {
      answer = (await guest.exec(`${GUEST_FILES}/node`, ['-e', ask])).trim();
    }
    expect(answer).toBe('200 ok');
  });

  it('loses no event and sees no blind entry when it is restarted under load', async () => {
    await guest.write(CONFIG, '');
    await flush();
    const from = await start();
    const traffic = makeFlows(60_000, '--rate', '20000');
    await sleep(1000);
    await systemctl('restart', UNIT);
    expect(JSON.parse(await traffic)).toMatchObject({ flows: 60_000, errors: 0 });
    await flush();
    await until(from, ({ line }) => line.type === 'start' && line.resumed !== undefined);
    const entries = await stop(from);
    const [, second] = linesOf(entries, 'start');
    expect(second).toMatchObject({ resumed: { after_seconds: expect.any(Number) }, table: { blind: 0 } });
    expect(second?.table.count).toBeGreaterThan(1000);
    const totals = linesOf(entries, 'stop').map((line) => line.totals);
    expect(totals).toHaveLength(2);
    for (const total of totals) expect(total).toMatchObject({ lost_new: 0, lost_destroy: 0, malformed: 0 });
    const sum = (key: 'new' | 'destroy') => totals.reduce((all, total) => all + total[key], 0);
    expect(totals[0]?.new).toBeGreaterThan(1000);
    expect([sum('new'), sum('destroy')]).toEqual([60_000, 60_000]);
  });

  it('is killed and restarted when it hangs, and misses nothing of that time', async () => {
    await guest.write(`${DROP_INS}/watchdog.conf`, '[Service]\nWatchdogSec=2s\n');
    await systemctl('daemon-reload');
    await flush();
    const from = await start();
    const pid = await show('MainPID');
    // Longer than the watchdog: it is fed while nothing happens, too.
    await sleep(2500);
    expect(await show('MainPID')).toBe(pid);
    await guest.exec('kill', ['-STOP', pid]);
    await makeFlows(3000);
    await until(from + 1, ({ line }) => line.type === 'start' && line.resumed?.after_seconds !== undefined);
    expect(await show('NRestarts')).toBe('1');
    expect(await guest.exec('journalctl', ['-u', UNIT, '--no-pager'])).toContain('Watchdog timeout');
    const entries = await stop(from);
    const [last] = linesOf(entries, 'stop').slice(-1);
    expect(last?.totals).toMatchObject({ new: 3000, lost_new: 0, lost_destroy: 0 });
  });

  it('tells owners with the drop-in for it, which adds two capabilities and no more', async () => {
    await guest.exec('cp', [`${GUEST_FILES}/attribution.conf`, `${DROP_INS}/`]);
    await systemctl('daemon-reload');
    await guest.write(CONFIG, 'flows = true\ninterval = "1s"\n');
    const from = await start();
    expect(BigInt(`0x${await statusOf('CapEff')}`)).toBe(CAP_NET_ADMIN | OWNER_CAPS);
    expect(BigInt(`0x${await statusOf('CapBnd')}`)).toBe(CAP_NET_ADMIN | OWNER_CAPS);
    await makeFlows(2000, '--rate', '1000');
    const isOwned = ({ line }: Entry) => line.type === 'sample' && line.top[0]?.process?.name === 'traffic';
    await until(from, isOwned);
    const entries = await stop(from);
    const [first] = linesOf(entries, 'start');
    expect(first?.degraded.map(({ code }) => code)).not.toContain('owners_limited');
    // The sockets went with the stop before: nothing is kept of a service that is off.
    expect(first).not.toHaveProperty('resumed');
    expect(linesOf(entries, 'flow')).toEqual([]);
    expect(linesOf(entries, 'notice')).toMatchObject([{ code: 'flows_left_out' }]);
  });

  it('has a socket for check, an endpoint for metrics, and files that are opened anew, where systemd made room', async () => {
    const flows = '/var/log/ctwatch/flows.ndjson';
    const config = `[metrics]\nlisten = "127.0.0.1:9751"\n[output]\nflows_file = "${flows}"\n`;
    await guest.write(CONFIG, config);
    await flush();
    const from = await start();
    await makeFlows(300);
    const { stdout, status } = await guest.tryExec('ctwatch', ['check']);
    expect({ stdout, status }).toEqual({ stdout: expect.stringMatching(/^CONNTRACK OK - /), status: 0 });
    const script = "fetch('http://127.0.0.1:9751/metrics').then((answer) => answer.text()).then(console.log)";
    expect(await guest.exec(`${GUEST_FILES}/node`, ['-e', script])).toContain('ctwatch_');
    // The scrape was a flow as well.
    const countLines = async (path: string) => Number(await guest.exec('grep', ['-c', '"transport":"udp"', path]));
    expect(await countLines(flows)).toBe(300);
    await guest.exec('mv', [flows, `${flows}.old`]);
    await systemctl('reload', UNIT);
    await until(from, ({ line }) => line.type === 'config');
    await makeFlows(70, '--dport', '30000');
    await sleep(500);
    expect([await countLines(`${flows}.old`), await countLines(flows)]).toEqual([300, 70]);
    expect(linesOf(await stop(from), 'notice')).toEqual([]);
  });

  it('lets the group of a drop-in ask, and nobody else', async () => {
    const folder = `/etc/systemd/system/${UNIT}.d`;
    await guest.write(CONFIG, '');
    await guest.exec('mkdir', ['-p', folder]);
    await guest.write(`${folder}/group.conf`, '[Service]\nGroup=games\n');
    await systemctl('daemon-reload');
    const from = await start();
    const checkAs = (user: string, group: string) =>
      guest.tryExec('setpriv', [`--reuid=${user}`, `--regid=${group}`, '--clear-groups', 'ctwatch', 'check']);
    expect(await checkAs('games', 'games')).toMatchObject({
      ...{ status: 0, stdout: expect.stringMatching(/^CONNTRACK OK - .*\/s, /) },
    });
    expect(await checkAs('nobody', 'nogroup')).toMatchObject({
      ...{ status: 3, stdout: expect.stringMatching(/^CONNTRACK UNKNOWN - .*EACCES/) },
    });
    await stop(from);
    await guest.exec('rm', ['-r', folder]);
    await systemctl('daemon-reload');
  });

  it('counts a flood of a million flows to the last, answers meanwhile, and does not grow', async () => {
    await guest.write(CONFIG, '');
    await flush();
    const from = await start();
    const traffic = makeFlows(1_000_000, '--flush-every', '100000');
    await until(from, ({ line }) => line.type === 'sample' && line.totals.new > 0);
    // Again, should a flush just have been: below a percent there is a fraction.
    await vi.waitFor(
      async () =>
        expect((await guest.tryExec('ctwatch', ['check'])).stdout).toMatch(
          /^CONNTRACK (?:OK|WARNING|CRITICAL) - \d+ % full/,
        ),
      { timeout: 2000, interval: 200 },
    );
    expect(JSON.parse(await traffic)).toMatchObject({ flows: 1_000_000, errors: 0 });
    expect(Number(await statusOf('VmHWM')) / 1024).toBeLessThan(256);
    expect(await show('NRestarts')).toBe('0');
    const [last] = linesOf(await stop(from), 'stop');
    expect((last?.totals.new ?? 0) + (last?.totals.lost_new ?? 0)).toBe(1_000_000);
    expect(last?.totals.malformed).toBe(0);
  });

  it('opens new sockets when the kept ones are of another namespace, says so, and keeps those', async () => {
    await guest.write(CONFIG, '');
    await guest.exec('ip', ['netns', 'add', 'blue']);
    const from = await start();
    const settings = [
      'AmbientCapabilities=CAP_SYS_ADMIN',
      'CapabilityBoundingSet=CAP_SYS_ADMIN',
      'RestrictNamespaces=net',
    ];
    const command = ['ExecStart=', 'ExecStart=/usr/bin/ctwatch stream --netns blue'];
    await guest.write(`${DROP_INS}/netns.conf`, ['[Service]', ...settings, ...command, ''].join('\n'));
    await systemctl('daemon-reload');
    await systemctl('restart', UNIT);
    await systemctl('restart', UNIT);
    const [, second, third] = linesOf(await stop(from), 'start');
    expect([second?.netns, second?.resumed]).toEqual(['blue', undefined]);
    const refused = second?.degraded.find(({ code }) => code === 'sockets_refused');
    expect(refused?.text).toContain('in another network namespace');
    expect(third?.resumed).toHaveProperty('after_seconds');
    expect(third?.degraded.map(({ code }) => code)).not.toContain('sockets_refused');
    await guest.exec('rm', [`${DROP_INS}/netns.conf`]);
    await systemctl('daemon-reload');
  });

  it('is not restarted with a configuration that is not valid', async () => {
    await guest.write(CONFIG, 'nonsense = 1\n');
    const { status } = await guest.tryExec('systemctl', ['start', UNIT]);
    expect(status).not.toBe(0);
    expect([await show('ActiveState'), await show('ExecMainStatus')]).toEqual(['failed', '2']);
  });
});
