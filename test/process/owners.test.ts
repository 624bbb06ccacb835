/** The built command line names who opens connections, and says what it may not see. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventLine } from '../../src/model/events.js';
import { createNamespace, type Namespace, removeNamespaces } from '../kernel/namespace.js';
import { CLI, parseLines, publicCli, runCli } from './cli.js';

afterEach(removeNamespaces);

/** Opens a connection every 20 ms and keeps it; prints its pid first. */
const CLIENT = `
const net = require('node:net');
net.createServer((socket) => socket.on('error', () => {}).resume()).listen(7200, () => {
  setInterval(() => net.connect(7200, '127.0.0.1').on('error', () => {}), 20);
});`;

/** Streams until the third sample while a process opens connections. */
async function streamIn(
  namespace: Namespace,
  through: readonly string[] = [],
  { args = [], program = CLIENT }: { args?: readonly string[]; program?: string } = {},
) {
  const client = namespace.spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'inherit', 'inherit'] });
  await sleep(300);
  let samples = 0;
  const { stdout, status } = await runCli({
    args: ['stream', ...args],
    environment: { CTWATCH_INTERVAL: '1' },
    through: ['ip', 'netns', 'exec', namespace.name, ...through],
    cli: publicCli(),
    onLine: (line, child) => {
      if (line.includes('"type":"sample"') && ++samples === 3) child.kill('SIGTERM');
    },
  });
  expect(status).toBe(0);
  const lines = parseLines(stdout);
  const of = <T extends EventLine['type']>(type: T) =>
    lines.filter((line): line is Extract<EventLine, { type: T }> => line.type === type);
  const top = of('sample')
    .at(-1)
    ?.top.find(({ destination }) => destination.port === 7200);
  return { client, start: of('start')[0], top, stdout };
}

describe('the owner of a destination', () => {
  it('is the process that opens the connections', async () => {
    const { client, start, top } = await streamIn(await createNamespace());
    expect(start?.degraded.map(({ code }) => code)).not.toContain('owners_limited');
    expect(top).toMatchObject({ process: { pid: client.pid, name: 'node' }, user: { id: '0', name: 'root' } });
    expect(top?.attributed_ratio).toBeGreaterThan(0.8);
    expect(top?.process).not.toHaveProperty('command_line');
  });

  it('is a user alone where processes may not be looked at, which is said at the start', async () => {
    const caps = ['--inh-caps=+net_admin', '--ambient-caps=+net_admin'];
    const through = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...caps];
    const { start, top } = await streamIn(await createNamespace(), through);
    expect(start?.capabilities).toEqual(['CAP_NET_ADMIN']);
    expect(start?.degraded.find(({ code }) => code === 'owners_limited')?.remedy).toContain('+dac_read_search');
    expect(top).toMatchObject({ user: { id: '0', name: 'root' } });
    expect(top).not.toHaveProperty('process');
  });

  it('is the process again with the two capabilities and no other', async () => {
    const caps = '+net_admin,+sys_ptrace,+dac_read_search';
    const through = [
      ...['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
      ...[`--inh-caps=${caps}`, `--ambient-caps=${caps}`],
    ];
    const { client, start, top } = await streamIn(await createNamespace(), through);
    expect(start?.degraded.map(({ code }) => code)).not.toContain('owners_limited');
    expect(top).toMatchObject({ process: { pid: client.pid } });
  });

  it('is not asked for when that is switched off', async () => {
    const namespace = await createNamespace();
    const { top } = await streamIn(namespace, ['env', 'CTWATCH_OWNERS_ENABLED=false']);
    expect(top).toBeDefined();
    expect(top).not.toHaveProperty('owner');
    expect(top).not.toHaveProperty('attributed_ratio');
  });
});

/** Escapes that clear a screen and set its title, a quote, a brace, a newline, a byte that is no UTF-8, and the end of a stat field. */
const HOSTILE = Buffer.from('\u001b[2J"}\n\u009b\xff) R', 'latin1').subarray(0, 15);

describe('a process with a hostile name', () => {
  const program = `require('node:fs').writeFileSync('/proc/self/comm', Buffer.from('${HOSTILE.toString('hex')}', 'hex'));${CLIENT}`;

  it('breaks no line, and sends nothing to a terminal', async () => {
    const namespace = await createNamespace();
    const { client, top, stdout } = await streamIn(namespace, [], { program });
    expect(readFileSync(`/proc/${client.pid}/comm`).subarray(0, -1)).toEqual(HOSTILE);
    expect(top?.process).toMatchObject({ pid: client.pid, name: '\ufffd[2J"}\ufffd\ufffd\ufffd) R' });
    expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\\u00|\\n/u);

    const { stdout: seen } = spawnSync(
      'script',
      ['-qec', `${process.execPath} ${CLI} who --netns ${namespace.name} --by owner`, '/dev/null'],
      { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' },
    );
    expect(seen).toContain('/\ufffd[2J"}\ufffd');
    expect(seen.replaceAll('\r\n', '')).not.toMatch(/\p{Cc}/u);
  });
});

describe('ctwatch who --by owner', () => {
  it('counts the entries of a program, those in TIME_WAIT included', async () => {
    const namespace = await createNamespace();
    // Fifty connections stay, fifty are closed at once.
    const half = `
      const net = require('node:net');
      net.createServer((socket) => socket.on('error', () => {}).resume()).listen(7201, () => {
        let open = 0;
        for (let i = 0; i < 100; i++) {
          const socket = net.connect(7201, '127.0.0.1', () => {
            if (i % 2) socket.end();
            if (++open === 100) setTimeout(() => console.log('ready'), 300);
          });
        }
      });`;
    const client = namespace.spawn(process.execPath, ['-e', half], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => client.stdout?.once('data', resolve));
    const { stdout } = await runCli({ args: ['who', '--netns', namespace.name, '--by', 'owner,state'] });
    const [line] = parseLines(stdout);
    const groups = line?.type === 'census' ? (line.groups ?? []) : [];
    const ours = groups.filter(({ owner }) => owner?.endsWith('/node'));
    const total = (of: typeof groups) => of.reduce((sum, { entries }) => sum + entries, 0);
    expect(total(ours)).toBe(100);
    expect(total(ours.filter(({ state }) => state === 'TIME_WAIT'))).toBe(50);
  });
});
