import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diagnose, ILLNESSES } from '../../src/analysis/diagnosis/diagnosis.js';
import type { StageCounts, Traits } from '../../src/analysis/diagnosis/flow-traits.js';
import { type Suspect, SYMPTOMS, symptomsOf } from '../../src/analysis/diagnosis/symptoms.js';
import { FLOW_STAGES, type FlowStage } from '../../src/analysis/flow-stage.js';
import { DIAGNOSIS_CODES } from '../../src/model/alert-fields.js';

function stages(counts: Partial<Record<FlowStage, number>> = {}): StageCounts {
  return Object.fromEntries(FLOW_STAGES.map((stage) => [stage, counts[stage] ?? 0])) as StageCounts;
}

function traits(partners: number, partnerFlows: number, young: Partial<Record<FlowStage, number>> = {}): Traits {
  return { partners, partnerFlows, young: stages(young), aged: stages(), ended: stages() };
}

const tcp = { subject: 'destination', protocol: 6, port: 6379, newPerSecond: 200 } as const;

/** One of each kind, as test/incident shows them. */
const TYPICAL: readonly (readonly [code: string, suspect: Suspect])[] = [
  ['connection_churn', { ...tcp, paceRatio: 4, traits: traits(1, 900, { time_wait: 30, established: 3 }) }],
  [
    'connection_leak',
    { ...tcp, paceRatio: 5, traits: { ...traits(1, 200, { established: 25 }), aged: stages({ established: 9 }) } },
  ],
  [
    'connection_leak',
    { ...tcp, paceRatio: 1, traits: traits(1, 200, { established: 25 }), growthPerSecond: 190, watchedSeconds: 300 },
  ],
  ['traffic_spike', { ...tcp, port: 443, paceRatio: 5, traits: traits(400, 1500, { time_wait: 20, established: 8 }) }],
  ['syn_flood', { ...tcp, port: 443, paceRatio: 30, traits: traits(5000, 5100, { half_open: 30 }) }],
  ['syn_flood', { ...tcp, port: 443, paceRatio: 30, traits: traits(5000, 5100, { unanswered: 30 }) }],
  [
    'scan',
    {
      ...{ subject: 'source', protocol: 6, newPerSecond: 300, paceRatio: 10 },
      traits: traits(2500, 2600, { unanswered: 40 }),
    },
  ],
  ['dead_backend', { ...tcp, paceRatio: 3, traits: traits(2, 500, { unanswered: 20 }) }],
  ['dead_backend', { ...tcp, paceRatio: 1, traits: traits(1, 500, { unanswered: 20 }) }],
  ['dns_storm', { ...tcp, protocol: 17, port: 53, paceRatio: 6, traits: traits(1, 800, { answered: 20 }) }],
  ['dns_storm', { ...tcp, protocol: 17, port: 53, paceRatio: 6, traits: traits(1, 800, { unanswered: 20 }) }],
  ['udp_storm', { ...tcp, protocol: 17, port: 8125, paceRatio: 6, traits: traits(1, 800, { unanswered: 20 }) }],
  [
    'timeout_artefact',
    { ...tcp, port: 5432, paceRatio: 1, newPerSecond: 1, traits: traits(1, 9, { established: 5 }), idleRatio: 0.93 },
  ],
  ['unclear', { ...tcp, paceRatio: 4, traits: traits(1, 900) }],
  ['unclear', { ...tcp, paceRatio: 3, traits: traits(6, 900, { time_wait: 8, established: 8, unanswered: 10 }) }],
  ['unclear', { ...tcp, subject: 'source', paceRatio: 3, traits: traits(900, 950, { time_wait: 20 }) }],
];

describe('diagnose', () => {
  it.each(TYPICAL)('tells %s', (code, suspect) => {
    const diagnosis = diagnose(suspect, 0.9);
    expect(diagnosis.code).toBe(code);
    if (code !== 'unclear') expect(diagnosis.confidenceRatio).toBeGreaterThan(0.7);
    expect(diagnosis.evidence.length).toBeGreaterThan(0);
  });

  it('is unclear when nobody accounts for most of the growth, however plain the best is', () => {
    const [, churn] = TYPICAL[0] ?? [];
    expect(diagnose(churn, 0.41).code).toBe('connection_churn');
    expect(diagnose(churn, 0.39)).toMatchObject({
      code: 'unclear',
      evidence: ['no destination or source accounts for more than 39 % of it'],
    });
    expect(diagnose(undefined, 0)).toEqual({ code: 'unclear', confidenceRatio: 1, evidence: [] });
  });

  it('has a rule for each code, whose parts are parts of a whole', () => {
    expect([...Object.keys(ILLNESSES), 'unclear'].sort()).toEqual([...DIAGNOSIS_CODES].sort());
    for (const { shows } of Object.values(ILLNESSES)) {
      for (const [name, values] of Object.entries(shows)) {
        expect(Object.keys(SYMPTOMS[name as keyof typeof SYMPTOMS])).toBeDefined();
        const sum = Object.values(values).reduce((total, part) => total + part, 0);
        expect(sum).toBeGreaterThan(0);
        expect(sum).toBeLessThanOrEqual(1 + 1e-9);
      }
    }
    const priors = Object.values(ILLNESSES).reduce((sum, { prior }) => sum + prior, 0);
    expect(priors).toBeCloseTo(0.9, 9);
  });

  it('gives a probability and valid texts for anything that may be seen', () => {
    const count = fc.double({ min: 0, max: 1e6, noNaN: true });
    const counts = fc.tuple(...FLOW_STAGES.map(() => count)).map((values) => {
      return Object.fromEntries(FLOW_STAGES.map((stage, i) => [stage, values[i] ?? 0])) as StageCounts;
    });
    const some = fc.option(count, { nil: undefined });
    const suspects = fc.record({
      subject: fc.constantFrom('destination' as const, 'source' as const),
      protocol: fc.constantFrom(1, 6, 17, 47, 132),
      port: fc.nat(65_535),
      traits: fc.record({ partners: count, partnerFlows: count, young: counts, aged: counts, ended: counts }),
      newPerSecond: count,
      optional: fc.record({ paceRatio: some, growthPerSecond: some, watchedSeconds: some, idleRatio: some }),
    });
    fc.assert(
      fc.property(suspects, fc.double({ min: 0, max: 1, noNaN: true }), ({ optional, ...rest }, share) => {
        const known = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined));
        const { code, confidenceRatio, evidence } = diagnose({ ...rest, ...known }, share);
        expect(DIAGNOSIS_CODES).toContain(code);
        expect(confidenceRatio).toBeGreaterThanOrEqual(0);
        expect(confidenceRatio).toBeLessThanOrEqual(1);
        expect(evidence.every((text) => text.length > 10 && !/NaN|undefined|Infinity/.test(text))).toBe(true);
      }),
    );
  });
});

describe('symptomsOf', () => {
  it('leaves out what cannot be told', () => {
    const { paceRatio: _, ...unknown }: Suspect = { ...tcp, traits: traits(1, 3, { time_wait: 2 }) };
    expect(symptomsOf(unknown)).toEqual({ subject: 'destination', transport: 'tcp' });
  });

  it('takes flows that ended for the stage when too few young ones were looked up', () => {
    const ended = { ...traits(1, 100, { established: 3 }), ended: stages({ time_wait: 40, unanswered: 2 }) };
    expect(symptomsOf({ ...tcp, traits: ended }).stage).toBe('over');
    expect(symptomsOf({ ...tcp, traits: { ...ended, young: stages({ established: 4 }) } }).stage).toBe('established');
  });

  it.each([
    [1, 100, 'one'],
    [2.2, 100, 'one'],
    [4, 100, 'few'],
    [40, 400, 'many'],
    [40, 44, 'once'],
  ])('calls %d partners of %d flows %s', (partners, flows, expected) => {
    expect(symptomsOf({ ...tcp, traits: traits(partners, flows) }).partners).toBe(expected);
  });

  it('does not say that entries stay before the longest timeout has passed', () => {
    const leak = { ...tcp, traits: traits(1, 100), growthPerSecond: 150 };
    expect(symptomsOf({ ...leak, watchedSeconds: 199 }).leaving).toBeUndefined();
    expect(symptomsOf({ ...leak, watchedSeconds: 201 }).leaving).toBe('stays');
    expect(symptomsOf({ ...leak, watchedSeconds: 201, growthPerSecond: 10 }).leaving).toBe('leaves');
  });

  it('calls flows held or released by what they are later, and those that nobody answered neither', () => {
    const later = (aged: Partial<Record<FlowStage, number>>) =>
      symptomsOf({ ...tcp, traits: { ...traits(1, 9), aged: stages(aged) } }).hold;
    expect(later({ established: 4 })).toBe('held');
    expect(later({ time_wait: 4, reset: 1 })).toBe('released');
    expect(later({ unanswered: 9 })).toBeUndefined();
    expect(later({ established: 3 })).toBeUndefined();
  });

  it('takes one program of this host for one client, from however many addresses', () => {
    const crowd = { ...tcp, traits: traits(40, 400, { time_wait: 20 }), paceRatio: 5 };
    expect(symptomsOf({ ...crowd, owner: { isOnlyClient: true } }).partners).toBe('one');
    expect(diagnose(crowd, 0.9).code).toBe('traffic_spike');
    const told = diagnose({ ...crowd, owner: { isOnlyClient: true } }, 0.9);
    expect(told).toMatchObject({
      code: 'connection_churn',
      evidence: expect.arrayContaining(['one program of this host opens them']),
    });
  });

  it('compares sockets with threads', () => {
    const owned = (openSockets: number) =>
      symptomsOf({ ...tcp, traits: traits(1, 9), owner: { threads: 25, openSockets } });
    expect(owned(50).sockets).toBe('within_threads');
    expect(owned(51).sockets).toBe('beyond_threads');
  });
});
