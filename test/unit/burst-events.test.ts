import { describe, expect, it } from 'vitest';
import type { BurstEnd, BurstStart } from '../../src/analysis/bursts/burst.js';
import type { DestinationBurst } from '../../src/analysis/bursts/destination-bursts.js';
import { burstEvents } from '../../src/pipeline/burst-events.js';

const START: BurstStart = {
  phase: 'start',
  onsetSeconds: 99,
  ratePerSecond: 410,
  baselinePerSecond: 100,
  ratio: 4.1,
  falseAlarmsPerYear: 0.00123456,
};
const END: BurstEnd = {
  phase: 'end',
  reason: 'over',
  onsetSeconds: 99,
  peakPerSecond: 450,
  durationSeconds: 12.3,
  entriesAdded: 3700.4,
  ratePerSecond: 101,
  baselinePerSecond: 100,
  ratio: 4.5,
};
const EXPECTED = {
  periodSeconds: 300.04,
  times: 12,
  usualDurationSeconds: 10,
  usualEntriesAdded: 3000,
  usualPeakPerSecond: 420,
};
const destination = {
  ...{ counter: 0, family: 2, protocol: 6, port: 6379, newPerSecond: 0, shareRatio: 0, errorRatio: 0 },
  address: Uint8Array.from([10, 0, 0, 5, ...Array(12).fill(0)]),
};

function eventsOf(burstTransition: BurstStart | BurstEnd | undefined, destinationBursts: DestinationBurst[] = []) {
  const tick: Parameters<typeof burstEvents>[0] = {
    at: { monotonicSeconds: 100, unixSeconds: Date.parse('2026-11-23T14:02:08Z') / 1000 },
    growth: [],
    findings: { burstDiagnosis: { code: 'scan', confidenceRatio: 0.91234, evidence: ['new entries have one source'] } },
    destinationBursts,
    ...(burstTransition !== undefined && { burstTransition }),
  };
  return burstEvents(tick, () => [{ text: 'a larger table' }]);
}

describe('burstEvents', () => {
  it('warns of a burst and tells how sure it is', () => {
    expect(eventsOf(START)).toMatchObject([
      {
        level: 'warn',
        msg: '410/s new entries since 14:02:07, 4.1 times the usual 100/s',
        false_alarms_per_year: 0.00123,
      },
    ]);
    expect(eventsOf(undefined)).toEqual([]);
  });

  it('says at the start what would help, but not of one destination', () => {
    const [start] = eventsOf(START);
    expect(start).toMatchObject({ advice: [{ text: 'a larger table' }] });
    expect(eventsOf(END)[0]).not.toHaveProperty('advice');
    expect(eventsOf(undefined, [{ destination, transition: START }])[0]).not.toHaveProperty('advice');
  });

  it('tells an expected burst as information', () => {
    expect(eventsOf({ ...START, expected: EXPECTED })).toMatchObject([
      {
        level: 'info',
        msg: 'the 5-minute burst, the 12th of its kind: 410/s new entries since 14:02:07, 4.1 times the usual 100/s',
        expected: { period_seconds: 300, times: 12, usual_duration_seconds: 10, usual_entries_added: 3000 },
      },
    ]);
  });

  it('warns when it outgrows its kind', () => {
    const [event] = eventsOf({ ...START, expected: EXPECTED, outgrown: 'longer' });
    expect(event).toMatchObject({ level: 'warn', reason: 'longer' });
    expect(event?.msg).toMatch(/^the 5-minute burst is longer than usual: 410\/s/);
  });

  it.each([
    [90, 4, 'the 90-second burst, the 4th'],
    [3601, 21, 'the 1-hour burst, the 21st'],
    [86_400, 112, 'the 24-hour burst, the 112th'],
    [5400, 1003, 'the 90-minute burst, the 1,003rd'],
  ])('names a period of %d s and the %dth', (periodSeconds, times, text) => {
    const [event] = eventsOf({ ...START, expected: { ...EXPECTED, periodSeconds, times } });
    expect(event?.msg.startsWith(text)).toBe(true);
  });

  it('says whether a burst is over or has become usual', () => {
    expect(eventsOf(END)[0]).toMatchObject({
      msg: 'the burst since 14:02:07 is over after 12 s: peak 450/s, 3,700 entries added',
      ...{ reason: 'over', level: 'info', duration_seconds: 12.3, entries_added: 3700 },
    });
    expect(eventsOf({ ...END, reason: 'usual', durationSeconds: 600, ratePerSecond: 402 })[0]).toMatchObject({
      msg: 'the burst since 14:02:07 has lasted 10 min, 402/s is the usual rate now: peak 450/s, 3,700 entries added',
      reason: 'usual',
    });
  });

  it('carry what they look like, at both ends; one of a destination does not', () => {
    const diagnosis = { code: 'scan', confidence_ratio: 0.9123, evidence: ['new entries have one source'] };
    expect([...eventsOf(START), ...eventsOf(END)]).toMatchObject([{ diagnosis }, { diagnosis }]);
    expect(eventsOf(undefined, [{ destination, transition: START }])[0]).not.toHaveProperty('diagnosis');
  });

  it('names the destination of a burst that the total does not show', () => {
    const events = eventsOf(undefined, [
      { destination, transition: START },
      { destination, transition: END },
    ]);
    const named = { network: { transport: 'tcp' }, destination: { ip: '10.0.0.5', port: 6379 } };
    expect(events).toMatchObject([
      { ...named, msg: '410/s new entries of tcp to 10.0.0.5:6379 since 14:02:07, 4.1 times the usual 100/s' },
      { ...named, msg: expect.stringContaining('the burst of tcp to 10.0.0.5:6379 since 14:02:07 is over') },
    ]);
  });
});
