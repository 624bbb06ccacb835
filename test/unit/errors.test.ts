import { describe, expect, it } from 'vitest';
import { CtwatchError, ERROR_CODES, ERRORS } from '../../src/model/errors.js';

describe.each(ERROR_CODES)('%s', (code) => {
  it('has an exit status, a meaning and a remedy', () => {
    const { exitStatus, meaning, remedy } = ERRORS[code];
    expect([1, 2, 3]).toContain(exitStatus);
    expect(meaning).toMatch(/^[a-zA-Z]\S* .{10,}[^.]$/);
    expect(remedy.length).toBeGreaterThan(5);
  });

  it('says them in one line when nothing else is known', () => {
    const { exitStatus, meaning, remedy } = ERRORS[code];
    const error = new CtwatchError({ code, operation: 'open' });
    expect(error.line).toBe(`ctwatch: open: ${meaning} [${code}]; remedy: ${remedy}`);
    expect(error.line).not.toContain('\n');
    expect(error.exitStatus).toBe(exitStatus);
  });
});

describe('CtwatchError', () => {
  it('prefers the detail and the remedy of the case, names the errno and keeps the cause', () => {
    const cause = new Error('bind');
    const error = new CtwatchError({
      ...{ code: 'ERR_BAD_OPTION', operation: '--interval', detail: 'no such unit', errno: 'EINVAL' },
      ...{ remedy: '--interval 10s', cause },
    } as const);
    expect(error.line).toBe('ctwatch: --interval: no such unit (EINVAL) [ERR_BAD_OPTION]; remedy: --interval 10s');
    expect(error.cause).toBe(cause);
  });

  it('is an Error whose code and errno callers can match', () => {
    const error = new CtwatchError({ code: 'ERR_CAP_NET_ADMIN', operation: 'bind', errno: 'EPERM' });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'CtwatchError', code: 'ERR_CAP_NET_ADMIN', operation: 'bind', errno: 'EPERM' });
    expect(new CtwatchError({ code: 'ERR_NETNS_GONE', operation: 'read' }).errno).toBeUndefined();
  });
});
