import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { CLI, parseLines, runCli } from './cli.js';

afterEach(removeNamespaces);
const directory = mkdtempSync(join(tmpdir(), 'ctwatch-reload-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('SIGHUP', () => {
  it('reads the configuration again; a bad one changes nothing and says why', async () => {
    const namespace = await createNamespace();
    const config = join(directory, 'reload.toml');
    writeFileSync(config, 'interval = "1h"\n');
    const next = ['interval = "0.25s"\nreceive_buffer_bytes = 8192\n', 'burst = 4\n'];
    const { status, stdout, stderr } = await runCli({
      args: ['stream', '--netns', namespace.name, '--config', config],
      onLine: (line, child) => {
        if (line.includes('"type":"stop"') || line.includes('"type":"notice"')) return;
        const text = next.shift();
        if (text === undefined) {
          if (line.includes('"type":"sample"')) child.kill('SIGTERM');
          return;
        }
        writeFileSync(config, text);
        child.kill('SIGHUP');
      },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = parseLines(stdout);
    expect(lines.filter(({ type }) => type === 'config')).toMatchObject([
      { outcome: 'applied', changed: ['interval'], needs_restart: ['receive_buffer_bytes'] },
      { outcome: 'rejected', error: { code: 'ERR_BAD_CONFIG', operation: `burst in ${config}` } },
    ]);
    expect(lines.at(-1)).toMatchObject({ type: 'stop', reason: 'SIGTERM' });
  });

  it('ends the stream when its input is a terminal, which has gone', async () => {
    const namespace = await createNamespace();
    const [output, pid] = [join(directory, 'lines'), join(directory, 'pid')];
    const command = `echo $$ > ${pid}; exec "${process.execPath}" "${CLI}" stream --netns ${namespace.name} > ${output}`;
    const child = spawn('python3', ['-c', `import pty; pty.spawn(["sh", "-c", ${JSON.stringify(command)}])`], {
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    const isStarted = () => {
      try {
        return readFileSync(output, 'utf8').includes('\n');
      } catch {
        return false;
      }
    };
    while (!isStarted()) await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill(Number(readFileSync(pid, 'utf8')), 'SIGHUP');
    await ended;
    expect(parseLines(readFileSync(output, 'utf8')).at(-1)).toMatchObject({ type: 'stop', reason: 'SIGHUP' });
  });
});
