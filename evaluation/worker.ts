/** A worker thread of the evaluation: plays what it is sent, one run at a time, and answers with the score of it. */
import { parentPort } from 'node:worker_threads';
import { foretell } from './oracle.js';
import { playScenario, simulationOf } from './play.js';
import { judgedSeconds, type RunScore, scoreRun } from './run-score.js';
import { scenarios } from './scenarios.js';
import { type Sketch, sketchRun } from './sketch.js';

export interface Job {
  readonly scenario: string;
  readonly seed: number;
}

export interface Answer {
  readonly score: RunScore;
  /** Of the first seed. */
  readonly sketch?: Sketch;
}

parentPort?.on('message', async ({ scenario: name, seed }: Job) => {
  const scenario = scenarios.find((one) => one.name === name);
  if (!scenario) throw new Error(`no scenario ${name}`);
  const run = await playScenario(scenario, seed);
  const judged = judgedSeconds(run).filter((at) => at !== undefined);
  const oracle = judged.length > 0 ? foretell(simulationOf(scenario, seed), judged) : undefined;
  const answer: Answer = { score: scoreRun(run, oracle), ...(seed === 1 && { sketch: sketchRun(run) }) };
  parentPort?.postMessage(answer);
});
