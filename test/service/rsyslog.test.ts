/** Debian's rsyslogd and logrotate with the files of contrib/, and the lines of the real program. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { flushTable, udpFlows } from '../kernel/traffic.js';
import { CLI } from '../process/cli.js';

const CONTRIB = fileURLToPath(new URL('../../contrib/', import.meta.url));

let directory: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ctwatch-rsyslog-'));
  mkdirSync(join(directory, 'logs'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  await removeNamespaces();
  rmSync(directory, { recursive: true, force: true });
});

/** The fields that tell one flow event from all others. */
const FIELDS = ['action', 'conntrack.id', 'source.ip', 'source.port', 'destination.port', 'network.transport'] as const;

/**
 * rsyslogd with contrib/rsyslog/ctwatch.conf, its paths below the directory, and the parsed fields of each flow in a file instead
 * of at another host. In namespaces of its own: it binds nothing of this host.
 */
async function startRsyslog(): Promise<{ readonly parsed: string; readonly alerts: string }> {
  const parsed = join(directory, 'parsed');
  const alerts = join(directory, 'alerts.log');
  const fields = FIELDS.map((field) => `%$!${field.replaceAll('.', '!')}%`).join(' ');
  const target = `if ($!type == "flow") then action(type="omfile" file="${parsed}" template="parsed")`;
  const given = readFileSync(join(CONTRIB, 'rsyslog/ctwatch.conf'), 'utf8')
    .replaceAll('/var/log/ctwatch/', `${directory}/logs/`)
    .replaceAll('/var/log/ctwatch-alerts.log', alerts)
    .replace(/action\(type="omfwd"[^)]*\)/, target);
  expect(given).toContain(target);
  const configuration = join(directory, 'rsyslog.conf');
  mkdirSync(join(directory, 'state'));
  const head = `global(workDirectory="${directory}/state")\ntemplate(name="parsed" type="string" string="${fields}\\n")\n`;
  writeFileSync(configuration, head + given);
  const args = ['-n', '-f', configuration, '-i', join(directory, 'rsyslogd.pid')];
  children.push(
    spawn('unshare', ['--mount', '--net', 'rsyslogd', ...args], { stdio: ['ignore', 'inherit', 'inherit'] }),
  );
  await until(() => existsSync(join(directory, 'rsyslogd.pid')));
  return { parsed, alerts };
}

async function until(condition: () => boolean, seconds = 30): Promise<void> {
  for (const deadline = performance.now() + seconds * 1000; !condition(); ) {
    if (performance.now() > deadline) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const countLines = (path: string) => read(path).split('\n').length - 1;

/** The same fields of all flow lines that ctwatch has written, whichever file they are in by now. */
function written(): string[] {
  const names = readdirSync(join(directory, 'logs')).filter((name) => name.startsWith('flows.ndjson'));
  const lines = names.flatMap((name) => read(join(directory, 'logs', name)).split('\n'));
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const flow = JSON.parse(line);
      return FIELDS.map((field) => field.split('.').reduce((value, key) => value[key], flow)).join(' ');
    });
}

async function startStream(args: readonly string[]) {
  const namespace = await createNamespace();
  const output = ['--output', join(directory, 'logs/ctwatch.ndjson'), '--flows', join(directory, 'logs/flows.ndjson')];
  const child = spawn(process.execPath, [CLI, 'stream', '--netns', namespace.name, ...output, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  const told = (text: string) => until(() => read(join(directory, 'logs/ctwatch.ndjson')).includes(text));
  await told('"type":"start"');
  return { namespace, child, told };
}

describe('rsyslog', () => {
  it('accepts its file as it is', () => {
    // Behind what Debian's own file says, which has the working directory.
    const main = `${read('/etc/rsyslog.conf')}\ninclude(file="${join(CONTRIB, 'rsyslog/ctwatch.conf')}")\n`;
    writeFileSync(join(directory, 'main.conf'), main);
    const checked = spawnSync('rsyslogd', ['-N1', '-f', join(directory, 'main.conf')], { encoding: 'utf8' });
    expect(checked.stderr).toMatch(/End of config validation run/);
    expect(checked.status).toBe(0);
  });

  it('gets 50,000 lines with their fields out of files that rotate, each once', async () => {
    const { parsed, alerts } = await startRsyslog();
    // Small files, but none that comes and goes before it could be opened: rsyslog learns of them by their name.
    const args = ['--rotate-bytes', '4MB', '--keep', '10', '--assume-max', '2000', '--interval', '1s'];
    const { namespace, child, told } = await startStream(args);
    await udpFlows(namespace, { count: 23_000, rate: 6000, flushEvery: 1000 });
    await flushTable(namespace);
    await udpFlows(namespace, { count: 2000, dport: 30_000 });
    await told('"name":"usage"');
    await flushTable(namespace);
    await told('"destroy":25000,');
    child.kill('SIGTERM');
    await once(child, 'exit');
    await until(() => countLines(parsed) >= 50_000);
    expect(readdirSync(join(directory, 'logs')).length).toBeGreaterThan(4);
    const lines = read(parsed).trimEnd().split('\n').sort();
    expect(lines.length).toBe(50_000);
    expect(lines).toEqual(written().sort());
    expect(read(alerts)).toMatch(/^\S+Z \S+ ctwatch alert error: conntrack table 100 % full .*\n/m);
  });

  it('follows files that logrotate renames', async () => {
    const { parsed } = await startRsyslog();
    const { namespace, child, told } = await startStream(['--rotate-bytes', '0', '--interval', '1s']);
    const rules = readFileSync(join(CONTRIB, 'logrotate/ctwatch'), 'utf8')
      .replaceAll('/var/log/ctwatch/', `${directory}/logs/`)
      .replace(/if systemctl .*/, `kill -HUP ${child.pid}`);
    expect(rules).toContain(`kill -HUP ${child.pid}`);
    writeFileSync(join(directory, 'rules'), rules, { mode: 0o600 });
    const rotate = () =>
      execFileSync('logrotate', ['--force', '--state', join(directory, 'rotated'), join(directory, 'rules')]);
    const traffic = udpFlows(namespace, { count: 10_000, rate: 4000 });
    await new Promise((resolve) => setTimeout(resolve, 800));
    rotate();
    await traffic;
    await told('"new":10000,');
    await until(() => countLines(parsed) >= 10_000);
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(readdirSync(join(directory, 'logs')).sort()).toEqual([
      'ctwatch.ndjson',
      'ctwatch.ndjson.1',
      'flows.ndjson',
      'flows.ndjson.1',
    ]);
    const lines = read(parsed).trimEnd().split('\n').sort();
    expect(lines.length).toBe(10_000);
    expect(lines).toEqual(written().sort());
  });
});
