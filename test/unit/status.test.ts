import { lastValueFrom, toArray } from 'rxjs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { controlAnswerSchema } from '../../src/model/control.js';
import type { CtEvent } from '../../src/model/events.js';
import { defaultSettings } from '../../src/model/settings.js';
import { observe } from '../../src/pipeline/observation.js';
import { fromSource } from '../../src/pipeline/source.js';
import { Status } from '../../src/pipeline/status.js';
import { replaySource, syntheticRecords } from '../support/records.js';

const status = (settings = {}) =>
  new Status({ settings: () => ({ ...defaultSettings, ...settings }), version: '9.9.9', hostname: 'web-1' });

async function busyTick() {
  const records = syntheticRecords({ seconds: 20, newPerSecond: () => 100, lifetimeSeconds: 5 });
  const observations = await lastValueFrom(fromSource(replaySource(records)).pipe(observe(defaultSettings), toArray()));
  const tick = observations.findLast((observation) => observation.type === 'tick');
  if (tick === undefined) throw new Error('no tick');
  return tick;
}

const alert = (name: string, more: object = {}) =>
  ({
    ...{ type: 'alert', level: 'warn', unixSeconds: 0, name, phase: 'firing', severity: 'warning', key: name },
    ...{ since: '2026-11-23T14:02:11.000Z', msg: `${name} it is`, table: {}, culprits: [], advice: [], ...more },
  }) as unknown as CtEvent;

describe('Status', () => {
  it('knows nothing before the first reading', () => {
    expect(status().snapshot(5)).toBeUndefined();
  });

  it('tells the last reading, its age, and who fills the table, by the contract', async () => {
    const tick = await busyTick();
    const own = status({ netns: 'web' });
    own.observe(tick);
    const told = own.snapshot(tick.at.monotonicSeconds + 1.5);
    expect(v.parse(controlAnswerSchema, told)).toEqual(told);
    expect(told).toMatchObject({
      ...{ v: 1, version: '9.9.9', host: 'web-1', netns: 'web', age_seconds: 1.5, uptime_seconds: tick.uptimeSeconds },
      table: { max: 16_000 },
      rate: { new_per_second: 100 },
      totals: { new: 2000, lost_new: 0 },
      finding: expect.stringContaining('10.0.0.5'),
      alerts: [],
      thresholds: { usage: { warning_ratio: 0.8, critical_ratio: 0.9 } },
    });
  });

  it('tells the thresholds that hold now', async () => {
    let current = defaultSettings;
    const own = new Status({ settings: () => current, version: '9.9.9', hostname: 'web-1' });
    own.observe(await busyTick());
    current = { ...current, alert: { ...current.alert, usage: { ...current.alert.usage, warning_ratio: 0.5 } } };
    expect(own.snapshot(100)?.thresholds.usage).toEqual({ warning_ratio: 0.5, critical_ratio: 0.9 });
  });

  it('tells the alerts that fire, as they were told last, until they are resolved', async () => {
    const own = status();
    own.observe(await busyTick());
    own.write(alert('burst'));
    own.write(alert('usage'));
    own.write(
      alert('usage', {
        ...{ severity: 'critical', msg: 'worse', advice: [{ text: 'more room' }], rule: { reference: '/page' } },
      }),
    );
    const told = () => own.snapshot(100)?.alerts.map(({ key, severity, msg }) => [key, severity, msg]);
    expect(told()).toEqual([
      ['burst', 'warning', 'burst it is'],
      ['usage', 'critical', 'worse'],
    ]);
    expect(own.snapshot(100)?.alerts[1]).toMatchObject({ advice: ['more room'], reference: '/page' });
    own.write(alert('burst', { phase: 'resolved' }));
    expect(told()).toEqual([['usage', 'critical', 'worse']]);
  });
});
