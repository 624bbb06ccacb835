import { describe, expect, it } from 'vitest';
import type { CtEvent } from '../../src/model/events.js';
import type { TickObservation } from '../../src/pipeline/observed.js';
import { SystemdSink } from '../../src/sinks/systemd.js';

type Told = Readonly<Record<string, string | number>>;

function sinkOf({ watchdogSeconds, failure }: { watchdogSeconds?: number; failure?: Error } = {}) {
  const told: Told[] = [];
  const failures: Error[] = [];
  let left = failure;
  const manager = {
    notify: (variables: Told) => void told.push(variables),
    takeFailure: () => {
      const taken = left;
      left = undefined;
      return taken;
    },
    ...(watchdogSeconds !== undefined && { watchdogSeconds }),
  };
  const sink = new SystemdSink({ manager, onFailure: (error) => void failures.push(error) });
  return { sink, told, failures };
}

const event = (type: CtEvent['type'], unixSeconds = 0, more = {}) =>
  ({ type, unixSeconds, msg: `${type} ${unixSeconds}`, ...more }) as unknown as CtEvent;
const tick = (monotonicSeconds: number) =>
  ({ type: 'tick', at: { monotonicSeconds, unixSeconds: 0 } }) as TickObservation;

describe('SystemdSink', () => {
  it('is ready with the first line and stops with the last, once', async () => {
    const { sink, told } = sinkOf();
    sink.write(event('start'));
    sink.write(event('stop', 9));
    await sink.end();
    expect(told).toEqual([
      { READY: 1, STATUS: 'start 0' },
      { STOPPING: 1, STATUS: 'stop 9' },
    ]);
  });

  it('stops also where no last line can be written', async () => {
    const { sink, told } = sinkOf();
    await sink.end();
    expect(told).toEqual([{ STOPPING: 1 }]);
  });

  it('tells the sentence of a sample, not more than one a second', () => {
    const { sink, told } = sinkOf();
    for (const seconds of [10, 10.25, 10.5, 11, 11.2, 20]) sink.write(event('sample', seconds));
    expect(told.map(({ STATUS }) => STATUS)).toEqual(['sample 10', 'sample 11', 'sample 20']);
  });

  it.each([
    [0.25, 30, 5],
    [1, 30, 5],
    [1, 2, 60],
  ])('feeds the watchdog from ticks alone, each %d s, before half of %d s is over', (beat, watchdogSeconds, times) => {
    const { sink, told } = sinkOf({ watchdogSeconds });
    sink.write(event('sample', 1));
    for (let at = 100; at < 160; at += beat) sink.observe(tick(at));
    expect(told.slice(1)).toEqual(Array.from({ length: times }, () => ({ WATCHDOG: 1 })));
  });

  it('feeds no watchdog that does not watch', () => {
    const { sink, told } = sinkOf();
    sink.observe(tick(100));
    expect(told).toEqual([]);
  });

  it('reloads from the signal to the config line, on the clock of the manager', () => {
    const { sink, told } = sinkOf();
    sink.reopen();
    sink.write(event('config', 5, { outcome: 'rejected' }));
    sink.write(event('config', 6, { outcome: 'applied' }));
    expect(told).toMatchObject([{ RELOADING: 1 }, { READY: 1, STATUS: 'config 5' }, { READY: 1 }]);
    const nowUsec = Number(process.hrtime.bigint() / 1000n);
    expect(nowUsec - Number(told[0]?.['MONOTONIC_USEC'])).toBeGreaterThanOrEqual(0);
    expect(nowUsec - Number(told[0]?.['MONOTONIC_USEC'])).toBeLessThan(60e6);
  });

  it('says once that the manager cannot be told', () => {
    const failure = new Error('nobody there');
    const { sink, failures } = sinkOf({ failure });
    sink.write(event('start'));
    sink.write(event('sample', 9));
    expect(failures).toEqual([failure]);
  });
});
