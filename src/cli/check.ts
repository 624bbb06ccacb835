/**
 * `ctwatch check`: one line and a status for Nagios, Icinga and friends. Asks the daemon; without one, the kernel, which knows no
 * rates. A daemon that does not answer in time is not passed over: that it hangs is what the check is to tell.
 * Source: Monitoring Plugins Development Guidelines.
 */
import { readTableStats } from '../kernel/table-stats.js';
import { CtwatchError } from '../model/errors.js';
import { CHECK_STALE_SECONDS, CHECK_TIMEOUT_SECONDS } from '../model/limits.js';
import { defaultSettings, type Settings } from '../model/settings.js';
import { parseRange, parseUsageRange, type ThresholdRange } from '../model/threshold-range.js';
import { tableFields } from '../pipeline/fields.js';
import { formatSeconds } from '../pipeline/sentence.js';
import { exitStatusOf, formatCheck, formatUnknown } from '../views/check-line.js';
import { type CheckReading, isSet, judgeCheck, percentOf, type ThresholdPair } from '../views/check-verdict.js';
import { DEFAULT_CONTROL_PATH, readSettings } from './config.js';
import { askStatus } from './control-client.js';

/** As they were typed. */
export interface CheckFlags {
  readonly warning?: string;
  readonly critical?: string;
  readonly warningTimeToFull?: string;
  readonly criticalTimeToFull?: string;
  readonly timeout?: string;
  readonly verbose?: boolean;
  readonly control?: string;
  readonly netns?: string;
  readonly config?: string;
}

/** Prints the line. Returns the status of a plugin: 3 for everything that kept it from looking. */
export async function runCheck(flags: CheckFlags): Promise<0 | 1 | 2 | 3> {
  try {
    const { text, status } = await check(flags);
    process.stdout.write(text);
    return status;
  } catch (error) {
    process.stdout.write(formatUnknown(error instanceof CtwatchError ? describeError(error) : String(error)));
    return 3;
  }
}

async function check(flags: CheckFlags) {
  const usage = {
    warning: range('--warning', flags.warning, parseUsageRange),
    critical: range('--critical', flags.critical, parseUsageRange),
  };
  const timeToFull = {
    warning: range('--warning-time-to-full', flags.warningTimeToFull, parseRange),
    critical: range('--critical-time-to-full', flags.criticalTimeToFull, parseRange),
  };
  const signal = deadline(flags.timeout);
  const settings = settingsOf(flags);
  const { reading, missing } = await read(settings, signal);
  const defaults = defaultPairs(reading, settings);
  const verdict = judgeCheck(reading, { usage, timeToFull }, defaults.usage);
  const text = formatCheck({
    ...{ reading, verdict, missing, netns: reading.daemon?.netns ?? settings.netns, verbose: flags.verbose ?? false },
    ...(isSet(usage) || isSet(timeToFull) ? { usage, timeToFull } : defaults),
  });
  return { text, status: exitStatusOf(verdict.state) };
}

function range(
  flag: string,
  text: string | undefined,
  parse: (text: string) => ThresholdRange | string,
): ThresholdRange | undefined {
  if (text === undefined) return undefined;
  const result = parse(text);
  if (typeof result !== 'string') return result;
  throw badOption(flag, `${result} (got ${JSON.stringify(text)})`);
}

function badOption(operation: string, detail: string): CtwatchError {
  return new CtwatchError({ code: 'ERR_BAD_OPTION', operation, detail, remedy: 'ctwatch check --help' });
}

/** Aborts when the time is over. */
function deadline(text: string | undefined): AbortSignal {
  const seconds = Number(text ?? CHECK_TIMEOUT_SECONDS);
  if (text?.trim() === '' || !(seconds > 0) || seconds > 86_400) {
    throw badOption('--timeout', `seconds above 0 are expected (got ${JSON.stringify(text)})`);
  }
  const detail = `there was no answer within ${formatSeconds(seconds)}`;
  const controller = new AbortController();
  const reason = new CtwatchError({ code: 'ERR_CONTROL_TIMEOUT', operation: 'ask', detail });
  setTimeout(() => controller.abort(reason), seconds * 1000).unref();
  return controller.signal;
}

/** A monitoring user that may not read the file does without: the daemon answers with what it has read. */
function settingsOf({ control: socket, netns, config }: CheckFlags): Settings {
  try {
    const flags = { control: socket === undefined ? undefined : { socket }, netns };
    return readSettings({ flags, environment: process.env, configPath: config });
  } catch (error) {
    const isHidden =
      error instanceof CtwatchError && error.code === 'ERR_CONFIG_UNREADABLE' && error.errno === 'EACCES';
    if (!isHidden || config !== undefined) throw error;
    const control = { ...defaultSettings.control, ...(socket !== undefined && { socket }) };
    return { ...defaultSettings, ...(netns !== undefined && { netns }), control };
  }
}

/** By the daemon, or by the kernel with the reason why. */
async function read(settings: Settings, signal: AbortSignal): Promise<{ reading: CheckReading; missing?: string }> {
  const path = settings.control.socket || DEFAULT_CONTROL_PATH;
  let missing: string;
  try {
    const daemon = await askStatus(path, signal);
    if (daemon.age_seconds > CHECK_STALE_SECONDS) {
      const detail = `the last reading of ctwatch is ${formatSeconds(daemon.age_seconds)} old`;
      throw new CtwatchError({ code: 'ERR_CONTROL_ANSWER', operation: path, detail });
    }
    if (settings.netns === undefined || settings.netns === daemon.netns)
      return { reading: { table: daemon.table, daemon } };
    missing = `ctwatch at ${path} watches another namespace`;
  } catch (error) {
    if (!(error instanceof CtwatchError) || error.code !== 'ERR_CONTROL_UNREACHABLE') throw error;
    missing = describeError(error);
  }
  try {
    const { count, max } = await withinTime(readTableStats(settings.netns), signal);
    return {
      reading: { table: tableFields({ count, ...(max !== undefined && { max: settings.assume_max ?? max }) }) },
      missing,
    };
  } catch (error) {
    if (!(error instanceof CtwatchError)) throw error;
    const detail = `${error.message}${error.errno === undefined ? '' : ` (${error.errno})`}; ${missing}`;
    throw new CtwatchError({ code: error.code, operation: error.operation, detail, remedy: error.remedy });
  }
}

function withinTime<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([
    answer,
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
  ]);
}

/** What the graphs show as thresholds when none are given: those of the alerts. */
function defaultPairs(
  { daemon }: CheckReading,
  { alert }: Settings,
): { usage: ThresholdPair; timeToFull: ThresholdPair } {
  const { usage, time_to_full } = daemon?.thresholds ?? alert;
  const above = (ratio: number): ThresholdRange => ({ low: 0, high: percentOf(ratio), alerts: 'outside' });
  const below = (seconds: number): ThresholdRange => ({
    low: seconds,
    high: Number.POSITIVE_INFINITY,
    alerts: 'outside',
  });
  return {
    usage: { warning: above(usage.warning_ratio), critical: above(usage.critical_ratio) },
    timeToFull: { warning: below(time_to_full.warning_seconds), critical: below(time_to_full.critical_seconds) },
  };
}

function describeError({ operation, message, errno, code, remedy }: CtwatchError): string {
  return `${operation}: ${message}${errno === undefined ? '' : ` (${errno})`} [${code}]; remedy: ${remedy}`;
}
