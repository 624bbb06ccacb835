/**
 * What `contrib/prometheus` is for, with Debian's Prometheus and Alertmanager in a namespace of their own: an incident becomes a
 * notification at a webhook with ctwatch's sentence in it. The contributed files are used as they are, but for their intervals.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createNamespace, type Namespace, removeNamespaces } from '../kernel/namespace.js';
import { udpFlows } from '../kernel/traffic.js';
import { CLI, parseLines } from '../process/cli.js';

const CONTRIB = fileURLToPath(new URL('../../contrib/prometheus/', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'ctwatch-prometheus-'));
afterAll(async () => {
  await removeNamespaces();
  rmSync(directory, { recursive: true });
});

/** Listens for the webhooks of the contributed alertmanager.yml and prints each body as a line. */
const WEBHOOK = `require('http').createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => (body += chunk)).on('end', () => { console.log(body.replaceAll('\\n', ' ')); response.end(); });
}).listen(9099, '127.0.0.1')`;

interface Notification {
  readonly alerts: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

/** Starts a command inside and collects its lines. */
function start(
  namespace: Namespace,
  command: string,
  args: readonly string[],
): { child: ChildProcess; lines: string[] } {
  const child = namespace.spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines: string[] = [];
  if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => lines.push(line));
  return { child, lines };
}

/** The contributed configuration with other intervals, so that nobody waits for half a minute. */
function configure(): { prometheus: string; alertmanager: string } {
  cpSync(CONTRIB, directory, { recursive: true });
  const [prometheus, alertmanager] = [join(directory, 'prometheus.yml'), join(directory, 'alertmanager.yml')];
  const text = readFileSync(prometheus, 'utf8').replace(
    'scrape_interval: 15s',
    'scrape_interval: 500ms\n    scrape_timeout: 500ms',
  );
  writeFileSync(prometheus, `global: { evaluation_interval: 500ms }\n${text}`);
  return { prometheus, alertmanager };
}

describe('contrib/prometheus', () => {
  it.each([
    ['promtool', ['check', 'rules', 'ctwatch.rules.yml']],
    ['promtool', ['test', 'rules', 'ctwatch.rules.test.yml']],
    ['promtool', ['check', 'config', 'prometheus.yml']],
    ['amtool', ['check-config', 'alertmanager.yml']],
  ])('passes %s %s', (tool, args) => {
    const { status, stdout, stderr } = spawnSync(tool, args, { cwd: CONTRIB, encoding: 'utf8' });
    expect({ status, output: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, output: '' });
  });

  it('makes a notification with the sentence of an incident', async () => {
    const namespace = await createNamespace();
    const { prometheus, alertmanager } = configure();
    const { lines: bodies } = start(namespace, process.execPath, ['-e', WEBHOOK]);
    start(namespace, 'prometheus-alertmanager', [
      ...[`--config.file=${alertmanager}`, `--storage.path=${directory}/am`],
      ...['--web.listen-address=127.0.0.1:9093', '--cluster.listen-address='],
    ]);
    start(namespace, 'prometheus', [
      ...[
        `--config.file=${prometheus}`,
        `--storage.tsdb.path=${directory}/tsdb`,
        '--web.listen-address=127.0.0.1:9090',
      ],
    ]);
    const args = ['stream', '--listen', '127.0.0.1:9751', '--assume-max', '6000'];
    const { child, lines } = start(namespace, process.execPath, [CLI, ...args]);
    const query = async (expression: string) => {
      const { stdout } = await namespace.exec('promtool', [
        'query',
        'instant',
        '--format=json',
        'http://127.0.0.1:9090',
        expression,
      ]);
      return JSON.parse(stdout) as { metric: Record<string, string>; value: [number, string] }[];
    };
    await vi.waitFor(async () => expect((await query('up{job="ctwatch"} == 1')).length).toBe(1), {
      timeout: 30_000,
      interval: 300,
    });

    const traffic = udpFlows(namespace, { count: 3000, rate: 300, dport: 6379 });
    const critical = await vi.waitFor(
      () => {
        const alerts = bodies.flatMap((body) => (JSON.parse(body) as Notification).alerts);
        const found = alerts.find(({ labels }) => labels['name'] === 'time_to_full');
        expect(found).toBeDefined();
        return found;
      },
      { timeout: 30_000, interval: 200 },
    );
    const told = lines.flatMap((line) => parseLines(line)).filter((line) => line.type === 'alert');
    expect(critical?.labels).toMatchObject({
      alertname: 'CtwatchAlert',
      instance: '127.0.0.1:9751',
      key: 'time_to_full',
    });
    const line = told.find(({ msg }) => msg === critical?.annotations['description']);
    expect(line, 'the sentence is that of a line').toBeDefined();
    expect(critical?.annotations['runbook_url']).toBe(line?.rule?.reference);
    expect(critical?.annotations['description']).toMatch(/^conntrack table \d+ % full .* udp to 127\.0\.0\.1:6379/);

    await traffic;
    // Prometheus has exactly what the stream tells, and nothing that it could not store.
    await vi.waitFor(
      async () => {
        const [flows] = await query('ctwatch_new_flows_total');
        expect(Number(flows?.value[1])).toBeGreaterThanOrEqual(3000);
      },
      { timeout: 10_000, interval: 300 },
    );
    const [named] = await query('topk(1, ctwatch_destination_entries{destination!="other"})');
    expect(named?.metric).toMatchObject({ transport: 'udp', destination: '127.0.0.1:6379' });
    const fetching = `fetch('http://127.0.0.1:9751/metrics').then((answer) => answer.text()).then((text) => process.stdout.write(text))`;
    const text = await namespace.exec(process.execPath, ['-e', fetching]);
    const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text.stdout, encoding: 'utf8' });
    expect(stdout + stderr).toBe('');
    child.kill('SIGTERM');
  });
});
