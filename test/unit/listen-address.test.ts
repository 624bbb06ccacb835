import { describe, expect, it } from 'vitest';
import { parseListenAddress } from '../../src/model/listen-address.js';

describe('parseListenAddress', () => {
  it.each([
    ['127.0.0.1:9751', { kind: 'tcp', host: '127.0.0.1', port: 9751 }],
    ['127.3.2.1:1', { kind: 'tcp', host: '127.3.2.1', port: 1 }],
    ['[::1]:65535', { kind: 'tcp', host: '::1', port: 65_535 }],
    ['unix:/run/ctwatch/m.sock', { kind: 'unix', path: '/run/ctwatch/m.sock' }],
  ])('%s', (text, address) => {
    expect(parseListenAddress(text)).toEqual(address);
  });

  it.each(['0.0.0.0:9751', '10.0.0.5:9751', '[::]:9751', '[fe80::1]:9751', '[::ffff:127.0.0.1]:9751', '128.0.0.1:80'])(
    '%s is refused with the reason',
    (text) => {
      expect(parseListenAddress(text)).toMatch(/is no loopback address/);
    },
  );

  it.each([
    '',
    '9751',
    ':9751',
    '127.0.0.1',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '::1:9751',
    '[127.0.0.1]:80',
    'localhost:9751',
  ])('%j is refused with what is expected', (text) => {
    expect(parseListenAddress(text)).toMatch(/^an address such as 127\.0\.0\.1:9751/);
  });

  it.each(['unix:', 'unix:relative', 'unix:/run/', 'unix:/a\0b', `unix:/${'x'.repeat(107)}`])(
    '%j is no path',
    (text) => {
      expect(parseListenAddress(text)).toMatch(/after unix:/);
    },
  );
});
