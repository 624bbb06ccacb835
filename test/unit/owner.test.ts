import { describe, expect, it } from 'vitest';
import { ownerKey } from '../../src/model/owner.js';

describe('the key of an owner', () => {
  it.each([
    ['sidekiq.service/ruby', { unit: 'sidekiq.service', name: 'ruby', uid: 1000, pid: 4121 }],
    ['f00d/nginx', { container: 'f00d', unit: 'docker.service', name: 'nginx' }],
    ['uid 1000/curl', { uid: 1000, name: 'curl' }],
    ['uid 0', { uid: 0 }],
    ['cron.service', { unit: 'cron.service', uid: 0 }],
    ['unknown', {}],
  ])('%s', (key, parts) => {
    expect(ownerKey(parts)).toBe(key);
  });

  it('is the same for every process of a program in its unit, and stays when it is started again', () => {
    const of = (pid: number, startTicks: number) => ownerKey({ pid, startTicks, unit: 'job.service', name: 'job' });
    expect(of(1, 5)).toBe(of(70_000, 99));
  });
});
