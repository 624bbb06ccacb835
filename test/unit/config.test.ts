import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readSettings } from '../../src/cli/config.js';
import { findRunbook } from '../../src/cli/runbook.js';
import { parseDuration } from '../../src/model/duration.js';
import { defaultSettings } from '../../src/model/settings.js';

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-config-'));
afterAll(() => rmSync(directory, { recursive: true }));
const configPath = join(directory, 'ctwatch.toml');
writeFileSync(configPath, 'interval = "20s"\nassume_max = 5000\n[burst]\nratio = 6\nmin_rate_per_second = 50\n');

const read = (flags: Record<string, unknown>, environment: Record<string, string> = {}, path?: string) =>
  readSettings({ flags, environment, configPath: path });

describe('readSettings', () => {
  it('has defaults for everything', () => {
    expect(read({})).toEqual({ ...defaultSettings, runbook_url: findRunbook() });
    expect(defaultSettings).toMatchObject({ interval: 10, flows: false, burst: { ratio: 4 } });
  });

  it('puts flags over the environment over the file over the defaults, key by key', () => {
    const environment = { CTWATCH_INTERVAL: '30s', CTWATCH_BURST_RATIO: '8', CTWATCH_FLOWS: 'true' };
    const settings = read({ interval: '5s', netns: undefined }, environment, configPath);
    expect(settings).toMatchObject({ interval: 5, flows: true, assume_max: 5000 });
    expect(settings.burst).toEqual({ ratio: 8, min_rate_per_second: 50, false_alarms_per_year: 1 });
  });

  it('takes the path of the file from the environment too', () => {
    expect(read({}, { CTWATCH_CONFIG: configPath }).interval).toBe(20);
  });

  it.each([
    [{ interval: 'soon' }, {}, 'ERR_BAD_OPTION', '--interval'],
    [{}, { CTWATCH_BURST_RATIO: '1' }, 'ERR_BAD_CONFIG', 'CTWATCH_BURST_RATIO'],
    [{}, { CTWATCH_ALERT_USAGE_WARNING_RATIO: '2' }, 'ERR_BAD_CONFIG', 'CTWATCH_ALERT_USAGE_WARNING_RATIO'],
    [{}, { CTWATCH_NOTHING: '1' }, 'ERR_BAD_CONFIG', 'CTWATCH_NOTHING'],
    [{}, { CTWATCH_RUNBOOK_URL: 'our wiki' }, 'ERR_BAD_CONFIG', 'CTWATCH_RUNBOOK_URL'],
  ])('names what is wrong: %j %j', (flags, environment, code, operation) => {
    expect(() => read(flags, environment as Record<string, string>)).toThrow(
      expect.objectContaining({ code, operation }),
    );
  });
});

describe('parseDuration', () => {
  it.each([
    ['500ms', 0.5],
    ['10s', 10],
    ['1.5', 1.5],
    ['5m', 300],
    ['2h', 7200],
    ['10 s', undefined],
    ['-1s', undefined],
    ['1d', undefined],
    ['', undefined],
  ])('%s is %s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });
});
