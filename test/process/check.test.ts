/** `ctwatch check` and the control socket of a running stream, as a monitoring system and as an enemy would use them. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { controlAnswerSchema } from '../../src/model/control.js';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { createEntries, flushTable, udpFlows } from '../kernel/traffic.js';
import { parseLines, publicCli, type Run, runCli } from './cli.js';
import { killStreams, startStream } from './streams.js';

/** Others may look into it, as into /run/ctwatch. */
const root = mkdtempSync(join(tmpdir(), 'ctwatch-check-'));
chmodSync(root, 0o755);

afterEach(async () => {
  killStreams();
  await removeNamespaces();
});
afterAll(() => rmSync(root, { recursive: true }));

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const REQUEST = '{"v":1,"get":"status"}\n';

/**
 * Before all that has no deadline: what else the machine has to do is not what is judged by a bound in milliseconds. Where this is not
 * allowed, nothing.
 */
const URGENT = spawnSync('chrt', ['-r', '2', 'true']).status === 0 ? ['chrt', '-r', '2'] : [];

function setUrgent(urgent: boolean): void {
  if (URGENT.length > 0) spawnSync('chrt', ['-a', '-p', ...(urgent ? ['-r', '3'] : ['-o', '0']), String(process.pid)]);
}

/** All that is said until the other side closes, and how long that took. */
function talk(path: string, text: string, keepWriting = false): Promise<{ said: string; ms: number }> {
  const asked = performance.now();
  return new Promise((resolve) => {
    let said = '';
    const more = () => socket.writable && socket.write('x'.repeat(65_536), more);
    const socket: Socket = connect(path, () => socket.write(text, () => keepWriting && more()));
    socket.setEncoding('utf8').on('data', (part: string) => {
      said += part;
    });
    socket.on('error', () => {}).on('close', () => resolve({ said, ms: performance.now() - asked }));
  });
}

const check = (path: string, args: readonly string[] = [], more: Partial<Parameters<typeof runCli>[0]> = {}) =>
  runCli({ ...more, args: ['check', '--control', path, ...args] });
const first = ({ status, stdout, stderr }: Run) => ({ status, stderr, line: stdout.split('\n')[0] });
const said = (line: RegExp, status: number) => ({ status, stderr: '', line: expect.stringMatching(line) });

describe('ctwatch check', () => {
  it('tells OK, WARNING and CRITICAL by thresholds, with performance data', async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 100);
    const { path } = await startStream(namespace);
    const ok = await check(path);
    const where = `${namespace.name}: 10 % full \\(100 of 1,000\\), \\+0/s, `;
    const data = "\\| 'used'=10%;80;90;0;100 'entries'=100;;;0;1000 .*'new_per_second'=0;;;0 ";
    expect(first(ok)).toEqual(said(new RegExp(`^CONNTRACK OK - ${where}.* ${data}`), 0));
    expect(ok.stdout.trim().split('\n')).toHaveLength(1);
    const [warning, critical, verbose] = await Promise.all([
      check(path, ['-w', '0.05', '-c', '50%']),
      check(path, ['-w', '5', '-c', '@0:10']),
      check(path, ['-v', '--warning-time-to-full', '10:']),
    ]);
    expect(first(warning)).toEqual(
      said(/^CONNTRACK WARNING - .*, usage breaks warning threshold 5.*'used'=10%;5;50;/, 1),
    );
    expect(first(critical)).toEqual(said(/^CONNTRACK CRITICAL - .*, usage breaks critical threshold @10.*;5;@10;/, 2));
    expect(verbose.stdout.split('\n')[1]).toMatch(
      /^ctwatch \S+ on .*, reading [\d.]+ s old, 0 NEW and 0 DESTROY events lost$/,
    );
  });

  it("tells the daemon's alerts without thresholds, with since when", async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 950);
    const environment = { CTWATCH_ALERT_USAGE_HOLD_SECONDS: '0.1' };
    const { path, stop } = await startStream(namespace, { environment, until: '"type":"alert"' });
    const run = await check(path, ['-v']);
    const since = 'usage critical since \\d{4}-\\d\\d-\\d\\dT[\\d:]{8}Z';
    expect(first(run)).toEqual(
      said(new RegExp(`^CONNTRACK CRITICAL - .*95 % full \\(950 of 1,000\\).*, ${since}.* \\| `), 2),
    );
    expect(run.stdout).toMatch(/\ncritical usage since .*: conntrack table 95 % full/);
    expect(await stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it('asks the kernel when no daemon answers, says what is not known, and goes by the configured usage', async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 900);
    const { path, child } = await startStream(namespace);
    const killed = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await killed;
    // Its socket is still there.
    expect(statSync(path).isSocket()).toBe(true);
    const environment = { CTWATCH_ASSUME_MAX: '1000' };
    const inNamespace = ['--netns', namespace.name];
    const [without, thresholds, forecast] = await Promise.all([
      check(path, inNamespace, { environment }),
      check(path, [...inNamespace, '-c', '80'], { environment }),
      check(path, [...inNamespace, '-c', '95', '--critical-time-to-full', '60:'], { environment }),
    ]);
    const text = `${namespace.name}: 90 % full \\(900 of 1,000\\), rates and forecast not known \\(.*ECONNREFUSED.*\\)`;
    expect(first(without)).toEqual(said(new RegExp(`^CONNTRACK WARNING - ${text}, .* \\| 'used'=90%;80;90;`), 1));
    expect(first(thresholds)).toEqual(said(/^CONNTRACK CRITICAL - /, 2));
    expect(first(forecast)).toEqual(said(/^CONNTRACK UNKNOWN - .*, time to full is not known \|/, 3));
    // The next stream takes the place of the dead one.
    const next = await startStream(namespace, { path });
    expect(first(await check(path))).toEqual(said(/^CONNTRACK OK - .*90 % full.*, \+0\/s, /, 0));
    await next.stop();
  });

  it('does not take the word of a daemon that watches another namespace', async () => {
    const [watched, asked] = [await createNamespace(), await createNamespace()];
    await createEntries(asked, 7);
    const { path } = await startStream(watched);
    const run = await check(path, ['--netns', asked.name]);
    expect(first(run)).toEqual(said(/^CONNTRACK OK - .*\(7 of .* watches another namespace\)/, 0));
  });

  it('gives up in time when the daemon hangs, and tells so', async () => {
    const namespace = await createNamespace();
    const { path, child } = await startStream(namespace);
    child.kill('SIGSTOP');
    const run = await check(path, ['-t', '0.5']);
    child.kill('SIGCONT');
    expect(first(run)).toEqual(said(/^CONNTRACK UNKNOWN - .*no answer within .*\[ERR_CONTROL_TIMEOUT\]/, 3));
    expect((await check(path)).status).toBe(0);
  });

  it.each([
    [['--colour'], "unknown option '--colour'"],
    [['-w', '20:10'], '--warning: a range begins below its end'],
    [['-w'], 'argument missing'],
    [['--critical-time-to-full', 'soon'], '--critical-time-to-full: a range such as'],
    [['-t', '0'], '--timeout: seconds above 0'],
    [['--control', 'relative'], '--control: an absolute path'],
    [['--netns', '../etc'], '--netns: a name as'],
    [['--config', '/none.toml'], 'ENOENT'],
    [['stray'], 'too many arguments'],
  ])('says what is wrong with %j on standard output, with status 3', async (args, text) => {
    const run = await runCli({ args: ['check', ...args] });
    expect(first(run)).toEqual({ status: 3, stderr: '', line: expect.stringContaining(text) });
    expect(run.stdout).toMatch(/^CONNTRACK UNKNOWN - [^\n|]*\n$/);
  });
});

describe('who may ask', () => {
  it('says the mode of the socket: others are refused, and told so', async () => {
    const namespace = await createNamespace();
    const cli = publicCli();
    const { path } = await startStream(namespace);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    const refused = await check(path, [], { cli, through: NOBODY });
    expect(first(refused)).toEqual(
      said(/^CONNTRACK UNKNOWN - .*CAP_NET_ADMIN is missing.*may not ask ctwatch \(EACCES\)/, 3),
    );
    const open = await startStream(namespace, { environment: { CTWATCH_CONTROL_MODE: '0666' } });
    expect(first(await check(open.path, [], { cli, through: NOBODY }))).toEqual(said(/^CONNTRACK OK/, 0));
  });

  it('lets the group of a setgid directory ask', async () => {
    const namespace = await createNamespace();
    const directory = mkdtempSync(join(root, 'run-'));
    chownSync(directory, 0, 65_534);
    chmodSync(directory, 0o2750);
    const { path } = await startStream(namespace, { path: join(directory, 'ctwatch.sock') });
    expect(first(await check(path, [], { cli: publicCli(), through: NOBODY }))).toEqual(said(/^CONNTRACK OK/, 0));
    const outsider = ['setpriv', '--reuid=65534', '--regid=65533', '--clear-groups'];
    expect((await check(path, [], { cli: publicCli(), through: outsider })).status).toBe(3);
  });

  it('is nobody where the socket cannot be opened: a notice, and the stream goes on', async () => {
    const namespace = await createNamespace();
    const file = join(root, 'a-file');
    writeFileSync(file, 'mine');
    const other = await startStream(namespace);
    const refusals = [
      { path: file, remedy: `ls -l ${file}` },
      { path: other.path, remedy: `sudo ss -lxp src ${other.path}` },
      { path: '/proc/none/x.sock', remedy: 'sudo install -d -m 0750 -o "$USER" /proc/none' },
    ];
    const refused = refusals.map(async ({ path, remedy }) => {
      const { stdout, stop } = await startStream(namespace, { path });
      expect(await stop()).toBe(0);
      const lines = parseLines(stdout());
      expect(lines.map(({ type }) => type)).toEqual(['start', 'notice', 'sample', 'stop']);
      expect(lines[1]).toMatchObject({ code: 'control_failed', level: 'warn', remedy });
    });
    await Promise.all(refused);
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect((await check(other.path)).status).toBe(0);
  });

  it('finds a socket in the runtime directory of systemd', async () => {
    const namespace = await createNamespace();
    const directory = mkdtempSync(join(root, 'run-'));
    const path = join(directory, 'ctwatch.sock');
    let seen = false;
    const { status } = await runCli({
      args: ['stream', '--netns', namespace.name],
      environment: { RUNTIME_DIRECTORY: `${directory}:/run/other` },
      onLine: (line, child) => {
        if (!line.includes('"sample"')) return;
        seen = existsSync(path);
        child.kill('SIGTERM');
      },
    });
    expect({ status, seen, left: existsSync(path) }).toEqual({ status: 0, seen: true, left: false });
  });
});

describe('the control socket', () => {
  it('survives malformed, endless and silent peers by the thousand, in bounded memory, and misses no event', async () => {
    const namespace = await createNamespace();
    const { path, child, stdout, stop } = await startStream(namespace, { args: ['--interval', '1s'] });
    const memoryKib = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]);
    const descriptors = () =>
      spawnSync('ls', [`/proc/${child.pid}/fd`], { encoding: 'utf8' }).stdout.split('\n').length;
    const before = { memory: memoryKib(), descriptors: descriptors() };
    const flows = udpFlows(namespace, { count: 20_000, rate: 5000 });
    const malformed = ['\n', '{}\n', '[[[[\n', `${'{"a":'.repeat(200)}\n`, '\0\0\0\n', '{"v":1,"get":"status"'];
    const peers: Promise<unknown>[] = [];
    for (let i = 0; i < 1000; i++) {
      const text = i % 3 === 0 ? '' : (malformed[i % malformed.length] ?? '');
      peers.push(talk(path, text, i % 10 === 0));
      // The queue of the kernel holds 511 that wait to be accepted.
      if (i % 100 === 99) await sleep(50);
    }
    expect(descriptors() - before.descriptors).toBeLessThanOrEqual(66);
    const answers = (await Promise.all(peers)) as { said: string }[];
    const codes = new Set(answers.flatMap(({ said: text }) => /"code":"(\w+)"/.exec(text)?.[1] ?? []));
    expect([...codes]).toEqual(expect.arrayContaining(['too_long', 'too_many_requests', 'too_many_connections']));
    await flows;
    // It answers as soon as the answers of a second are allowed again.
    await sleep(1100);
    const { said: answer } = await talk(path, REQUEST);
    expect(v.parse(controlAnswerSchema, JSON.parse(answer))).toMatchObject({ totals: { new: 20_000, lost_new: 0 } });
    expect(memoryKib() - before.memory).toBeLessThan(60_000);
    expect(await stop()).toBe(0);
    expect(parseLines(stdout()).at(-1)).toMatchObject({ type: 'stop', totals: { new: 20_000, lost_new: 0 } });
  });

  it.each([{ args: [] }, { args: ['--flows'] }])(
    'answers within 100 ms in a flood and with all queues full: stream $args',
    { retry: 2 },
    async ({ args }) => {
      const namespace = await createNamespace();
      // Evidence is written meanwhile, and a census taken: the table is assumed to be full at once.
      const evidence = mkdtempSync(join(root, 'evidence-'));
      const options = { args: [...args, '--state-dir', evidence], through: URGENT };
      const { path, child } = await startStream(namespace, options);
      const waits: number[] = [];
      const ask = async (begin: () => void = () => {}) => {
        const answered = talk(path, REQUEST);
        const from = performance.now();
        begin();
        expect((await answered).said).toContain('"table"');
        waits.push(performance.now() - from);
      };
      let flooding = true;
      const flood = udpFlows(namespace, { count: 200_000, flushEvery: 100_000 }).finally(() => {
        flooding = false;
      });
      setUrgent(true);
      try {
        for (; flooding; await sleep(25)) await ask();
        await flood;
        for (let round = 0; round < 2; round++) {
          child.kill('SIGSTOP');
          await createEntries(namespace, 60_000);
          await flushTable(namespace);
          await ask(() => child.kill('SIGCONT'));
        }
      } finally {
        setUrgent(false);
      }
      expect(waits.length).toBeGreaterThan(5);
      expect(readdirSync(evidence)).not.toEqual([]);
      expect(Math.max(...waits)).toBeLessThan(100);
    },
  );
});
