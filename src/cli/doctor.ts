/** `ctwatch doctor`: what this host allows, what is degraded, and the command that changes it. It changes nothing itself. */
import { firstValueFrom } from 'rxjs';
import { type DEGRADED_CODES, listDegraded } from '../analysis/degraded.js';
import { readListeners } from '../kernel/listeners.js';
import { CtwatchError } from '../model/errors.js';
import { EVENT_TRUESIZE_BYTES } from '../model/limits.js';
import type { HostFacts } from '../model/record.js';
import { defaultSettings } from '../model/settings.js';
import { describeTable, formatCount } from '../pipeline/sentence.js';
import { fromSource } from '../pipeline/source.js';
import { openLive } from './watch.js';

/** `missing`: ctwatch cannot run here. `limited`: it runs and can say less. */
interface Check {
  readonly check: string;
  readonly status: 'ok' | 'limited' | 'missing';
  readonly text: string;
  readonly remedy?: string;
}

export interface DoctorOptions {
  readonly netns?: string | undefined;
  /** One JSON object a line instead of text. */
  readonly json: boolean;
}

/** Prints the checks. Returns the exit status: 0, or 3 when ctwatch cannot run here. */
export async function runDoctor({ netns, json }: DoctorOptions): Promise<0 | 3> {
  const checks = await listChecks(netns);
  process.stdout.write(json ? checks.map((check) => `${JSON.stringify(check)}\n`).join('') : formatChecks(checks));
  return checks.some(({ status }) => status === 'missing') ? 3 : 0;
}

async function listChecks(netns: string | undefined): Promise<Check[]> {
  // Before our own sockets are in the list.
  const listeners = netns === undefined ? readListeners() : undefined;
  try {
    const record = await firstValueFrom(fromSource(openLive({ ...defaultSettings, netns })));
    if (record.type !== 'open') return [];
    return [...hostChecks(record.host), ...(listeners === undefined ? [] : [listenerCheck(listeners)])];
  } catch (error) {
    if (!(error instanceof CtwatchError)) throw error;
    const text = `${error.operation}: ${error.message}${error.errno === undefined ? '' : ` (${error.errno})`}`;
    const again = `sudo ctwatch doctor${netns === undefined ? '' : ` --netns ${netns}`}`;
    return [
      { check: error.code, status: 'missing', text, remedy: error.code.startsWith('ERR_CAP_') ? again : error.remedy },
    ];
  }
}

function hostChecks(host: HostFacts): Check[] {
  const { sysctls, table, recvBufferBytes } = host;
  const degraded = listDegraded(host);
  const found = (code: keyof typeof DEGRADED_CODES) => degraded.find((entry) => entry.code === code);
  const check = (name: string, text: string, code?: keyof typeof DEGRADED_CODES): Check => {
    const limit = code && found(code);
    return limit === undefined
      ? { check: name, status: 'ok', text }
      : {
          check: name,
          status: 'limited',
          // Some limits name the sysctl themselves.
          text: limit.text.includes(text) ? limit.text : `${text}: ${limit.text}`,
          remedy: limit.remedy,
        };
  };
  const value = (number: number | undefined) => number ?? 'not readable';
  const { count, max } = table;
  const events = formatCount(Math.floor(recvBufferBytes / EVENT_TRUESIZE_BYTES));
  return [
    check('kernel', `Linux ${host.kernelRelease}, conntrack events can be read`),
    check('capabilities', host.capabilities.join(', ') || 'none'),
    check('owners', 'processes of all users can be named', 'owners_limited'),
    check(
      'receive_buffer',
      `${formatCount(recvBufferBytes)} bytes each, room for ${events} events`,
      'receive_buffer_small',
    ),
    check(
      'table',
      describeTable({ count, ...(max && { max, used_ratio: count / max }) }),
      max === undefined ? 'max_unknown' : 'table_empty',
    ),
    check('buckets', `${value(sysctls.buckets)} hash buckets`, 'buckets_few'),
    check(
      'events',
      `nf_conntrack_events=${value(sysctls.events)}`,
      sysctls.events === 0 ? 'events_disabled' : 'events_on_demand',
    ),
    check('timestamps', `nf_conntrack_timestamp=${value(sysctls.timestamp)}`, 'timestamps_off'),
    check('accounting', `nf_conntrack_acct=${value(sysctls.acct)}`, 'accounting_off'),
  ];
}

function listenerCheck(listeners: ReturnType<typeof readListeners>): Check {
  const name = 'other_listeners';
  if (listeners.length === 0)
    return { check: name, status: 'ok', text: 'nobody else in this namespace listens to conntrack events' };
  const list = listeners.map(
    ({ portid, drops }) => `${portid}${drops > 0 ? ` (lost ${formatCount(drops)} events)` : ''}`,
  );
  const text = `${listeners.length} other sockets in this namespace listen to conntrack events, netlink ports ${list.join(', ')}`;
  return { check: name, status: 'ok', text };
}

const MARKS = { ok: 'ok     ', limited: 'limited', missing: 'missing' } as const;

function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  return checks
    .map(({ check, status, text, remedy }) => {
      const line = `${MARKS[status]}  ${check.padEnd(width)}  ${text}\n`;
      return remedy === undefined ? line : `${line}${' '.repeat(width + 11)}remedy: ${remedy}\n`;
    })
    .join('');
}
