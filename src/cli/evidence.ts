/** The keeper of evidence beside the sink of a stream. */
import { NOTICES } from '../analysis/degraded.js';
import type { CtEvent } from '../model/events.js';
import { EvidenceKeeper } from '../sinks/evidence.js';
import type { EventSink } from './stream.js';

/** A sink whose critical alerts leave evidence in `directory`; the sink itself when there is none. */
export function withEvidence(sink: EventSink, directory: string | undefined): EventSink {
  if (directory === undefined || directory === '') return sink;
  const keeper = new EvidenceKeeper({
    directory,
    onFailure: ({ code, message }) => {
      const text = NOTICES.evidence_failed;
      const remedy = code === 'ENOSPC' ? `df -h ${directory}` : `sudo install -d -m 0700 -o "$USER" ${directory}`;
      const msg = `${text} (${code ?? message})`;
      const unixSeconds = Date.now() / 1000;
      sink.write({ type: 'notice', level: 'warn', unixSeconds, msg, code: 'evidence_failed', text, remedy });
    },
  });
  return {
    write: (event: CtEvent) => {
      sink.write(event);
      keeper.observe(event);
    },
    end: () => sink.end(),
  };
}
