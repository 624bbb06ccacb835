import { describe, expect, it } from 'vitest';
import type { OwnerAnswer, OwnerQuestion } from '../../src/kernel/addon.js';
import { OwnerLookups } from '../../src/kernel/owner-lookups.js';
import { Processes } from '../../src/kernel/processes.js';
import { OWNER_CHUNK_ENTRIES, OWNER_PENDING_MAX, OWNER_RETRY_SECONDS } from '../../src/model/limits.js';
import type { OwnerSighting } from '../../src/model/owner.js';
import { batchOf } from '../support/records.js';

type Told = OwnerAnswer['flows'][number];

const STAT = '4121 (ruby) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 25 0 123456 0 0';
const RUBY = {
  pid: 4121,
  uid: 1000,
  stat: Buffer.from(STAT),
  cgroup: Buffer.from('0::/system.slice/sidekiq.service\n'),
  commandLine: new Uint8Array(0),
};
const OPEN: Told = { direction: 1, match: 1, uid: 1000, inode: 77 };

/** A kernel that gives every flow the same answer, and remembers what it was asked. */
function setUp(
  answer: Partial<OwnerAnswer> & { each?: (index: number) => Told } = {},
  perSecond = 200,
  patient = true,
) {
  const questions: OwnerQuestion[] = [];
  const { each = () => ({ ...OPEN, process: 0 }), ...rest } = answer;
  const lookups = new OwnerLookups({
    ask: async (question) => {
      questions.push(question);
      const count = question.flows.length / 80;
      return {
        flows: Array.from({ length: count }, (_, i) => each(i)),
        sockets: Array.from({ length: question.sockets.length / 2 }, () => undefined),
        processes: [RUBY],
        knownSeconds: 0.0001,
        scanSeconds: 0,
        refused: 0,
        bootSeconds: 2000,
        ticksPerSecond: 100,
        ...rest,
      };
    },
    processes: new Processes({
      userName: (uid) => (uid === 1000 ? 'deploy' : undefined),
      unixSeconds: () => 1_790_000_000,
    }),
    perSecond,
    commandLine: false,
    patient,
  });
  return { lookups, questions };
}

const answered = () => new Promise((resolve) => setImmediate(resolve));

const flows = (count: number) => batchOf(Array.from({ length: count }, (_, i) => ({ id: i, sourcePort: 2000 + i })));

const sum = (sightings: readonly OwnerSighting[]) => sightings.reduce((total, { count }) => total + count, 0);

describe('asking for owners', () => {
  it('tells the process, its unit and its user of fresh flows, added up', async () => {
    const { lookups } = setUp();
    lookups.observe(flows(3), 10, true);
    await answered();
    const [sighting, ...more] = lookups.take(10);
    expect(more).toEqual([]);
    expect(sighting).toMatchObject({ direction: 'originated', count: 3 });
    expect(sighting?.owner).toEqual({
      key: 'sidekiq.service/ruby',
      ...{ name: 'ruby', unit: 'sidekiq.service', uid: 1000, user: 'deploy', pid: 4121 },
      ...{ startTicks: 123_456, startUnixSeconds: 1_789_999_234.56, threads: 25 },
    });
    expect(lookups.take(10)).toEqual([]);
  });

  it('asks nothing when nothing is new', () => {
    const { lookups, questions } = setUp();
    lookups.observe(batchOf([], [{ id: 1 }]), 10, true);
    expect(questions).toEqual([]);
    expect(lookups.take(10)).toEqual([]);
  });

  it('asks for no more flows than it may', async () => {
    const { lookups, questions } = setUp({}, 100);
    for (let drain = 0; drain < 400; drain++) {
      lookups.observe(flows(250), 10 + drain / 40, drain % 2 === 0);
      await answered();
    }
    const asked = questions.reduce((total, question) => total + question.flows.length / 80, 0);
    // Ten seconds, and what may be asked at once in the first.
    expect(asked).toBeGreaterThan(600);
    expect(asked).toBeLessThanOrEqual(1100);
  });

  it('asks one question at a time', async () => {
    const { lookups, questions } = setUp();
    lookups.observe(flows(1), 10, true);
    lookups.observe(flows(1), 10.001, true);
    expect(questions).toHaveLength(1);
    await answered();
    lookups.observe(flows(1), 10.025, true);
    expect(questions).toHaveLength(2);
  });

  it('waits until the time spent in procfs is made good', async () => {
    const { lookups, questions } = setUp({ knownSeconds: 0.4 });
    lookups.observe(flows(1), 10, true);
    await answered();
    lookups.observe(flows(1), 12, true);
    expect(questions).toHaveLength(1);
    expect(lookups.probe(12)).toBe(false);
    // 0.1 s overdrawn at 0.5 % of a core.
    expect(lookups.probe(29)).toBe(false);
    expect(lookups.probe(31)).toBe(true);
    lookups.observe(flows(1), 31, true);
    expect(questions).toHaveLength(2);
  });

  it('waits for fresh flows ten times a second at most', () => {
    const { lookups } = setUp();
    const probes = Array.from({ length: 1000 }, (_, i) => lookups.probe(10 + i / 100)).filter(Boolean);
    expect(probes.length).toBeGreaterThanOrEqual(90);
    expect(probes.length).toBeLessThanOrEqual(101);
  });

  it('sends both tuples in the order of the addon', async () => {
    const { lookups, questions } = setUp();
    lookups.observe(batchOf([{ id: 1, sourcePort: 0x1234, destinationPort: 0x50 }]), 10, true);
    const bytes = Buffer.from(questions[0]?.flows ?? []);
    expect(bytes).toHaveLength(80);
    expect([bytes[1], bytes.readUInt16LE(4), bytes.readUInt16LE(6)]).toEqual([6, 0x1234, 0x50]);
  });
});

describe('entries of a dump', () => {
  const tcp = (count: number, tcpState: number) => {
    const batch = flows(count);
    batch.columns.tcpState.fill(tcpState, 0, count);
    return batch;
  };

  it('are asked for evenly, not all of them, and waited for', async () => {
    const { lookups, questions } = setUp();
    await lookups.observeEntries(tcp(8000, 3), 10);
    expect(questions.map((question) => question.flows.length / 80)).toEqual([OWNER_CHUNK_ENTRIES]);
    expect(sum(lookups.take(10, true))).toBe(OWNER_CHUNK_ENTRIES);
  });

  it('are not asked for where no socket can be left', async () => {
    const { lookups, questions } = setUp();
    await lookups.observeEntries(tcp(100, 7), 10);
    expect(questions).toEqual([]);
  });
});

describe('what has no answer', () => {
  const GONE: Told = { direction: 1, match: 0, uid: 0, inode: 0 };

  it('counts as untold when it was fresh, and not at all when it was asked for late', async () => {
    const { lookups } = setUp({ each: () => GONE });
    lookups.observe(flows(4), 10, true);
    await answered();
    const fresh = lookups.take(10);
    expect(sum(fresh)).toBe(4);
    expect(fresh[0]).not.toHaveProperty('owner');
    for (const at of [11, 11.2]) {
      lookups.observe(flows(50), at, false);
      await answered();
    }
    expect(lookups.take(12)).toEqual([]);
  });

  it('is of a protocol without sockets, which a late question tells as well', async () => {
    const { lookups } = setUp({ each: () => GONE });
    lookups.observe(batchOf([{ id: 1, protocol: 1 }]), 10, false);
    await answered();
    expect(lookups.take(10)).toMatchObject([{ protocol: 1, port: 0, direction: 'originated', count: 1 }]);
  });

  it('is forwarded, which a late question tells as well', async () => {
    const { lookups } = setUp({ each: () => ({ ...GONE, direction: 3 }) });
    for (const at of [10, 10.2]) {
      lookups.observe(flows(50), at, false);
      await answered();
    }
    const [sighting] = lookups.take(11);
    expect(sighting).toMatchObject({ direction: 'forwarded' });
    expect(sighting).not.toHaveProperty('source');
  });

  it('is asked for again while its socket may be open, then told by its user and unit', async () => {
    const cgroup = Buffer.from('/system.slice/sidekiq.service');
    const { lookups, questions } = setUp({ each: () => ({ ...OPEN, cgroup }), processes: [] });
    lookups.observe(flows(1), 10, true);
    await answered();
    expect(lookups.take(11)).toEqual([]);
    lookups.observe(flows(1), 12, true);
    expect([...(questions[1]?.sockets ?? [])]).toEqual([77, 1000]);
    await answered();
    const [sighting] = lookups.take(16);
    expect(sighting?.owner).toEqual({ key: 'sidekiq.service', unit: 'sidekiq.service', uid: 1000, user: 'deploy' });
  });

  it('is found later', async () => {
    let inode = 77;
    const { lookups } = setUp({ each: () => ({ ...OPEN, inode: inode++ }), sockets: [0] });
    lookups.observe(flows(1), 10, true);
    await answered();
    expect(lookups.take(10.2)).toEqual([]);
    lookups.observe(flows(1), 10.5, true);
    await answered();
    // The second waits in its turn.
    const told = lookups.take(10.5);
    expect(told.map(({ count, owner }) => [count, owner?.pid])).toEqual([[1, 4121]]);
  });

  it('is told at once where no other process may be looked at', async () => {
    const { lookups } = setUp({ each: () => OPEN, processes: [] }, 200, false);
    lookups.observe(flows(1), 10, true);
    await answered();
    expect(lookups.take(10)[0]?.owner).toMatchObject({ uid: 1000 });
  });

  it('is told at the end', async () => {
    const { lookups } = setUp({ each: () => OPEN, processes: [] });
    lookups.observe(flows(1), 10, true);
    await answered();
    expect(lookups.take(10, true)[0]?.owner).toMatchObject({ uid: 1000 });
  });

  it('never makes it look for more sockets than it may', async () => {
    let inode = 0;
    const { lookups, questions } = setUp({ each: () => ({ ...OPEN, inode: ++inode }), processes: [] }, 1000);
    for (let i = 0; i < 10; i++) {
      lookups.observe(flows(200), 10 + i / 2, true);
      await answered();
    }
    expect(Math.max(...questions.map(({ sockets }) => sockets.length / 2))).toBe(OWNER_PENDING_MAX);
    expect(sum(lookups.take(14))).toBeGreaterThan(500);
  });

  it('tells that a question failed, and asks again a minute later', async () => {
    let asked = 0;
    const lookups = new OwnerLookups({
      ask: async () => {
        asked += 1;
        throw Object.assign(new Error('the kernel refused a socket look-up'), {
          operation: 'socket-lookup',
          errno: 'ENOBUFS',
        });
      },
      processes: new Processes({ userName: () => undefined, unixSeconds: () => 0 }),
      perSecond: 200,
      commandLine: false,
      patient: true,
    });
    const told = [];
    for (let second = 0; second < OWNER_RETRY_SECONDS + 5; second++) {
      const at = { monotonicSeconds: 10 + second, unixSeconds: 0 };
      lookups.observe(flows(1), at.monotonicSeconds, true);
      await answered();
      told.push(...[lookups.takeRecord(at) ?? []].flat());
    }
    expect(asked).toBe(2);
    expect(told).toHaveLength(2);
    expect(told[0]).toMatchObject({ type: 'owners', sightings: [], at: { monotonicSeconds: 10 } });
    expect(told[0]?.error).toMatchObject({ code: 'ERR_KERNEL_SOURCE', operation: 'socket-lookup', errno: 'ENOBUFS' });
    expect(told[1]?.at.monotonicSeconds).toBe(10 + OWNER_RETRY_SECONDS);
  });
});
