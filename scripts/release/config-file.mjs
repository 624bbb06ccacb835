/**
 * The configuration file of the packages: every key as a comment with its meaning and default. So it changes nothing, and
 * whoever wants something else removes one `#`.
 */
import { listSettings } from '../settings-list.mjs';

const HEAD = `# Configuration of ctwatch. Each key stands here with its default: remove the # before one to change it.
# ctwatch.toml(5) explains them. Flags and variables such as CTWATCH_BURST_RATIO win over this file.
`;

/** `/etc/ctwatch/ctwatch.toml`. */
export function formatConfigFile(settingsSchema) {
  const tables = new Map();
  for (const setting of listSettings(settingsSchema)) {
    const title = titleOf(setting);
    tables.set(title, [...(tables.get(title) ?? []), setting]);
  }
  // Keys of the root come first in TOML: after a table's line they would be its own.
  const sections = [...tables].sort(([left], [right]) => Number(left !== '') - Number(right !== ''));
  return [HEAD, ...sections.map(formatSection)].join('\n');
}

function titleOf({ list, path }) {
  if (list !== undefined) return `[[${list.join('.')}]]`;
  return path.length === 1 ? '' : `[${path.slice(0, -1).join('.')}]`;
}

/** The line of a table without a single default is a comment too: there it may mean that something is asked for. */
function formatSection([title, settings]) {
  const isInert = settings.some((setting) => setting.default !== undefined);
  const heads = title === '' ? [] : [isInert ? title : `#${title}`];
  return [...heads, ...settings.map(formatKey)].join('\n').concat('\n');
}

function formatKey({ path, type, choices, default: fallback, description }) {
  const meaning =
    description === '' ? [] : [`# ${description}${choices === undefined ? '' : `: ${choices.join(', ')}`}`];
  const unit = { duration: ' # s', size: ' # bytes' }[type] ?? '';
  return [...meaning, `#${path.at(-1)} =${fallback === undefined ? '' : ` ${JSON.stringify(fallback)}${unit}`}`].join(
    '\n',
  );
}
