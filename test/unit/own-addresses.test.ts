import { describe, expect, it } from 'vitest';
import { directionOf, OwnAddresses } from '../../src/analysis/census/own-addresses.js';
import { entriesOf } from '../support/entries.js';

const own = new OwnAddresses(['10.0.0.9', '2001:db8::9', 'fe80::1', 'not an address']);

function placeOf(address: string) {
  const { columns } = entriesOf([{ source: address }]);
  return own.placeOf(columns.originalSource, 0, columns.family[0] ?? 0);
}

describe('an address', () => {
  it.each([
    ['10.0.0.9', 'own'],
    ['10.0.0.8', 'other'],
    ['127.0.0.1', 'own'],
    ['127.200.3.4', 'own'],
    ['224.0.0.251', 'group'],
    ['239.255.255.250', 'group'],
    ['240.0.0.1', 'other'],
    ['255.255.255.255', 'group'],
    ['2001:db8::9', 'own'],
    ['2001:db8::8', 'other'],
    ['::1', 'own'],
    ['::2', 'other'],
    ['::101', 'other'],
    ['ff02::fb', 'group'],
    ['a00:9::', 'other'],
  ])('%s is %s', (address, place) => {
    expect(placeOf(address)).toBe(place);
  });

  it('of IPv4 is compared by its four bytes alone', () => {
    const { columns } = entriesOf([{ source: '10.0.0.9' }]);
    columns.originalSource.bytes.fill(0xa5, 4, 16);
    expect(own.placeOf(columns.originalSource, 0, 2)).toBe('own');
  });
});

describe('a flow', () => {
  it.each([
    ['own', 'other', 'outbound'],
    ['own', 'group', 'outbound'],
    ['own', 'own', 'local'],
    ['other', 'own', 'inbound'],
    ['other', 'group', 'inbound'],
    ['other', 'other', 'forwarded'],
  ] as const)('from %s to %s is %s', (source, destination, direction) => {
    expect(directionOf(source, destination)).toBe(direction);
  });
});
