import { PassThrough, Writable } from 'node:stream';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { CtwatchError } from '../../src/model/errors.js';
import { type CtEvent, eventSchema } from '../../src/model/events.js';
import { NdjsonSink } from '../../src/sinks/ndjson.js';

function notice(text: string): CtEvent {
  return { type: 'notice', level: 'info', unixSeconds: 1_790_000_000.25, msg: text, code: 'c', text, remedy: 'r' };
}

function flow(id: number): CtEvent {
  return {
    ...{ type: 'flow', level: 'info', unixSeconds: 1_790_000_000, msg: `new tcp ${id}`, action: 'new' },
    ...{ network: { transport: 'tcp' }, source: { ip: '10.0.0.9' }, destination: { ip: '10.0.0.5' } },
    conntrack: { id, zone: 0, mark: 0 },
  } as CtEvent;
}

/** A reader that takes nothing until `resume`. */
class StalledReader extends Writable {
  text = '';
  #waiting: (() => void)[] | undefined = [];

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    if (this.#waiting === undefined) done();
    else this.#waiting.push(done);
  }

  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const done of waiting) done();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const linesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => v.parse(eventSchema, JSON.parse(line)));

describe('NdjsonSink', () => {
  it('writes one line of the contract for each event, in order', async () => {
    const stream = new PassThrough();
    const sink = new NdjsonSink({ stream, hostname: 'web-1', netns: 'blue' });
    for (let i = 0; i < 3; i++) sink.write(notice(`n${i}`));
    const ended = sink.end();
    const lines = linesOf(String(stream.read()));
    await ended;
    expect(lines.map(({ msg }) => msg)).toEqual(['n0', 'n1', 'n2']);
    expect(lines[0]).toEqual({
      ...{ time: '2026-09-21T14:13:20.250Z', level: 'info', type: 'notice', host: 'web-1', v: 1, netns: 'blue' },
      ...{ msg: 'n0', code: 'c', text: 'n0', remedy: 'r' },
    });
  });

  it('keeps a bounded queue for a stalled reader, prefers other lines to flows, and tells exactly what it dropped', async () => {
    const stream = new StalledReader();
    const sink = new NdjsonSink({ stream, hostname: 'web-1', queueBytes: 20_000 });
    for (let i = 0; i < 1000; i++) sink.write(flow(i));
    sink.write(notice('still room for this'));
    await turn();
    expect(stream.writableLength).toBeLessThan(21_000);
    stream.resume();
    for (let i = 0; i < 3; i++) await turn();
    sink.write(notice('after'));
    await sink.end();
    const lines = linesOf(stream.text);
    const losses = lines.filter((line) => line.type === 'loss');
    expect(losses.map(({ phase }) => phase)).toEqual(['start', 'end']);
    const kept = lines.filter(({ type }) => type === 'flow').length;
    expect(losses[1]).toMatchObject({ cause: 'output', lost_lines: 1000 - kept, lost_flow_lines: 1000 - kept });
    expect(kept).toBeGreaterThan(10);
    expect(lines.map(({ msg }) => msg)).toContain('still room for this');
    expect(lines.at(-1)?.msg).toBe('after');
  });

  it('names its file in what it drops, and tells that elsewhere if asked', async () => {
    const stream = new StalledReader();
    const told: CtEvent[] = [];
    const tellLoss = (loss: CtEvent) => void told.push(loss);
    const sink = new NdjsonSink({ stream, hostname: 'web-1', queueBytes: 2000, path: '/logs/flows.ndjson', tellLoss });
    for (let i = 0; i < 100; i++) sink.write(flow(i));
    await turn();
    stream.resume();
    for (let i = 0; i < 3; i++) await turn();
    await sink.end();
    const kept = linesOf(stream.text);
    expect(kept.every(({ type }) => type === 'flow')).toBe(true);
    expect(told).toMatchObject([
      { type: 'loss', phase: 'start', file: { path: '/logs/flows.ndjson' } },
      { type: 'loss', phase: 'end', lost_flow_lines: 100 - kept.length, file: { path: '/logs/flows.ndjson' } },
    ]);
    expect(told[1]?.msg).toBe(
      `${100 - kept.length} lines of /logs/flows.ndjson were dropped: its disk was full, failed or was too slow`,
    );
  });

  it('ends as soon as a slow reader has taken the last line, however little waits', async () => {
    const stream = new StalledReader();
    const sink = new NdjsonSink({ stream, hostname: 'web-1' });
    sink.write(notice('last'));
    let ended = false;
    const end = sink.end().then(() => {
      ended = true;
    });
    await turn();
    expect(ended).toBe(false);
    stream.resume();
    for (let i = 0; i < 3; i++) await turn();
    expect(ended).toBe(true);
    await end;
    expect(linesOf(stream.text).map(({ msg }) => msg)).toEqual(['last']);
  });

  it('closes quietly when the reader goes away, once', async () => {
    const stream = new PassThrough();
    const closings: (CtwatchError | undefined)[] = [];
    const sink = new NdjsonSink({ stream, hostname: 'web-1', onClosed: (error) => closings.push(error) });
    stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await turn();
    sink.write(notice('to nobody'));
    await sink.end();
    expect(closings).toEqual([undefined]);
  });

  it('reports any other failure of the stream', async () => {
    const stream = new PassThrough();
    const closings: (CtwatchError | undefined)[] = [];
    new NdjsonSink({ stream, hostname: 'web-1', onClosed: (error) => closings.push(error) });
    stream.destroy(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
    await turn();
    expect(closings).toEqual([expect.objectContaining({ code: 'ERR_OUTPUT', errno: 'ENOSPC' })]);
  });
});
