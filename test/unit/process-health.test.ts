import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { ProcessHealth } from '../../src/sinks/metrics/process-health.js';

let health: ProcessHealth | undefined;
afterEach(() => health?.close());

/** Holds the event loop. */
function hold(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

describe('ProcessHealth', () => {
  it('keeps how late the event loop was for a minute at least, two at most', async () => {
    health = new ProcessHealth();
    await sleep(250);
    hold(400);
    await sleep(150);
    const most = health.lag()?.max ?? 0;
    // The timer was due within its 100 ms.
    expect(most).toBeGreaterThan(0.25);
    health.advance(performance.now() + 61_000);
    expect(health.lag()?.max).toBeGreaterThanOrEqual(most);
    health.advance(performance.now() + 2 * 61_000);
    expect(health.lag()?.max ?? 0).toBeLessThan(most);
  });
});
