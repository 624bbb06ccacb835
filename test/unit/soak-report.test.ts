import { describe, expect, it } from 'vitest';
import {
  afterWarmUp,
  drawSoak,
  fitSlope,
  formatTable,
  formatVerdict,
  type SoakSample,
} from '../../bench/soak/report.js';
import { randomOf } from '../support/busy-records.js';

const MIB = 2 ** 20;

/** Every five seconds for an hour: 60 MiB and `kibPerHour` more, with a noise of a MiB that lasts for `memory` samples. */
function samplesOf(kibPerHour: number, memory = 1): SoakSample[] {
  const random = randomOf(3);
  let noise = 0;
  return Array.from({ length: 720 }, (_, i) => {
    if (i % memory === 0) noise = (random() - 0.5) * MIB;
    const seconds = 5 * (i + 1);
    return {
      ...{
        seconds,
        phase: 'steady',
        heapBytes: 10 * MIB,
        lagMaxSeconds: i === 400 ? 0.25 : 0.01,
        answerSeconds: 0.002,
      },
      residentBytes: 60 * MIB + kibPerHour * 1024 * (seconds / 3600) + noise,
      ...{ cpuSeconds: seconds / 20, newFlows: 500 * seconds, lostEvents: i < 500 ? 0 : 7, lostLines: 0 },
    };
  });
}

const points = (samples: readonly SoakSample[]) =>
  samples.map(({ seconds, residentBytes }) => [seconds / 3600, residentBytes / 1024] as const);

describe('fitSlope', () => {
  it('is that of a line, with no error, and unknown for a few points', () => {
    const line = [0, 1, 2, 3, 4].map((x) => [x, 5 - 2 * x] as const);
    expect(fitSlope(line).slope).toBeCloseTo(-2, 12);
    expect(fitSlope(line).error).toBeCloseTo(0, 12);
    expect(fitSlope(line.slice(2)).slope).toBeNaN();
  });

  it('finds a growth in noise within three of its errors, and none where there is none', () => {
    const grown = fitSlope(points(samplesOf(2000)));
    expect(Math.abs(grown.slope - 2000)).toBeLessThan(3 * grown.error);
    expect(grown.slope).toBeGreaterThan(10 * grown.error);
    const flat = fitSlope(points(samplesOf(0)));
    expect(Math.abs(flat.slope)).toBeLessThan(3 * flat.error);
  });

  it('is less sure when neighbours are alike', () => {
    const alone = fitSlope(points(samplesOf(0)));
    const alike = fitSlope(points(samplesOf(0, 12)));
    expect(alike.error).toBeGreaterThan(2.5 * alone.error);
    expect(Math.abs(alike.slope)).toBeLessThan(3 * alike.error);
  });
});

const TOTALS = { madeFlows: 1_800_000, toldFlows: 1_800_000, toldLostEvents: 7, answered: 1440, unanswered: 0 };

it('the verdict tells slopes after warm-up, the worst of each, and what was told of what was made', () => {
  const samples = samplesOf(2000);
  expect(afterWarmUp(samples)[0]?.seconds).toBe(1200);
  const verdict = formatVerdict(samples, TOTALS);
  expect(verdict).toMatch(
    /^soak: 60 min; memory \+[12],\d{3} \(standard error \d+\) KiB\/h, its heap \+0 \(standard error 0\) KiB\/h/,
  );
  expect(verdict).toContain('worst lag 250 ms');
  expect(verdict).toContain('flows 1,800,000 told of 1,800,000 made, 7 events lost');
});

it('the table has a row for each tenth, with what was lost in it', () => {
  const rows = formatTable(samplesOf(0)).split('\n').slice(1);
  const cells = rows.map((row) => row.trim().split(/\s+/));
  expect(cells.map(([minutes]) => minutes)).toEqual([
    '6.0',
    '12.0',
    '18.0',
    '24.0',
    '30.0',
    '36.0',
    '42.0',
    '48.0',
    '54.0',
    '60.0',
  ]);
  expect(cells.map((row) => row[7])).toEqual(['0', '0', '0', '0', '0', '0', '7', '0', '0', '0']);
  expect(cells[5]?.slice(3, 7)).toEqual(['5.0', '250', '2', '500']);
  // Ends without a sample leave no row of nothing.
  expect(formatTable([])).not.toContain('\n');
});

it('the picture has both curves of each panel', () => {
  const svg = drawSoak(samplesOf(0));
  expect(svg).toContain('<title>Memory and lag of ctwatch');
  expect(svg.match(/stroke="#(0060a8|009e73|d55e00|999)"/g)?.length).toBeGreaterThanOrEqual(4);
  expect(svg).not.toContain('NaN');
});
