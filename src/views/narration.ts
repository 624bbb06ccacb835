/** Events as lines for a person at a terminal: the time, what kind, the sentence. */
import type { CtEvent } from '../model/events.js';

const COLORS = { info: '', warn: '\u001b[33m', error: '\u001b[31m' } as const;
const RESET = '\u001b[0m';

/** `14:02:31  alert   conntrack table at ...`, coloured by level when `color` is set. */
export function formatNarration(event: CtEvent, color: boolean): string {
  const time = new Date(event.unixSeconds * 1000).toISOString().slice(11, 19);
  const line = `${time}  ${labelOf(event).padEnd(14)}  ${event.msg}`;
  return color && COLORS[event.level] !== '' ? `${COLORS[event.level]}${line}${RESET}\n` : `${line}\n`;
}

function labelOf(event: CtEvent): string {
  if (event.type !== 'alert') return event.type;
  return event.phase === 'resolved' ? 'resolved' : `ALERT ${event.severity}`;
}
