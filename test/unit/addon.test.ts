import { describe, expect, it } from 'vitest';
import { toCtwatchError } from '../../src/kernel/addon.js';
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
