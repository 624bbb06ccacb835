import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventOf } from '../../src/model/events.js';
import { createNamespace, type Namespace, removeNamespaces } from '../kernel/namespace.js';
import { createEntries, udpFlows } from '../kernel/traffic.js';
import { CLI, parseLines, runCli } from './cli.js';

afterEach(removeNamespaces);

async function filledNamespace(): Promise<Namespace> {
  const namespace = await createNamespace();
  await udpFlows(namespace, { count: 300, rate: 3000, dport: 5353 });
  await createEntries(namespace, 100);
  return namespace;
}

describe('ctwatch who', () => {
  it('prints one census line into a pipe, and nothing else', async () => {
    const { name } = await filledNamespace();
    const { status, stdout, stderr } = await runCli({
      args: ['who', '--netns', name, '--by', 'destination,direction'],
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [line, ...others] = parseLines(stdout);
    expect(others).toEqual([]);
    expect(line).toMatchObject({
      ...{ type: 'census', netns: name, trigger: 'request', entries: 400, by: ['destination', 'direction'] },
      table: { count: 400, unassured_ratio: 1 },
      groups: [
        {
          network: { transport: 'udp', direction: 'local' },
          destination: { ip: '127.0.0.1', port: 5353 },
          entries: 300,
        },
        {
          network: { transport: 'udp', direction: 'forwarded' },
          destination: { ip: '192.0.2.1', port: 53 },
          entries: 100,
        },
      ],
    });
  });

  it('lists as many rows as it is told to, the rest in one', async () => {
    const { name } = await filledNamespace();
    const { stdout } = await runCli({ args: ['who', '--netns', name, '--by', 'source', '--top', '2'] });
    const [line] = parseLines(stdout) as unknown as EventOf<'census'>[];
    expect(line?.groups).toHaveLength(3);
    expect(line?.groups?.at(-1)?.other).toBeGreaterThan(1);
  });

  it('prints a table at a terminal, and JSON there when it is told to', async () => {
    const { name } = await filledNamespace();
    const onTerminal = (args: string) =>
      spawnSync('script', ['-qec', `${process.execPath} ${CLI} who --netns ${name} ${args}`, '/dev/null'], {
        stdio: ['ignore', 'pipe', 'inherit'],
        encoding: 'utf8',
      });
    const { status, stdout } = onTerminal('--top 1');
    expect(status).toBe(0);
    const lines = stdout.replaceAll('\r', '').split('\n');
    expect(lines[0]).toMatch(`conntrack table of ${name} on `);
    expect(lines.slice(3)).toEqual([
      'DESTINATION         STATE      ENTRIES  SHARE',
      'udp 127.0.0.1:5353  UNREPLIED      300   75 %',
      '1 other                            100   25 %',
      '',
    ]);
    const json = onTerminal('--json');
    expect(parseLines(json.stdout.replaceAll('\r', ''))).toMatchObject([{ type: 'census', entries: 400 }]);
  });

  it('of an empty table says that there is nothing', async () => {
    const { name } = await createNamespace();
    const { status, stdout } = await runCli({ args: ['who', '--netns', name] });
    expect(status).toBe(0);
    expect(parseLines(stdout)).toMatchObject([{ msg: 'no entries', entries: 0, groups: [] }]);
  });

  it.each([
    { args: ['--by', 'colour'], says: '--by: one or two of protocol, state, destination,' },
    { args: ['--by', 'state,state'], says: '--by: one or two of' },
    { args: ['--by', 'state,source,zone'], says: '--by: one or two of' },
    { args: ['--by', ''], says: '--by: one or two of' },
    { args: ['--top', '0'], says: 'a whole number above 0 is expected' },
    { args: ['--sort'], says: "unknown option '--sort'" },
  ])('refuses $args with status 2 and one line', async ({ args, says }) => {
    const { status, stdout, stderr } = await runCli({ args: ['who', ...args] });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it.each([
    ['net_admin', [], 'CAP_NET_ADMIN is missing', 'remedy: sudo ctwatch who\n'],
    ['sys_admin', ['--netns', 'NAME'], 'CAP_SYS_ADMIN is missing', 'remedy: sudo ctwatch who --netns NAME\n'],
  ] as const)(
    'without CAP_%s ends with status 3 and the command that works',
    async (capability, args, says, remedy) => {
      const { name } = await createNamespace();
      const { status, stdout, stderr } = await runCli({
        args: ['who', ...args.map((arg) => arg.replace('NAME', name))],
        through: ['setpriv', `--bounding-set=-${capability}`, `--inh-caps=-${capability}`],
      });
      expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
      expect(stderr).toContain(says);
      expect(stderr).toContain(remedy.replace('NAME', name));
      expect(stderr.trim().split('\n')).toHaveLength(1);
    },
  );

  it('names a namespace that is not there', async () => {
    const { status, stderr } = await runCli({ args: ['who', '--netns', 'ctw-none'] });
    expect(status).toBe(3);
    expect(stderr).toContain('--netns ctw-none: there is no network namespace of that name');
  });

  it('ends quietly when its reader has gone', async () => {
    const { name } = await filledNamespace();
    const { stdout, stderr } = spawnSync(
      'bash',
      ['-c', `${process.execPath} ${CLI} who --netns ${name} | true; echo "\${PIPESTATUS[0]}"`],
      { encoding: 'utf8' },
    );
    expect({ stdout, stderr }).toEqual({ stdout: '0\n', stderr: '' });
  });
});
