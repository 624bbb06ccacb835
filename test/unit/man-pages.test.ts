import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/main.js';
import { defaultSettings, settingsSchema } from '../../src/model/settings.js';

interface Setting {
  readonly path: readonly string[];
  readonly list?: readonly string[];
  readonly default?: unknown;
}

const ROOT = join(import.meta.dirname, '../..');
const load = (path: string): Promise<unknown> => import(new URL(`../../scripts/${path}`, import.meta.url).href);
const { formatManPages } = (await load('release/man-pages.mjs')) as {
  formatManPages(from: object): Record<'ctwatch.1' | 'ctwatch.toml.5', string>;
};
const { formatConfigFile } = (await load('release/config-file.mjs')) as { formatConfigFile(schema: unknown): string };
const { listSettings } = (await load('settings-list.mjs')) as { listSettings(schema: unknown): Setting[] };

const program = createProgram();
const date = new Date('2026-11-26T12:00:00Z');
const pages = formatManPages({ root: ROOT, program, settingsSchema, version: '1.2.3', date });

/** As it is read: without formatting. */
function render(page: string): string {
  const { status, stdout, stderr } = spawnSync('mandoc', ['-T', 'ascii'], { input: page, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  // Bold and underlined: a letter, a backspace, a letter.
  return stdout.replaceAll(/.[\b]/g, '').replaceAll(/\s+/g, ' ');
}

describe.each(Object.entries(pages))('%s', (_name, page) => {
  it('is mdoc without a warning, dated and complete', () => {
    const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], { input: page, encoding: 'utf8' });
    expect(lint.stdout).toBe('');
    expect(page).not.toMatch(/@[A-Z]+@/);
    expect(render(page)).toMatch(/November 26, 2026/);
  });
});

describe('ctwatch(1)', () => {
  const text = render(pages['ctwatch.1']);
  const help = program.createHelp();
  const commands = help.visibleCommands(program).filter((command) => command.name() !== 'help');

  it.each(commands.map((command) => [command.name(), command] as const))('has every option of %s', (name, command) => {
    const section = text.slice(text.indexOf(`ctwatch ${name} ctwatch ${name}`));
    expect(section).not.toBe('');
    for (const { long } of help.visibleOptions(command)) if (long !== '--help') expect(section).toContain(`${long}`);
  });

  it('hides what is not for people', () => {
    expect(text).not.toContain('demo-traffic');
  });
});

describe('ctwatch.toml(5)', () => {
  it('has every key with its default', () => {
    const text = render(pages['ctwatch.toml.5']);
    for (const { path } of listSettings(settingsSchema)) expect(text).toContain(` ${path.at(-1)} `);
    expect(text).toContain('How many times the usual rate is a burst. (number, at least 1.5, at most 1000; default 4)');
  });
});

describe('the configuration file of the packages', () => {
  const file = formatConfigFile(settingsSchema);

  it('changes nothing as it is', () => {
    expect(v.parse(settingsSchema, parseToml(file))).toEqual(defaultSettings);
  });

  it('holds every default, ready to be changed', () => {
    const lines = file.split('\n').map((line) => (/^#\w+ = /.test(line) ? line.slice(1) : line));
    const given = parseToml(lines.join('\n')) as Record<string, unknown>;
    expect(v.parse(settingsSchema, given)).toEqual(defaultSettings);
    const withDefault = listSettings(settingsSchema).filter((setting) => setting.default !== undefined);
    expect(withDefault.length).toBeGreaterThan(20);
    for (const { path, default: fallback } of withDefault) {
      const found = path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], given);
      expect(found, path.join('.')).toEqual(fallback);
    }
  });
});
