/** A short form of the scoreboard, exact on fixed seeds: a change of any score is a change of the detector. */
import { describe, expect, it } from 'vitest';
import { evaluateBursts, OURS } from '../../evaluation/bursts/bursts.js';
import { formatBurstScores } from '../../evaluation/bursts/report.js';

const scores = evaluateBursts({ seeds: 0.3, months: 0.002 });

describe('evaluateBursts', () => {
  it('finds every step of four times at 30/s and more as fast as before', () => {
    const ours = scores.delays.map(({ scenario, delays }) => [scenario, delays[OURS]?.median?.toFixed(3) ?? 'missed']);
    expect(Object.fromEntries(ours)).toMatchInlineSnapshot(`
      {
        "10x at 10/s, phi 1": "0.299",
        "10x at 100/s, phi 3": "0.201",
        "10x at 3/s, phi 1": "0.908",
        "4x at 10/s, phi 1": "0.908",
        "4x at 10/s, phi 3": "4.677",
        "4x at 10/s, phi 3, at once": "4.927",
        "4x at 100/s, phi 1": "0.281",
        "4x at 100/s, phi 10": "1.299",
        "4x at 100/s, phi 3": "0.293",
        "4x at 100/s, phi 3, at once": "0.491",
        "4x at 1000/s, phi 10": "0.263",
        "4x at 3/s, phi 1": "missed",
        "4x at 30/s, phi 3": "1.023",
        "4x over 2 s at 100/s, phi 3": "2.031",
      }
    `);
  });

  it('alarms on nothing else', () => {
    const ours = scores.falseAlarms.flatMap(({ scenario, alarms }) =>
      alarms[OURS] === 0 || scenario.startsWith('cron') ? [] : [[scenario, alarms[OURS]]],
    );
    expect(ours).toEqual([]);
    expect(scores.longRuns.map(({ alarms }) => alarms)).toEqual(scores.longRuns.map(() => 0));
  });

  it('holds rivals against the same streams', () => {
    const cron = scores.falseAlarms.find(({ scenario }) => scenario.startsWith('cron'));
    expect(cron?.alarms).toMatchInlineSnapshot(`
      {
        "BOCPD": 11.428571428571429,
        "CUSUM x2": 11.428571428571429,
        "CUSUM x4": 11.428571428571429,
        "EWMA z > 3": 12.38095238095238,
        "EWMA z > 5.6": 11.428571428571429,
        "Page-Hinkley": 1.9047619047619047,
        "Poisson-FOCuS": 11.428571428571429,
        "ctwatch": 2.857142857142857,
        "ratio > 3x EWMA 5 min": 11.428571428571429,
      }
    `);
    const points = scores.curve.filter(({ threshold, detector }) => detector === 'CUSUM x2' && threshold <= 14);
    expect(points).toMatchInlineSnapshot(`
      [
        {
          "detector": "CUSUM x2",
          "falseAlarmsPerDay": 560,
          "medianDelaySeconds": 1.012905032839626,
          "threshold": 8,
        },
        {
          "detector": "CUSUM x2",
          "falseAlarmsPerDay": 160,
          "medianDelaySeconds": 1.012905032839626,
          "threshold": 14,
        },
      ]
    `);
  });

  it('asks an oracle what is possible where a delay is asked for', () => {
    const asked = scores.delays.flatMap(({ scenario, asked }) =>
      asked ? [[scenario, asked.oracle.delays.median.toFixed(3)]] : [],
    );
    expect(Object.fromEntries(asked)).toMatchInlineSnapshot(`
      {
        "4x at 10/s, phi 1": "1.015",
        "4x at 100/s, phi 1": "0.278",
        "4x at 100/s, phi 3": "0.278",
        "4x at 100/s, phi 3, at once": "0.412",
      }
    `);
  });

  it('is told in three tables', () => {
    const text = formatBurstScores(scores);
    expect(text.match(/^### /gm)).toHaveLength(3);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });
});
