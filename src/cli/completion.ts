/**
 * `ctwatch completion SHELL`: what a shell offers after `ctwatch`, from the program itself, so that it cannot lag behind.
 * Options of the default command are offered where no command stands yet. Names of namespaces are those of the moment;
 * what nobody can guess, such as a duration, is left to the person.
 */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What follows an option or stands alone: nothing, a file, a namespace, one of some words, or anything. */
type Value =
  | { readonly kind: 'none' | 'file' | 'netns' | 'any' }
  | { readonly kind: 'words'; readonly words: string[] };

interface OptionWords {
  /** With their dashes, such as `--netns`. */
  readonly flags: readonly string[];
  readonly value: Value;
  /** It may stand without its value. */
  readonly isBare: boolean;
  readonly description: string;
}

interface CommandWords {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionWords[];
  /** What its arguments are. */
  readonly argument: Value;
}

/** Where no command stands: its options are offered at once. */
const DEFAULT_COMMAND = 'stream';
const NAMESPACES = 'ls /run/netns 2>/dev/null';

/** The script for one shell. */
export function formatCompletion(program: Command, shell: Shell): string {
  const commands = listCommands(program);
  switch (shell) {
    case 'bash':
      return formatBash(commands);
    case 'zsh':
      return formatZsh(commands);
    case 'fish':
      return formatFish(commands);
  }
}

function listCommands(program: Command): CommandWords[] {
  const help = program.createHelp();
  const commands = help.visibleCommands(program).filter((command) => command.name() !== 'help');
  return commands.map((command) => {
    const [argument] = command.registeredArguments;
    const own = help.visibleOptions(command);
    const options = command.name() === DEFAULT_COMMAND ? [...own, ...help.visibleOptions(program)] : own;
    return {
      name: command.name(),
      description: command.description(),
      options: options
        .filter(({ flags }, index) => options.findIndex((other) => other.flags === flags) === index)
        .map(describeOption),
      argument: argument === undefined ? { kind: 'none' } : valueNamed(argument.name(), argument.argChoices),
    };
  });
}

function describeOption(option: Option): OptionWords {
  const [, name] = /[<[](.+?)(?:\.\.\.)?[>\]]/.exec(option.flags) ?? [];
  return {
    flags: [option.short, option.long].flatMap((flag) => flag ?? []),
    value: name === undefined ? { kind: 'none' } : valueNamed(name, option.argChoices, option.long),
    isBare: option.optional,
    description: option.description,
  };
}

function valueNamed(name: string, choices: readonly string[] | undefined, flag?: string): Value {
  if (choices !== undefined) return { kind: 'words', words: [...choices] };
  if (flag === '--netns') return { kind: 'netns' };
  return { kind: /file|path|dir|socket/.test(name) ? 'file' : 'any' };
}

function formatBash(commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name);
  const cases = (kind: Value['kind'], body: (value: Value) => string) =>
    commands.flatMap(({ name, options }) =>
      options
        .filter(({ value }) => value.kind === kind)
        .map(({ flags, value }) => `    ${flags.map((flag) => `${name}:${flag}`).join(' | ')}) ${body(value)} ;;`),
    );
  const words = (value: Value) => (value.kind === 'words' ? value.words.join(' ') : '');
  const argument = ({ argument }: CommandWords) =>
    argument.kind === 'file' ? 'files=yes' : argument.kind === 'words' ? `words+=' ${words(argument)}'` : '';
  return `# bash completion for ctwatch, made by: ctwatch completion bash
_ctwatch() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  local command=${DEFAULT_COMMAND} given='' words='' files='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${names.join(' | ')}) command=\${COMP_WORDS[i]} given=yes && break ;;
    esac
  done
  # An option may stand where an optional value would.
  [[ $current == -* ]] || case $command:$before in
${[
  ...cases('file', () => 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return'),
  ...cases('netns', () => `mapfile -t COMPREPLY < <(compgen -W "$(${NAMESPACES})" -- "$current"); return`),
  ...cases('words', (value) => `mapfile -t COMPREPLY < <(compgen -W '${words(value)}' -- "$current"); return`),
  ...cases('any', () => 'return'),
].join('\n')}
  esac
  case $command in
${commands
  .map((command) => {
    const flags = command.options.flatMap((option) => option.flags).join(' ');
    return `    ${command.name}) words='${flags}'; ${argument(command)} ;;`;
  })
  .join('\n')}
  esac
  [[ -z $given ]] && words+=' ${names.join(' ')}'
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ -n $files && $current != -* ]]; then
    compopt -o filenames
    mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _ctwatch ctwatch
`;
}

/** A text inside single quotes and, in zsh, inside the brackets of a specification. */
const zshText = (text: string) => text.replaceAll("'", "'\\''").replaceAll(/[[\]:\\]/g, '\\$&');

function formatZsh(commands: readonly CommandWords[]): string {
  const action = (value: Value) => {
    if (value.kind === 'file') return '_files';
    if (value.kind === 'netns') return `{compadd -- \${(f)"$(${NAMESPACES})"}}`;
    return value.kind === 'words' ? `(${value.words.join(' ')})` : ' ';
  };
  const specs = ({ options, argument }: CommandWords) => [
    ...options.flatMap(({ flags, value, isBare, description }) =>
      flags.map((flag) => {
        const rest = value.kind === 'none' ? '' : `${isBare ? '::' : ':'}${flag.replace(/^-+/, '')}:${action(value)}`;
        return `      '*${flag}[${zshText(description)}]${rest}'`;
      }),
    ),
    ...(argument.kind === 'none' ? [] : [`      '*:argument:${action(argument)}'`]),
  ];
  const sections = commands.map(
    (command) => `    ${command.name})\n      specs=(\n${specs(command).join('\n')}\n      )\n      ;;`,
  );
  const described = commands.map(
    ({ name, description }) => `    '${name}:${description.replaceAll("'", "'\\''").replaceAll(':', '\\:')}'`,
  );
  return `#compdef ctwatch
# zsh completion for ctwatch, made by: ctwatch completion zsh
_ctwatch() {
  local command=${DEFAULT_COMMAND}
  local -i i given=0
  local -a specs commands
  commands=(
${described.join('\n')}
  )
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
      ${commands.map(({ name }) => name).join('|')}) command=$words[i]; given=i; break ;;
    esac
  done
  case $command in
${sections.join('\n')}
  esac
  if ((given)); then
    words=("\${(@)words[given,-1]}")
    ((CURRENT -= given - 1))
    _arguments $specs
  else
    _arguments $specs '1:command:{_describe command commands}'
  fi
}
if [[ $funcstack[1] == _ctwatch ]]; then _ctwatch "$@"; else compdef _ctwatch ctwatch; fi
`;
}

const fishText = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function formatFish(commands: readonly CommandWords[]): string {
  const value = ({ value: given, isBare }: OptionWords) => {
    if (given.kind === 'none' || isBare) return '';
    if (given.kind === 'file') return ' -rF';
    if (given.kind === 'netns') return ` -xa '(${NAMESPACES})'`;
    return given.kind === 'words' ? ` -xa '${given.words.join(' ')}'` : ' -x';
  };
  const flag = (text: string) => (text.startsWith('--') ? ` -l ${text.slice(2)}` : ` -s ${text.slice(1)}`);
  const names = commands.map(({ name }) => name).join(' ');
  const none = `not __fish_seen_subcommand_from ${names}`;
  const lines = commands.flatMap(({ name, description, options, argument }) => {
    const here = `__fish_seen_subcommand_from ${name}`;
    const where = name === DEFAULT_COMMAND ? `${here}; or ${none}` : here;
    return [
      `complete -c ctwatch -n '${none}' -a ${name} -d ${fishText(description)}`,
      ...options.map(
        (option) =>
          `complete -c ctwatch -n '${where}'${option.flags.map(flag).join('')}${value(option)} -d ${fishText(option.description)}`,
      ),
      ...(argument.kind === 'file' ? [`complete -c ctwatch -n '${here}' -F`] : []),
      ...(argument.kind === 'words' ? [`complete -c ctwatch -n '${here}' -a '${argument.words.join(' ')}'`] : []),
    ];
  });
  return `# fish completion for ctwatch, made by: ctwatch completion fish\ncomplete -c ctwatch -f\n${lines.join('\n')}\n`;
}
