import { describe, expect, it } from 'vitest';
import { FLOW_STAGES, stageOf } from '../../src/analysis/flow-stage.js';
import { createBatch, PRESENT } from '../../src/model/batch.js';

const SEEN_REPLY = 2;

/** The stage of a flow of which this is known. */
function stageNamed(protocol: number, known: { readonly tcpState?: number; readonly status?: number }) {
  const { columns } = createBatch(8);
  columns.protocol[0] = protocol;
  columns.tcpState[0] = known.tcpState ?? 0;
  columns.status[0] = known.status ?? 0;
  columns.present[0] =
    (known.tcpState === undefined ? 0 : PRESENT.tcpState) | (known.status === undefined ? 0 : PRESENT.status);
  return FLOW_STAGES[stageOf(columns, 0)];
}

describe('stageOf', () => {
  it.each([
    [1, 0, 'unanswered'],
    [2, SEEN_REPLY, 'half_open'],
    [3, SEEN_REPLY, 'established'],
    [4, SEEN_REPLY, 'closing'],
    [5, SEEN_REPLY, 'closing'],
    [6, SEEN_REPLY, 'closing'],
    [7, SEEN_REPLY, 'time_wait'],
    [8, SEEN_REPLY, 'reset'],
    [9, SEEN_REPLY, 'unanswered'],
  ] as const)('of TCP state %d with status %d is %s', (tcpState, status, stage) => {
    expect(stageNamed(6, { tcpState, status })).toBe(stage);
    expect(stageNamed(6, { tcpState })).toBe(stage);
  });

  it('of a SYN that only a RST came back for is unanswered', () => {
    expect(stageNamed(6, { tcpState: 8, status: 0 })).toBe('unanswered');
  });

  it('of other protocols is whether an answer came', () => {
    expect(stageNamed(17, { status: 0 })).toBe('unanswered');
    expect(stageNamed(17, { status: SEEN_REPLY })).toBe('answered');
    expect(stageNamed(1, { status: SEEN_REPLY })).toBe('answered');
  });

  it('is not told by what is not there', () => {
    expect(stageNamed(6, {})).toBeUndefined();
    expect(stageNamed(17, {})).toBeUndefined();
    expect(stageNamed(6, { tcpState: 200, status: SEEN_REPLY })).toBeUndefined();
  });
});
