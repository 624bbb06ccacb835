import { SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AF_INET6, formatAddress, formatEndpoint, parseAddress } from '../../src/model/address.js';

describe('formatAddress', () => {
  it('writes IPv4 as a dotted quad, from any offset', () => {
    expect(formatAddress(2, Uint8Array.of(0, 0, 192, 0, 2, 255), 2)).toBe('192.0.2.255');
  });

  it.each([
    [[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1], '2001:db8::1:0:0:1'],
    [[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1], '2001:db8:0:1:1:1:1:1'],
    [Array.from({ length: 16 }, () => 0), '::'],
    [[...Array.from({ length: 10 }, () => 0), 255, 255, 10, 0, 0, 5], '::ffff:10.0.0.5'],
  ])('writes IPv6 as RFC 5952 asks: %j', (bytes, text) => {
    expect(formatAddress(AF_INET6, Uint8Array.from(bytes))).toBe(text);
  });

  it('writes any IPv6 address as the C library does', () => {
    // Runs of zeros are what makes it hard.
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        // inet_ntop writes ::x.x.x.x for the long deprecated IPv4-compatible form.
        fc.pre(groups.slice(0, 6).some((value) => value !== 0));
        const bytes = Uint8Array.from(groups.flatMap((value) => [value >> 8, value & 0xff]));
        const plain = groups.map((value) => value.toString(16)).join(':');
        expect(formatAddress(AF_INET6, bytes)).toBe(new SocketAddress({ address: plain, family: 'ipv6' }).address);
      }),
    );
  });
});

describe('formatEndpoint', () => {
  it('puts brackets around IPv6 only', () => {
    expect(formatEndpoint('10.0.0.5', 6379)).toBe('10.0.0.5:6379');
    expect(formatEndpoint('2001:db8::1', 443)).toBe('[2001:db8::1]:443');
    expect(formatEndpoint('::1', undefined)).toBe('::1');
  });
});

describe('parseAddress', () => {
  it('gives back what formatAddress wrote', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.boolean(), (bytes, isIpv6) => {
        const wanted = isIpv6 ? bytes : Uint8Array.from([...bytes.subarray(0, 4), ...new Uint8Array(12)]);
        const family = isIpv6 ? AF_INET6 : 2;
        expect(parseAddress(formatAddress(family, wanted))).toEqual({ family, bytes: wanted });
      }),
    );
  });

  it.each(['::', '::1', '1::', '1:2:3:4:5:6:7::', '::ffff:10.0.0.5', '64:ff9b::192.0.2.1'])(
    'reads %s as Node.js does',
    (text) => {
      const { bytes } = parseAddress(text) ?? { bytes: new Uint8Array() };
      expect(formatAddress(AF_INET6, bytes)).toBe(new SocketAddress({ address: text, family: 'ipv6' }).address);
    },
  );

  it.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    '1.2.3.x',
    ':',
    ':::',
    '1:2',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::1.2.3',
  ])('%j is none', (text) => expect(parseAddress(text)).toBeUndefined());
});
