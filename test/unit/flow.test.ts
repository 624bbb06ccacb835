import { lastValueFrom, of, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { AF_INET6 } from '../../src/model/address.js';
import { createBatch, type EventBatch, type EventColumns, PRESENT } from '../../src/model/batch.js';
import type { SourceRecord } from '../../src/model/record.js';
import { readFlow, toFlows } from '../../src/pipeline/flow.js';
import { batchOf } from '../support/records.js';

const RECEIVED = 1_790_000_000.25;

/** One TCP row 10.0.0.9:1025 -> 10.0.0.5:6379, changed by `change`. */
function rowOf(change: (columns: EventColumns) => void = () => {}): EventColumns {
  const { columns } = batchOf([{ id: 1, timeoutSeconds: 120 }]);
  change(columns);
  return columns;
}

const present = (columns: EventColumns, ...names: (keyof typeof PRESENT)[]) => {
  for (const name of names) columns.present[0] = (columns.present[0] ?? 0) | PRESENT[name];
};
const absent = (columns: EventColumns, ...names: (keyof typeof PRESENT)[]) => {
  for (const name of names) columns.present[0] = (columns.present[0] ?? 0) & ~PRESENT[name];
};
const read = (change: (columns: EventColumns) => void, action: 'new' | 'destroy' = 'new') =>
  readFlow(rowOf(change), 0, action, RECEIVED);

describe('readFlow', () => {
  it('gives both tuples and what conntrack knows of the entry', () => {
    expect(readFlow(rowOf(), 0, 'new', RECEIVED)).toEqual({
      type: 'flow',
      level: 'info',
      unixSeconds: RECEIVED,
      msg: 'new tcp 10.0.0.9:1025 -> 10.0.0.5:6379',
      action: 'new',
      network: { transport: 'tcp', type: 'ipv4' },
      source: { ip: '10.0.0.9', port: 1025 },
      destination: { ip: '10.0.0.5', port: 6379 },
      reply: { source: { ip: '10.0.0.5', port: 6379 }, destination: { ip: '10.0.0.9', port: 1025 } },
      conntrack: { id: 1, zone: 0, mark: 0, timeout_seconds: 120 },
    });
  });

  it('reads the row it is asked for', () => {
    const { columns } = batchOf([{ id: 1 }, { id: 2, destination: 7, destinationPort: 443 }]);
    expect(readFlow(columns, 1, 'new', RECEIVED)).toMatchObject({
      destination: { ip: '10.0.0.7', port: 443 },
      reply: { source: { ip: '10.0.0.7', port: 443 } },
      conntrack: { id: 2 },
    });
  });

  it('reads IPv6', () => {
    const flow = read((columns) => {
      columns.family[0] = AF_INET6;
      for (const column of [columns.originalSource, columns.originalDestination]) column.bytes.fill(0, 0, 15);
      columns.originalSource.bytes[15] = 1;
      columns.originalDestination.bytes[15] = 2;
    });
    expect(flow).toMatchObject({ network: { type: 'ipv6' }, source: { ip: '::1' }, destination: { ip: '::2' } });
    expect(flow.msg).toBe('new tcp [::1]:1025 -> [::2]:6379');
  });

  it.each([
    ['source', { replyDestination: 1 }],
    ['source', { replyDestinationPort: 1 }],
    ['destination', { replySource: 1 }],
    ['destination', { replySourcePort: 1 }],
    ['both', { replySource: 1, replyDestination: 1 }],
    ['both', { replySourcePort: 1, replyDestinationPort: 1 }],
  ] as const)('sees NAT of the %s when the reply is not the original turned round: %j', (nat, changed) => {
    const flow = read((columns) => {
      if ('replySource' in changed) columns.replySource.bytes[3] = 77;
      if ('replyDestination' in changed) columns.replyDestination.bytes[3] = 77;
      if ('replySourcePort' in changed) columns.replySourcePort[0] = 7777;
      if ('replyDestinationPort' in changed) columns.replyDestinationPort[0] = 7777;
    });
    expect(flow.nat).toBe(nat);
  });

  it.each([1, 58])('gives type, code and id of ICMP (protocol %i), no ports, and no NAT by them', (protocol) => {
    const flow = read((columns) => {
      columns.protocol[0] = protocol;
      columns.originalSourcePort[0] = 4711;
      columns.originalDestinationPort[0] = (8 << 8) | 3;
      columns.replySourcePort[0] = 0;
    });
    expect(flow.icmp).toEqual({ type: 8, code: 3, id: 4711 });
    expect(flow.source).toEqual({ ip: '10.0.0.9' });
    expect(flow.reply?.source).toEqual({ ip: '10.0.0.5' });
    expect(flow.nat).toBeUndefined();
  });

  it('leaves out what the message did not carry', () => {
    const flow = read((columns) => {
      columns.present[0] = PRESENT.originalTuple;
      columns.tcpState[0] = 7;
    });
    expect(flow.conntrack).toEqual({ zone: 0, mark: 0 });
    expect(flow.source).toEqual({ ip: '10.0.0.9' });
    expect(flow.destination).toEqual({ ip: '10.0.0.5' });
    for (const key of ['reply', 'nat', 'icmp', 'started', 'ended', 'duration_seconds', 'bytes', 'packets'])
      expect(flow).not.toHaveProperty(key);
  });

  it('has no reply ports and sees no NAT by them when only the original tuple had ports', () => {
    const flow = read((columns) => {
      absent(columns, 'replyPorts');
      columns.replySourcePort[0] = 0;
      columns.replyDestinationPort[0] = 0;
    });
    expect(flow.reply).toEqual({ source: { ip: '10.0.0.5' }, destination: { ip: '10.0.0.9' } });
    expect(flow.nat).toBeUndefined();
  });

  it('reads zone, mark, status, the TCP state, who changed it and that it was expected', () => {
    const flow = read((columns) => {
      present(columns, 'zone', 'mark', 'status', 'tcpState', 'master');
      columns.zone[0] = 12;
      columns.mark[0] = 0xffff_ffff;
      columns.status[0] = 398;
      columns.tcpState[0] = 3;
      columns.portid[0] = 4121;
    });
    expect(flow.conntrack).toEqual({
      ...{ id: 1, zone: 12, mark: 0xffff_ffff, status: 398, timeout_seconds: 120 },
      ...{ tcp_state: 'ESTABLISHED', portid: 4121, related: true },
    });
  });

  it('does not name a TCP state that the kernel does not have', () => {
    const flow = read((columns) => {
      present(columns, 'tcpState');
      columns.tcpState[0] = 99;
    });
    expect(flow.conntrack).not.toHaveProperty('tcp_state');
  });

  it('takes its time from the kernel when the event is stamped', () => {
    const flow = read((columns) => {
      present(columns, 'timestampEvent');
      columns.eventSeconds[0] = 1_789_999_999.5;
    });
    expect(flow.unixSeconds).toBe(1_789_999_999.5);
  });
});

describe('the end of an entry', () => {
  it.each([
    ['expired', { timeout: false, portid: 0, state: 7 }],
    ['deleted', { timeout: true, portid: 4121, state: 3 }],
    ['deleted', { timeout: true, portid: 4121, state: 7 }],
    ['evicted', { timeout: true, portid: 0, state: 1 }],
    // Evicted, or opened again by a new SYN.
    [undefined, { timeout: true, portid: 0, state: 7 }],
    [undefined, { timeout: true, portid: 0, state: 8 }],
  ])('is %s for %j', (ended, { timeout, portid, state }) => {
    const flow = read((columns) => {
      present(columns, 'tcpState');
      if (!timeout) absent(columns, 'timeout');
      columns.portid[0] = portid;
      columns.tcpState[0] = state;
    }, 'destroy');
    expect(flow.ended).toBe(ended);
  });

  it('has a duration when the kernel stamped both ends', () => {
    const stamp = (columns: EventColumns) => {
      columns.startSeconds[0] = 1_790_000_000;
      columns.stopSeconds[0] = 1_790_000_002.5;
    };
    const both = read((columns) => {
      stamp(columns);
      present(columns, 'timestampStart', 'timestampStop');
    }, 'destroy');
    expect(both).toMatchObject({ started: '2026-09-21T14:13:20.000Z', duration_seconds: 2.5 });
    expect(both.msg).toMatch(/^destroy tcp .* after 2\.5 s$/);
    const startOnly = read((columns) => {
      stamp(columns);
      present(columns, 'timestampStart');
    }, 'destroy');
    expect(startOnly).toHaveProperty('started');
    expect(startOnly).not.toHaveProperty('duration_seconds');
  });

  it('never has a negative duration: the clock may step', () => {
    const flow = read((columns) => {
      present(columns, 'timestampStart', 'timestampStop');
      columns.startSeconds[0] = 100;
      columns.stopSeconds[0] = 90;
    }, 'destroy');
    expect(flow.duration_seconds).toBe(0);
  });

  it('has the counters, beyond 32 bits, on a DESTROY only', () => {
    const count = (columns: EventColumns) => {
      present(columns, 'countersOriginal', 'countersReply');
      columns.originalBytes[0] = 2 ** 40;
      columns.replyBytes[0] = 5;
      columns.originalPackets[0] = 3;
      columns.replyPackets[0] = 4;
    };
    const flow = read(count, 'destroy');
    expect(flow.bytes).toEqual({ original: 2 ** 40, reply: 5 });
    expect(flow.packets).toEqual({ original: 3, reply: 4 });
    expect(read(count, 'new')).not.toHaveProperty('bytes');
  });
});

describe('toFlows', () => {
  const at = { monotonicSeconds: 1, unixSeconds: RECEIVED };
  const flowsOf = (batch: EventBatch) =>
    lastValueFrom(
      of<SourceRecord[]>({ type: 'batch', at, batch }, { type: 'entries', at, batch }).pipe(toFlows(), toArray()),
    );

  it('gives NEW before DESTROY in the order of the rows, and nothing for entries that were there before', async () => {
    const flows = await flowsOf(batchOf([{ id: 1 }, { id: 2 }], [{ id: 3 }]));
    expect(flows.map(({ action, conntrack }) => [action, conntrack.id])).toEqual([
      ['new', 1],
      ['new', 2],
      ['destroy', 3],
    ]);
  });

  it('gives nothing for an empty batch', async () => {
    expect(await flowsOf(createBatch(8))).toEqual([]);
  });
});
