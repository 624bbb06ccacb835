import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeLoadFailure, findAddon, toCtwatchError } from '../../src/kernel/addon.js';
import { CtwatchError } from '../../src/model/errors.js';

/** As the addon throws them. */
function failure(operation: string, errno: string, message = 'plain words') {
  return toCtwatchError(Object.assign(new Error(message), { operation, errno }), 'ERR_KERNEL_SOURCE');
}

describe('an error of the addon', () => {
  it.each([
    ['add-membership', 'EPERM', 'ERR_CAP_NET_ADMIN', 3],
    ['setns', 'EPERM', 'ERR_CAP_SYS_ADMIN', 3],
    ['open-netns', 'EACCES', 'ERR_CAP_SYS_ADMIN', 3],
    ['open-netns', 'ENOENT', 'ERR_NETNS_NOT_FOUND', 3],
    ['setns', 'EINVAL', 'ERR_NETNS_NOT_FOUND', 3],
    // No netlink family, or no nf_conntrack_netlink behind it.
    ['socket', 'EPROTONOSUPPORT', 'ERR_CONNTRACK_UNAVAILABLE', 3],
    ['add-membership', 'ENOENT', 'ERR_CONNTRACK_UNAVAILABLE', 3],
    ['table-stats', 'EINVAL', 'ERR_CONNTRACK_UNAVAILABLE', 3],
    ['table-stats', 'EOPNOTSUPP', 'ERR_CONNTRACK_UNAVAILABLE', 3],
    ['table-stats', 'ETIMEDOUT', 'ERR_REQUEST_TIMEOUT', 1],
    ['receive', 'EIO', 'ERR_KERNEL_SOURCE', 1],
  ] as const)('in %s with %s is %s', (operation, errno, code, exitStatus) => {
    expect(failure(operation, errno)).toMatchObject({ code, exitStatus, operation, errno });
  });

  it('keeps its own words when no code says it better', () => {
    expect(failure('receive', 'EIO', 'cannot receive').message).toBe('cannot receive');
    expect(failure('setns', 'EPERM', 'cannot enter').message).toContain('CAP_SYS_ADMIN');
  });

  it('that is one of ours already stays as it is', () => {
    const error = new CtwatchError({ code: 'ERR_ADDON_MISSING', operation: 'load' });
    expect(toCtwatchError(error, 'ERR_KERNEL_SOURCE')).toBe(error);
  });
});

describe('where the addon is', () => {
  const above = mkdtempSync(join(tmpdir(), 'ctwatch-addon-'));
  const root = join(above, 'node_modules/ctwatch');
  afterAll(() => rmSync(above, { recursive: true }));
  const put = (path: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), '');
    return join(root, path);
  };
  put('package.json');
  // Of the project that uses the package, not of the package.
  put('../../build/Release/ctwatch.node');
  const file = join(root, 'dist/kernel/addon.js');
  const missing = () => {
    try {
      return findAddon(file, undefined);
    } catch (error) {
      return (error as CtwatchError).line;
    }
  };

  it('is nowhere: what is above the package is not taken, and the remedy is one for a package or for a checkout', () => {
    expect(missing()).toMatch(/there is no addon for linux-\w+ in .*ERR_ADDON_MISSING.*CTWATCH_ADDON=/);
    put('binding.gyp');
    expect(missing()).toMatch(/remedy: npm run bootstrap$/);
  });

  it('is the one of the package, then the one that was built here, and before all the one that is named', () => {
    const prebuilt = put(`prebuilds/linux-${process.arch}/ctwatch.node`);
    expect(findAddon(file, undefined)).toBe(prebuilt);
    const built = put('build/Release/ctwatch.node');
    expect(findAddon(file, undefined)).toBe(built);
    expect(findAddon(file, '/elsewhere.node')).toBe('/elsewhere.node');
  });

  it('and why it does not load: with musl the words of the loader help nobody', () => {
    const cause = new Error('libc.so.6: no such file\nmore');
    expect(describeLoadFailure(cause, '2.36')).toBe('Error: libc.so.6: no such file');
    expect(describeLoadFailure(cause, undefined)).toContain('glibc 2.28 or newer');
  });
});
