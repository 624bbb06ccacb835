/** The notices about owners: they cannot be asked for, or again; and those of budgets that nobody is. */
import { NOTICES } from '../analysis/degraded.js';
import type { CtwatchError } from '../model/errors.js';
import type { EventOf } from '../model/events.js';
import { OWNER_UNSEEN_SECONDS } from '../model/limits.js';
import { formatSeconds } from './sentence.js';

/** Without `error`: they are told again. */
export function ownersEvent(unixSeconds: number, error: CtwatchError | undefined): EventOf<'notice'> {
  const code = error === undefined ? 'owners_told' : 'owners_failed';
  const text = NOTICES[code];
  const head = { type: 'notice', unixSeconds, code, text } as const;
  if (error === undefined) return { ...head, level: 'info', msg: text, remedy: 'sudo ctwatch who --by owner' };
  const why = `${error.operation}: ${error.message}${error.errno === undefined ? '' : `, ${error.errno}`}`;
  // Sockets may be asked for by everybody: who refuses is a filter of system calls or a security module.
  const remedy =
    error.code === 'ERR_REQUEST_TIMEOUT'
      ? "ps -ef | grep '[c]onntrack'"
      : "sudo dmesg | grep -iE 'seccomp|avc|apparmor'";
  return { ...head, level: 'warn', msg: `${text} (${why})`, remedy };
}

/** One for each owner, as the configuration has it. */
export function unseenOwnerEvents(unixSeconds: number, owners: readonly string[]): EventOf<'notice'>[] {
  const code = 'budget_owner_unseen';
  const text = NOTICES[code];
  return owners.map((owner) => ({
    ...{ type: 'notice', level: 'warn', unixSeconds, code, text, remedy: 'sudo ctwatch who --by owner' },
    msg: `budget of ${owner}: nobody of that name was seen in ${formatSeconds(OWNER_UNSEEN_SECONDS)}`,
  }));
}
