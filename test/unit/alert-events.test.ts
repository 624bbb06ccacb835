import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { PRESENT } from '../../src/model/batch.js';
import type { CtEvent, EventOf } from '../../src/model/events.js';
import type { SourceRecord } from '../../src/model/record.js';
import { defaultSettings, type Settings } from '../../src/model/settings.js';
import { toEvents } from '../../src/pipeline/events.js';
import { observe } from '../../src/pipeline/observation.js';
import { fromSource } from '../../src/pipeline/source.js';
import { batchOf, replaySource, syntheticRecords } from '../support/records.js';

const TIME_WAIT = 7;
const SYN_SENT = 1;
const BASE_SECONDS = 20;

/** A source of 60/s that makes 240/s from second 20 on; five flows a second are looked up, found in the state of that second. */
function incident(seconds: number, stateAt: (second: number) => number | undefined): SourceRecord[] {
  const rate = (second: number) => (second <= BASE_SECONDS ? 60 : 240);
  const records = syntheticRecords({ seconds, lifetimeSeconds: 120, newPerSecond: rate });
  return records.flatMap((record) => {
    const second = record.at.monotonicSeconds - 1000;
    const state = stateAt(second);
    if (record.type !== 'tick' || !Number.isInteger(second) || state === undefined) return [record];
    const batch = batchOf(Array.from({ length: 5 }, (_, id) => ({ id })));
    for (let row = 0; row < 5; row++) {
      batch.columns.tcpState[row] = state;
      batch.columns.status[row] = state === SYN_SENT ? 0 : 2;
      batch.columns.present[row] = (batch.columns.present[row] ?? 0) | PRESENT.tcpState | PRESENT.status;
    }
    return [record, { type: 'lookups', at: record.at, ageSeconds: 2, batch } satisfies SourceRecord];
  });
}

async function alertsOf(records: readonly SourceRecord[], settings: Partial<Settings> = {}) {
  const all: Settings = { ...defaultSettings, assume_max: 9000, ...settings };
  const events: CtEvent[] = await lastValueFrom(
    fromSource(replaySource(records)).pipe(observe(all), toEvents(all, '0'), toArray()),
  );
  return events.filter((event): event is EventOf<'alert'> => event.type === 'alert');
}

const codesOf = (alerts: readonly EventOf<'alert'>[]) =>
  alerts.map(({ name, severity, diagnosis }) => `${name} ${severity} ${diagnosis?.code}`);

describe('an alert that fires', () => {
  it('is told again once its diagnosis is clear', async () => {
    const alerts = await alertsOf(incident(40, (second) => (second < 30 ? undefined : TIME_WAIT)));
    const told = codesOf(alerts);
    expect(told[0]).toBe('burst warning unclear');
    const clear = alerts.filter(({ diagnosis }) => diagnosis?.code === 'connection_churn');
    expect(clear.length).toBeGreaterThan(0);
    expect(clear[0]?.key).toBe('time_to_full');
    expect(clear[0]?.unixSeconds).toBeGreaterThan(1_790_000_030);
    expect(clear[0]?.msg).toContain('It looks like connections that are not being reused.');
    // Once, not each second.
    expect(clear.filter(({ severity }) => severity === clear[0]?.severity)).toHaveLength(1);
  });

  it('refers to its page', async () => {
    const records = incident(30, () => undefined);
    const referred = (settings: Partial<Settings>) =>
      alertsOf(records, settings).then(([first]) => first?.rule?.reference);
    expect(await referred({ runbook_url: 'https://wiki.example/{name}?from={name}' })).toBe(
      'https://wiki.example/burst?from=burst',
    );
    expect(await referred({ runbook_url: '' })).toBeUndefined();
    expect(await referred({})).toBeUndefined();
  });

  it('changes its mind, but not at once', async () => {
    const alerts = await alertsOf(incident(60, (second) => (second < 30 ? TIME_WAIT : SYN_SENT)));
    const dead = alerts.find(({ diagnosis }) => diagnosis?.code === 'dead_backend');
    expect(codesOf(alerts).some((text) => text.endsWith('connection_churn'))).toBe(true);
    expect((dead?.unixSeconds ?? 0) - 1_790_000_030).toBeGreaterThan(10);
  });

  it('is told once when nothing becomes clear', async () => {
    const told = codesOf(await alertsOf(incident(40, () => undefined)));
    expect(new Set(told).size).toBe(told.length);
    expect(told.every((text) => text.endsWith('unclear'))).toBe(true);
  });

  it('advises what the culprit can do, with its effect', async () => {
    const budget = [{ destination: '10.0.0.5:6379', max_entries: 50 }];
    const alerts = await alertsOf(
      incident(40, () => TIME_WAIT),
      { budget },
    );
    const advised = alerts.filter(({ advice }) => advice.length > 0).at(-1);
    expect(advised?.advice[0]?.text).toMatch(
      /^a pool of connections \(tcp to 10\.0\.0\.5:6379\) lets it settle at \d+ %$/,
    );
    expect(advised?.advice[0]?.effect?.plateau_ratio).toBeLessThan(0.5);
    expect(advised?.culprits[0]).toMatchObject({ expected_entries: 50 });
    expect(alerts.find(({ name }) => name === 'budget')).toMatchObject({
      ...{ key: 'budget 10.0.0.5:6379', severity: 'warning' },
      budget: { destination: '10.0.0.5:6379', max_entries: 50 },
      culprits: [{ destination: { ip: '10.0.0.5', port: 6379 } }],
    });
  });
});
