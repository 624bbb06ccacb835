import { describe, expect, it } from 'vitest';
import { EarlyNotices } from '../../src/cli/notices.js';
import type { CtEvent } from '../../src/model/events.js';
import { FanOut, type Sink } from '../../src/sinks/sink.js';

const start = { type: 'start' } as CtEvent;
const sample = { type: 'sample' } as CtEvent;

describe('EarlyNotices', () => {
  it('wait for the start line, which every sink sees first, and come at once afterwards', async () => {
    const seen: CtEvent[] = [];
    const output: Sink = { write: (event) => void seen.push(event), end: async () => {} };
    const sinks = new FanOut();
    const notices = new EarlyNotices(sinks);
    sinks.add(notices);
    sinks.add(output);
    notices.tell('metrics_unavailable', { remedy: 'ss -ltnp', detail: 'EADDRINUSE' });
    expect(seen).toEqual([]);
    sinks.write(start);
    await Promise.resolve();
    sinks.write(sample);
    notices.tell('metrics_served', { remedy: 'ss -ltnp', level: 'info' });
    expect(seen.map(({ type, msg }) => msg ?? type)).toEqual([
      'start',
      'metrics cannot be served: the watch goes on without, and tries again (EADDRINUSE)',
      'sample',
      'metrics are served now',
    ]);
    expect(seen[1]).toMatchObject({ level: 'warn', code: 'metrics_unavailable', remedy: 'ss -ltnp' });
  });
});
