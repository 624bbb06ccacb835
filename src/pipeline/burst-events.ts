/** The `burst` lines of a tick: of the total, and of destinations whose burst the total does not show. */
import type { BurstTransition } from '../analysis/bursts/burst.js';
import type { ExpectedBurst } from '../analysis/bursts/recurrence.js';
import type { Findings } from '../analysis/diagnosis/suspects.js';
import type { CtEvent, EventOf, TopFields } from '../model/events.js';
import type { OwnerFields } from '../model/owner-fields.js';
import { diagnosisFields } from './culprit-fields.js';
import { isoTime, ownerFields, round, topFields, unixAt } from './fields.js';
import type { TickObservation } from './observed.js';
import { describeTalker, formatCount, formatRate, formatSeconds } from './sentence.js';

type BurstTick = Pick<TickObservation, 'at' | 'growth' | 'burstTransition' | 'destinationBursts'> & {
  readonly findings: Pick<Findings, 'burstDiagnosis'>;
};

/** Who bursts, when it is not the total. */
type Destination = Pick<TopFields, 'network' | 'destination'> & OwnerFields;

/** What began and what ended in this tick. `advise` says what would help against the total's. */
export function burstEvents(tick: BurstTick, advise: () => NonNullable<EventOf<'burst'>['advice']>): CtEvent[] {
  const { burstTransition, destinationBursts } = tick;
  const events = destinationBursts.flatMap(({ destination: talker, transition }) => {
    const [fields] = topFields([talker]);
    return fields
      ? [
          burstEvent(tick, transition, {
            network: fields.network,
            destination: fields.destination,
            ...ownerFields(talker.owners),
          }),
        ]
      : [];
  });
  if (burstTransition === undefined) return events;
  const advice = burstTransition.phase === 'start' ? { advice: advise() } : {};
  return [{ ...burstEvent(tick, burstTransition), ...advice }, ...events];
}

function burstEvent(tick: BurstTick, transition: BurstTransition, destination?: Destination): EventOf<'burst'> {
  const { ratePerSecond, baselinePerSecond, ratio, expected } = transition;
  const onset = isoTime(unixAt(tick, transition.onsetSeconds));
  const { burstDiagnosis } = tick.findings;
  const common = {
    type: 'burst',
    unixSeconds: tick.at.unixSeconds,
    phase: transition.phase,
    onset,
    rate_per_second: round(ratePerSecond, 1),
    baseline_per_second: round(baselinePerSecond, 1),
    ratio: round(ratio, 2),
    ...destination,
    ...(destination === undefined && burstDiagnosis !== undefined && { diagnosis: diagnosisFields(burstDiagnosis) }),
    ...(expected !== undefined && { expected: expectedFields(expected) }),
  } as const;
  const clock = onset.slice(11, 19);
  const who = destination === undefined ? '' : ` of ${describeTalker(destination)}`;
  if (transition.phase === 'start') {
    const { outgrown, falseAlarmsPerYear } = transition;
    const [first] = destination === undefined ? topFields(tick.growth) : [];
    const what = `${formatRate(ratePerSecond)} new entries${who} since ${clock}`;
    const rate = `${what}, ${ratio.toFixed(1)} times the usual ${formatRate(baselinePerSecond)}`;
    return {
      ...common,
      level: expected !== undefined && outgrown === undefined ? 'info' : 'warn',
      msg: `${describeKind(expected, outgrown)}${rate}`,
      ...(outgrown !== undefined && { reason: outgrown }),
      false_alarms_per_year: Number(falseAlarmsPerYear.toPrecision(3)),
      ...(first !== undefined && { top: [first] }),
    };
  }
  const { reason, peakPerSecond, durationSeconds, entriesAdded } = transition;
  const fate =
    reason === 'over'
      ? `is over after ${formatSeconds(durationSeconds)}`
      : `has lasted ${formatSeconds(durationSeconds)}, ${formatRate(ratePerSecond)} is the usual rate now`;
  return {
    ...common,
    level: 'info',
    msg: `the burst${who} since ${clock} ${fate}: peak ${formatRate(peakPerSecond)}, ${formatCount(entriesAdded)} entries added`,
    reason,
    peak_per_second: round(peakPerSecond, 1),
    duration_seconds: round(durationSeconds, 2),
    entries_added: Math.round(entriesAdded),
  };
}

function expectedFields(expected: ExpectedBurst): NonNullable<EventOf<'burst'>['expected']> {
  return {
    period_seconds: round(expected.periodSeconds, 1),
    times: expected.times,
    usual_duration_seconds: round(expected.usualDurationSeconds, 1),
    usual_entries_added: Math.round(expected.usualEntriesAdded),
  };
}

function describeKind(expected: ExpectedBurst | undefined, outgrown: 'larger' | 'longer' | undefined): string {
  if (expected === undefined) return '';
  const kind = `the ${formatPeriod(expected.periodSeconds)} burst`;
  return outgrown === undefined
    ? `${kind}, the ${formatOrdinal(expected.times)} of its kind: `
    : `${kind} is ${outgrown} than usual: `;
}

/** `5-minute`, `90-second`, `24-hour`. */
function formatPeriod(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (Math.abs(seconds - minutes * 60) > 0.02 * seconds) return `${Math.round(seconds)}-second`;
  return minutes >= 60 && minutes % 60 === 0 ? `${minutes / 60}-hour` : `${minutes}-minute`;
}

/** `4th`, `21st`, `112th`. */
function formatOrdinal(n: number): string {
  const tens = n % 100;
  const suffix = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${formatCount(n)}${suffix}`;
}
