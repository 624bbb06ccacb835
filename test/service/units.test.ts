/** What systemd itself says of the unit files; nothing needs to run for it. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const SYSTEMD = fileURLToPath(new URL('../../contrib/systemd', import.meta.url));
/** Ten times what systemd calls exposure: 2.0 is "OK", less is better. */
const EXPOSURE_MAX = 20;

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-units-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The unit with a program that is there, and with drop-ins. */
function unitWith(...dropIns: readonly string[]): string {
  const folder = mkdtempSync(join(directory, 'unit-'));
  const path = join(folder, 'ctwatch.service');
  const text = readFileSync(join(SYSTEMD, 'ctwatch.service'), 'utf8');
  writeFileSync(path, text.replace('/usr/bin/ctwatch', process.execPath));
  if (dropIns.length > 0) mkdirSync(`${path}.d`);
  for (const name of dropIns) copyFileSync(join(SYSTEMD, name), join(`${path}.d`, name));
  return path;
}

function analyze(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

describe('the unit', () => {
  it.each([[[]], [['attribution.conf']]])('is understood as a whole, with %j', (dropIns) => {
    expect(analyze('verify', '--man=no', unitWith(...dropIns))).toEqual({ status: 0, output: '' });
  });

  it('is as closed as it can be', () => {
    const { status, output } = analyze('security', '--offline=true', `--threshold=${EXPOSURE_MAX}`, unitWith());
    expect(output).toContain('Overall exposure level for ctwatch.service');
    expect(status, output).toBe(0);
  });
});
