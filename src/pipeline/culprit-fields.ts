/** The fields of who fills the table and what it looks like, from the findings of a tick. */
import type { BudgetReading } from '../analysis/diagnosis/budgets.js';
import type { Diagnosis } from '../analysis/diagnosis/diagnosis.js';
import { LOOKUPS_MIN, type StageCounts, totalOf } from '../analysis/diagnosis/flow-traits.js';
import type { Findings, SuspectDestination } from '../analysis/diagnosis/suspects.js';
import { FLOW_STAGES, type FlowStage } from '../analysis/flow-stage.js';
import { formatAddress } from '../model/address.js';
import type { BudgetFields, CulpritFields, DiagnosisFields } from '../model/events.js';
import { CULPRIT_SHARE_RATIO } from '../model/limits.js';
import { TCP, tcpStateName, transportName } from '../model/protocol.js';
import { round, topFields } from './fields.js';

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

function destinationFields({
  talker,
  shareRatio,
  facts,
  allowed,
  states,
  openSockets,
}: SuspectDestination): CulpritFields {
  const { entries, usual, traits } = facts;
  const [fields] = topFields([talker]);
  return {
    network: { transport: transportName(talker.protocol) },
    ...fields,
    share_ratio: round(shareRatio, 4),
    entries: Math.round(entries),
    ...(allowed?.max_entries !== undefined && { expected_entries: allowed.max_entries }),
    ...(allowed?.max_new_per_second !== undefined && { expected_new_per_second: allowed.max_new_per_second }),
    ...(usual !== undefined && {
      usual_entries: Math.round(usual.entries),
      usual_new_per_second: round(usual.newPerSecond, 1),
    }),
    ...(openSockets !== undefined && { open_sockets: Math.round(openSockets) }),
    ...(states === undefined ? stateFields(talker.protocol, traits.young) : countedStates(states)),
  };
}

/** Of a census. */
function countedStates(states: Uint32Array): Pick<CulpritFields, 'states'> {
  const total = states.reduce((sum, entries) => sum + entries, 0);
  if (total === 0) return {};
  const shares = [...states].map((entries, state) => [tcpStateName(state) ?? '', round(entries / total, 4)] as const);
  return { states: Object.fromEntries(shares.filter(([, share]) => share > 0).sort(([, a], [, b]) => b - a)) };
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
  const total = totalOf(young);
  if (protocol !== TCP || total < LOOKUPS_MIN) return {};
  const states = FLOW_STAGES.flatMap((stage) => {
    const name = STATE_NAMES[stage];
    const share = round(young[stage] / total, 4);
    return name === undefined || share === 0 ? [] : [[name, share] as const];
  });
  return { states: Object.fromEntries(states.sort(([, a], [, b]) => b - a)) };
}

/** A budget with what is there of it. */
export function budgetFields({ budget, entries, newPerSecond }: BudgetReading): BudgetFields {
  return {
    ...Object.fromEntries(Object.entries(budget).filter(([, value]) => value !== undefined)),
    ...(entries !== undefined && { entries: Math.round(entries) }),
    ...(newPerSecond !== undefined && { new_per_second: round(newPerSecond, 1) }),
  };
}

export function diagnosisFields({ code, confidenceRatio, evidence }: Diagnosis): DiagnosisFields {
  return { code, confidence_ratio: round(confidenceRatio, 4), evidence: [...evidence] };
}
