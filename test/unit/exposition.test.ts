import { describe, expect, it } from 'vitest';
import { chooseFormat, formatMetrics } from '../../src/sinks/metrics/exposition.js';
import { METRICS } from '../../src/sinks/metrics/metric-catalogue.js';
import { MetricsState } from '../../src/sinks/metrics/metrics-state.js';
import { alertOf, watchedState } from '../support/metrics.js';

/** Types by family, and the lines of samples. */
function parseText(text: string) {
  const lines = text.split('\n').filter((line) => line !== '');
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  return { types, samples: lines.filter((line) => !line.startsWith('#')) };
}

describe('formatMetrics', () => {
  it('writes one family for each metric of which something is known', async () => {
    const { types, samples } = parseText(await formatMetrics(await watchedState(), 'prometheus'));
    expect(samples).toContain('ctwatch_conntrack_max_entries 16000');
    expect(samples).toContain('ctwatch_new_flows_total 800');
    expect(samples).toContain('ctwatch_new_flows_per_second{window="10s"} 40');
    for (const [name, type] of types) expect(METRICS.find((metric) => metric.name === name)?.kind).toBe(type);
    expect(types.has('ctwatch_burst_ratio')).toBe(false);
    expect(samples.every((line) => /^[a-z_0-9]+(?:\{[^}]*\})? -?[0-9.e+-]+$/.test(line))).toBe(true);
  });

  it('leaves nothing behind of what is over', async () => {
    const state = await watchedState({ seconds: 2 });
    state.write(alertOf());
    expect(await formatMetrics(state, 'prometheus')).toContain('ctwatch_alert_info{');
    state.write(alertOf({ phase: 'resolved' }));
    expect(await formatMetrics(state, 'prometheus')).not.toContain('ctwatch_alert_info');
  });

  it('escapes what a hostile name holds', async () => {
    const state = new MetricsState();
    state.write(alertOf({ msg: 'opened by a"b\\c\n# TYPE x' }));
    const text = await formatMetrics(state, 'prometheus');
    expect(text).toContain('sentence="opened by a\\"b\\\\c\ufffd# TYPE x",runbook=""} 1');
  });

  it('writes OpenMetrics: counters by their stem, an end', async () => {
    const text = await formatMetrics(await watchedState(), 'openmetrics');
    expect(text).toContain('# TYPE ctwatch_new_flows counter\nctwatch_new_flows_total 800\n');
    expect(text.endsWith('\n# EOF\n')).toBe(true);
    expect(text).not.toContain('\n\n');
  });
});

describe('chooseFormat', () => {
  it.each([
    ['application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1', 'openmetrics'],
    ['*/*', 'prometheus'],
    [undefined, 'prometheus'],
  ])('%s: %s', (accept, format) => {
    expect(chooseFormat(accept)).toBe(format);
  });
});
