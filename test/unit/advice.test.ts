import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listAdvice } from '../../src/analysis/advice.js';

const buffer = { recvBufferBytes: 2048, recvBufferForced: true };

describe('listAdvice', () => {
  it('names the limit that would do, what it makes of the table and what it costs', () => {
    expect(listAdvice({ name: 'time_to_full', max: 12_500, plateauCount: 54_000, ...buffer })).toEqual([
      {
        text: 'sudo sysctl -w net.netfilter.nf_conntrack_max=131072 lets it settle at 41 % (up to 51 MB of kernel memory)',
        plateauRatio: 54_000 / 131_072,
      },
    ]);
  });

  it('is silent where nothing can be said or the table is roomy', () => {
    expect(listAdvice({ name: 'usage', max: 1000, ...buffer })).toEqual([]);
    expect(listAdvice({ name: 'usage', plateauCount: 1000, ...buffer })).toEqual([]);
    expect(listAdvice({ name: 'burst', max: 1000, plateauCount: 700, ...buffer })).toEqual([]);
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
