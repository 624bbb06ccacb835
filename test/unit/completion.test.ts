import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatCompletion, SHELLS } from '../../src/cli/completion.js';
import { createProgram } from '../../src/cli/main.js';

const program = createProgram();
const help = program.createHelp();
const commands = help.visibleCommands(program).filter((command) => command.name() !== 'help');
const names = commands.map((command) => command.name());
const flags = commands.flatMap((command) => help.visibleOptions(command).flatMap(({ long }) => long ?? []));

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-completion-'));
afterAll(() => rmSync(directory, { recursive: true }));
const scripts = Object.fromEntries(
  SHELLS.map((shell) => {
    const path = join(directory, `ctwatch.${shell}`);
    writeFileSync(path, formatCompletion(program, shell));
    return [shell, path];
  }),
);
writeFileSync(join(directory, 'night.ctrec'), '');

/** Output of a shell without anybody's start files; lines, sorted. */
function shell(command: string, args: readonly string[]): string[] {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', cwd: directory });
  expect({ status, stderr, error }).toEqual({ status: 0, stderr: '', error: undefined });
  return stdout.split('\n').filter((line) => line !== '');
}

/** What bash offers after these words; the last is the one that is being typed. */
function bash(...words: string[]): string[] {
  const line = ['ctwatch', ...words].map((word) => `'${word}'`).join(' ');
  const script = `compopt() { :; }; source ${scripts['bash']}; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _ctwatch; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return shell('bash', ['--norc', '-c', script]);
}

/** What fish offers for this line, without descriptions. */
function fish(line: string): string[] {
  const offered = shell('fish', ['--no-config', '-c', `source ${scripts['fish']}; complete -C '${line}'`]);
  return offered.map((entry) => entry.split('\t')[0] ?? '');
}

describe('in bash', () => {
  it('offers commands and the options of stream at first', () => {
    const offered = bash('');
    expect(offered).toEqual(expect.arrayContaining([...names, '--interval', '--version', '--help']));
    expect(offered).not.toContain('demo-traffic');
    expect(offered).not.toContain('--by');
  });

  it.each(commands.map((command) => [command.name(), command] as const))(
    'offers the options of %s',
    (name, command) => {
      const longs = help.visibleOptions(command).flatMap(({ long }) => long ?? []);
      expect(bash(name, '--')).toEqual(expect.arrayContaining(longs));
      expect(bash(name, '')).not.toContain('stream');
    },
  );

  it('offers files where a file belongs, and nothing where nobody can guess', () => {
    expect(bash('replay', 'nig')).toEqual(['night.ctrec']);
    expect(bash('stream', '--config', 'nig')).toEqual(['night.ctrec']);
    expect(bash('stream', '--interval', '')).toEqual([]);
    expect(bash('completion', 'z')).toEqual(['zsh']);
    expect(bash('stream', '--flows', 'nig')).toEqual(['night.ctrec']);
    expect(bash('stream', '--flows', '--inter')).toEqual(['--interval']);
  });
});

describe('in fish', () => {
  it('offers commands, options of the command, and values', () => {
    expect(fish('ctwatch ').sort()).toEqual([...names].sort());
    expect(fish('ctwatch --inter')).toEqual(['--interval']);
    expect(fish('ctwatch who --').sort()).toEqual(expect.arrayContaining(['--by', '--json', '--top']));
    expect(fish('ctwatch who --')).not.toContain('--interval');
    expect(fish('ctwatch completion ').sort()).toEqual([...SHELLS].sort());
    expect(fish('ctwatch replay nig')).toEqual(['night.ctrec']);
  });
});

describe('in zsh', () => {
  it('is a script that names every command and option', () => {
    shell('zsh', ['-f', '-n', scripts['zsh'] ?? '']);
    const text = formatCompletion(program, 'zsh');
    for (const name of names) expect(text).toContain(`'${name}:`);
    for (const flag of flags) expect(text).toContain(`'*${flag}[`);
  });
});
