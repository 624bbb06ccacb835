/** A worker thread of the evaluation: does what it is sent, one job at a time, and answers with its scores. */
import { parentPort } from 'node:worker_threads';
import { type BurstOptions, type BurstScores, evaluateBursts } from './bursts/bursts.js';
import { informedCourse } from './informed-course.js';
import { foretell } from './oracle.js';
import { playScenario, simulationOf } from './play.js';
import { judgedSeconds, type RunScore, scoreRun, warnedMoments } from './run-score.js';
import { scenarios } from './scenarios.js';
import { type Sketch, sketchRun } from './sketch.js';

/** The burst detectors are one job: they share their streams. */
export type Job =
  | { readonly kind: 'run'; readonly scenario: string; readonly seed: number }
  | { readonly kind: 'bursts'; readonly options: BurstOptions };

export type Answer =
  /** `sketch` of the first seed. */
  | { readonly kind: 'run'; readonly score: RunScore; readonly sketch?: Sketch }
  | { readonly kind: 'bursts'; readonly scores: BurstScores };

export type RunAnswer = Extract<Answer, { readonly kind: 'run' }>;

parentPort?.on('message', async (job: Job) => {
  parentPort?.postMessage(await answer(job));
});

async function answer(job: Job): Promise<Answer> {
  if (job.kind === 'bursts') return { kind: 'bursts', scores: evaluateBursts(job.options) };
  const { seed } = job;
  const scenario = scenarios.find(({ name }) => name === job.scenario);
  if (!scenario) throw new Error(`no scenario ${job.scenario}`);
  const run = await playScenario(scenario, seed);
  const judged = judgedSeconds(run).filter((at) => at !== undefined);
  const warned = warnedMoments(run);
  const witnesses = {
    ...(judged.length > 0 && { oracle: foretell(simulationOf(scenario, seed), judged) }),
    ...(warned.length > 0 && { informed: informedCourse(simulationOf(scenario, seed), warned) }),
  };
  return { kind: 'run', score: scoreRun(run, witnesses), ...(seed === 1 && { sketch: sketchRun(run) }) };
}
