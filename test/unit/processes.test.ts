import { describe, expect, it } from 'vitest';
import type { OwnerAnswer, ProcessFacts } from '../../src/kernel/addon.js';
import { Processes } from '../../src/kernel/processes.js';

const stat = (name: string, startTicks: number, threads = 1) =>
  `7 (${name}) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 ${threads} 0 ${startTicks} 0 0`;

function facts(text: string, parts: Partial<ProcessFacts> = {}): ProcessFacts {
  const cgroup = Buffer.from('0::/system.slice/web.service\n');
  return { pid: 7, uid: 33, stat: Buffer.from(text), cgroup, commandLine: new Uint8Array(0), ...parts };
}

const answerOf = (...processes: ProcessFacts[]): OwnerAnswer => ({
  ...{ flows: [], sockets: [], processes, knownSeconds: 0, scanSeconds: 0, refused: 0 },
  ...{ bootSeconds: 100, ticksPerSecond: 100 },
});

function setUp() {
  let reads = 0;
  const processes = new Processes({
    userName: () => {
      reads += 1;
      return 'www-data';
    },
    unixSeconds: () => 1000,
  });
  return { processes, describe: (...all: ProcessFacts[]) => processes.describe(answerOf(...all)), reads: () => reads };
}

describe('naming processes', () => {
  it('names each once, and tells the threads it has now', () => {
    const { describe, reads } = setUp();
    expect(describe(facts(stat('nginx', 500, 1)))).toEqual([
      {
        key: 'web.service/nginx',
        ...{ pid: 7, name: 'nginx', unit: 'web.service', uid: 33, user: 'www-data' },
        ...{ startTicks: 500, startUnixSeconds: 905, threads: 1 },
      },
    ]);
    expect(describe(facts(stat('nginx', 500, 9)))[0]).toMatchObject({ threads: 9, startUnixSeconds: 905 });
    expect(reads()).toBe(1);
  });

  it('keeps the number of sockets between two counts', () => {
    const { describe } = setUp();
    expect(describe(facts(stat('nginx', 500)))[0]).not.toHaveProperty('sockets');
    expect(describe(facts(stat('nginx', 500), { sockets: 41 }))[0]?.sockets).toBe(41);
    expect(describe(facts(stat('nginx', 500)))[0]?.sockets).toBe(41);
    expect(describe(facts(stat('nginx', 501)))[0]).not.toHaveProperty('sockets');
  });

  it('takes a pid that is used again for another process', () => {
    const { describe } = setUp();
    describe(facts(stat('nginx', 500)));
    const cgroup = Buffer.from('0::/system.slice/cron.service\n');
    expect(describe(facts(stat('nginx', 501), { cgroup }))[0]).toMatchObject({ unit: 'cron.service', startTicks: 501 });
  });

  it('sees that a process has become another program', () => {
    const { describe } = setUp();
    describe(facts(stat('sh', 500)));
    expect(describe(facts(stat('curl', 500)))[0]).toMatchObject({ key: 'web.service/curl', name: 'curl' });
  });

  it('says nothing of one that ended while it was read', () => {
    const { describe } = setUp();
    expect(describe(facts(''), facts(stat('nginx', 1)))).toEqual([undefined, expect.objectContaining({ pid: 7 })]);
  });

  it('shows a command line with spaces, cut, without control characters', () => {
    const { describe } = setUp();
    const commandLine = Buffer.from(`ruby\0worker.rb\0--queue\0a\nb\0${'x'.repeat(5000)}`);
    const [owner] = describe(facts(stat('ruby', 1), { commandLine }));
    expect(owner?.commandLine).toMatch(/^ruby worker\.rb --queue a\ufffdb xxx/);
    expect([...(owner?.commandLine ?? '')]).toHaveLength(1025);
  });

  it('remembers a thousand, not ten thousand', () => {
    const { describe, reads } = setUp();
    for (let start = 0; start < 10_000; start++) describe(facts(stat('job', start)));
    expect(reads()).toBe(10_000);
    describe(facts(stat('job', 9_500)));
    expect(reads()).toBe(10_000);
    describe(facts(stat('job', 5)));
    expect(reads()).toBe(10_001);
  });
});
