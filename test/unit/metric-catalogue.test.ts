import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DestinationOwners } from '../../src/analysis/owners/owner-shares.js';
import type { TickObservation } from '../../src/pipeline/observed.js';
import { readMetric } from '../../src/sinks/metrics/metric.js';
import { METRICS } from '../../src/sinks/metrics/metric-catalogue.js';
import { MetricsState } from '../../src/sinks/metrics/metrics-state.js';
import { alertOf, watchedState } from '../support/metrics.js';
import { HOST } from '../support/records.js';

const CONTRIB = new URL('../../contrib/prometheus/', import.meta.url);
const contributed = (file: string) => readFileSync(new URL(file, CONTRIB), 'utf8');
const samplesOf = (state: MetricsState, name: string) => {
  const metric = METRICS.find((each) => each.name === name);
  if (metric === undefined) throw new Error(`no metric ${name}`);
  return readMetric(metric, state);
};
const onlyValue = (state: MetricsState, name: string) => samplesOf(state, name)[0]?.value;

describe('the catalogue', () => {
  it.each(METRICS)('$name is named as Prometheus wants it', ({ name, kind, unit, labels = [] }) => {
    expect(name).toMatch(/^ctwatch_[a-z0-9]+(?:_[a-z0-9]+)*$/);
    expect(name.endsWith('_total')).toBe(kind === 'counter');
    const stem = name.replace(/_total$/, '');
    if (unit === 's') expect(stem).toMatch(/_seconds$/);
    if (unit === 'By') expect(stem).toMatch(/_bytes$/);
    expect(stem.endsWith('_ratio') && unit !== '1').toBe(false);
    for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
  });

  it('has each name once', () => {
    expect(new Set(METRICS.map(({ name }) => name)).size).toBe(METRICS.length);
  });

  it('says nothing of a table that was not looked at yet', () => {
    const state = new MetricsState();
    const known = METRICS.filter((metric) => readMetric(metric, state).length > 0).map(({ name }) => name);
    expect(known.filter((name) => !/_(?:age|start_time|cpu|memory|loop|resident)_/.test(name))).toEqual([]);
    expect(known).toContain('ctwatch_tick_age_seconds');
  });

  it('has the labels it declares on every series, once each', async () => {
    const state = await watchedState();
    state.write(alertOf());
    for (const metric of METRICS) {
      const samples = readMetric(metric, state);
      for (const { labels } of samples) expect(Object.keys(labels)).toEqual(metric.labels ?? []);
      expect(new Set(samples.map(({ labels }) => JSON.stringify(labels))).size, metric.name).toBe(samples.length);
    }
  });

  it('tells what the tick has', async () => {
    const state = await watchedState();
    const tick = state.tick as TickObservation;
    expect(onlyValue(state, 'ctwatch_conntrack_entries')).toBe(tick.table.count);
    expect(onlyValue(state, 'ctwatch_conntrack_max_entries')).toBe(16_000);
    expect(onlyValue(state, 'ctwatch_new_flows_total')).toBe(800);
    expect(samplesOf(state, 'ctwatch_new_flows_per_second')).toEqual([
      { labels: { window: '1s' }, value: 40 },
      { labels: { window: '10s' }, value: 40 },
      { labels: { window: '1m' }, value: 40 },
    ]);
    const verdicts = samplesOf(state, 'ctwatch_forecast_verdict');
    expect(verdicts.filter(({ value }) => value === 1)).toEqual([
      { labels: { verdict: tick.forecast.verdict }, value: 1 },
    ]);
    expect(onlyValue(state, 'ctwatch_burst_ratio')).toBeUndefined();
    expect(onlyValue(state, 'ctwatch_lost_lines_total')).toBe(3);
  });

  it('adds up what the kernel counts, from its first reading on', async () => {
    const state = await watchedState({ seconds: 2 });
    const tick = state.tick as TickObservation;
    expect(onlyValue(state, 'ctwatch_kernel_drop_total')).toBeUndefined();
    const kernel = { ...HOST.counters, drop: 3 };
    for (const increase of [HOST.counters, kernel, kernel]) state.observe({ ...tick, kernel: increase });
    state.observe(tick);
    expect(onlyValue(state, 'ctwatch_kernel_drop_total')).toBe(6);
    expect(onlyValue(state, 'ctwatch_kernel_early_drop_total')).toBe(0);
  });

  it('adds lost events to the flows, and tells them by kind', async () => {
    const state = await watchedState({ lostPerSecond: () => 8 });
    const { totals, loss } = state.tick as TickObservation;
    expect(loss.lostNew).toBeGreaterThan(0);
    expect(onlyValue(state, 'ctwatch_new_flows_total')).toBe(totals.newEvents + loss.lostNew);
    expect(samplesOf(state, 'ctwatch_lost_events_total')[0]).toEqual({ labels: { kind: 'new' }, value: loss.lostNew });
  });
});

describe('series of destinations and owners', () => {
  const owner = (key: string, shareRatio: number) => ({ owner: { key, name: key }, shareRatio });
  const talker = (port: number, newPerSecond: number, owners?: DestinationOwners) => ({
    ...{
      counter: port,
      family: 2,
      protocol: 6,
      address: new Uint8Array([10, 0, 0, 5, ...Array<number>(12).fill(0)]),
      port,
    },
    ...{ newPerSecond, shareRatio: newPerSecond / 100, errorRatio: port === 9 ? 0.9 : 0 },
    ...(owners !== undefined && { owners }),
  });

  async function stateWith(fields: Partial<TickObservation>): Promise<MetricsState> {
    const state = await watchedState({ seconds: 2 });
    state.observe({ ...(state.tick as TickObservation), ...fields });
    return state;
  }

  it('name those with a real part and add up to the whole', async () => {
    const state = await stateWith({ top: [talker(80, 60), talker(443, 20), talker(9, 12), talker(53, 4)] });
    expect(samplesOf(state, 'ctwatch_destination_new_flows_per_second')).toEqual([
      { labels: { transport: 'tcp', destination: '10.0.0.5:80' }, value: 60 },
      { labels: { transport: 'tcp', destination: '10.0.0.5:443' }, value: 20 },
      // That of port 9 is mostly somebody else's, that of port 53 too little.
      { labels: { transport: 'other', destination: 'other' }, value: 20 },
    ]);
  });

  it('add up what an owner has at several destinations, of what could be told', async () => {
    const told = {
      owners: [owner('a.service/ruby', 0.75), owner('b.service/sh', 0.25)],
      attributedRatio: 0.5,
      forwardedRatio: 0,
    };
    const forwarded = { owners: [owner('a.service/ruby', 1)], attributedRatio: 1, forwardedRatio: 0.9 };
    const state = await stateWith({ top: [talker(80, 60, told), talker(443, 20, forwarded), talker(53, 20)] });
    const samples = samplesOf(state, 'ctwatch_owner_new_flows_per_second');
    expect(samples.map(({ labels }) => labels['owner'])).toEqual(['a.service/ruby', 'b.service/sh', 'other']);
    expect(samples.map(({ value }) => Number(value.toFixed(6)))).toEqual([24.5, 7.5, 68]);
  });

  it('are bounded whatever the names', async () => {
    const owners = Array.from({ length: 40 }, (_, i) => owner(`o${i}`, 1 / 40));
    const crowd = { owners, attributedRatio: 1, forwardedRatio: 0 };
    const few = {
      owners: owners.slice(0, 14).map((each) => ({ ...each, shareRatio: 1 / 14 })),
      attributedRatio: 1,
      forwardedRatio: 0,
    };
    const all = (share: DestinationOwners) => stateWith({ top: [talker(80, 100, share)] });
    expect(samplesOf(await all(crowd), 'ctwatch_owner_new_flows_per_second')).toEqual([
      { labels: { owner: 'other' }, value: 100 },
    ]);
    expect(samplesOf(await all(few), 'ctwatch_owner_new_flows_per_second')).toHaveLength(11);
  });

  it('are one while there is no traffic', async () => {
    const state = await stateWith({
      top: [],
      rates: (await watchedState({ newPerSecond: () => 0 })).tick?.rates as TickObservation['rates'],
    });
    expect(samplesOf(state, 'ctwatch_destination_new_flows_per_second')).toEqual([
      { labels: { transport: 'other', destination: 'other' }, value: 0 },
    ]);
  });
});

describe('alerts', () => {
  it('are one series each while they fire, with the sentence told last', async () => {
    const state = await watchedState({ seconds: 2 });
    expect(samplesOf(state, 'ctwatch_alert_info')).toEqual([]);
    const rule = { reference: 'https://wiki.example' };
    const told = (msg: string, severity: 'warning' | 'critical') => state.write(alertOf({ msg, severity, rule }));
    told('first', 'warning');
    told('worse', 'critical');
    told('clear', 'critical');
    const labels = { name: 'time_to_full', severity: 'critical', key: 'time_to_full' };
    expect(samplesOf(state, 'ctwatch_alert_info')).toEqual([
      { labels: { ...labels, sentence: 'clear', runbook: 'https://wiki.example' }, value: 1 },
    ]);
    const counts = (name: string) => samplesOf(state, name).filter(({ value }) => value > 0);
    const counted = (severity: string, value: number) => ({ labels: { name: 'time_to_full', severity }, value });
    expect(counts('ctwatch_alerts_firing')).toEqual([counted('critical', 1)]);
    expect(counts('ctwatch_alerts_total')).toEqual([counted('warning', 1), counted('critical', 1)]);
    state.write(alertOf({ phase: 'resolved' }));
    expect(samplesOf(state, 'ctwatch_alert_info')).toEqual([]);
    expect(counts('ctwatch_alerts_firing')).toEqual([]);
  });

  it('have no sentence without end, and no line breaks', async () => {
    const state = new MetricsState();
    state.write(alertOf({ msg: `a\nb${'c'.repeat(5000)}` }));
    const sentence = samplesOf(state, 'ctwatch_alert_info')[0]?.labels['sentence'];
    expect(sentence).toMatch(/^a\ufffdbc+…$/);
    expect(sentence).toHaveLength(1001);
  });
});

describe('contrib/prometheus', () => {
  const names = new Set(METRICS.map(({ name }) => name));
  const used = (text: string) => new Set(text.match(/\bctwatch_[a-z0-9_]+\b/g) ?? []);
  /** Of recording rules, `level:metric:operation`. */
  const withoutRecords = (text: string) => text.replaceAll(/instance:ctwatch_[a-z0-9_:]+/g, '');

  it.each(['ctwatch.rules.yml', 'ctwatch.rules.test.yml', 'ctwatch.dashboard.json'])(
    '%s uses metrics that exist',
    (file) => {
      const found = used(withoutRecords(contributed(file)));
      expect(found.size).toBeGreaterThan(5);
      expect([...found].filter((name) => !names.has(name))).toEqual([]);
    },
  );

  it('has a dashboard whose labels and panels hold', () => {
    const { panels, templating } = JSON.parse(contributed('ctwatch.dashboard.json')) as {
      panels: {
        id: number;
        type: string;
        gridPos: { x: number; w: number };
        targets?: { expr: string; legendFormat: string }[];
      }[];
      templating: { list: { name: string }[] };
    };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    const variables = new Set([...templating.list.map(({ name }) => name), '__rate_interval']);
    for (const { expr, legendFormat } of panels.flatMap(({ targets = [] }) => targets)) {
      for (const [, variable = ''] of expr.matchAll(/\$(\w+)/g)) expect(variables).toContain(variable);
      const labels = new Set([
        'instance',
        ...METRICS.flatMap(({ name, labels = [] }) => (expr.includes(`${name}{`) ? labels : [])),
      ]);
      for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(labels, expr).toContain(label);
    }
  });
});
