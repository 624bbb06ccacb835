/** Does jobs on worker threads, one for each, the next job to whoever is free. Answers come in the order of the jobs. */
import { Worker } from 'node:worker_threads';
import type { Answer, Job } from './worker.js';

/** Rejects with the first failure of any job. `onAnswer` hears how many are done. */
export async function answerAll(
  jobs: readonly Job[],
  threads: number,
  onAnswer: (done: number, jobs: number, answer: Answer) => void,
): Promise<Answer[]> {
  const answers: Answer[] = new Array(jobs.length);
  let next = 0;
  let done = 0;
  const run = async (worker: Worker): Promise<void> => {
    for (let at = next++; at < jobs.length; at = next++) {
      const answer = await ask(worker, jobs[at]);
      answers[at] = answer;
      onAnswer(++done, jobs.length, answer);
    }
  };
  const workers = Array.from(
    { length: Math.min(threads, jobs.length) },
    () => new Worker(new URL('./worker.mjs', import.meta.url)),
  );
  try {
    await Promise.all(workers.map(run));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return answers;
}

function ask(worker: Worker, job: Job | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(new Error(`evaluation of ${JSON.stringify(job)}`, { cause: error }));
    worker.once('error', onError);
    worker.once('message', (answer: Answer) => {
      worker.off('error', onError);
      resolve(answer);
    });
    worker.postMessage(job);
  });
}
