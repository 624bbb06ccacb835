import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { CLI, parseLines, publicCli, runCli } from './cli.js';

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-test-'));
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(removeNamespaces);

function configFile(text: string): string {
  const path = join(directory, 'ctwatch.toml');
  writeFileSync(path, text);
  return path;
}

describe('bad usage: status 2 and one line', () => {
  it.each([
    { args: ['stream', '--interval', 'soon'], says: '--interval: a duration between 1ms and 24h' },
    { args: ['stream', '--assume-max', 'many'], says: '--assume-max: a number of entries is expected' },
    { args: ['stream', '--assume-max', '0'], says: '--assume-max: at least 1 entry' },
    { args: ['stream', '--netns', '../etc'], says: '--netns: a name as `ip netns list` shows it' },
    { args: ['stream', '--reap-at', '2'], says: '--reap-at: a share of the limit from 0.1 to 1 is expected' },
    { args: ['stream', '--reap-at', 'soon'], says: '--reap-at: a share of the limit from 0.1 to 1 is expected' },
    { args: ['stream', '--assume-timeout', 'tcp=5'], says: '--assume-timeout tcp: no such key' },
    { args: ['stream', '--assume-timeout', 'udp'], says: '--assume-timeout udp: a duration between 1ms and 24h' },
    { args: ['stream', '--colour'], says: "unknown option '--colour'" },
    { args: ['replay', '--speed', '0', 'x'], says: 'remedy: ctwatch replay --help' },
    { args: ['watch'], says: 'watch: no such command' },
  ])('$args', async ({ args, says }) => {
    const { status, stdout, stderr } = await runCli({ args });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(says);
    expect(stderr.trim().split('\n').length).toBe(1);
  });

  it.each([
    { toml: 'intervall = "10s"', says: 'intervall in ' },
    { toml: '[burst]\nratio = 0.5', says: 'burst.ratio in ' },
    { toml: '[alert.usage]\nwarning_ratio = 80', says: ': a share from 0 to 1 is expected (got 80)' },
    { toml: '[alert.usage]\ncritical_ratio = 0.7', says: ': warning_ratio is above critical_ratio' },
    { toml: '[alert.time_to_full]\nwarning_seconds = "1m"', says: ': warning_seconds is below critical_seconds' },
    { toml: 'budget = 5', says: ': Array is expected (got 5)' },
    { toml: 'interval = ', says: 'ERR_CONFIG_UNREADABLE' },
  ])('configuration $toml', async ({ toml, says }) => {
    const { status, stderr } = await runCli({ args: ['stream', '--config', configFile(toml)] });
    expect(status).toBe(2);
    expect(stderr).toContain(says);
    expect(stderr.trim().split('\n').length).toBe(1);
  });

  it('names an environment variable that is wrong or unknown', async () => {
    const wrong = await runCli({ args: ['stream'], environment: { CTWATCH_BURST_RATIO: 'big' } });
    expect(wrong).toMatchObject({ status: 2 });
    expect(wrong.stderr).toContain('CTWATCH_BURST_RATIO');
    const unknown = await runCli({ args: ['stream'], environment: { CTWATCH_INTERVALL: '1s' } });
    expect(unknown).toMatchObject({ status: 2 });
    expect(unknown.stderr).toContain('CTWATCH_INTERVALL: no such variable');
  });

  it('names a configuration file that is not there', async () => {
    const { status, stderr } = await runCli({ args: ['stream', '--config', join(directory, 'none.toml')] });
    expect(status).toBe(2);
    expect(stderr).toContain('none.toml: the configuration file cannot be read or is not TOML (ENOENT)');
  });
});

describe('places where it cannot run: status 3 and one line with the command that helps', () => {
  it('an unknown namespace', async () => {
    const { status, stdout, stderr } = await runCli({ args: ['stream', '--netns', 'ctw-none'] });
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    expect(stderr).toMatch(/^ctwatch: .*no network namespace of that name.*ip netns list\n$/);
  });

  it('another system than Linux', async () => {
    // NODE_OPTIONS has quotes of its own.
    const elsewhere = 'data:text/javascript,Object.defineProperty(process,`platform`,{value:`darwin`})';
    const { status, stdout, stderr } = await runCli({
      args: ['stream'],
      environment: { NODE_OPTIONS: `--import ${elsewhere}` },
    });
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    expect(stderr).toMatch(/^ctwatch: .*Linux only.*\[ERR_NOT_LINUX\].*\n$/);
  });

  it('no addon', async () => {
    const { status, stderr } = await runCli({
      args: ['stream'],
      environment: { CTWATCH_ADDON: join(directory, 'none.node') },
    });
    expect(status).toBe(3);
    expect(stderr).toMatch(/^ctwatch: .*\[ERR_ADDON_MISSING\]; remedy: npm run bootstrap .*\n$/);
  });

  it('no CAP_NET_ADMIN', async () => {
    const { status, stdout, stderr } = await runCli({
      args: ['stream'],
      through: ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'],
    });
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    expect(stderr).toMatch(/^ctwatch: .*CAP_NET_ADMIN is missing.*\(EPERM\).*sudo ctwatch stream\n$/);
  });

  it('no CAP_NET_ADMIN to record: the same command is what works', async () => {
    const path = join(directory, "tonight's.ctrec");
    const { status, stderr } = await runCli({
      args: ['record', path, '--seconds', '1'],
      through: ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'],
    });
    expect(status).toBe(3);
    const quoted = `'${path.replace("'", "'\\''")}'`;
    expect(stderr).toContain(`remedy: sudo ctwatch record ${quoted} --seconds 1\n`);
  });

  it('no CAP_SYS_ADMIN for another namespace', async () => {
    const namespace = await createNamespace();
    const { status, stderr } = await runCli({
      args: ['stream', '--netns', namespace.name],
      through: ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'],
    });
    expect(status).toBe(3);
    expect(stderr).toContain('CAP_SYS_ADMIN is missing');
  });
});

describe('a full disk', () => {
  it.each(['schema', 'doctor'])('is told by %s', async (command) => {
    const run = spawnSync('bash', ['-c', `"${process.execPath}" "${CLI}" ${command} > /dev/full`], {
      encoding: 'utf8',
    });
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/^ctwatch: write standard output: .*\[ERR_OUTPUT\].*\n$/);
  });
});

describe('an ordinary user with CAP_NET_ADMIN alone', () => {
  it('can watch', async () => {
    const namespace = await createNamespace();
    const { status, stdout, stderr } = await runCli({
      args: ['stream', '--once'],
      cli: publicCli(),
      through: [
        ...['ip', 'netns', 'exec', namespace.name, 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
        ...['--inh-caps=-all,+net_admin', '--ambient-caps=-all,+net_admin', '--bounding-set=-all,+net_admin'],
      ],
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(parseLines(stdout)[0]).toMatchObject({ type: 'start', capabilities: ['CAP_NET_ADMIN'] });
  });
});
