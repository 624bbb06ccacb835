/** The command line: its commands and options, and the exit status of an error. `run.ts` runs it. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { CENSUS_DIMENSIONS } from '../model/census-fields.js';
import { CtwatchError } from '../model/errors.js';
import { parseSize } from '../model/output-settings.js';
import type { Settings } from '../model/settings.js';
import { shellWord } from '../model/shell-word.js';
import { outputError } from '../sinks/ndjson.js';
import type { CheckFlags } from './check.js';
import { formatCompletion, SHELLS, type Shell } from './completion.js';
import { readSettings } from './config.js';
import { VERSION } from './version.js';

interface RotationFlags {
  readonly rotateBytes?: number;
  readonly keep?: number;
}

interface SettingFlags extends RotationFlags {
  readonly interval?: string;
  readonly assumeMax?: string;
  readonly assumeTimeout?: string[];
  readonly netns?: string;
  readonly flows?: boolean | string;
  readonly output?: string;
  readonly reapAt?: string;
  readonly config?: string;
  readonly stateDir?: string;
  readonly listen?: string;
  readonly control?: string;
}

interface StreamFlags extends SettingFlags {
  readonly once?: boolean;
  readonly record?: string;
}

interface WhoFlags {
  readonly by: string;
  readonly top: number;
  readonly netns?: string;
  readonly json?: boolean;
}

interface DemoFlags {
  readonly json?: boolean;
  readonly inside?: boolean;
}

/** Numbers stay text until the schema has seen them, so that its message quotes what was typed. */
function settingsFrom(flags: SettingFlags) {
  const { interval, assumeMax, netns, config, stateDir: state_dir } = flags;
  const flows = flags.flows === undefined ? undefined : true;
  const output = outputFrom(flags);
  const assume_timeout = flags.assumeTimeout && assumedTimeouts(flags.assumeTimeout);
  const assume_max = assumeMax === undefined || !/^\d+$/.test(assumeMax) ? assumeMax : Number(assumeMax);
  const reap_at_ratio = numberOrText(flags.reapAt);
  const metrics = flags.listen === undefined ? undefined : { listen: flags.listen };
  const control = flags.control === undefined ? undefined : { socket: flags.control };
  return readSettings({
    flags: { interval, assume_max, assume_timeout, netns, state_dir, flows, output, reap_at_ratio, metrics, control },
    environment: process.env,
    configPath: config,
  });
}

function outputFrom({ output, flows, rotateBytes, keep }: SettingFlags) {
  const flows_file = typeof flows === 'string' ? flows : undefined;
  const given = Object.entries({ file: output, flows_file, rotate_bytes: rotateBytes, keep });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** Names as the sysctls have them, with or without `nf_conntrack_` and their middle `timeout_`. */
function assumedTimeouts(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const [, name = text, value = ''] = /^(?:nf_conntrack_)?(\w+)=(.+)$/.exec(text) ?? [];
      return [name.replace(/_?timeout/, ''), value];
    }),
  );
}

function numberOrText(text: string | undefined): number | string | undefined {
  return text === undefined || text.trim() === '' || !Number.isFinite(Number(text)) ? text : Number(text);
}

function assumeTimeoutOption(): Option {
  const text = 'what if this timeout were other, such as tcp_time_wait=30; may be repeated';
  return new Option('--assume-timeout <name=seconds>', text).argParser((next, before: string[] = []) => [
    ...before,
    next,
  ]);
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('a number above 0 is expected.');
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a whole number above 0 is expected.');
}

function sizeBytes(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('a size is expected, such as 64KiB, 100MB or 1GiB.');
}

function rotateBytesOption(ofLines = ''): Option {
  const text = `begin a new file at this size, such as 100MB; FILE becomes FILE.1${ofLines}`;
  return new Option('--rotate-bytes <size>', text).argParser(sizeBytes);
}

function keepOption(): Option {
  return new Option('--keep <n>', 'files to keep of each that is rotated (default: 10)').argParser(wholeNumber);
}

function filesOf({ rotateBytes, keep }: RotationFlags) {
  return { rotateBytes: rotateBytes === 0 ? undefined : rotateBytes, filesKept: keep };
}

/** Commands load what they run when they run. Without parsing it tells what there is, to man pages and completions. */
export function createProgram(): Command {
  const program = new Command('ctwatch')
    .description('Early warning for the Linux connection-tracking table: rates, bursts, time to full, who fills it.')
    .version(VERSION)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(formatUsageError(text, '')) });

  program
    .command('stream', { isDefault: true })
    .description('print rates, bursts, the forecast and alerts as JSON lines until Ctrl-C')
    .option('--interval <duration>', 'time between two samples, such as 500ms, 10s, 1m (default: 10s)')
    .option('--assume-max <entries>', 'what if nf_conntrack_max were this')
    .addOption(assumeTimeoutOption())
    .option('--netns <name>', 'watch this network namespace (see: ip netns list)')
    .option('--flows [file]', 'one line for each NEW and DESTROY as well; into this file, if one is named')
    .option('--output <file>', 'append the lines to this file instead of printing them')
    .option(
      '--reap-at <ratio>',
      'from this usage on, make the kernel collect expired entries, such as 0.9 (default: off)',
    )
    .option('--once', 'stop after the first sample')
    .option(
      '--listen <address>',
      'serve metrics to Prometheus here, such as 127.0.0.1:9751 or unix:/path (default: off)',
    )
    .option('--state-dir <path>', 'keep evidence of critical alerts here (default: $STATE_DIRECTORY)')
    .option('--control <path>', 'answer ctwatch check on this socket (default: $RUNTIME_DIRECTORY/ctwatch.sock)')
    .option('--record <file>', 'record what is seen as well, for ctwatch replay')
    .addOption(rotateBytesOption(' (default for lines: 100MB, for a recording: never)'))
    .addOption(keepOption())
    .option('--config <file>', 'configuration file (default: /etc/ctwatch/ctwatch.toml if it exists)')
    // Anything that is no command comes here: the default command says so better than its argument parser.
    .allowExcessArguments(true)
    .action(async (flags: StreamFlags, { args: [stray] }: Command) => {
      if (stray !== undefined) {
        const remedy = 'ctwatch --help';
        throw new CtwatchError({ code: 'ERR_BAD_OPTION', operation: stray, detail: 'no such command', remedy });
      }
      const { runStream } = await import('./stream.js');
      const { openSinks } = await import('./sinks.js');
      const { openLive } = await import('./watch.js');
      const { ServiceManager } = await import('../kernel/service-manager.js');
      const manager = ServiceManager.take(process.env);
      const settings = settingsFrom(flags);
      const stream = {
        settings,
        source: openLive(settings, manager),
        once: flags.once ?? false,
        readSettings: () => settingsFrom(flags),
        openSink: (onClosed: (error?: CtwatchError) => void, current: () => Settings) =>
          openSinks({ settings, current, manager, onClosed }),
      };
      if (flags.record === undefined) return runStream(stream);
      const { runRecordedStream } = await import('./record.js');
      await runRecordedStream({ ...stream, path: flags.record, ...filesOf(flags) });
    });

  program
    .command('record')
    .description('record what stream would see to a file, until Ctrl-C; ctwatch replay reads it')
    .argument('<file>', 'is created; never overwritten')
    .option('--netns <name>', 'watch this network namespace (see: ip netns list)')
    .addOption(new Option('--seconds <n>', 'stop after this time').argParser(positiveNumber))
    .addOption(rotateBytesOption())
    .addOption(keepOption())
    .option('--config <file>', 'configuration file (default: /etc/ctwatch/ctwatch.toml if it exists)')
    .action(async (path: string, flags: SettingFlags & { seconds?: number }) => {
      const { runRecord } = await import('./record.js');
      const { seconds } = flags;
      process.stderr.write(`${await runRecord({ path, settings: settingsFrom(flags), seconds, ...filesOf(flags) })}\n`);
    });

  program
    .command('replay')
    .description('print what stream would have printed of a recording or a conn.log of Zeek, with this configuration')
    .argument(
      '<files...>',
      'files of one recording, or Zeek conn.log (TSV or JSON), gzipped or not; - for standard input',
    )
    .addOption(
      new Option('--speed <n>', 'times as fast as it was, or max')
        .default(Number.POSITIVE_INFINITY, 'max')
        .argParser((text) => (text === 'max' ? Number.POSITIVE_INFINITY : positiveNumber(text))),
    )
    .option('--interval <duration>', 'time between two samples, such as 500ms, 10s, 1m (default: 10s)')
    .option('--assume-max <entries>', 'what if nf_conntrack_max had been this')
    .addOption(assumeTimeoutOption())
    .option('--flows', 'one line for each NEW and DESTROY as well')
    .option('--config <file>', 'configuration file (default: /etc/ctwatch/ctwatch.toml if it exists)')
    .action(async (paths: string[], flags: SettingFlags & { speed: number }) => {
      const { runReplay } = await import('./replay.js');
      await runReplay({ paths, settings: settingsFrom(flags), speed: flags.speed });
    });

  program
    .command('who')
    .description('list what is in the table now: by destination, state, source, owner and more')
    .option('--by <dimensions>', `one or two of ${CENSUS_DIMENSIONS.join(', ')}`, 'destination,state')
    .option('--netns <name>', 'look at this network namespace (see: ip netns list)')
    .addOption(new Option('--top <n>', 'rows to list').default(20).argParser(wholeNumber))
    .option('--json', 'one JSON line on a terminal too, as into a pipe')
    .action(async ({ by, top, netns, json }: WhoFlags) => {
      endWithOutput();
      const { runWho } = await import('./who.js');
      await runWho({ by, top, netns, json: json ?? false });
    });

  program
    .command('demo')
    .description('play an incident in a private network namespace and watch it (under a minute, changes nothing)')
    .option('--json', 'print JSON lines on a terminal too')
    .addOption(new Option('--inside').hideHelp())
    .action(async ({ json, inside }: DemoFlags) => {
      const { enterDemo, playDemo } = await import('./demo.js');
      await (inside === true ? playDemo({ json: json ?? false }) : enterDemo({ json: json ?? false }));
    });

  program.command('demo-traffic', { hidden: true }).action(async () => (await import('./incident.js')).runIncident());

  program
    .command('doctor')
    .description('list what this host allows and what is degraded, each with the command that changes it')
    .option('--netns <name>', 'look at this network namespace')
    .option('--json', 'one JSON object a line')
    .action(async ({ netns, json }: { netns?: string; json?: boolean }) => {
      endWithOutput();
      const { runDoctor } = await import('./doctor.js');
      process.exitCode = await runDoctor({ netns, json: json ?? false });
    });

  program
    .command('schema')
    .description('print the JSON Schema (draft 2020-12) of every line that stream prints')
    .action(async () => {
      endWithOutput();
      const { formatSchema } = await import('./schema.js');
      process.stdout.write(formatSchema());
    });

  program
    .command('completion')
    .description('print the completion of commands and options for a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell) => {
      endWithOutput();
      process.stdout.write(formatCompletion(program, shell));
    });

  // Errors of an option refer to the help of its command.
  for (const command of program.commands) {
    command.configureOutput({ outputError: (text, write) => write(formatUsageError(text, `${command.name()} `)) });
  }
  addCheck(program);
  return program;
}

function formatUsageError(text: string, command: string): string {
  const detail = text
    .replace(/^error: /, '')
    .trim()
    .replaceAll('\n', ' ');
  return `ctwatch: ${detail} [ERR_BAD_OPTION]; remedy: ctwatch ${command}--help\n`;
}

/** Everything that keeps a plugin from looking is a line on standard output and status 3, a wrong flag too. */
function addCheck(program: Command): void {
  program
    .command('check')
    .description('for Nagios, Icinga and friends: one line, performance data, status 0 1 2 3')
    .option('-w, --warning <range>', 'usage that is a warning, such as 80, 80% or 0.8 (default: the alerts decide)')
    .option('-c, --critical <range>', 'usage that is critical')
    .option('--warning-time-to-full <range>', 'seconds until the table is full that are a warning, such as 600:')
    .option('--critical-time-to-full <range>', 'seconds that are critical, such as 120:')
    .option('-t, --timeout <seconds>', 'status 3 when there was no answer by then (default: 10)')
    .option('-v, --verbose', 'more lines: the alerts that fire, losses, the age of the reading')
    .option('--control <path>', 'socket of the daemon (default: /run/ctwatch/ctwatch.sock)')
    .option('--netns <name>', 'this network namespace (see: ip netns list)')
    .option('--config <file>', 'configuration file (default: /etc/ctwatch/ctwatch.toml if it exists)')
    .version(VERSION)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 3))
    .configureOutput({
      outputError: (text) => {
        const wrong = text.replace(/^error: /, '').trim();
        process.stdout.write(`CONNTRACK UNKNOWN - ${wrong.replaceAll(/[\n|;]/g, ' ')}, remedy: ctwatch check --help\n`);
      },
    })
    .action(async (flags: CheckFlags) => {
      const { runCheck } = await import('./check.js');
      process.exitCode = await runCheck(flags);
    });
}

/** For commands without a sink: a closed pipe (`| head`) is an ordinary ending, another failure of the output is told. */
function endWithOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const failure = outputError(error);
    process.exit(failure === undefined ? 0 : exitStatusOf(failure));
  });
}

/** A privilege that is missing is given by sudo: to the same command. */
function withCommand(error: CtwatchError, args: readonly string[]): CtwatchError {
  if (!error.code.startsWith('ERR_CAP_') || args.length === 0) return error;
  return new CtwatchError({
    ...error,
    detail: error.message,
    remedy: `sudo ctwatch ${args.map(shellWord).join(' ')}`,
    cause: error,
  });
}

/** commander has printed its own message for the errors it throws. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof CtwatchError) {
    process.stderr.write(`${withCommand(error, process.argv.slice(2)).line}\n`);
    return error.exitStatus;
  }
  throw error;
}
