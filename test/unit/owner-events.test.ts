/** What lines say of owners, live and replayed. */
import { PassThrough } from 'node:stream';
import { lastValueFrom, toArray } from 'rxjs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { CtwatchError } from '../../src/model/errors.js';
import { type CtEvent, eventSchema } from '../../src/model/events.js';
import { type Owner, type OwnerSighting, ownerKey } from '../../src/model/owner.js';
import type { SourceRecord } from '../../src/model/record.js';
import { defaultSettings } from '../../src/model/settings.js';
import { toEvents } from '../../src/pipeline/events.js';
import { observe } from '../../src/pipeline/observation.js';
import { fromSource } from '../../src/pipeline/source.js';
import { readRecording } from '../../src/recording/recording.js';
import { replaySource as replayFiles } from '../../src/recording/replay-source.js';
import { NdjsonSink } from '../../src/sinks/ndjson.js';
import { chunksOf, recordToMemory } from '../support/recordings.js';
import { replaySource, syntheticRecords } from '../support/records.js';

const parts = { unit: 'sidekiq.service', name: 'ruby', uid: 1000 };
const RUBY: Owner = {
  ...parts,
  key: ownerKey(parts),
  ...{ pid: 4121, startTicks: 500, startUnixSeconds: 1_789_990_000, threads: 25, user: 'deploy' },
};
const FLOW = { family: 2, protocol: 6, destination: '10.0.0.5', port: 6379, source: '10.0.0.9' } as const;

/** 100/s to 10.0.0.5:6379, four times that from the 21st second on, with what was looked up before each tick. */
function recordsWith(sightings: readonly OwnerSighting[]): SourceRecord[] {
  const rate = (second: number) => (second > 20 ? 400 : 100);
  const records = syntheticRecords({ seconds: 30, newPerSecond: rate, lifetimeSeconds: 5 });
  return records.flatMap((record): SourceRecord[] =>
    record.type === 'tick' ? [{ type: 'owners', at: record.at, sightings }, record] : [record],
  );
}

async function eventsOf(source: ReturnType<typeof replaySource>, settings = defaultSettings): Promise<CtEvent[]> {
  const events = fromSource(source).pipe(observe(settings), toEvents(settings, '9.9.9'), toArray());
  return await lastValueFrom(events);
}

/** As printed, each held against the contract. */
async function linesOf(events: readonly CtEvent[]): Promise<string[]> {
  const output = new PassThrough({ highWaterMark: 2 ** 24 });
  const sink = new NdjsonSink({ stream: output, hostname: 'web-1' });
  for (const event of events) sink.write(event);
  const ended = sink.end();
  const lines = String(output.read()).trim().split('\n');
  await ended;
  for (const line of lines) expect(v.parse(eventSchema, JSON.parse(line))).toEqual(JSON.parse(line));
  return lines;
}

const TOLD: readonly OwnerSighting[] = [
  { ...FLOW, direction: 'originated', count: 9, owner: RUBY },
  { ...FLOW, direction: 'originated', count: 1 },
];

const RUBY_FIELDS = {
  owner: 'sidekiq.service/ruby',
  process: { pid: 4121, name: 'ruby', threads: 25, start: '2026-09-21T11:26:40.000Z' },
  service: { name: 'sidekiq.service' },
  user: { id: '1000', name: 'deploy' },
  owner_ratio: 1,
  attributed_ratio: 0.9,
};

describe('lines', () => {
  it('name the owner of a destination in samples, bursts and alerts', async () => {
    const events = await eventsOf(replaySource(recordsWith(TOLD)));
    await linesOf(events);
    const samples = events.flatMap((event) => (event.type === 'sample' ? [event] : []));
    expect(samples.at(-1)?.top[0]).toMatchObject(RUBY_FIELDS);
    const burst = events.find((event) => event.type === 'burst');
    expect(burst?.type === 'burst' && burst.top?.[0]).toMatchObject(RUBY_FIELDS);
    const alert = events.find((event) => event.type === 'alert');
    expect(alert?.type === 'alert' && alert.culprits[0]).toMatchObject(RUBY_FIELDS);
  });

  it('are the same when they are replayed, to the byte', async () => {
    const records = recordsWith(TOLD);
    const { files } = await recordToMemory(records);
    const live = await linesOf(await eventsOf(replaySource(records)));
    const chunks = files.map((file, i) => chunksOf(file, `file ${i}`));
    const replayed = await linesOf(await eventsOf(replayFiles({ groups: readRecording(chunks) })));
    expect(replayed).toEqual(live);
    expect(live.join('\n')).toContain('sidekiq.service');
  });

  it('say that flows are forwarded, and name nobody', async () => {
    const events = await eventsOf(replaySource(recordsWith([{ ...FLOW, direction: 'forwarded', count: 4 }])));
    const sample = events.findLast((event) => event.type === 'sample');
    const top = sample?.type === 'sample' ? sample.top[0] : undefined;
    expect(top).toMatchObject({ destination: { port: 6379 }, forwarded_ratio: 1 });
    for (const field of ['owner', 'process', 'attributed_ratio']) expect(top).not.toHaveProperty(field);
  });

  it('name a container and its pod', async () => {
    const owner: Owner = { key: 'f00d/web', container: 'f00d', pod: '8f2a1c3e', name: 'web', uid: 0 };
    const events = await eventsOf(replaySource(recordsWith([{ ...FLOW, direction: 'accepted', count: 4, owner }])));
    const sample = events.findLast((event) => event.type === 'sample');
    expect(sample?.type === 'sample' && sample.top[0]).toMatchObject({
      owner: 'f00d/web',
      process: { name: 'web' },
      container: { id: 'f00d', pod: '8f2a1c3e' },
      user: { id: '0' },
    });
  });

  it('tell when owners cannot be asked for, and when they can again, live and replayed', async () => {
    const error = new CtwatchError({ code: 'ERR_REQUEST_TIMEOUT', operation: 'socket-lookup', errno: 'ETIMEDOUT' });
    let second = 0;
    const records = recordsWith(TOLD).map((record): SourceRecord => {
      if (record.type !== 'owners') return record;
      second = record.at.monotonicSeconds - 1000;
      return second < 5 || second > 9 ? record : { ...record, sightings: [], error };
    });
    const events = await eventsOf(replaySource(records));
    const notices = events.flatMap((event) => (event.type === 'notice' ? [event] : []));
    expect(notices.map(({ code, level }) => `${code} ${level}`)).toEqual(['owners_failed warn', 'owners_told info']);
    expect(notices[0]?.msg).toContain('socket-lookup: the kernel did not answer a request in time, ETIMEDOUT');
    const { files } = await recordToMemory(records);
    const chunks = files.map((file, i) => chunksOf(file, `file ${i}`));
    const replayed = await linesOf(await eventsOf(replayFiles({ groups: readRecording(chunks) })));
    expect(replayed).toEqual(await linesOf(events));
  });

  it('tell once that nobody is whom a budget names', async () => {
    const budget = [
      { owner: 'sidekq.service', max_entries: 50 },
      { owner: 'process:ruby', max_entries: 50_000 },
    ];
    const records = recordsWith(TOLD).map((record) => {
      const at = { ...record.at, monotonicSeconds: 1000 + (record.at.monotonicSeconds - 1000) * 40 };
      return { ...record, at } as SourceRecord;
    });
    const events = await eventsOf(replaySource(records), { ...defaultSettings, budget });
    const notices = events.flatMap((event) =>
      event.type === 'notice' && !event.code.startsWith('table_') ? [event] : [],
    );
    expect(notices.map(({ code, msg }) => [code, msg])).toEqual([
      ['budget_owner_unseen', 'budget of sidekq.service: nobody of that name was seen in 10 min'],
    ]);
    await linesOf(events);
  });

  it('say nothing of owners when none were looked up', async () => {
    const events = await eventsOf(replaySource(recordsWith([])));
    for (const event of events) expect(JSON.stringify(event)).not.toMatch(/owner|attributed|forwarded/);
  });
});
