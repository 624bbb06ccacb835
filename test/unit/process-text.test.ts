import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCgroup, parseCgroupPath, parseStat } from '../../src/kernel/process-text.js';

const ID = '3b8ac2e1d6b14e07b8f8e1a1a6f6e1c59b3f4d2a7c1e0f9d8b7a6c5d4e3f2a1b';
const POD = '8f2a1c3e-5b7d-4e9f-a1b2-c3d4e5f60718';
const POD_UNDERSCORES = POD.replaceAll('-', '_');

const bytes = (text: string) => Buffer.from(text, 'latin1');

describe('the cgroup of a process', () => {
  it.each([
    ['a service', '0::/system.slice/sidekiq.service\n', { unit: 'sidekiq.service' }],
    ['a group within a service', '0::/system.slice/sidekiq.service/workers/1\n', { unit: 'sidekiq.service' }],
    [
      'an instance in a slice of its template',
      '0::/system.slice/system-getty.slice/getty@tty1.service\n',
      { unit: 'getty@tty1.service' },
    ],
    ['an escaped name', '0::/system.slice/dev-disk-by\\x2dlabel.service\n', { unit: 'dev-disk-by\\x2dlabel.service' }],
    ['a login session', '0::/user.slice/user-1000.slice/session-3.scope\n', { unit: 'session-3.scope' }],
    [
      'an application of a desktop',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-4121.scope\n',
      { unit: 'user@1000.service:app-firefox-4121.scope' },
    ],
    [
      'a unit of a user that has the name of a service',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/sidekiq.service\n',
      { unit: 'user@1000.service:sidekiq.service' },
    ],
    [
      'a group that a service has given the name of another',
      '0::/system.slice/web.service/sidekiq.service/cron.service\n',
      { unit: 'web.service' },
    ],
    [
      'the systemd of a user itself',
      '0::/user.slice/user-1000.slice/user@1000.service\n',
      { unit: 'user@1000.service' },
    ],
    ['a user without a session', '0::/user.slice/user-1000.slice\n', { unit: 'user-1000.slice' }],
    ['init', '0::/init.scope\n', { unit: 'init.scope' }],
    ['the root', '0::/\n', {}],
    ['a slice of the system alone', '0::/system.slice\n', {}],
    [
      'outside of our cgroup namespace',
      '0::/../../system.slice/redis-server.service\n',
      { unit: 'redis-server.service' },
    ],
    ['Docker under systemd', `0::/system.slice/docker-${ID}.scope\n`, { container: ID }],
    ['Docker without systemd', `12:pids:/docker/${ID}\n1:cpu:/docker/${ID}\n0::/\n`, { container: ID }],
    [
      'a systemd in a container',
      `0::/system.slice/docker-${ID}.scope/system.slice/nginx.service\n`,
      { container: ID, unit: 'nginx.service' },
    ],
    [
      'containerd in Kubernetes',
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD_UNDERSCORES}.slice/cri-containerd-${ID}.scope\n`,
      { container: ID, pod: POD },
    ],
    [
      'CRI-O in Kubernetes',
      `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${POD_UNDERSCORES}.slice/crio-${ID}.scope/container\n`,
      { container: ID, pod: POD },
    ],
    [
      'the helper of CRI-O',
      `0::/kubepods.slice/kubepods-pod${POD_UNDERSCORES}.slice/crio-conmon-${ID}.scope\n`,
      { pod: POD },
    ],
    ['Kubernetes without systemd', `0::/kubepods/burstable/pod${POD}/${ID}\n`, { container: ID, pod: POD }],
    [
      'containerd that mistook a slice',
      `0::/system.slice/containerd.service/kubepods-burstable-pod${POD_UNDERSCORES}.slice:cri-containerd:${ID}\n`,
      { container: ID, pod: POD },
    ],
    ['Podman of root', `0::/machine.slice/libpod-${ID}.scope/container\n`, { container: ID }],
    [
      'Podman of a user',
      `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container\n`,
      { container: ID },
    ],
    ['LXC', '0::/lxc.payload.web1/system.slice/nginx.service\n', { container: 'web1', unit: 'nginx.service' }],
    [
      'systemd-nspawn',
      '0::/machine.slice/machine-web1.scope/system.slice/nginx.service\n',
      { container: 'web1', unit: 'nginx.service' },
    ],
    [
      'version 1 with systemd',
      '5:devices:/system.slice\n2:cpu,cpuacct:/\n1:name=systemd:/system.slice/cron.service\n',
      { unit: 'cron.service' },
    ],
    [
      'both versions',
      '1:name=systemd:/system.slice/cron.service\n0::/system.slice/cron.service\n',
      { unit: 'cron.service' },
    ],
    ['version 1 without systemd', '4:memory:/batch/7\n1:cpu:/\n', {}],
    ['a name that is no UTF-8', '0::/system.slice/a\xff.service\n', { unit: 'a\ufffd.service' }],
    ['63 digits are no container', `0::/docker/${ID.slice(1)}\n`, {}],
    ['nothing', '', {}],
    ['nonsense', ':::\n0\n\n0:/', {}],
  ])('%s', (_, text, owner) => {
    expect(parseCgroup(bytes(text))).toEqual(owner);
  });

  it('is read from a path alone', () => {
    expect(parseCgroupPath(bytes('/system.slice/cron.service'))).toEqual({ unit: 'cron.service' });
    expect(parseCgroupPath(bytes('/'))).toEqual({});
  });
});

/** As /proc/PID/stat is after the name; the start is field 22, the number of threads field 20. */
const rest = (threads: number | string, startTicks: number | string) =>
  `S 1 4121 4121 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 ${threads} 0 ${startTicks} 1000 200 18446744073709551615 1 1 0\n`;

describe('the stat of a process', () => {
  it.each([
    ['ruby', `4121 (ruby) ${rest(25, 123_456)}`, { name: 'ruby', threads: 25, startTicks: 123_456 }],
    ['parentheses and spaces', `7 (a) S (b) 1) ${rest(1, 9)}`, { name: 'a) S (b) 1', threads: 1, startTicks: 9 }],
    ['a newline', `7 (a\nb) ${rest(1, 9)}`, { name: 'a\ufffdb', threads: 1, startTicks: 9 }],
    ['no UTF-8', `7 (\xfe\xff) ${rest(1, 9)}`, { name: '\ufffd\ufffd', threads: 1, startTicks: 9 }],
    ['no name', `7 () ${rest(1, 0)}`, { name: '', threads: 1, startTicks: 0 }],
  ])('%s', (_, text, stat) => {
    expect(parseStat(bytes(text))).toEqual(stat);
  });

  it.each([
    ['empty', ''],
    ['cut short', '4121 (ruby) S 1 4121'],
    ['without parentheses', '4121 ruby S'],
    ['no numbers', `7 (a) ${rest('x', 'y')}`],
    ['a parenthesis too many', '7 )('],
  ])('is not believed when it is %s', (_, text) => {
    expect(parseStat(bytes(text))).toBeUndefined();
  });

  it('never throws, and names stay printable', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        for (const text of [noise, Buffer.concat([bytes('7 ('), noise, bytes(`) ${rest(1, 9)}`)])]) {
          expect(parseStat(text)?.name ?? '').not.toMatch(/\p{Cc}/u);
          const { unit = '', container = '' } = parseCgroup(Buffer.concat([bytes('0::/'), text]));
          expect(`${unit}${container}`).not.toMatch(/\p{Cc}/u);
        }
      }),
    );
  });
});
