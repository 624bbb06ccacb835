/**
 * The incident this product was made for, and its neighbours: real programs and sockets, the built command line, and what it says.
 * Some at once, each in a namespace of its own, so that all take less than four minutes.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdConntrackMax, namespaceObstacle, removeNamespaces } from '../kernel/namespace.js';
import { incidents, REDIS_PORT, WORKER_THREADS, workerObstacle } from './incidents.js';
import { type Account, playIncident } from './play.js';

/** Incidents at once: a fraction of a core each. */
const AT_ONCE = 6;
/** What is allowed at Redis: twice the threads of the worker. */
const BUDGET = `[[budget]]\ndestination = "127.0.0.1:${REDIS_PORT}"\nmax_entries = ${2 * WORKER_THREADS}\n`;

const obstacle = namespaceObstacle() ?? workerObstacle();
const accounts = new Map<string, Account>();
const stateDirectory = mkdtempSync(join(tmpdir(), 'ctwatch-state-'));

beforeAll(async () => {
  if (obstacle !== undefined) return;
  const waiting = [...incidents];
  const playNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      accounts.set(next.name, await playIncident(next, BUDGET, ['--state-dir', join(stateDirectory, next.name)]));
    }
  };
  await holdConntrackMax(() => Promise.all(Array.from({ length: AT_ONCE }, playNext)));
}, 600_000);
afterAll(async () => {
  rmSync(stateDirectory, { recursive: true, force: true });
  await removeNamespaces();
});

/** What was seen of an incident; skips the test with the reason when none could be played. */
function accountOf(name: string, skip: (condition: boolean, note?: string) => void): Account {
  skip(obstacle !== undefined, obstacle);
  const account = accounts.get(name);
  if (account === undefined) throw new Error(`${name} was not played`);
  expect(account.stderr).toBe('');
  return account;
}

describe('a worker whose jobs each open a connection, when four times the jobs come', () => {
  it('is told before the table is full: where, in which state, against what is expected, and what it looks like', ({
    skip,
  }) => {
    const { answer, wrong, culpritPid } = accountOf('sidekiq_without_pool', skip);
    expect(wrong).toEqual([]);
    expect(answer?.table.used_ratio).toBeLessThan(1);
    expect(answer?.diagnosis).toMatchObject({ code: 'connection_churn' });
    const [culprit] = answer?.culprits ?? [];
    expect(culprit).toMatchObject({
      network: { transport: 'tcp' },
      destination: { ip: '127.0.0.1', port: REDIS_PORT },
      expected_entries: 2 * WORKER_THREADS,
    });
    expect(culprit?.process).toMatchObject({ pid: culpritPid, name: 'sidekiq' });
    // And some of Ruby's and Sidekiq's own.
    expect(culprit?.process?.threads).toBeGreaterThanOrEqual(WORKER_THREADS);
    expect(culprit?.attributed_ratio).toBeGreaterThan(0);
    expect(culprit?.entries).toBeGreaterThan(5 * WORKER_THREADS);
    expect(culprit?.share_ratio).toBeGreaterThan(0.6);
    expect(Object.keys(culprit?.states ?? {})[0]).toBe('TIME_WAIT');
    expect(answer?.msg).toMatch(
      /tcp to 127\.0\.0\.1:6379, opened by sidekiq \(pid \d+, \d+ threads\): [\d,]+ entries against an expected 50, \d+(\.\d)? % in TIME_WAIT\. It looks like connections that are not being reused\./,
    );
  });

  it('is over its budget, with both numbers', ({ skip }) => {
    const { lines } = accountOf('sidekiq_without_pool', skip);
    const alert = lines.find((line) => line.type === 'alert' && line.name === 'budget' && line.phase === 'firing');
    expect(alert).toMatchObject({ key: 'budget 127.0.0.1:6379', budget: { max_entries: 2 * WORKER_THREADS } });
    expect(alert?.msg).toMatch(/^127\.0\.0\.1:6379 is over its budget: \d+ entries, 50 allowed\.$/);
  });

  it('leaves evidence before the table is full: alert, census, facts of the host, samples', ({ skip }) => {
    const { lines } = accountOf('sidekiq_without_pool', skip);
    const directory = join(stateDirectory, 'sidekiq_without_pool');
    const [name = ''] = readdirSync(directory);
    expect(name).toMatch(/^ctwatch-\d{8}T\d{6}Z-time_to_full\.json$/);
    const { alert, census, start, samples } = JSON.parse(readFileSync(join(directory, name), 'utf8'));
    expect(alert).toMatchObject({ severity: 'critical', culprits: expect.any(Array) });
    expect(alert.culprits[0].destination.port).toBe(REDIS_PORT);
    expect(alert.table.used_ratio).toBeLessThan(1);
    expect(census.entries).toBeGreaterThan(0);
    expect(start.sysctls).toHaveProperty('nf_conntrack_events');
    expect(samples.length).toBeGreaterThan(30);
    expect(lines.filter(({ type }) => type === 'notice')).toEqual([]);
  });

  it('raises no alert once the jobs share a pool', ({ skip }) => {
    const { lines } = accountOf('sidekiq_with_pool', skip);
    expect(lines.filter(({ type }) => type === 'sample').length).toBeGreaterThan(60);
    expect(lines.filter(({ type }) => type === 'alert')).toEqual([]);
  });
});

const others = incidents.filter(({ name }) => !name.startsWith('sidekiq'));

describe('other incidents', () => {
  it.for(others.filter(({ expected }) => expected !== 'unclear'))(
    '$name is called $expected, and nothing else: $description',
    ({ name, expected, port }, { skip }) => {
      const { answer, wrong } = accountOf(name, skip);
      expect(wrong).toEqual([]);
      expect(answer?.diagnosis?.code).toBe(expected);
      expect(answer?.table.used_ratio).toBeLessThan(1);
      expect(answer?.diagnosis?.evidence.length).toBeGreaterThan(0);
      expect(answer?.msg).toContain('It looks like');
      const [culprit] = answer?.culprits ?? [];
      if (port === undefined) expect(culprit).toMatchObject({ source: { ip: '127.0.0.1' } });
      else expect(culprit?.destination?.port).toBe(port);
    },
  );

  it.for(others.filter(({ expected }) => expected === 'unclear'))(
    '$name is unclear, and told as that alone: $description',
    ({ name }, { skip }) => {
      const { alerts, wrong } = accountOf(name, skip);
      expect(wrong).toEqual([]);
      expect(alerts.length).toBeGreaterThan(0);
      for (const { msg } of alerts) expect(msg).not.toContain('It looks like');
    },
  );
});
