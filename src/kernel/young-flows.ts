/**
 * Which flows to look up now: those picked when they were new that have reached one of the ages.
 *
 * Each is asked about once at each age. The picks of a second are the look-ups of a second divided by the number of ages, so nothing but
 * them waits, and on a quiet host nobody is due. What could not be asked in time is left out: it would be counted for the wrong age.
 */
import type { EventBatch } from '../model/batch.js';
import { LOOKUP_AGES_SECONDS, LOOKUPS_PER_SECOND } from '../model/limits.js';
import { FlowSample, type SampledFlow } from './flow-sample.js';

/** Lateness from which a look-up is left out, seconds. */
const LATE_SECONDS = 2;
/** Ages are told to a tenth of a second. */
const AGE_STEPS = 10;

/** Flows that have reached an age together. */
export interface DueFlows {
  readonly flows: readonly SampledFlow[];
  /** Their mean age, seconds. */
  readonly ageSeconds: number;
}

/** Picked flows on their way to their ages. */
export class YoungFlows {
  readonly #sample = new FlowSample({
    perSecond: Math.floor(LOOKUPS_PER_SECOND / LOOKUP_AGES_SECONDS.length),
    kinds: 'port',
  });
  /** By age, in the order of their NEW: those that have not reached it. */
  readonly #waiting: SampledFlow[][] = LOOKUP_AGES_SECONDS.map(() => []);

  /** Looks at the NEW rows of a batch read at `monotonicSeconds`, and returns those that were picked. */
  observe(batch: EventBatch, monotonicSeconds: number): readonly SampledFlow[] {
    const picked = this.#sample.observe(batch, monotonicSeconds);
    this.#waiting[0]?.push(...picked);
    return picked;
  }

  /** Takes those that have reached an age, `LOOKUPS_PER_SECOND` of each at most. Call it once a second. */
  takeDue(monotonicSeconds: number): DueFlows[] {
    return LOOKUP_AGES_SECONDS.flatMap((ageSeconds, i) => {
      const waiting = this.#waiting[i] ?? [];
      const ageOf = ({ atSeconds }: SampledFlow) => monotonicSeconds - atSeconds;
      const younger = waiting.findIndex((flow) => ageOf(flow) < ageSeconds);
      const reached = waiting.splice(0, younger < 0 ? waiting.length : younger);
      this.#waiting[i + 1]?.push(...reached);
      const flows = reached.filter((flow) => ageOf(flow) < ageSeconds + LATE_SECONDS).slice(0, LOOKUPS_PER_SECOND);
      if (flows.length === 0) return [];
      const mean = flows.reduce((sum, flow) => sum + ageOf(flow), 0) / flows.length;
      return [{ flows, ageSeconds: Math.round(mean * AGE_STEPS) / AGE_STEPS }];
    });
  }
}
