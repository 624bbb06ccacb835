import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { udpFlows } from '../kernel/traffic.js';

afterEach(removeNamespaces);

const EXAMPLE = fileURLToPath(new URL('../../examples/alerts.mjs', import.meta.url));

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the example to its end; `during` starts when it watches. */
function runExample(args: readonly string[], during: (interrupt: () => void) => Promise<unknown>): Promise<Run> {
  const child = spawn(process.execPath, [EXAMPLE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  let watching = false;
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (watching || !stdout.includes('\n')) return;
      watching = true;
      during(() => child.kill('SIGINT')).catch(reject);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}

describe('examples/alerts.mjs', () => {
  it('prints the alerts and the top destinations of real traffic, and ends after its time', async () => {
    const namespace = await createNamespace();
    const args = ['--netns', namespace.name, '--assume-max', '1000', '--seconds', '8'];
    const { status, stdout, stderr } = await runExample(args, () =>
      udpFlows(namespace, { count: 950, rate: 1000, dport: 5353 }),
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d watching ctw-\d+-\d+ on /);
    expect(stdout).toMatch(/^[\d:]+ firing critical usage: conntrack table 95 % full \(950 of 1,000\)/m);
    expect(stdout).toMatch(/^[\d:]+ udp 127\.0\.0\.1 5353: [\d.]+\/s, 100 % of the new entries$/m);
    expect(stdout).toMatch(/^[\d:]+ stopped after \d+ s \(time is over\): 950 new, .* 0 events lost\n$/m);
  });

  it('ends on SIGINT', async () => {
    const namespace = await createNamespace();
    const { status, stdout } = await runExample(['--netns', namespace.name], async (interrupt) => interrupt());
    expect(status).toBe(0);
    expect(stdout).toContain('(SIGINT)');
  });

  it('says in one line what is missing', async () => {
    const { status, stderr } = await runExample(['--netns', 'ctw-none'], async () => {});
    expect(status).toBe(3);
    expect(stderr).toMatch(/^ctwatch: .*ERR_NETNS_NOT_FOUND.*; remedy: ip netns list\n$/);
  });
});
