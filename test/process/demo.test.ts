import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { namespaceObstacle } from '../kernel/namespace.js';
import { CLI, parseLines, publicCli, runCli } from './cli.js';

const REDIS = { ip: '127.0.0.1', port: 6379 };

/** What the demo must leave as it was. */
function hostState(): string {
  const read = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' });
  return [
    read('nft', 'list', 'ruleset'),
    read('ip', 'netns', 'list'),
    read('sysctl', '-a', '-r', 'net.netfilter|user.max_.*_namespaces|rmem|ip_forward').replace(
      /^.*nf_conntrack_count.*$/m,
      '',
    ),
    read('ip', '-o', 'link'),
  ].join('\n');
}

const AS_NOBODY = [
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  '--inh-caps=-all',
  '--bounding-set=-all',
];

/** Why an ordinary user cannot play here, from the system itself and not from ctwatch. */
function userNamespaceObstacle(): string | undefined {
  const [command = '', ...args] = [...AS_NOBODY, 'unshare', '--user', '--map-root-user', '--net', 'true'];
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? undefined : `user namespaces are not allowed here: ${stderr.trim()}`;
}

describe('ctwatch demo', () => {
  it('plays an incident in under a minute, warns early, names the cause, and leaves the host as it was', async () => {
    expect(namespaceObstacle()).toBeUndefined();
    const before = hostState();
    const started = performance.now();
    const { status, stdout, stderr } = await runCli({ args: ['demo', '--json'] });
    const seconds = (performance.now() - started) / 1000;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(seconds).toBeLessThan(60);
    expect(hostState()).toBe(before);

    const lines = parseLines(stdout);
    expect(lines[0]?.type).toBe('start');
    expect(lines.at(-1)).toMatchObject({ type: 'stop', totals: { lost_new: 0, lost_destroy: 0 } });
    const [burst] = lines.filter((line) => line.type === 'burst');
    expect(burst).toMatchObject({ phase: 'start', top: [{ destination: REDIS }] });
    expect(burst?.ratio).toBeGreaterThan(3);

    const alerts = lines.filter((line) => line.type === 'alert');
    const alert = alerts.find(({ name, phase }) => name === 'time_to_full' && phase === 'firing');
    expect(alert?.table.used_ratio).toBeLessThan(0.5);
    expect(alert?.culprits[0]?.destination).toEqual(REDIS);
    expect(alert?.msg).toContain('127.0.0.1:6379');

    const samples = lines.filter((line) => line.type === 'sample');
    const calm = samples.filter(({ time }) => time < (burst?.onset ?? ''));
    expect(calm.length).toBeGreaterThan(1);
    expect(calm.map(({ forecast }) => forecast.verdict)).not.toContain('fills');
    expect(alerts.filter(({ time }) => time < (burst?.onset ?? ''))).toEqual([]);
  }, 120_000);

  it('leaves nothing behind when its reader goes away', async () => {
    const traffic = () => spawnSync('pgrep', ['-f', 'demo-traffic'], { encoding: 'utf8' }).stdout.trim();
    const before = traffic();
    const command = `"${process.execPath}" "${CLI}" demo --json | head -n 2; echo "\${PIPESTATUS[0]}"`;
    const { stdout } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
    const [start, sample, status] = stdout.trim().split('\n');
    expect(JSON.parse(start ?? '')).toMatchObject({ type: 'start' });
    expect(JSON.parse(sample ?? '')).toMatchObject({ type: 'sample' });
    expect(status).toBe('0');
    for (let i = 0; traffic() !== before && i < 40; i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(traffic()).toBe(before);
  });

  it('needs no root where user namespaces are allowed, and ends on SIGTERM', async ({ skip }) => {
    const obstacle = userNamespaceObstacle();
    skip(obstacle !== undefined, obstacle);
    const { status, stdout, stderr } = await runCli({
      args: ['demo', '--json'],
      cli: publicCli(),
      through: AS_NOBODY,
      onLine: (line, child) => {
        if (line.includes('"type":"sample"')) child.kill('SIGTERM');
      },
    });
    const lines = parseLines(stdout);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines.map(({ type }) => type)).toEqual(['start', 'sample', 'stop']);
    expect(lines[0]).toMatchObject({ capabilities: expect.arrayContaining(['CAP_NET_ADMIN']) });
  });
});
