/**
 * `npm run evaluate -- --incidents`: how often what is said of the incidents of test/incident is right, and how soon.
 *
 * Each is played as often as asked, some at once, on the real kernel under `ctwatch stream`. Needs root, Redis and Sidekiq; builds
 * upon what the tests do, so both judge the same.
 */
import { type Incident, incidents } from '../test/incident/incidents.js';
import { type Account, playIncident } from '../test/incident/play.js';
import { holdConntrackMax, removeNamespaces } from '../test/kernel/namespace.js';

/** Incidents at once: a fraction of a core each. */
const AT_ONCE = 6;

/** Takes about two minutes a repeat. Rejects when an incident cannot be played. */
export async function evaluateIncidents(repeats: number, onProgress: (text: string) => void): Promise<Account[]> {
  const waiting = Array.from({ length: repeats }, () => incidents).flat();
  const accounts: Account[] = [];
  const playNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      accounts.push(await playIncident(next));
      onProgress(`${accounts.length} of ${repeats * incidents.length} incidents played`);
    }
  };
  try {
    await holdConntrackMax(() => Promise.all(Array.from({ length: AT_ONCE }, playNext)));
  } finally {
    await removeNamespaces();
  }
  return accounts;
}

/** A row for each incident; `run` says with what it was made. */
export function formatIncidents(accounts: readonly Account[], run: string): string {
  const rows = incidents.map((incident) =>
    rowOf(
      incident,
      accounts.filter((account) => account.incident === incident),
    ),
  );
  const head = ['incident', 'is', 'right', 'wrong', 'culprit', 'seconds', 'table', 'told owner'];
  const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const notes = incidents.map(({ name, description }) => `- \`${name}\`: ${description}`).join('\n');
  return `${run} Right: runs in which it was called so. Wrong: runs in which it was called something else as well, or instead. Culprit: runs whose
first culprit was the right one. Seconds from the onset to the answer, and how full the table was then: medians. Told owner: share of
the culprit's flows whose owner could be told.\n\n${table}\n\n${notes}`;
}

function rowOf({ name, expected }: Incident, accounts: readonly Account[]): string[] {
  const part = (count: number) => `${count} of ${accounts.length}`;
  const answers = accounts.flatMap(({ answer }) => answer ?? []);
  const told = answers.flatMap(({ culprits: [culprit] }) => culprit?.attributed_ratio ?? []);
  const seconds = accounts.flatMap(({ answerSeconds }) => answerSeconds ?? []);
  const isNamed = expected !== undefined && expected !== 'unclear';
  return [
    `\`${name}\``,
    expected === undefined ? 'nothing' : `\`${expected}\``,
    part(accounts.filter(isRight).length),
    part(accounts.filter(({ wrong }) => wrong.length > 0).length),
    isNamed ? part(accounts.filter(isCulpritRight).length) : '',
    isNamed ? (median(seconds)?.toFixed(1) ?? '') : '',
    isNamed ? percent(median(answers.flatMap(({ table }) => table.used_ratio ?? []))) : '',
    isNamed ? percent(median(told)) : '',
  ];
}

/** Where no alert may come, none came. */
function isRight({ incident, alerts, answer }: Account): boolean {
  return incident.expected === undefined ? alerts.length === 0 : answer !== undefined;
}

function isCulpritRight({ incident, answer, culpritPid }: Account): boolean {
  const [culprit] = answer?.culprits ?? [];
  if (culprit === undefined) return false;
  if (incident.port === undefined) return culprit.source?.ip === '127.0.0.1';
  // Of a service that many want nobody is to blame, and its own process is told.
  const { pid = culpritPid } = culprit.process ?? {};
  return culprit.destination?.port === incident.port && (culpritPid === undefined || pid === culpritPid);
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function percent(ratio: number | undefined): string {
  return ratio === undefined ? '' : `${Math.round(ratio * 100)} %`;
}
