import { describe, expect, it } from 'vitest';
import { parsePasswd, userName } from '../../src/kernel/users.js';

describe('names of users', () => {
  it('are the first of each number', () => {
    const names = parsePasswd('root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\nwww-data:x:33:33::/:\n');
    expect([...names]).toEqual([
      [0, 'root'],
      [33, 'www-data'],
    ]);
  });

  it('pass over lines that are none', () => {
    expect(parsePasswd('+::::::\n\nroot\n:x:5\nx:y:-1\nx:y:99999999999\n# a:b:7').size).toBe(1);
  });

  it('are read from this host', () => {
    expect(userName(0)).toBe('root');
    expect(userName(4_000_000_123)).toBeUndefined();
  });
});
