/**
 * `npm run evaluate`: every scenario with every seed through the product's own pipeline and through the rivals, on all cores;
 * tables on standard output, progress on standard error. What falls short is told, it is no failure.
 * Exit: 0 done, 1 failed, 2 usage, 3 not permitted or something is not installed.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { parseArgs } from 'node:util';
import { workerObstacle } from '../test/incident/incidents.js';
import { namespaceObstacle } from '../test/kernel/namespace.js';
import { CURVE_NOISE } from './bursts/scenarios.js';
import { evaluateIncidents, formatIncidents } from './incidents.js';
import { evaluateKernel, rescoreKernel } from './kernel/kernel.js';
import { drawBursts, drawErrors, drawLead, drawRuns } from './plots.js';
import { answerAll } from './pool.js';
import {
  formatBursts,
  formatForecast,
  formatKernel,
  formatNoise,
  formatScenarios,
  type Part,
  replacePart,
} from './report.js';
import { type Scenario, scenarios } from './scenarios.js';
import { type Scores, summarize } from './scores.js';
import { playShort } from './short.js';
import type { Answer, Job, RunAnswer } from './worker.js';

const PAGE = 'docs/accuracy.md';
const DIAGNOSIS_PAGE = 'docs/diagnosis.md';
const PICTURES = 'docs/accuracy';
/** Where the pictures of any run can be looked at. */
const PREVIEWS = 'build/evaluation';
const EXPECTED = 'test/unit/evaluation.expected.json';
const USAGE = `usage: npm run evaluate -- [--seeds 20] [--months 24] [--only NAME,...] [--quick] [--jobs N] [--write]
       npm run evaluate -- --kernel [--repeats 3] [--keep FOLDER] [--write]     as root, six minutes
       npm run evaluate -- --kernel --from FOLDER               today's forecast of what was kept
       npm run evaluate -- --incidents [--repeats 3] [--write]  as root, six minutes: what incidents are called
       npm run evaluate -- --update-expected                    accept what ${EXPECTED} then holds`;
/** A quick look leaves out what plays half a day. */
const QUICK_SECONDS_MAX = 7200;
const QUICK_SEEDS = 3;
/** Of each steady traffic: what a false alarm in ten months needs to show. */
const BURST_MONTHS = 24;
const QUICK_BURST_MONTHS = 1;
/** The two halves of the evaluation among the names of `--only`: all scenarios, and the burst detectors. */
const FORECAST = 'forecast';
const BURSTS = 'bursts';

const options = parseOptions();
if (options['update-expected']) await updateExpected();
else if (options.kernel) await runKernel();
else if (options.incidents) await runIncidents();
else await runSimulated();

function parseOptions() {
  try {
    return parseArgs({
      options: {
        ...{
          seeds: { type: 'string' },
          months: { type: 'string' },
          only: { type: 'string' },
          jobs: { type: 'string' },
        },
        ...{ repeats: { type: 'string', default: '3' }, kernel: { type: 'boolean' }, quick: { type: 'boolean' } },
        ...{ keep: { type: 'string' }, from: { type: 'string' }, incidents: { type: 'boolean' } },
        ...{ write: { type: 'boolean' }, 'update-expected': { type: 'boolean' } },
      },
    }).values;
  } catch (error) {
    return refuse(2, `${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}

function refuse(status: number, text: string): never {
  console.error(`evaluate: ${text}`);
  process.exit(status);
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= max
    ? value
    : refuse(2, `--${name} is a whole number from 1 to ${max}\n${USAGE}`);
}

async function runSimulated(): Promise<void> {
  const seeds = wholeNumber('seeds', options.seeds ?? String(options.quick ? QUICK_SEEDS : 20), 1000);
  const threads = wholeNumber('jobs', options.jobs ?? String(availableParallelism()), 256);
  const chosen = chooseScenarios();
  if (options.write && !isWhole()) refuse(2, `--write needs a full run, or --only ${FORECAST} or ${BURSTS}`);
  const answers = await answerAll(jobsOf(chosen, seeds), threads, tellProgress);
  const run = `seeds 1 to ${seeds}, commit ${readCommit()}.`;
  const order = new Map(chosen.map(({ name }, i) => [name, i]));
  const placeOf = ({ score }: RunAnswer) => (order.get(score.scenario) ?? 0) * 1e6 + score.seed;
  const runs = answers.filter((answer) => answer.kind === 'run').sort((a, b) => placeOf(a) - placeOf(b));
  for (const { score } of runs) if (score.kind !== 'fills' && score.fillSeconds !== undefined) tellMistaken(score);
  const scoresOf = (some: readonly RunAnswer[]) => {
    const played = some.map(({ score }) => score);
    return summarize(played, seeds);
  };
  const scores = scoresOf(runs);
  const texts: Partial<Record<Part, string>> = {};
  const pictures: Record<string, string> = {};
  if (runs.length > 0) {
    const core = runs.filter(({ score }) => !score.isExtra);
    texts.forecast = formatForecast(scores, scoresOf(core), `${scores.all.runs} runs, ${run}`);
    Object.assign(pictures, drawForecast(scores, runs));
  }
  for (const answer of answers) {
    if (answer.kind !== 'bursts') continue;
    texts.bursts = formatBursts(answer.scores, `Streams and runs of ${run}`);
    pictures['bursts'] = drawBursts(answer.scores.curve, formatNoise(CURVE_NOISE));
  }
  console.log(Object.values(texts).join('\n\n'));
  writePictures(PREVIEWS, pictures);
  if (!options.write) return;
  if (runs.length > 0) writePart('scenarios', formatScenarios(scenarios));
  for (const [part, text] of Object.entries(texts)) writePart(part as Part, text);
  writePictures(PICTURES, pictures);
}

/** The longest first, so that no core waits for one at the end. */
function jobsOf(chosen: readonly Scenario[], seeds: number): Job[] {
  const runs = chosen
    .flatMap((scenario) => {
      const { runsPerSeed = 1, seedsMax = Number.POSITIVE_INFINITY } = scenario;
      return Array.from({ length: Math.min(seeds * runsPerSeed, seedsMax) }, (_, i) => ({ scenario, seed: i + 1 }));
    })
    .sort((a, b) => b.scenario.watchSeconds - a.scenario.watchSeconds)
    .map(({ scenario, seed }): Job => ({ kind: 'run', scenario: scenario.name, seed }));
  const months = wholeNumber(
    'months',
    options.months ?? String(options.quick ? QUICK_BURST_MONTHS : BURST_MONTHS),
    1000,
  );
  return wantsBursts() ? [{ kind: 'bursts', options: { seeds, months } }, ...runs] : runs;
}

function tellProgress(done: number, jobs: number, answer: Answer): void {
  if (done % Math.ceil(jobs / 50) !== 0 && done < jobs && answer.kind === 'run') return;
  const what = answer.kind === 'run' ? `${answer.score.scenario}, seed ${answer.score.seed}` : BURSTS;
  console.error(`evaluate: ${done}/${jobs}, last ${what}`);
}

/** Whoever warned of it was right, and would be called wrong. */
function tellMistaken({ scenario, seed }: RunAnswer['score']): void {
  console.error(`evaluate: ${scenario}, seed ${seed}: the table is not meant to fill, and did`);
  process.exitCode = 1;
}

function drawForecast(scores: Scores, runs: readonly RunAnswer[]): Record<string, string> {
  const sketches = runs.flatMap(({ sketch }) => sketch ?? []);
  const fills = sketches.filter(({ kind }) => kind === 'fills');
  const never = sketches.filter(({ kind }) => kind !== 'fills');
  return {
    ...(fills.length > 0 && {
      ...{ errors: drawErrors(scores), lead: drawLead(scores) },
      fills: drawRuns('Runs that fill: count, forecasts on the way, true fill', fills),
    }),
    ...(never.length > 0 && { never: drawRuns('Runs that never fill: count, and when it was warned', never) }),
  };
}

function writePictures(folder: string, pictures: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, picture] of Object.entries(pictures)) writeFileSync(`${folder}/${name}.svg`, picture);
}

function wantsBursts(): boolean {
  return options.only === undefined || options.only.split(',').includes(BURSTS);
}

/** What is written to the page is a half of the evaluation, or both. */
function isWhole(): boolean {
  return !options.quick && (options.only?.split(',').every((name) => name === FORECAST || name === BURSTS) ?? true);
}

function chooseScenarios(): readonly Scenario[] {
  const given = options.only?.split(',');
  const isAll = given?.includes(FORECAST) === true;
  const names = given?.filter((name) => name !== BURSTS && name !== FORECAST);
  const unknown = names?.filter((name) => !scenarios.some((scenario) => scenario.name === name)) ?? [];
  if (unknown.length > 0)
    refuse(
      2,
      `no scenario ${unknown.join(', ')}; there are ${[FORECAST, BURSTS, ...scenarios.map(({ name }) => name)].join(', ')}`,
    );
  if (names && !isAll) return scenarios.filter(({ name }) => names.includes(name));
  return options.quick ? scenarios.filter(({ watchSeconds }) => watchSeconds <= QUICK_SECONDS_MAX) : scenarios;
}

async function runKernel(): Promise<void> {
  if (options.from !== undefined) {
    if (options.write) refuse(2, '--write needs a run on the kernel');
    console.log(
      formatKernel(await rescoreKernel(options.from), `Recordings of ${options.from}, commit ${readCommit()}.`),
    );
    return;
  }
  const obstacle = namespaceObstacle();
  if (obstacle !== undefined) refuse(3, obstacle);
  // The hook at the exit removes the namespaces with what runs in them.
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));
  const repeats = wholeNumber('repeats', options.repeats, 10);
  const runs = await evaluateKernel(repeats, (text) => console.error(`evaluate: ${text}`), options.keep);
  const text = formatKernel(runs, `Linux ${release()}, ${repeats} runs of each, commit ${readCommit()}, ${today()}.`);
  console.log(text);
  if (options.write) writePart('kernel', text);
}

async function runIncidents(): Promise<void> {
  const obstacle = namespaceObstacle() ?? workerObstacle();
  if (obstacle !== undefined) refuse(3, obstacle);
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));
  const repeats = wholeNumber('repeats', options.repeats, 10);
  const accounts = await evaluateIncidents(repeats, (text) => console.error(`evaluate: ${text}`));
  const run = `Linux ${release()}, ${repeats} runs of each, commit ${readCommit()}, ${today()}.`;
  const text = formatIncidents(accounts, run);
  console.log(text);
  if (options.write) writePart('incidents', text, DIAGNOSIS_PAGE);
}

async function updateExpected(): Promise<void> {
  writeFileSync(EXPECTED, `${JSON.stringify(await playShort(), null, 2)}\n`);
  // The house's own format, so that the file passes the linter.
  execFileSync('node_modules/.bin/biome', ['format', '--write', EXPECTED]);
  console.error(`evaluate: ${EXPECTED} written; look at its difference`);
}

function writePart(part: Part, body: string, page = PAGE): void {
  writeFileSync(page, replacePart(readFileSync(page, 'utf8'), part, body));
}

function readCommit(): string {
  const git = (...args: readonly string[]) => execFileSync('git', args, { encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const changed = git('status', '--porcelain', '--', 'src', 'evaluation') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '');
  } catch {
    return 'unknown';
  }
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
