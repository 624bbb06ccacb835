import { describe, expect, it } from 'vitest';
import { parseListeners } from '../../src/kernel/listeners.js';

/** /proc/net/netlink of Linux 6.18 with `conntrack -E` and a listener of another subsystem. */
const HEADER = 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n';
const ROUTE = '0000000000000000 0   1143       00000111 0        0        0     2        0        20251   \n';
const CONNTRACK = '0000000000000000 12  4121       00000005 0        0        0     2        37       88231   \n';
const EXPECTATIONS = '0000000000000000 12  4125       00000038 0        0        0     2        0        88240   \n';
const KERNEL = '0000000000000000 12  0          00000000 0        0        0     2        0        18      \n';

describe('parseListeners', () => {
  it('finds the sockets in conntrack groups, with their port and what they lost', () => {
    const text = HEADER + ROUTE + CONNTRACK + EXPECTATIONS + KERNEL;
    expect(parseListeners(text)).toEqual([{ portid: 4121, drops: 37 }]);
  });

  it.each([
    ['NEW', '00000001'],
    ['UPDATE', '00000002'],
    ['DESTROY', '00000004'],
  ])('counts a listener to %s alone', (_, groups) => {
    expect(parseListeners(HEADER + CONNTRACK.replace('00000005', groups))).toHaveLength(1);
  });

  it('reads groups as hexadecimal', () => {
    expect(parseListeners(HEADER + CONNTRACK.replace('00000005', '000000f8'))).toEqual([]);
    expect(parseListeners(HEADER + CONNTRACK.replace('00000005', 'a0000001'))).toHaveLength(1);
  });

  it('finds nobody in an empty or unknown text', () => {
    expect(parseListeners('')).toEqual([]);
    expect(parseListeners(HEADER)).toEqual([]);
    expect(parseListeners('not\na table\n')).toEqual([]);
  });
});
