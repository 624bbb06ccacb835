/**
 * `ctwatch(1)` and `ctwatch.toml(5)`: the prose of `man/*.in` with the commands and options of the program and the keys of the
 * settings put in, so that no page can lag behind. mdoc, which man-db and mandoc both read.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listSettings } from '../settings-list.mjs';

const MONTHS = 'January February March April May June July August September October November December'.split(' ');

/** Both pages by their file names. `date` is that of the release. */
export function formatManPages({ root, program, settingsSchema, version, date }) {
  const day = `${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}, ${date.getUTCFullYear()}`;
  const fill = (name, parts) =>
    Object.entries({ DATE: day, VERSION: version, ...parts }).reduce(
      (text, [place, value]) => text.replaceAll(`@${place}@`, () => value),
      readFileSync(join(root, `man/${name}.in`), 'utf8'),
    );
  return {
    'ctwatch.1': fill('ctwatch.1', { COMMANDS: formatCommands(program) }),
    'ctwatch.toml.5': fill('ctwatch.toml.5', { SETTINGS: formatSettings(listSettings(settingsSchema)) }),
  };
}

function formatCommands(program) {
  const help = program.createHelp();
  const sections = help.visibleCommands(program).filter((command) => command.name() !== 'help');
  return sections
    .map((command) => {
      const args = command.registeredArguments.map(
        (argument) => ` Ar ${argument.name()}${argument.variadic ? ' ...' : ''}`,
      );
      const options = help.visibleOptions(command).filter(({ long }) => long !== '--help');
      const described = command.registeredArguments.filter(({ description }) => description !== '');
      return [
        `.Ss ctwatch ${command.name()}`,
        `.Nm Cm ${command.name()}${options.length > 0 ? ' Oo Ar option ... Oc' : ''}${args.join('')}`,
        '.Pp',
        sentence(command.description()),
        ...(described.length + options.length > 0 ? ['.Bl -tag -width Ds'] : []),
        ...described.flatMap((argument) => [`.It Ar ${argument.name()}`, sentence(argument.description)]),
        ...options.flatMap((option) => [formatFlags(option.flags), sentence(help.optionDescription(option))]),
        ...(described.length + options.length > 0 ? ['.El'] : []),
      ].join('\n');
    })
    .join('\n');
}

/** `-h, --by <dimensions>` as a tag of a list. */
function formatFlags(flags) {
  const [, names, value] = /^(.*?)(?: [<[](.+?)[>\]])?$/.exec(flags);
  const tags = names
    .split(', ')
    .map((name) => (name.startsWith('--') ? `Fl Fl ${name.slice(2)}` : `Fl ${name.slice(1)}`));
  const isBare = flags.endsWith(']');
  return `.It ${tags.join(' , ')}${value === undefined ? '' : `${isBare ? ' Op' : ''} Ar ${escapeText(value)}`}`;
}

function formatSettings(settings) {
  const tables = new Map();
  for (const setting of settings) {
    const { list, path } = setting;
    const name = list === undefined ? path.slice(0, -1).join('.') : `[${list.join('.')}]`;
    tables.set(name, [...(tables.get(name) ?? []), setting]);
  }
  return [...tables]
    .map(([name, keys]) => {
      const title = name === '' ? 'Without a table' : `[${name}]`;
      const items = keys.map((key) => `.It Ic ${key.path.at(-1)}\n${formatSetting(key)}`);
      return `.Ss ${title}\n.Bl -tag -width Ds\n${items.join('\n')}\n.El`;
    })
    .join('\n');
}

function formatSetting({ type, range, choices, default: fallback, description }) {
  const unit = { duration: ' s', size: ' bytes' }[type] ?? '';
  const [low, high] = (range ?? '..').split('..');
  const bounds = [low && `at least ${low}${unit}`, high && `at most ${high}${unit}`].filter((bound) => bound);
  const kind = choices === undefined ? [type, ...bounds].join(', ') : `one of ${choices.join(', ')}`;
  const without = Array.isArray(fallback) ? fallback.join(', ') : fallback;
  const usual = without === undefined || without === '' ? 'no default' : `default ${without}${unit}`;
  return `${description === '' ? '' : `${sentence(description)}\n`}${escapeText(`(${kind}; ${usual})`)}`;
}

/** A capital at the beginning and a full stop, as prose has them. */
function sentence(text) {
  const [first = '', ...rest] = text;
  return escapeText(`${first.toUpperCase()}${rest.join('')}${text.endsWith('.') ? '' : '.'}`);
}

/** Words that are no macros. Backquotes mark code; a page has none of its own for it. */
function escapeText(text) {
  return text.replaceAll('\\', '\\e').replaceAll('`', '').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&');
}
