import { afterEach, describe, expect, it } from 'vitest';
import { DEGRADED_CODES } from '../../src/analysis/degraded.js';
import { createNamespace, type Namespace, removeNamespaces, witnessEvents } from '../kernel/namespace.js';
import { createEntries } from '../kernel/traffic.js';
import { runCli } from './cli.js';

afterEach(removeNamespaces);

interface Check {
  readonly check: string;
  readonly status: string;
  readonly text: string;
  readonly remedy?: string;
}

async function doctorIn(namespace: Namespace, ...through: string[]) {
  const { status, stdout, stderr } = await runCli({
    args: ['doctor', '--json'],
    through: ['ip', 'netns', 'exec', namespace.name, ...through],
  });
  expect(stderr).toBe('');
  const checks = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Check);
  return { status, checks, find: (name: string) => checks.find(({ check }) => check === name) };
}

/** Everything a remedy would change. */
async function stateOf(namespace: Namespace): Promise<string> {
  const outputs = [
    await namespace.exec('sysctl', ['-a', '-r', 'netfilter|rmem|wmem']),
    await namespace.exec('nft', ['list', 'ruleset']),
    await namespace.exec('conntrack', ['-L', '-o', 'id']),
  ];
  // The time that is left of an entry goes by, with doctor or without.
  return outputs.map(({ stdout }) => stdout.replaceAll(/^(\w+\s+\d+) \d+ /gm, '$1 ')).join('\n');
}

describe('ctwatch doctor', () => {
  it('says what is ok and what is limited, each limit with its meaning and a command', async () => {
    const namespace = await createNamespace();
    await namespace.sysctl('net.netfilter.nf_conntrack_events', 2);
    await namespace.sysctl('net.netfilter.nf_conntrack_acct', 1);
    await namespace.sysctl('net.netfilter.nf_conntrack_timestamp', 0);
    const { status, checks, find } = await doctorIn(namespace);
    expect(status).toBe(0);
    expect(find('accounting')).toEqual({ check: 'accounting', status: 'ok', text: 'nf_conntrack_acct=1' });
    expect(find('timestamps')).toMatchObject({
      ...{ status: 'limited', text: expect.stringContaining(DEGRADED_CODES.timestamps_off) },
      remedy: 'sudo sysctl -w net.netfilter.nf_conntrack_timestamp=1',
    });
    expect(find('events')).toMatchObject({ status: 'limited', text: expect.stringContaining('nf_conntrack_events=2') });
    expect(find('table')).toMatchObject({ status: 'limited', remedy: expect.stringContaining('nft') });
    expect(find('other_listeners')).toMatchObject({ status: 'ok', text: expect.stringContaining('nobody else') });
    for (const check of checks) expect(check.status === 'limited').toBe(check.remedy !== undefined);
  });

  it('is content after its remedies', async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 10);
    for (const name of ['events', 'acct', 'timestamp']) await namespace.sysctl(`net.netfilter.nf_conntrack_${name}`, 1);
    const { checks } = await doctorIn(namespace);
    expect(checks.length).toBeGreaterThan(7);
    expect(checks.filter(({ status }) => status !== 'ok')).toEqual([]);
  });

  it('tells who else listens, and does not count itself', async () => {
    const namespace = await createNamespace();
    const witness = await witnessEvents(namespace);
    const { find } = await doctorIn(namespace);
    await witness.stop();
    expect(find('other_listeners')?.text).toMatch(/^1 other socket.* netlink ports? \d+$/);
  });

  it('changes nothing', async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 10);
    const before = await stateOf(namespace);
    await doctorIn(namespace);
    expect(await stateOf(namespace)).toBe(before);
    expect(before).toContain('ctwatch_test');
    expect(before).toContain('nf_conntrack_timestamp');
  });

  it('says without CAP_NET_ADMIN what is missing, with status 3', async () => {
    const namespace = await createNamespace();
    const drop = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'];
    const { status, checks } = await doctorIn(namespace, ...drop);
    expect(status).toBe(3);
    expect(checks).toEqual([
      {
        ...{ check: 'ERR_CAP_NET_ADMIN', status: 'missing', remedy: expect.stringMatching(/^sudo /) },
        text: expect.stringMatching(/CAP_NET_ADMIN is missing.*\(EPERM\)$/),
      },
    ]);
  });

  it('prints the same as text, one line a check and one a remedy', async () => {
    const namespace = await createNamespace();
    const { checks } = await doctorIn(namespace);
    const { stdout } = await runCli({ args: ['doctor', '--netns', namespace.name] });
    const lines = stdout.trimEnd().split('\n');
    const remedies = checks.filter(({ remedy }) => remedy !== undefined).length;
    expect(remedies).toBeGreaterThan(0);
    // Of another namespace it cannot tell the listeners.
    expect(lines).toHaveLength(checks.length - 1 + remedies);
    expect(lines[0]).toMatch(/^ok {7}kernel +Linux /);
    expect(stdout).toContain(`remedy: sudo ip netns exec ${namespace.name} sysctl -w net.netfilter.`);
  });
});
