import { describe, expect, it } from 'vitest';
import { endingOf, KERNEL_TIMEOUTS } from '../../src/recording/zeek-entry.js';
import type { ZeekRow } from '../../src/recording/zeek-log.js';

const row: ZeekRow = {
  ...{ startSeconds: 1, durationSeconds: 1, transport: 'tcp', tuple: '', connState: 'SF', isIpv6: false },
  ...{ source: new Uint8Array(16), destination: new Uint8Array(16), sourcePort: 1, destinationPort: 2 },
};

describe('endingOf', () => {
  it.each([
    ['S0', 120, 1, false],
    ['S1', 432_000, 3, true],
    ['S2', 120, 4, true],
    ['S3', 120, 4, true],
    ['SF', 120, 7, true],
    ['REJ', 10, 8, false],
    ['RSTO', 10, 8, true],
    ['RSTR', 10, 8, true],
    ['RSTOS0', 10, 8, false],
    ['SH', 120, 1, false],
    ['OTH', 300, 3, false],
  ])('TCP %s waits %i s', (connState, timeoutSeconds, tcpState, assured) => {
    const ending = endingOf({ ...row, connState }, KERNEL_TIMEOUTS);
    expect(ending).toMatchObject({ protocol: 6, timeoutSeconds, tcpState, assured });
  });

  it.each(['SHR', 'RSTRH'])('TCP %s makes no entry: its SYN was not seen', (connState) => {
    expect(endingOf({ ...row, connState }, KERNEL_TIMEOUTS)).toBeUndefined();
  });

  it('takes TCP in its middle for days only with packets both ways', () => {
    expect(endingOf({ ...row, connState: 'OTH', replyPackets: 3 }, KERNEL_TIMEOUTS)?.timeoutSeconds).toBe(432_000);
  });

  it.each([
    [{ transport: 'udp', replyPackets: 0, durationSeconds: 9 }, 30, 17],
    [{ transport: 'udp', replyPackets: 5, durationSeconds: 1 }, 30, 17],
    [{ transport: 'udp', replyPackets: 5, durationSeconds: 3 }, 120, 17],
    [{ transport: 'icmp' }, 30, 1],
    [{ transport: 'icmp', isIpv6: true }, 30, 58],
    [{ transport: 'unknown_transport' }, 600, 253],
  ])('%j waits %i s', (change, timeoutSeconds, protocol) => {
    expect(endingOf({ ...row, connState: '', ...change }, KERNEL_TIMEOUTS)).toMatchObject({ timeoutSeconds, protocol });
  });

  it('takes other timeouts', () => {
    const timeouts = { ...KERNEL_TIMEOUTS, tcp: { ...KERNEL_TIMEOUTS.tcp, time_wait: 30 } };
    expect(endingOf(row, timeouts)?.timeoutSeconds).toBe(30);
  });
});
