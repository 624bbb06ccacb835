import { describe, expect, it } from 'vitest';
import { DEGRADED_CODES, type DegradedCode, listDegraded } from '../../src/analysis/degraded.js';
import type { HostFacts } from '../../src/model/record.js';
import { HOST } from '../support/records.js';

/** A host on which nothing is degraded. */
const whole: HostFacts = { ...HOST, table: { count: 10, max: 65_536 } };
const withSysctls = (sysctls: HostFacts['sysctls']): HostFacts => ({
  ...whole,
  sysctls: { ...whole.sysctls, ...sysctls },
});

const CASES: readonly (readonly [DegradedCode, HostFacts, string])[] = [
  ['events_disabled', withSysctls({ events: 0 }), 'sudo sysctl -w net.netfilter.nf_conntrack_events=1'],
  ['events_on_demand', withSysctls({ events: 2 }), 'sudo sysctl -w net.netfilter.nf_conntrack_events=1'],
  ['timestamps_off', withSysctls({ timestamp: 0 }), 'sudo sysctl -w net.netfilter.nf_conntrack_timestamp=1'],
  ['accounting_off', withSysctls({ acct: 0 }), 'sudo sysctl -w net.netfilter.nf_conntrack_acct=1'],
  [
    'receive_buffer_small',
    { ...whole, recvBufferForced: false, recvBufferBytes: 425_984 },
    'sudo sysctl -w net.core.rmem_max=33554432',
  ],
  ['table_empty', { ...whole, table: { count: 0, max: 65_536 } }, 'ct state new'],
  ['max_unknown', { ...whole, table: { count: 10 } }, 'Linux 4.18'],
  ['owners_limited', { ...whole, ownersLimited: true }, '+sys_ptrace'],
  ['sockets_refused', { ...whole, socketsRefused: 'in another network namespace' }, 'none: '],
  ['buckets_few', withSysctls({ buckets: 16_383 }), 'sudo sysctl -w net.netfilter.nf_conntrack_buckets=65536'],
];

describe('listDegraded', () => {
  it('is empty on a host that allows everything', () => {
    expect(listDegraded(whole)).toEqual([]);
  });

  it.each(CASES)('finds %s alone, with what it means and the command that changes it', (code, host, remedy) => {
    const [first, ...others] = listDegraded(host);
    expect(others).toEqual([]);
    expect(first?.code).toBe(code);
    expect(first?.text.startsWith(DEGRADED_CODES[code])).toBe(true);
    expect(first?.remedy).toContain(remedy);
  });

  it('has a case here for every code', () => {
    expect(CASES.map(([code]) => code)).toEqual(Object.keys(DEGRADED_CODES));
  });

  it('says nothing about what could not be read', () => {
    expect(listDegraded({ ...whole, sysctls: {} })).toEqual([]);
  });

  it('finds nothing wrong with a model that begins empty', () => {
    expect(listDegraded({ ...whole, table: { count: 0, max: 65_536 }, isModelled: true })).toEqual([]);
  });

  it('lists several in the order of the codes', () => {
    const host: HostFacts = {
      ...whole,
      sysctls: { events: 0, acct: 0, timestamp: 0 },
      recvBufferForced: false,
      recvBufferBytes: 425_984,
    };
    const codes = listDegraded(host).map(({ code }) => code);
    expect(codes).toEqual(['events_disabled', 'timestamps_off', 'accounting_off', 'receive_buffer_small']);
  });

  it('runs the command in the namespace that is watched, but sets the host-wide values outside', () => {
    const host: HostFacts = {
      ...withSysctls({ acct: 0 }),
      netns: 'blue',
      recvBufferForced: false,
      recvBufferBytes: 425_984,
    };
    const [accounting, buffer] = listDegraded(host).map(({ remedy }) => remedy);
    expect(accounting).toBe('sudo ip netns exec blue sysctl -w net.netfilter.nf_conntrack_acct=1');

    expect(buffer).toBe('sudo sysctl -w net.core.rmem_max=33554432');
  });

  it('gives no command that a name in a recording could have become part of', () => {
    const [accounting] = listDegraded({ ...withSysctls({ acct: 0 }), netns: '$(reboot)' });
    expect(accounting?.remedy).toContain("ip netns exec '$(reboot)' sysctl");
  });

  it('tells how many events the granted buffer holds', () => {
    const [buffer] = listDegraded({ ...whole, recvBufferForced: false, recvBufferBytes: 425_984 });
    expect(buffer?.text).toMatch(/it holds 332 events$/);
  });
});
