/**
 * The Debian packages in a booted Debian: what an administrator does with them, and what is left after a purge. `shared` is the
 * folder with the packages, `directory` the Debian.
 */
import { withGuest } from './guest.mjs';

/** Everything of that name on the disk, except what is shared with the host. */
const TRACES = "find / -xdev -path /release -prune -o -iname '*ctwatch*' -print";
const INSTALL = 'apt-get install -y --no-install-recommends';

/** Debian's nodejs is too old: apt says so, and nothing is installed. */
export async function checkOldNode({ directory, shared, version }) {
  await withGuest({ directory, shared }, async (guest) => {
    const { status, output } = guest(`${INSTALL} /release/ctwatch_${version}_amd64.deb`);
    expect(status !== 0 && /Depends: nodejs \(>= 20\)/.test(output), 'apt refuses for the sake of nodejs', output);
    expect(guest.must(TRACES).trim() === '', 'nothing is installed', guest.must(TRACES));
  });
}

/** Install, run, upgrade, remove, purge. */
export async function checkDeb({ directory, shared, version, name }) {
  await withGuest({ directory, shared }, async (guest) => {
    const deb = `/release/${name}_${version}_amd64.deb`;
    prepareHost(guest);
    guest.must(`${INSTALL} ${deb}`);
    expect(guest.must('systemctl is-enabled ctwatch').trim() === 'enabled', 'the service is enabled');
    expect(guest.must('systemctl is-active ctwatch').trim() === 'active', 'the service runs');
    expect(guest.must('ctwatch --version').trim() === version, 'the command is on the PATH');
    expect(
      guest.must('dpkg --verify').trim() === '',
      'every file is as the package has it',
      guest('dpkg --verify').output,
    );
    // Its checksums are those of its files, links left out.
    const listed = `cut -c35- /var/lib/dpkg/info/${name}.md5sums | sed 's,^,/,' | sort`;
    const installed = `dpkg -L ${name} | grep -v ^/etc | while read -r path; do [ -f "$path" ] && [ ! -L "$path" ] && echo "$path"; done | sort`;
    guest.must(`diff <(${listed}) <(${installed})`);
    guest.must('test -s /usr/lib/ctwatch/docs/runbook/usage.md');
    await expectEvents(guest);

    const before = guest.must('systemctl show -P MainPID ctwatch');
    guest.must(`dpkg -i ${deb}`);
    expect(guest.must('systemctl is-active ctwatch').trim() === 'active', 'the service runs after an upgrade');
    expect(guest.must('systemctl show -P MainPID ctwatch') !== before, 'an upgrade restarts the service');
    await expectEvents(guest);

    guest.must("sed -i 's/^#interval = .*/interval = 2/' /etc/ctwatch/ctwatch.toml");
    guest.must(`apt-get remove -y ${name}`);
    expect(guest('systemctl is-active ctwatch').status !== 0, 'a removed service is stopped');
    expect(
      guest.must('cat /etc/ctwatch/ctwatch.toml').includes('\ninterval = 2'),
      'a removed package keeps its configuration',
    );
    guest.must(`apt-get purge -y ${name}`);
    // systemd remembers failed units by name until it is asked anew.
    const traces = guest.must(TRACES).trim();
    expect(traces === '', 'a purge leaves nothing', traces);
    expect(guest.must("systemctl list-units --all --no-legend 'ctwatch*'").trim() === '', 'systemd knows no such unit');
  });
}

/** One flavour in the place of the other. */
export async function checkSwitch({ directory, shared, version }) {
  await withGuest({ directory, shared }, async (guest) => {
    prepareHost(guest);
    guest.must(`${INSTALL} /release/ctwatch_${version}_amd64.deb`);
    guest.must("sed -i 's/^#interval = .*/interval = 2/' /etc/ctwatch/ctwatch.toml");
    guest.must(`${INSTALL} /release/ctwatch-with-node_${version}_amd64.deb`);
    guest.must('dpkg --purge ctwatch');
    expect(guest.must('cat /etc/ctwatch/ctwatch.toml').includes('\ninterval = 2'), 'the configuration stays');
    expect(guest.must('systemctl is-enabled ctwatch').trim() === 'enabled', 'the service stays enabled');
    await expectEvents(guest);
    guest.must('apt-get purge -y ctwatch-with-node');
    expect(guest.must(TRACES).trim() === '', 'a purge leaves nothing', guest.must(TRACES));
  });
}

/** A rule that uses conntrack, without which the kernel counts nothing. */
function prepareHost(guest) {
  guest.must("nft 'table inet check { chain output { type filter hook output priority 0; ct state new accept; }; }'");
}

/** Flows are made until the journal tells of them. */
async function expectEvents(guest) {
  const cursor = guest.must('journalctl -n 0 --show-cursor').split('-- cursor: ')[1]?.trim() ?? '';
  const visits = 'for i in 1 2 3 4 5 6 7 8 9 10; do (: </dev/tcp/127.0.0.1/9); done 2>/dev/null';
  let output = '';
  for (let tries = 0; tries < 60; tries++) {
    guest(visits);
    output = guest(`sleep 0.5; journalctl -u ctwatch -o cat --after-cursor='${cursor}'`).output;
    const samples = output.split('\n').filter((line) => line.includes('"type":"sample"'));
    if (samples.some((line) => Number(/"new":(\d+)/.exec(line)?.[1]) > 0)) return;
  }
  throw new Error(`no sample with new flows came into the journal; it has: ${output.slice(-3000)}`);
}

function expect(holds, what, found = '') {
  if (!holds) throw new Error(`not so: ${what}${found === '' ? '' : `; found ${found}`}`);
}
