/**
 * What the flows of one destination, or of one source, have in common: how far they have come, and how many different partners.
 *
 *   NEW ──> partners (distinct)        look-up of a young flow ──> its stage        DESTROY ──> the stage it ended in
 *
 * Stages are counts that decay, so the present behaviour outweighs that of a minute ago. A counter is whatever its user says;
 * when it changes hands it is reset.
 */
import type { EventColumns } from '../../model/batch.js';
import { DistinctCounts } from '../distinct.js';
import { FLOW_STAGES, type FlowStage, stageOf } from '../flow-stage.js';

/** From this age on a look-up tells whether a flow is held open. */
const AGED_SECONDS = 8;
/** Time constants of the decay, seconds: look-ups are few and quick, ends come in sweeps a minute apart. */
const YOUNG_SECONDS = 10;
const ENDED_SECONDS = 60;
/** A pane of partners; estimates are of the last one to two. */
const PANE_SECONDS = 8;

/** Flows by the stage they are in; counts that decay, so not whole. */
export type StageCounts = Readonly<Record<FlowStage, number>>;

/** What is known of one counter's flows. */
export interface Traits {
  /** Different partners in the last 8 to 16 s; of a destination its sources, of a source its destinations. */
  readonly partners: number;
  /** Flows that `partners` was estimated from. */
  readonly partnerFlows: number;
  /** Sampled flows some seconds after they began. */
  readonly young: StageCounts;
  /** Sampled flows `AGED_SECONDS` and more after they began. */
  readonly aged: StageCounts;
  /** Flows that ended, by their last stage. */
  readonly ended: StageCounts;
}

/** Fewer look-ups tell no share. */
export const LOOKUPS_MIN = 4;

export function totalOf(counts: StageCounts): number {
  return FLOW_STAGES.reduce((sum, stage) => sum + counts[stage], 0);
}

const NO_STAGES = Object.fromEntries(FLOW_STAGES.map((stage) => [stage, 0])) as StageCounts;

/** Of whom no flow was seen. */
export const NO_TRAITS: Traits = {
  ...{ partners: 0, partnerFlows: 0 },
  ...{ young: NO_STAGES, aged: NO_STAGES, ended: NO_STAGES },
};

/** Traits of counters 0 to `counters` - 1. */
export class FlowTraits {
  readonly #partners: DistinctCounts;
  readonly #partnerFlows: [fresh: Uint32Array, older: Uint32Array];
  readonly #young: StageTable;
  readonly #aged: StageTable;
  readonly #ended: StageTable;
  #paneSeconds = 0;

  constructor(counters: number) {
    this.#partners = new DistinctCounts(counters);
    this.#partnerFlows = [new Uint32Array(counters), new Uint32Array(counters)];
    this.#young = new StageTable(counters, YOUNG_SECONDS);
    this.#aged = new StageTable(counters, YOUNG_SECONDS);
    this.#ended = new StageTable(counters, ENDED_SECONDS);
  }

  /** A new flow with the partner that has this hash. */
  observeNew(counter: number, partnerHash: number): void {
    const [fresh] = this.#partnerFlows;
    this.#partners.add(counter, partnerHash);
    fresh[counter] = (fresh[counter] ?? 0) + 1;
  }

  /** A young flow as the kernel has it now. */
  observeYoung(counter: number, columns: EventColumns, row: number, ageSeconds: number): void {
    (ageSeconds < AGED_SECONDS ? this.#young : this.#aged).add(counter, stageOf(columns, row));
  }

  /** A flow's end. */
  observeEnd(counter: number, columns: EventColumns, row: number): void {
    this.#ended.add(counter, stageOf(columns, row));
  }

  /** Ends a tick. */
  advance(seconds: number): void {
    if (!(seconds > 0)) return;
    this.#young.advance(seconds);
    this.#aged.advance(seconds);
    this.#ended.advance(seconds);
    this.#paneSeconds += seconds;
    if (this.#paneSeconds < PANE_SECONDS) return;
    this.#paneSeconds = 0;
    this.#partners.roll();
    const [fresh, older] = this.#partnerFlows;
    older.set(fresh);
    fresh.fill(0);
  }

  reset(counter: number): void {
    this.#partners.reset(counter);
    for (const flows of this.#partnerFlows) flows[counter] = 0;
    this.#young.reset(counter);
    this.#aged.reset(counter);
    this.#ended.reset(counter);
  }

  describe(counter: number): Traits {
    const [fresh, older] = this.#partnerFlows;
    const partnerFlows = (fresh[counter] ?? 0) + (older[counter] ?? 0);
    return {
      partners: Math.min(partnerFlows, this.#partners.estimate(counter)),
      partnerFlows,
      young: this.#young.describe(counter),
      aged: this.#aged.describe(counter),
      ended: this.#ended.describe(counter),
    };
  }
}

/** Weights are scaled back long before they leave the range of a double. */
const GAIN_MAX = 1e100;

/** Counts by counter and stage with forward decay: the weight of what comes grows, what is there stays. */
class StageTable {
  readonly #weights: Float64Array;
  readonly #decaySeconds: number;
  #gain = 1;

  constructor(counters: number, decaySeconds: number) {
    this.#weights = new Float64Array(counters * FLOW_STAGES.length);
    this.#decaySeconds = decaySeconds;
  }

  /** `stage` is an index into `FLOW_STAGES`; -1 is not known and not counted. */
  add(counter: number, stage: number): void {
    if (stage < 0) return;
    const cell = counter * FLOW_STAGES.length + stage;
    this.#weights[cell] = (this.#weights[cell] ?? 0) + this.#gain;
  }

  advance(seconds: number): void {
    this.#gain *= Math.exp(Math.min(seconds / this.#decaySeconds, 200));
    if (this.#gain < GAIN_MAX) return;
    for (const [cell, weight] of this.#weights.entries()) this.#weights[cell] = weight / this.#gain;
    this.#gain = 1;
  }

  reset(counter: number): void {
    const from = counter * FLOW_STAGES.length;
    this.#weights.fill(0, from, from + FLOW_STAGES.length);
  }

  describe(counter: number): StageCounts {
    const from = counter * FLOW_STAGES.length;
    const counts = FLOW_STAGES.map((stage, i) => [stage, (this.#weights[from + i] ?? 0) / this.#gain]);
    return Object.fromEntries(counts) as StageCounts;
  }
}
