/** What was seen of a suspect, as sentences with their numbers: why a diagnosis says what it says. */
import { totalOf } from './flow-traits.js';
import { type Suspect, type Symptoms, stageCountsOf } from './symptoms.js';

const STAGE_TEXTS = {
  unanswered: 'without an answer',
  half_open: 'with a handshake that nobody completes',
  established: 'established',
  over: 'closed',
  answered: 'answered',
} as const;

/** One sentence for each symptom that is known and says something. */
export function describeSymptoms(suspect: Suspect, symptoms: Symptoms): string[] {
  return [
    partnersText(suspect, symptoms),
    stageText(suspect, symptoms),
    symptoms.hold === 'held' ? 'they are still open a quarter of a minute after they began' : undefined,
    suspect.paceRatio === undefined || symptoms.pace !== 'surge'
      ? undefined
      : `new entries come ${suspect.paceRatio.toFixed(1)} times as fast as usual`,
    symptoms.leaving === 'stays' ? 'its entries do not leave again' : undefined,
    suspect.idleRatio === undefined || symptoms.idleness !== 'idle'
      ? undefined
      : `${percent(suspect.idleRatio)} of its entries are established and have seen no packet for an hour`,
    socketsText(suspect, symptoms),
  ].filter((text) => text !== undefined);
}

function partnersText({ traits, subject, owner }: Suspect, { partners }: Symptoms): string | undefined {
  if (partners === undefined) return undefined;
  if (owner?.isOnlyClient === true) return 'one program of this host opens them';
  const number = Math.max(1, Math.round(traits.partners));
  const noun = subject === 'destination' ? 'source' : 'destination';
  if (number === 1) return `new entries have one ${noun}`;
  const again = partners === 'once' ? ', hardly one of them twice' : '';
  return `new entries have ${number > 8 ? 'about ' : ''}${number} ${noun}s${again}`;
}

function stageText({ traits }: Suspect, { stage }: Symptoms): string | undefined {
  const judged = stageCountsOf(traits);
  if (judged === undefined || stage === undefined) return undefined;
  const { counts, isYoung } = judged;
  const of = isYoung ? 'flows looked up soon after they began' : 'flows that ended';
  if (stage === 'mixed') return `the ${of} are in no state that most share`;
  const part = stage === 'over' ? counts.closing + counts.time_wait + counts.reset : counts[stage];
  const where =
    counts.time_wait > part / 2 && stage === 'over' ? 'closed, most of them in TIME_WAIT' : STAGE_TEXTS[stage];
  const are = isYoung ? 'are' : 'were last';
  return `${percent(part / totalOf(counts))} of the ${of} ${are} ${where}`;
}

function socketsText({ owner }: Suspect, { sockets }: Symptoms): string | undefined {
  if (sockets === undefined || owner === undefined) return undefined;
  const compared = `${owner.openSockets} open sockets to it and ${owner.threads} threads`;
  return sockets === 'beyond_threads'
    ? `the owner has ${compared}: its pool does not limit`
    : `the owner has ${compared}`;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
