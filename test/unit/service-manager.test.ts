import { describe, expect, it } from 'vitest';
import { ServiceManager } from '../../src/kernel/service-manager.js';

const pid = String(process.pid);

describe('ServiceManager', () => {
  it('is none without a socket, and takes the variables out all the same', () => {
    const environment = { WATCHDOG_USEC: '5', LISTEN_FDS: '2', HOME: '/' };
    expect(ServiceManager.take(environment)).toBeUndefined();
    expect(environment).toEqual({ HOME: '/' });
  });

  it.each([
    [{ WATCHDOG_USEC: '30000000' }, 30],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: pid }, 30],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }, undefined],
    [{ WATCHDOG_USEC: 'soon' }, undefined],
    [{}, undefined],
  ])('watches when it says so and means us: %j', (variables, seconds) => {
    const environment = { NOTIFY_SOCKET: '/run/nobody', ...variables };
    expect(ServiceManager.take(environment)?.watchdogSeconds).toBe(seconds);
    expect(environment).toEqual({});
  });

  it.each([
    ['in any order, beside others', '4', 'other:ctwatch-memory:ctwatch-destroy:ctwatch-new', [6, 5, 4]],
    ['without the memory', '2', 'ctwatch-destroy:ctwatch-new', [4, 3, -1]],
    ['one of two', '1', 'ctwatch-new', [3, -1, -1]],
    ['a name without a descriptor', '1', 'ctwatch-new:ctwatch-destroy', [3, -1, -1]],
    ['others alone', '1', 'other', undefined],
    ['none', '0', '', undefined],
  ])('knows what was kept by its names: %s', (_, LISTEN_FDS, LISTEN_FDNAMES, expected) => {
    const manager = ServiceManager.take({ NOTIFY_SOCKET: '@x', LISTEN_PID: pid, LISTEN_FDS, LISTEN_FDNAMES });
    const kept = manager?.takeKept();
    expect(kept && [kept.new, kept.destroy, kept.memory]).toEqual(expected);
    expect(manager?.takeKept()).toBeUndefined();
  });

  it('takes nothing that was passed to another process', () => {
    const passed = { LISTEN_PID: '1', LISTEN_FDS: '2', LISTEN_FDNAMES: 'ctwatch-new:ctwatch-destroy' };
    expect(ServiceManager.take({ NOTIFY_SOCKET: '@x', ...passed })?.takeKept()).toBeUndefined();
  });

  it('tells once that nobody hears it, and fails nothing', () => {
    const manager = ServiceManager.take({ NOTIFY_SOCKET: '/nonexistent/socket' });
    manager?.notify({ READY: 1 });
    expect(manager?.takeFailure()).toMatchObject({ operation: 'notify', errno: 'ENOENT' });
    manager?.notify({ READY: 1 });
    expect(manager?.takeFailure()).toBeUndefined();
  });
});
