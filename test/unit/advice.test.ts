import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listAdvice } from '../../src/analysis/diagnosis/advice.js';

const buffer = { recvBufferBytes: 2048, recvBufferForced: true };

describe('listAdvice', () => {
  it('names the limit that would do, what it makes of the table and what it costs', () => {
    expect(listAdvice({ name: 'time_to_full', max: 12_500, plateauCount: 54_000, ...buffer })).toEqual([
      {
        text: 'sudo sysctl -w net.netfilter.nf_conntrack_max=131072 net.netfilter.nf_conntrack_buckets=131072 lets it settle at 41 % (up to 52 MB of kernel memory)',
        plateauRatio: 54_000 / 131_072,
      },
    ]);
  });

  it('is silent where nothing can be said or the table is roomy', () => {
    expect(listAdvice({ name: 'usage', max: 1000, ...buffer })).toEqual([]);
    expect(listAdvice({ name: 'usage', plateauCount: 1000, ...buffer })).toEqual([]);
    expect(listAdvice({ name: 'burst', max: 1000, plateauCount: 700, ...buffer })).toEqual([]);
  });

  const redis = { destination: { transport: 'tcp', ip: '10.0.0.5', port: 6379 }, pooledEntries: 50 } as const;
  const fills = { name: 'time_to_full', max: 10_000, maxAssumed: true, plateauCount: 20_000, ...buffer } as const;
  const whatIf = { timeWaitCount: 6000, withoutCount: 1950 };

  it('says what the culprit and a shorter TIME_WAIT would make of it', () => {
    expect(listAdvice({ ...fills, ...redis, whatIf, diagnosis: 'connection_churn' })).toEqual([
      { text: 'a pool of connections (tcp to 10.0.0.5:6379) lets it settle at 20 %', plateauRatio: 0.2 },
      {
        text: 'sudo sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=30 lets it settle at 60 %',
        plateauRatio: 0.6,
      },
    ]);
    const [leak, ...others] = listAdvice({ ...fills, ...redis, whatIf, diagnosis: 'connection_leak' });
    expect(leak?.text).toMatch(/^a pool/);
    expect(others).toEqual([]);
  });

  it('advises not to track what needs no tracking, in the words of its protocol', () => {
    const [storm] = listAdvice({
      ...{ ...fills, whatIf, diagnosis: 'dns_storm' },
      destination: { transport: 'udp', ip: '2001:db8::53', port: 53 },
    });
    expect(storm?.text).toContain('(ip6 daddr 2001:db8::53 udp dport 53 notrack) lets it settle at 20 %');
  });

  it('names no remedy that helps nothing, nor one for what is unclear, nor a limit that is assumed', () => {
    for (const diagnosis of ['unclear', 'syn_flood', 'scan', 'dead_backend', 'timeout_artefact'] as const) {
      expect(listAdvice({ ...fills, ...redis, whatIf, diagnosis })).toEqual([]);
    }
    const useless = { timeWaitCount: 19_000, withoutCount: 12_000 };
    expect(listAdvice({ ...fills, ...redis, whatIf: useless, diagnosis: 'connection_churn' })).toEqual([]);
    expect(listAdvice({ ...fills, ...redis, diagnosis: 'connection_churn' })).toEqual([]);
    expect(listAdvice({ ...fills, name: 'budget', maxAssumed: false })).toEqual([]);
  });

  it('never advises a limit that the plateau would pass 80 % of, nor a lower one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e7 }), fc.integer({ min: 1, max: 1e7 }), (max, plateauCount) => {
        for (const { text, plateauRatio } of listAdvice({ name: 'usage', max, plateauCount, ...buffer })) {
          expect(plateauRatio).toBeLessThanOrEqual(0.8);
          expect(Number(/max=(\d+)/.exec(text)?.[1])).toBeGreaterThanOrEqual(max);
        }
      }),
    );
  });

  it('offers twice the buffer by the setting that limits it, and nothing above what the kernel allows', () => {
    const textOf = (recvBufferBytes: number, recvBufferForced: boolean) =>
      listAdvice({ name: 'loss', recvBufferBytes, recvBufferForced })[0]?.text;
    // Granted is twice what was asked for.
    expect(textOf(67_108_864, true)).toContain('receive_buffer_bytes = 67108864 ');
    expect(textOf(425_984, false)).toContain('sysctl -w net.core.rmem_max=425984 ');
    expect(textOf(2 ** 31 - 2, true)).toBeUndefined();
  });
});
