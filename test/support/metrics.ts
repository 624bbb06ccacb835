/** A state of metrics as a watch of synthetic records leaves it. */
import { watchConntrack } from '../../src/cli/watch.js';
import type { EventOf } from '../../src/model/events.js';
import { MetricsState } from '../../src/sinks/metrics/metrics-state.js';
import { replaySource, type SyntheticOptions, syntheticRecords } from './records.js';

/** Steady traffic, or what the options make of it, watched to its end. */
export async function watchedState(options: Partial<SyntheticOptions> = {}): Promise<MetricsState> {
  const state = new MetricsState(() => [{ output: 'stdout', queuedBytes: 12, lostLines: 3 }]);
  const records = syntheticRecords({ seconds: 20, newPerSecond: () => 40, lifetimeSeconds: 8, ...options });
  const watch = watchConntrack({ source: replaySource(records) });
  watch.ticks.subscribe((tick) => state.observe(tick));
  await new Promise<void>((resolve, reject) => {
    watch.events.subscribe({ next: (event) => state.write(event), error: reject, complete: resolve });
  });
  return state;
}

/** An alert line of which the metrics take these fields. */
export function alertOf(fields: Partial<EventOf<'alert'>> = {}): EventOf<'alert'> {
  return {
    ...{ type: 'alert', level: 'error', unixSeconds: 1_790_000_000.25, msg: 'conntrack table 41 % full' },
    ...{ name: 'time_to_full', phase: 'firing', severity: 'critical', key: 'time_to_full' },
    ...{ since: '2026-09-21T14:13:20.000Z', table: { count: 41, max: 100, used_ratio: 0.41 } },
    rate: {
      ...{ new_per_second: 2, destroy_per_second: 1, net_per_second: 1, growth_per_second: 1 },
      ...{ new_per_second_1s: 2, destroy_per_second_1s: 1, new_per_second_1m: 2, destroy_per_second_1m: 1 },
    },
    ...{ forecast: { verdict: 'fills', seconds_to_full: 67 }, advice: [] },
    culprits: [{ network: { transport: 'tcp' }, destination: { ip: '10.0.0.5', port: 6379 }, share_ratio: 0.83 }],
    ...fields,
  };
}
