/**
 * Standard output of a service that the journal reads: a priority before each line, which it takes off again.
 *
 * Sources: sd-daemon(3) for `<N>`, systemd.exec(5) for JOURNAL_STREAM.
 */
import { fstatSync } from 'node:fs';
import type { CtEvent } from '../model/events.js';

/** Of syslog(3). What is critical stands above other errors, so that `journalctl -p crit` has it alone. */
const PRIORITIES = { critical: 2, error: 3, warn: 4, info: 6 } as const;

/** Whether the journal reads this descriptor: JOURNAL_STREAM names device and inode of the socket that the service was given. */
export function isJournal(descriptor: number, stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

export function journalPrefix(event: Pick<CtEvent, 'type' | 'level'>): string {
  const isCritical = 'severity' in event && event.severity === 'critical' && event.level === 'error';
  return `<${PRIORITIES[isCritical ? 'critical' : event.level]}>`;
}
