import { describe, expect, it } from 'vitest';
import type { CtEvent } from '../../src/model/events.js';
import type { TickObservation } from '../../src/pipeline/observed.js';
import { FanOut, type Sink } from '../../src/sinks/sink.js';

const event = { type: 'notice' } as CtEvent;
const tick = { type: 'tick' } as TickObservation;

function spy(): Sink & { readonly seen: unknown[] } {
  const seen: unknown[] = [];
  return {
    seen,
    write: (each) => void seen.push(each),
    observe: (each) => void seen.push(each),
    reopen: () => void seen.push('reopen'),
    end: async () => void seen.push('end'),
  };
}

describe('FanOut', () => {
  it('gives every sink every event and tick, opens all anew, and ends when all have ended', async () => {
    const [first, second] = [spy(), spy()];
    const sinks = new FanOut([first]);
    sinks.write(event);
    sinks.add(second);
    sinks.write(event);
    sinks.observe(tick);
    sinks.reopen();
    await sinks.end();
    expect(first.seen).toEqual([event, event, tick, 'reopen', 'end']);
    expect(second.seen).toEqual([event, tick, 'reopen', 'end']);
  });

  it('asks no ticks of a sink that takes none', () => {
    expect(() => new FanOut([{ write: () => {}, end: async () => {} }]).observe(tick)).not.toThrow();
  });
});
