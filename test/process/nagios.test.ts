/** Debian's real Nagios runs the check of contrib/nagios against a running stream, as a user who may do nothing else, and notifies. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { createEntries } from '../kernel/traffic.js';
import { publicCli } from './cli.js';
import { killStreams, startStream, until } from './streams.js';

const REPOSITORY = join(import.meta.dirname, '../..');
const EXAMPLE = join(REPOSITORY, 'contrib/nagios/ctwatch.cfg');
const NAGIOS = [join(REPOSITORY, 'build/debian/usr/sbin/nagios4'), '/usr/sbin/nagios4'].find((path) =>
  existsSync(path),
);
const obstacle = NAGIOS === undefined ? 'nagios4 missing: node scripts/bootstrap.mjs --test' : undefined;

const root = mkdtempSync(join(tmpdir(), 'ctwatch-nagios-'));
const at = (name: string) => join(root, name);
const read = (name: string) => (existsSync(at(name)) ? readFileSync(at(name), 'utf8') : '');

afterEach(async () => {
  killStreams();
  await removeNamespaces();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** What the example stands on in a Nagios of Debian: a template, a host, and whom to tell. */
const OBJECTS = `
define timeperiod {
  timeperiod_name always
  alias always
${['mon', 'tues', 'wednes', 'thurs', 'fri', 'satur', 'sun'].map((day) => `  ${day}day 00:00-24:00\n`).join('')}}
define command {
  command_name notify
  command_line /usr/bin/printf "%s\\n" "$SERVICESTATE$ $SERVICEOUTPUT$" >> ${at('notified')}
}
define contact {
  contact_name admin
  service_notification_period always
  service_notification_options w,c,u,r
  service_notification_commands notify
  host_notification_period always
  host_notification_options n
  host_notification_commands notify
}
define host {
  host_name localhost
  max_check_attempts 1
  contacts admin
}
define service {
  name generic-service
  check_period always
  retry_interval 1
  notification_period always
  contacts admin
  register 0
}
`;

/** Everything it writes is in one folder. Minutes are seconds. */
const MAIN = `
cfg_file=${at('objects.cfg')}
cfg_file=${at('ctwatch.cfg')}
log_file=${at('nagios.log')}
object_cache_file=${at('objects.cache')}
status_file=${at('status.dat')}
status_update_interval=1
temp_file=${at('nagios.tmp')}
temp_path=${root}
check_result_path=${at('results')}
lock_file=${at('nagios.lock')}
query_socket=${at('nagios.qh')}
command_file=${at('nagios.cmd')}
nagios_user=nobody
nagios_group=nogroup
check_external_commands=0
retain_state_information=0
check_for_updates=0
interval_length=1
service_inter_check_delay_method=n
illegal_macro_output_chars=\`~$&|'"<>
`;

function configure(command: string): void {
  mkdirSync(at('results'), { recursive: true });
  chmodSync(root, 0o777);
  chmodSync(at('results'), 0o777);
  writeFileSync(at('nagios.cfg'), MAIN);
  writeFileSync(at('objects.cfg'), OBJECTS);
  writeFileSync(at('ctwatch.cfg'), readFileSync(EXAMPLE, 'utf8').replace('/usr/bin/ctwatch check', command));
}

describe.skipIf(obstacle !== undefined)(`Nagios${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`, () => {
  it('takes the example as it is', () => {
    configure('/usr/bin/ctwatch check');
    const { status, stdout } = spawnSync(NAGIOS ?? '', ['-v', at('nagios.cfg')], { encoding: 'utf8' });
    expect(stdout).toMatch(/Total Warnings: 0\nTotal Errors:\s+0\n/);
    expect(status).toBe(0);
  });

  it('notifies of an alert with the sentence of the daemon, and has its figures', async () => {
    const namespace = await createNamespace();
    await createEntries(namespace, 950);
    const { path } = await startStream(namespace, {
      environment: { CTWATCH_CONTROL_MODE: '0666', CTWATCH_ALERT_USAGE_HOLD_SECONDS: '0.1' },
      until: '"type":"alert"',
    });
    configure(`${process.execPath} ${publicCli()} check --control ${path}`);
    const nagios = spawn(NAGIOS ?? '', [at('nagios.cfg')], { stdio: 'ignore' });
    const ended = new Promise((resolve) => nagios.once('close', resolve));
    try {
      await until(() => read('notified').includes('\n') && read('status.dat').includes('CONNTRACK'));
      expect(read('notified')).toMatch(
        /^CRITICAL CONNTRACK CRITICAL - ctw-\S+: 95 % full \(950 of 1,000\), .*, usage critical since \S+Z\n$/,
      );
      const service = read('status.dat').slice(read('status.dat').indexOf('servicestatus {'));
      expect(service).toContain('\tcurrent_state=2\n');
      expect(service).toMatch(/\tperformance_data='used'=95%;80;90;0;100 'entries'=950;;;0;1000 .*'new_per_second'=0;/);
    } finally {
      nagios.kill('SIGTERM');
      await ended;
    }
  });
});
