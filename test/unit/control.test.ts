import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { askStatus } from '../../src/cli/control-client.js';
import { type ControlStatus, parseControlRequest } from '../../src/model/control.js';
import type { CtEvent } from '../../src/model/events.js';
import type { Status } from '../../src/pipeline/status.js';
import { type ControlOptions, ControlSink } from '../../src/sinks/control.js';
import { STATUS } from '../support/status.js';

const root = mkdtempSync(join(tmpdir(), 'ctwatch-control-'));
const sinks: ControlSink[] = [];
let sockets = 0;
afterEach(async () => void (await Promise.all(sinks.splice(0).map((sink) => sink.end()))));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const newPath = () => join(root, `${++sockets}.sock`);
const START = { type: 'start' } as CtEvent;
const REQUEST = '{"v":1,"get":"status"}\n';

/** A socket that answers, or has failed. */
async function opened(options: Partial<ControlOptions> & { answer?: () => ControlStatus | undefined } = {}) {
  const { answer = () => STATUS } = options;
  const path = options.path ?? newPath();
  const failures: (string | undefined)[] = [];
  const status = { write: () => {}, observe: () => {}, snapshot: answer } as unknown as Status;
  let settled = () => {};
  const failed = new Promise<void>((resolve) => {
    settled = resolve;
  });
  const onFailure: ControlOptions['onFailure'] = ({ code }) => {
    failures.push(code);
    settled();
  };
  const sink = new ControlSink({ mode: 0o600, monotonicSeconds: () => 0, ...options, path, status, onFailure });
  sinks.push(sink);
  sink.write(START);
  await Promise.race([failed, reachable(path)]);
  return { path, sink, failures };
}

async function reachable(path: string): Promise<void> {
  for (;;) {
    if (existsSync(path) && statSync(path).isSocket() && (await talk(path, REQUEST)) !== '') return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** All that is said until the other side closes. */
function talk(path: string, text: string, then: (socket: Socket) => void = () => {}): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ path, allowHalfOpen: true }, () => {
      socket.write(text);
      then(socket);
    });
    socket.setEncoding('utf8').on('data', (part: string) => {
      said += part;
    });
    socket.on('error', () => {}).on('end', () => socket.destroy());
    socket.on('close', () => resolve(said));
  });
}
const codeOf = (text: string) => (JSON.parse(text) as { error?: { code: string } }).error?.code;

describe('parseControlRequest', () => {
  it.each([
    ['{"v":1,"get":"status"}', { get: 'status' }],
    ['{"v":1,"get":"status","more":[]}', { get: 'status' }],
    ['', { error: 'not_json' }],
    ['status', { error: 'not_json' }],
    ['"status"', { error: 'not_json' }],
    ['[1]', { error: 'not_json' }],
    ['null', { error: 'not_json' }],
    ['{"v":2,"get":"status"}', { error: 'unknown_version' }],
    ['{"get":"status"}', { error: 'unknown_version' }],
    ['{"v":1,"get":"constructor"}', { error: 'unknown_request' }],
    ['{"v":1}', { error: 'unknown_request' }],
    [`${'['.repeat(1000)}`, { error: 'not_json' }],
  ])('%s', (line, expected) => expect(parseControlRequest(line)).toEqual(expected));

  it('takes any text without throwing', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseControlRequest(text)));
  });
});

describe('ControlSink', () => {
  it('answers a line with a line and closes', async () => {
    const { path } = await opened();
    expect(JSON.parse(await talk(path, REQUEST))).toEqual(STATUS);
    expect(await askStatus(path, AbortSignal.timeout(5000))).toEqual(STATUS);
  });

  it('answers a peer that has closed its side, and a line that comes in pieces', async () => {
    const { path } = await opened();
    const halfClosed = await talk(path, REQUEST.trim(), (socket) => socket.end());
    expect(JSON.parse(halfClosed)).toEqual(STATUS);
    const inPieces = await talk(path, REQUEST.slice(0, 5), (socket) =>
      setTimeout(() => socket.write(REQUEST.slice(5)), 20),
    );
    expect(JSON.parse(inPieces)).toEqual(STATUS);
  });

  it('is open from the start event to the end, with the mode it was given', async () => {
    const { path, sink } = await opened({ mode: 0o640 });
    expect(statSync(path).mode & 0o777).toBe(0o640);
    await sink.end();
    expect(existsSync(path)).toBe(false);
  });

  it('leaves the mask of new files as it was', async () => {
    await opened({ mode: 0o600 });
    const path = newPath();
    writeFileSync(path, '', { mode: 0o644 });
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  it.each([
    ['garbage\n', 'not_json'],
    ['{"v":9,"get":"status"}\n', 'unknown_version'],
    ['{"v":1,"get":"secrets"}\n', 'unknown_request'],
    ['x'.repeat(1025), 'too_long'],
    [`${'x'.repeat(1025)}\n`, 'too_long'],
    ['\0\xff\n', 'not_json'],
  ])('refuses %j with a line and goes on', async (text, code) => {
    const { path } = await opened();
    expect(codeOf(await talk(path, text))).toBe(code);
    expect(JSON.parse(await talk(path, REQUEST))).toEqual(STATUS);
  });

  it('has nothing to tell before the first reading', async () => {
    const { path } = await opened({ answer: () => undefined });
    expect(codeOf(await talk(path, REQUEST))).toBe('not_ready');
    await expect(askStatus(path, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: 'ERR_CONTROL_ANSWER' });
  });

  it('waits for nobody: who says nothing, or never reads, is closed', async () => {
    const { path, sink } = await opened({ connectionMs: 50 });
    expect(codeOf(await talk(path, ''))).toBe('too_slow');
    expect(codeOf(await talk(path, '{"v":1'))).toBe('too_slow');
    const big = { ...STATUS, finding: 'x'.repeat(4_000_000) };
    const { path: other } = await opened({ connectionMs: 50, answer: () => big });
    const stalled = connect(other, () => stalled.write(REQUEST));
    const closed = new Promise((resolve) => stalled.on('close', resolve).on('error', () => {}));
    stalled.pause();
    await new Promise((resolve) => setTimeout(resolve, 200));
    stalled.resume();
    await closed;
    expect(stalled.bytesRead).toBeLessThan(4_000_000);
    await sink.end();
  });

  it('keeps 64 connections: the oldest goes, so whoever asks now is answered', async () => {
    const { path } = await opened();
    const idle = Array.from({ length: 100 }, () => talk(path, ''));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(JSON.parse(await talk(path, REQUEST))).toEqual(STATUS);
    expect(codeOf(await (idle[0] ?? ''))).toBe('too_many_connections');
    await sinks[0]?.end();
    const said = await Promise.all(idle);
    // One more went for the question.
    expect(said.filter((text) => text !== '')).toHaveLength(37);
  });

  it('gives 50 answers a second, and again when time has gone by', async () => {
    let seconds = 0;
    const { path } = await opened({ monotonicSeconds: () => seconds });
    const ask = async (count: number) => {
      const said = await Promise.all(Array.from({ length: count }, () => talk(path, REQUEST)));
      return said.filter((text) => codeOf(text) === undefined).length;
    };
    seconds = 10;
    expect(await ask(40)).toBe(40);
    expect(await ask(40)).toBe(10);
    expect(codeOf(await talk(path, REQUEST))).toBe('too_many_requests');
    seconds += 0.21;
    expect(await ask(20)).toBe(10);
  });

  it('replaces a socket that nobody answers on', async () => {
    const path = newPath();
    const dead = createServer().listen(path);
    await new Promise((resolve) => dead.once('listening', resolve));
    // A killed process leaves its socket; closing would remove it, so another name keeps it.
    rmSync(`${path}.kept`, { force: true });
    linkSync(path, `${path}.kept`);
    await new Promise((resolve) => dead.close(resolve));
    const { path: opened1, failures } = await opened({ path: `${path}.kept` });
    expect(failures).toEqual([]);
    expect(JSON.parse(await talk(opened1, REQUEST))).toEqual(STATUS);
  });

  it('leaves alone what another process answers on', async () => {
    const first = await opened();
    const second = await opened({ path: first.path, answer: () => undefined });
    await second.sink.end();
    expect(second.failures).toEqual(['EADDRINUSE']);
    expect(JSON.parse(await talk(first.path, REQUEST))).toEqual(STATUS);
  });

  it('leaves alone what is no socket, and a link to one', async () => {
    const file = newPath();
    writeFileSync(file, 'mine');
    expect((await opened({ path: file })).failures).toEqual(['EEXIST']);
    expect(readFileSync(file, 'utf8')).toBe('mine');
    const { path } = await opened();
    const link = newPath();
    symlinkSync(path, link);
    expect((await opened({ path: link })).failures).toEqual(['EEXIST']);
  });

  it('tells that there is no such directory', async () => {
    expect((await opened({ path: join(root, 'none', 'x.sock') })).failures).toEqual(['ENOENT']);
  });
});

describe('askStatus', () => {
  const listening = async (onConnection: (socket: Socket) => void) => {
    const path = newPath();
    const server = createServer(onConnection).listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    return { path, close: () => server.close() };
  };

  it.each([
    ['nothing', (socket: Socket) => socket.end(), 'ERR_CONTROL_ANSWER'],
    ['no JSON', (socket: Socket) => socket.end('hello\n'), 'ERR_CONTROL_ANSWER'],
    ['something else', (socket: Socket) => socket.end('{"v":1}\n'), 'ERR_CONTROL_ANSWER'],
    ['without end', (socket: Socket) => socket.write('x'.repeat(2_000_000)), 'ERR_CONTROL_ANSWER'],
    ['a reset', (socket: Socket) => socket.destroy(), 'ERR_CONTROL_ANSWER'],
  ])('refuses an answer that is %s', async (_, onConnection, code) => {
    const { path, close } = await listening((socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    });
    await expect(askStatus(path, AbortSignal.timeout(5000))).rejects.toMatchObject({ code });
    close();
  });

  it('ends with the reason of its signal when nobody answers', async () => {
    const hanging: Socket[] = [];
    const { path, close } = await listening((socket) => hanging.push(socket));
    await expect(askStatus(path, AbortSignal.timeout(50))).rejects.toMatchObject({ name: 'TimeoutError' });
    for (const socket of hanging) socket.destroy();
    close();
  });

  it('says that nobody is there', async () => {
    await expect(askStatus(newPath(), AbortSignal.timeout(5000))).rejects.toMatchObject({
      code: 'ERR_CONTROL_UNREACHABLE',
      errno: 'ENOENT',
    });
  });
});
