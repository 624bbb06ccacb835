import { describe, expect, it } from 'vitest';
import { NO_FACTS } from '../../src/analysis/diagnosis/destination-facts.js';
import type { Findings, SuspectDestination } from '../../src/analysis/diagnosis/suspects.js';
import { TCP } from '../../src/model/protocol.js';
import { culpritFields } from '../../src/pipeline/culprit-fields.js';

const talker = {
  ...{ counter: 0, family: 2, protocol: TCP, address: Uint8Array.of(10, 0, 0, 5, ...new Uint8Array(12)), port: 6379 },
  ...{ newPerSecond: 100, shareRatio: 0.9, errorRatio: 0 },
};
const findings = (more: Partial<SuspectDestination>): Findings => ({
  basis: 'growth',
  destinations: [{ talker, shareRatio: 0.9, facts: { ...NO_FACTS, entries: 840.4 }, ...more }],
  diagnosis: { code: 'unclear', confidenceRatio: 1, evidence: [] },
  budgets: [],
});

describe('a culprit', () => {
  it('tells how many sockets are open to it, next to the threads of its owner', () => {
    const owner = { key: 'sidekiq.service/ruby', unit: 'sidekiq.service', name: 'ruby', pid: 4121, threads: 25 };
    const owners = { owners: [{ owner, shareRatio: 1 }], attributedRatio: 0.97, forwardedRatio: 0 };
    const [culprit] = culpritFields(findings({ talker: { ...talker, owners }, openSockets: 83.6 }));
    expect(culprit).toMatchObject({ entries: 840, open_sockets: 84, process: { pid: 4121, threads: 25 } });
  });

  it('has no number of sockets while it is not known, and 0 where all are closed', () => {
    expect(culpritFields(findings({}))[0]).not.toHaveProperty('open_sockets');
    expect(culpritFields(findings({ openSockets: 0 }))[0]?.open_sockets).toBe(0);
  });
});
