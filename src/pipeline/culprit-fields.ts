/** The fields of who fills the table and what it looks like, from the findings of a tick. */
import type { Diagnosis } from '../analysis/diagnosis.js';
import { FLOW_STAGES, type FlowStage } from '../analysis/flow-stage.js';
import type { StageCounts } from '../analysis/flow-traits.js';
import type { Findings, SuspectDestination } from '../analysis/suspects.js';
import { formatAddress } from '../model/address.js';
import type { CulpritFields, DiagnosisFields } from '../model/events.js';
import { CULPRIT_SHARE_RATIO } from '../model/limits.js';
import { transportName } from '../model/protocol.js';
import { round, topFields } from './fields.js';

/** Fewer look-ups tell no share. */
const LOOKUPS_MIN = 4;
const TCP = 6;

/** Everybody with at least a tenth of the share, most first. */
export function culpritFields({ source, destinations }: Findings): CulpritFields[] {
  const culprits = destinations.map(destinationFields).filter(({ share_ratio }) => share_ratio >= CULPRIT_SHARE_RATIO);
  if (source === undefined) return culprits;
  const { family, address, protocol, shareRatio, errorRatio, traits } = source;
  return [
    {
      network: { transport: transportName(protocol) },
      source: { ip: formatAddress(family, address) },
      share_ratio: round(shareRatio, 4),
      error_ratio: round(errorRatio, 4),
      ...stateFields(protocol, traits.young),
    },
    ...culprits,
  ];
}

function destinationFields({ talker, shareRatio, facts }: SuspectDestination): CulpritFields {
  const { entries, usual, traits } = facts;
  const [fields] = topFields([talker]);
  return {
    network: { transport: transportName(talker.protocol) },
    ...fields,
    share_ratio: round(shareRatio, 4),
    entries: Math.round(entries),
    ...(usual !== undefined && {
      usual_entries: Math.round(usual.entries),
      usual_new_per_second: round(usual.newPerSecond, 1),
    }),
    ...stateFields(talker.protocol, traits.young),
  };
}

/** States that are stages of their own, by the name of the kernel. */
const STATE_NAMES: Readonly<Partial<Record<FlowStage, string>>> = {
  unanswered: 'SYN_SENT',
  half_open: 'SYN_RECV',
  established: 'ESTABLISHED',
  time_wait: 'TIME_WAIT',
  reset: 'CLOSE',
};

function stateFields(protocol: number, young: StageCounts): Pick<CulpritFields, 'states'> {
  const total = FLOW_STAGES.reduce((sum, stage) => sum + young[stage], 0);
  if (protocol !== TCP || total < LOOKUPS_MIN) return {};
  const states = FLOW_STAGES.flatMap((stage) => {
    const name = STATE_NAMES[stage];
    const share = round(young[stage] / total, 4);
    return name === undefined || share === 0 ? [] : [[name, share] as const];
  });
  return { states: Object.fromEntries(states.sort(([, a], [, b]) => b - a)) };
}

export function diagnosisFields({ code, confidenceRatio, evidence }: Diagnosis): DiagnosisFields {
  return { code, confidence_ratio: round(confidenceRatio, 4), evidence: [...evidence] };
}
