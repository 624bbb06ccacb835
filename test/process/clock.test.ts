/** The wall clock of the host steps while a stream runs: the lines are the same, in the same order, but for what time they tell. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSinks } from '../../src/cli/sinks.js';
import { runStream } from '../../src/cli/stream.js';
import { settingsSchema } from '../../src/model/settings.js';
import { daySource } from '../support/day.js';
import { parseLines } from './cli.js';

const HOUR = 3600;
/** In the middle of a flood, while alerts fire. */
const STEP_AT = HOUR + 660;
/** Some lines before and after the step tell times of the other side: of an onset, or of the first alert. */
const CLOCK_TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z|\b\d\d:\d\d:\d\d\b/g;

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-clock-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function linesWith(name: string, stepSeconds: number) {
  const file = join(directory, name);
  await runStream({
    settings: v.parse(settingsSchema, { output: { file }, flows: true, state_dir: join(directory, `${name}-state`) }),
    source: daySource({ seconds: 1.25 * HOUR, clockStepSeconds: (second) => (second < STEP_AT ? 0 : stepSeconds) }),
    openSink: (onClosed, current) => openSinks({ settings: current(), current, onClosed }),
  });
  return parseLines(readFileSync(file, 'utf8'));
}

let steadyLines: ReturnType<typeof linesWith>;
beforeAll(() => {
  steadyLines = linesWith('steady', 0);
});

const timeless = (lines: readonly object[]) => lines.map((line) => JSON.stringify(line).replace(CLOCK_TIME, 'T'));
const unixOf = ({ time }: { readonly time: string }) => Date.parse(time) / 1000;

it.each([
  ['forward', HOUR],
  ['backward', -HOUR],
])('a step of an hour %s changes no line but its times', async (name, stepSeconds) => {
  const [steady, stepped] = [await steadyLines, await linesWith(name, stepSeconds)];
  expect(steady.map(({ type }) => type)).toEqual(expect.arrayContaining(['flow', 'burst', 'alert', 'census', 'stop']));
  const [expected, told] = [timeless(steady), timeless(stepped)];
  expect(told.findIndex((line, i) => line !== expected[i])).toBe(-1);
  expect(told).toHaveLength(expected.length);
  // A line tells the time that the wall clock had.
  const offsets = stepped.map((line, i) => unixOf(line) - unixOf(steady[i] ?? line));
  const first = offsets.findIndex((offset) => offset !== 0);
  expect(new Set(offsets.slice(0, first))).toEqual(new Set([0]));
  expect(new Set(offsets.slice(first))).toEqual(new Set([stepSeconds]));
});
