import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tellNotice } from '../../src/cli/notices.js';
import { openOutput } from '../../src/cli/output.js';
import type { CtwatchError } from '../../src/model/errors.js';
import { type CtEvent, eventSchema } from '../../src/model/events.js';
import type { OutputSettings } from '../../src/model/output-settings.js';
import { defaultSettings } from '../../src/model/settings.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ctwatch-output-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const AT = 1_790_000_000;
/** Only what a sink looks at. */
const event = (type: CtEvent['type'], msg: string) =>
  ({ type, level: 'info', unixSeconds: AT, msg }) as unknown as CtEvent;
const flow = (id: number): CtEvent =>
  ({
    ...event('flow', `new tcp ${id}`),
    ...{ action: 'new', network: { transport: 'tcp' }, source: { ip: '10.0.0.9' }, destination: { ip: '10.0.0.5' } },
    conntrack: { id, zone: 0, mark: 0 },
  }) as CtEvent;

function openAt(output: Partial<OutputSettings>) {
  const told: CtEvent[] = [];
  const closings: (CtwatchError | undefined)[] = [];
  const sink = openOutput({
    settings: { ...defaultSettings, output: { ...defaultSettings.output, ...output } },
    onClosed: (error) => closings.push(error),
    notices: { tell: (code, details) => tellNotice({ write: (each) => void told.push(each) }, code, details) },
    losses: { write: (each) => void told.push(each) },
  });
  return { sink, told, closings };
}
const at = (name: string) => join(directory, name);
const messages = (name: string) =>
  readFileSync(at(name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).msg as string);

describe('openOutput', () => {
  it('writes flows to their file and the others to theirs, in order', async () => {
    const { sink, told } = openAt({ file: at('all.ndjson'), flows_file: at('flows.ndjson') });
    for (const each of [event('start', 'start'), flow(1), event('sample', 'sample'), flow(2), event('stop', 'stop')]) {
      sink.write(each);
    }
    await sink.end();
    expect(messages('all.ndjson')).toEqual(['start', 'sample', 'stop']);
    expect(messages('flows.ndjson')).toEqual(['new tcp 1', 'new tcp 2']);
    expect(told).toEqual([]);
  });

  it('writes one file when both names lead to it', async () => {
    const { sink } = openAt({ file: at('all.ndjson'), flows_file: join(directory, '.', 'all.ndjson') });
    for (const each of [event('start', 'start'), flow(1)]) sink.write(each);
    await sink.end();
    expect(messages('all.ndjson')).toEqual(['start', 'new tcp 1']);
  });

  it('does not begin where the stream has nowhere to go', () => {
    const errorAt = (output: Partial<OutputSettings>) => {
      try {
        openAt(output);
      } catch (error) {
        return error;
      }
      return undefined;
    };
    expect(errorAt({ file: directory })).toMatchObject({ code: 'ERR_OUTPUT_FILE', exitStatus: 2 });
    expect(errorAt({ flows_file: directory })).toMatchObject({ code: 'ERR_OUTPUT_FILE' });
    expect(errorAt({ file: at('none/all.ndjson') })).toMatchObject({
      ...{ code: 'ERR_OUTPUT', errno: 'ENOENT', exitStatus: 1, operation: `open ${at('none/all.ndjson')}` },
      remedy: `sudo install -d -m 0750 -o "$USER" ${at('none')}`,
    });
  });

  it('begins without the file for flows, tells it, and writes it when it can', async () => {
    const { sink, told } = openAt({ file: at('all.ndjson'), flows_file: at('later/flows.ndjson') });
    sink.write(event('start', 'start'));
    sink.write(flow(1));
    const file = { path: at('later/flows.ndjson') };
    expect(told).toMatchObject([{ type: 'notice', level: 'warn', code: 'output_failed', file }]);
    expect(told[0]?.msg).toContain('(ENOENT)');
    mkdirSync(at('later'));
    sink.reopen?.();
    expect(told[1]).toMatchObject({ code: 'output_restored', level: 'info', file });
    const line = { ...told[0], host: 'web-1', v: 1, time: new Date(AT * 1000).toISOString() };
    expect(v.safeParse(eventSchema, line).success).toBe(true);
    await sink.end();
    expect(messages('later/flows.ndjson')).toEqual(['new tcp 1']);
  });

  it('writes as many flows as one turn brings, however little may wait', async () => {
    const { sink, told } = openAt({ flows_file: at('flows.ndjson'), rotate_bytes: 2_000_000 });
    for (let id = 0; id < 65_536; id++) sink.write(flow(id));
    await sink.end();
    expect(told).toEqual([]);
    const names = readdirSync(directory);
    expect(names.length).toBeGreaterThan(5);
    expect(names.flatMap(messages).length).toBe(65_536);
  });

  it('tells what was lost of the flows before the last line', async () => {
    symlinkSync('/dev/full', at('flows.ndjson'));
    const { sink, told } = openAt({ file: at('all.ndjson'), flows_file: at('flows.ndjson') });
    for (let id = 0; id < 40_000; id++) sink.write(flow(id));
    sink.write(event('stop', 'stop'));
    expect(told).toMatchObject([
      { type: 'notice', code: 'output_failed' },
      { type: 'loss', phase: 'start' },
      { type: 'loss', phase: 'end', file: { path: at('flows.ndjson') } },
    ]);
    // Nothing is left to be told at the end, after the stop line.
    await sink.end();
    expect(told.length).toBe(3);
  });

  it('ends with an error when the last lines find no room', async () => {
    symlinkSync('/dev/full', at('all.ndjson'));
    const { sink, told, closings } = openAt({ file: at('all.ndjson') });
    sink.write(event('start', 'start'));
    await sink.end();
    expect(told).toMatchObject([{ code: 'output_failed', remedy: `df -h ${directory}` }]);
    expect(closings).toMatchObject([{ code: 'ERR_OUTPUT', errno: 'ENOSPC', operation: `write ${at('all.ndjson')}` }]);
    expect(readdirSync(directory)).toEqual(['all.ndjson']);
  });
});
