/**
 * How likely a lookup meets an expired entry within a second: by how many entries had expired and how many lookups then collected.
 *
 *   h = perNewFlow * new flows a second + perSecond          what our own new flows look up, and what others do
 *
 * The hash table is one for all namespaces, so another one's packets collect here too. While our own rate is even nobody can tell
 * its part of h from theirs; when it changes, what is collected soon does. So some shares of our own are weighed by how well they
 * explain the last cycles, and the estimate is their mean. How many had expired is only modelled until a sweep shows it.
 *
 * Does not know when a sweep is: see `collector.ts`. Source: ____nf_conntrack_find() in nf_conntrack_core.c.
 */

/** What was collected between two sweeps in some seconds. */
export interface LookupTick {
  readonly seconds: number;
  readonly newEvents: number;
  /** Entries that had expired and were still there, as modelled. */
  readonly expiredEntries: number;
  /** Those that lookups collected. */
  readonly collected: number;
}

export interface LookupHazardEstimate {
  /** Hazard for each new flow a second. */
  readonly perNewFlow: number;
  /** Hazard per second whatever the rate of new flows. */
  readonly perSecond: number;
}

/** Parts of the lookups that are our own flows' at their usual rate, and how likely each was before anything was seen. */
const OWN_SHARES: readonly (readonly [share: number, weight: number])[] = [
  [1, 0.4],
  [0.75, 0.15],
  [0.5, 0.15],
  [0.25, 0.15],
  [0, 0.15],
];
/** Bins kept and their length: five cycles of a minute. */
const BINS = 60;
const BIN_SECONDS = 5;
/** Others' traffic changes: what is older than so many collections counts e times less, but not what is only so old. */
const MEMORY_COLLECTIONS = 400;
const MEMORY_SECONDS = 20;
/** Collections that the least possible is worth, a lookup for each new flow: few, as there may be a hundred times as many. */
const PRIOR_COLLECTIONS = 1;
/** Collections come in clumps, and what had expired is only modelled: their logarithmic likelihood counts for so much less. */
const DISPERSION = 8;
/** Collections that a bin may have by chance whatever is assumed. */
const EXPECTED_MIN = 0.5;
/** A sweep that shows more or fewer than modelled corrects the cycle by so much at most. */
const CORRECTION_MAX = 8;
/** Entries within which a model of few is right anyway. */
const CORRECTION_ENTRIES = 20;

interface Bin {
  seconds: number;
  newEvents: number;
  /** Expired entries times seconds. */
  exposure: number;
  collected: number;
  /** How much it counts now, 0..1. */
  weight: number;
  /** Belongs to the cycle that is on. */
  isOpen: boolean;
}

/** Learns the hazard. Feed it every tick that is no sweep's. */
export class LookupHazard {
  readonly #priorPerNewFlow: number;
  readonly #bins: Bin[] = [];
  #estimate: LookupHazardEstimate;
  #isConfirmed = false;

  /** `buckets` of the kernel's hash table. */
  constructor(buckets: number) {
    this.#priorPerNewFlow = 2 / buckets;
    this.#estimate = { perNewFlow: this.#priorPerNewFlow, perSecond: 0 };
  }

  /** A sweep has shown what lookups had left. */
  get isConfirmed(): boolean {
    return this.#isConfirmed;
  }

  get estimate(): LookupHazardEstimate {
    return this.#estimate;
  }

  /** Takes a tick between two sweeps. */
  observe({ seconds, newEvents, expiredEntries, collected }: LookupTick): void {
    let bin = this.#bins.at(-1);
    if (bin === undefined || !bin.isOpen || bin.seconds >= BIN_SECONDS) {
      if (bin !== undefined) this.#estimate = this.#fit();
      bin = { seconds: 0, newEvents: 0, exposure: 0, collected: 0, weight: 1, isOpen: true };
      this.#bins.push(bin);
      if (this.#bins.length > BINS) this.#bins.shift();
    }
    bin.seconds += seconds;
    bin.newEvents += newEvents;
    bin.exposure += expiredEntries * seconds;
    bin.collected += collected;
  }

  /** A sweep has collected all that had expired: as many as it did, where so many were modelled. */
  endCycle(sweptEntries: number, modelledEntries: number): void {
    this.#isConfirmed = true;
    const ratio = (sweptEntries + CORRECTION_ENTRIES) / (modelledEntries + CORRECTION_ENTRIES);
    const correction = Math.max(1 / CORRECTION_MAX, Math.min(CORRECTION_MAX, ratio));
    for (const bin of this.#bins) {
      if (!bin.isOpen) continue;
      bin.exposure *= correction;
      bin.isOpen = false;
    }
    this.#estimate = this.#fit();
  }

  /** A dump has collected all, nobody knows how many had been there. */
  cutCycle(): void {
    for (const bin of this.#bins) bin.isOpen = false;
  }

  #weigh(): void {
    let [collected, seconds] = [0, 0];
    for (let i = this.#bins.length - 1; i >= 0; i--) {
      const bin = this.#bins[i];
      if (bin === undefined) continue;
      bin.weight = Math.exp(-Math.min(collected / MEMORY_COLLECTIONS, seconds / MEMORY_SECONDS));
      collected += bin.collected;
      seconds += bin.seconds;
    }
  }

  #fit(): LookupHazardEstimate {
    this.#weigh();
    let [seconds, newEvents] = [0, 0];
    for (const bin of this.#bins) {
      seconds += bin.weight * bin.seconds;
      newEvents += bin.weight * bin.newEvents;
    }
    const usualRate = newEvents / seconds;
    if (!(usualRate > 0)) return this.#estimate;
    const prior = PRIOR_COLLECTIONS / (this.#priorPerNewFlow * usualRate);
    const fits = OWN_SHARES.map(([share, weight]) => {
      let [collected, exposure] = [PRIOR_COLLECTIONS, prior];
      for (const bin of this.#bins) {
        collected += bin.weight * bin.collected;
        exposure += bin.weight * bin.exposure * shape(bin, share, usualRate);
      }
      const level = collected / exposure;
      let likelihood = Math.log(weight);
      for (const bin of this.#bins) {
        const expected = EXPECTED_MIN + level * bin.exposure * shape(bin, share, usualRate);
        likelihood += (bin.weight * (bin.collected * Math.log(expected) - expected)) / DISPERSION;
      }
      return { likelihood, perNewFlow: (level * share) / usualRate, perSecond: level * (1 - share) };
    });
    return mean(fits);
  }
}

/** Hazard of a bin beside that at the usual rate. */
function shape({ newEvents, seconds }: Bin, share: number, usualRate: number): number {
  return share * (seconds > 0 ? newEvents / seconds / usualRate : 0) + (1 - share);
}

function mean(fits: readonly (LookupHazardEstimate & { readonly likelihood: number })[]): LookupHazardEstimate {
  const best = Math.max(...fits.map(({ likelihood }) => likelihood));
  let [sum, perNewFlow, perSecond] = [0, 0, 0];
  for (const fit of fits) {
    const weight = Math.exp(fit.likelihood - best);
    sum += weight;
    perNewFlow += weight * fit.perNewFlow;
    perSecond += weight * fit.perSecond;
  }
  return { perNewFlow: perNewFlow / sum, perSecond: perSecond / sum };
}
