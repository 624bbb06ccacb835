import { describe, expect, it } from 'vitest';
import { isIcmp, tcpStateName, transportName } from '../../src/model/protocol.js';

describe('transportName', () => {
  it.each([
    [1, 'icmp'],
    [6, 'tcp'],
    [17, 'udp'],
    [33, 'dccp'],
    [47, 'gre'],
    [58, 'ipv6-icmp'],
    [132, 'sctp'],
    [136, 'udplite'],
  ])('names protocol %i as IANA does: %s', (protocol, name) => {
    expect(transportName(protocol)).toBe(name);
  });

  it('gives the number of a protocol it has no name for', () => {
    expect(transportName(253)).toBe('253');
  });
});

describe('isIcmp', () => {
  it('is true of ICMP and ICMPv6 alone', () => {
    expect(Array.from({ length: 256 }, (_, protocol) => protocol).filter(isIcmp)).toEqual([1, 58]);
  });
});

describe('tcpStateName', () => {
  it('follows enum tcp_conntrack', () => {
    const names = [...'0123456789'].map((state) => tcpStateName(Number(state)));
    expect(names.slice(0, 5)).toEqual(['NONE', 'SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'FIN_WAIT']);
    expect(names.slice(5)).toEqual(['CLOSE_WAIT', 'LAST_ACK', 'TIME_WAIT', 'CLOSE', 'SYN_SENT2']);
  });

  it('does not name a state the kernel does not have', () => {
    expect(tcpStateName(10)).toBeUndefined();
  });
});
