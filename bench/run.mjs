/**
 * `npm run bench`: ctwatch, the floor and conntrack -E under the same traffic in one run, so that ratios hold on any
 * machine. Every measurement has a network namespace of its own. Prints a table and what each figure is meant to reach;
 * asserts nothing. --quick for a short look, --only NAME,... for some, --write to refresh docs/benchmarks.md.
 * Exit: 0 done, 2 usage, 3 not permitted or something is not installed.
 */
import { parseArgs } from 'node:util';

/** In the order of the table; each is loaded after the checks, as it compiles the traffic on its way. */
const SCENARIOS = {
  'cpu-per-event': () => import('./scenarios/cpu-per-event.mjs'),
  'lost-events': () => import('./scenarios/lost-events.mjs'),
  sender: () => import('./scenarios/sender.mjs'),
  'flow-lines': () => import('./scenarios/flow-lines.mjs'),
  memory: () => import('./scenarios/memory.mjs'),
  idle: () => import('./scenarios/idle.mjs'),
  burst: () => import('./scenarios/burst.mjs'),
  start: () => import('./scenarios/start.mjs'),
  census: () => import('./scenarios/census.mjs'),
  owners: () => import('./scenarios/owners.mjs'),
  control: () => import('./scenarios/control.mjs'),
  record: () => import('./scenarios/record.mjs'),
  forecast: () => import('./scenarios/forecast.mjs'),
};

function refuse(status, text) {
  console.error(`bench: ${text}`);
  process.exit(status);
}

function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        only: { type: 'string' },
      },
    });
    const names = values.only?.split(',') ?? Object.keys(SCENARIOS);
    const unknown = names.filter((name) => !Object.hasOwn(SCENARIOS, name));
    if (unknown.length > 0)
      refuse(2, `no scenario ${unknown.join(', ')}; there are ${Object.keys(SCENARIOS).join(', ')}`);
    return { quick: values.quick, write: values.write, names };
  } catch (error) {
    return refuse(2, error.message);
  }
}

const options = parseOptions();
if (process.getuid() !== 0) refuse(3, 'network namespaces need root: sudo npm run bench');

// Later than the checks, as it compiles the traffic and bundles the namespaces.
const { buildTool, namespaceObstacle, removeNamespaces } = await import('./namespace.mjs');
const obstacle = namespaceObstacle();
if (obstacle) refuse(3, obstacle);
const { availableReaders } = await import('./readers.mjs');
const { describeMachine, formatTable, writeDocument } = await import('./report.mjs');

// The hook at the exit removes the namespaces with what runs in them.
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));

buildTool('traffic');
buildTool('floor_reader');
const readers = availableReaders();
if (!readers.includes('ctwatch'))
  console.error('bench: dist/ctwatch.js is missing (npm run build): only the others are measured');

const machine = describeMachine(options.quick);
const rows = [];
try {
  for (const name of options.names) {
    const scenario = await SCENARIOS[name]();
    console.error(`bench: ${scenario.title} ...`);
    rows.push(...(await scenario.measure({ quick: options.quick, readers })));
  }
} finally {
  await removeNamespaces();
}

const table = formatTable(rows);
console.log(`${machine}\n\n${table}`);
if (options.write) writeDocument(machine, table);
