/** The lines of a dump on demand: its census, what it gave back, or why there is none. */
import { NOTICES } from '../analysis/degraded.js';
import type { CtEvent } from '../model/events.js';
import { censusEvent } from './census-event.js';
import type { DumpObservation } from './dump-watch.js';
import { formatCount } from './sentence.js';

/** `assumedMax` takes the place of nf_conntrack_max. */
export function dumpEvents(dump: DumpObservation, assumedMax: number | undefined): CtEvent[] {
  const { at, purpose, durationSeconds, table, collected, census, error } = dump;
  const { unixSeconds } = at;
  const max = assumedMax ?? table?.max;
  if (error !== undefined) {
    const text = NOTICES.census_failed;
    const msg = `${text} (${error.message})`;
    return [{ type: 'notice', level: 'warn', unixSeconds, msg, code: 'census_failed', text, remedy: error.remedy }];
  }
  if (purpose === 'reap') {
    const text = NOTICES.reaped;
    const much = collected === undefined ? '' : `${formatCount(collected)} expired entries were collected: `;
    const remedy = `sudo sysctl -w net.netfilter.nf_conntrack_max=${max === undefined ? 'N' : 2 * max}`;
    const event = { type: 'notice', level: 'info', unixSeconds, code: 'reaped', text, remedy } as const;
    return [{ ...event, msg: `${much}${text}`, ...(collected !== undefined && { collected }) }];
  }
  if (census === undefined) return [];
  const count = table?.count;
  return [censusEvent({ census, trigger: 'alert', unixSeconds, durationSeconds, count, max, collected })];
}
