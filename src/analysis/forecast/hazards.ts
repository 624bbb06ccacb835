/**
 * When entries of a class run out of time, learned from when they were collected.
 *
 * A DESTROY comes when an entry is collected, up to a minute after its timeout ran out. So each death at age a is spread over the
 * ages a - t .. a (t since the last sweep) in proportion to how likely each is by what is known so far; and an entry in the table
 * counts as exposed with the probability that it is still live. That is the EM algorithm for interval-censored lifetimes, one
 * step a second, with forgetting.
 *
 *   in the table at age a:  live S(a) | expired z(a)          z(a+1) = z(a) e^-h + S(a) q(a), 0 after a sweep
 *
 * Sources: Turnbull, "The empirical distribution function with arbitrarily grouped, censored and truncated data" (JRSS B 1976);
 * Andersen and Gill 1982 for occurrence over exposure.
 */

/** Ages resolved to the second; everything older is one pool. */
export const AGES_SECONDS = 512;
/** One bin an age and one for the pool. */
export const AGE_BINS: number = AGES_SECONDS + 1;
/** Exposure below which an age is not known, flows. */
const EXPOSURE_MIN = 20;
/** Flows of the pooled protocol that are taken as seen, from birth; where hardly one of them is left it still decides alone. */
const POOL_EXPOSURE = 20;
const PRIOR_EXPOSURE_MIN = 0.01;
/** New flows whose lifetimes are remembered, and the bounds of how long that may take. */
const MEMORY_FLOWS = 3000;
const MEMORY_SECONDS_MIN = 180;
const MEMORY_SECONDS_MAX = 7200;
/** Kept of the comparison with what was expected, from sweep to sweep, and for how many flows that counts: many show it at once. */
const RATIO_KEPT = 0.4;
const RATIO_KEPT_FLOWS = 20;
const RATIO_PRIOR = 3;
/** A ratio of hazards counts when it is this many standard deviations and this factor away from 1. */
const RATIO_SIGMAS = 4;
const RATIO_FACTOR = 1.5;
/** Below this ratio it is the flows that last, and no sweep that missed some. */
const HANGING_RATIO = 0.3;
/** Where fewer are left than this part of those born, what becomes of them hardly matters. */
const SURVIVORS_MIN = 0.05;
/** Ages are whole seconds, and a sweep falls within one. */
const SLACK_SECONDS = 1;
const SAME_SECOND = 0.5;
/** Likelihood of any age within the window, so that no death is impossible. */
const ANY_AGE = 1e-6;

/** Hazards and how far they are known. */
export interface LearnedHazards {
  /** Part of the live entries of each age that expire within a second, 0..1, by age bin. */
  readonly hazards: Float64Array;
  /** First age not known yet, 0..513 s. */
  readonly frontierSeconds: number;
  /** First age not known from entries that outlasted a sweep: beyond it those that wait for one are taken as live. */
  readonly confirmedSeconds: number;
}

/** What a pool of classes or the kernel's timeouts say about ages nobody of the class has reached: hazards by age bin. */
export type PriorHazards = Float64Array;

/** The lifetimes of one class. */
export class Hazards {
  readonly #deaths = new Float64Array(AGE_BINS);
  readonly #exposure = new Float64Array(AGE_BINS);
  /** The same since the last sweep: who of those still there has expired shows at the next. */
  readonly #openDeaths = new Float64Array(AGE_BINS);
  readonly #openExposure = new Float64Array(AGE_BINS);
  /** What all have likely been exposed since, and that part of it whose ends no lookup would have shown yet. */
  readonly #likelyExposure = new Float64Array(AGE_BINS);
  readonly #hiddenExposure = new Float64Array(AGE_BINS);
  /** What the hazards rest on. */
  readonly #knownDeaths = new Float64Array(AGE_BINS);
  readonly #knownExposure = new Float64Array(AGE_BINS);
  /** Deaths of the second that is being filled, by age. */
  readonly #leaving = new Float64Array(AGE_BINS);
  #leavingTotal = 0;
  readonly #hazards = new Float64Array(AGE_BINS);
  readonly #survival = new Float64Array(AGE_BINS + 1);
  /** Part of those born that has expired and is still there, by age. */
  readonly #expired = new Float64Array(AGE_BINS);
  #expiredEntries = 0;
  readonly #liveRatios = new Float64Array(AGE_BINS).fill(1);
  /** Entries by their present age that were there after the last sweep, or came since. */
  readonly #sinceSweep = new Float64Array(AGES_SECONDS);
  #expectedGone = 0;
  #gone = 0;
  /** First bin of the ring that nobody has ever been in: nothing is learned of it or of a later one. */
  #agesEnd = 0;

  /** Counts an entry of this age, 0.. s, that was collected. */
  collect(ageSeconds: number): void {
    const bin = Math.min(ageSeconds, AGES_SECONDS);
    this.#leaving[bin] = (this.#leaving[bin] ?? 0) + 1;
    this.#leavingTotal += 1;
    if (bin < AGES_SECONDS && bin >= this.#agesEnd) this.#agesEnd = bin + 1;
  }

  /**
   * Ends a second.
   */
  close(second: SecondOfCollection): void {
    this.#agesEnd = Math.max(this.#agesEnd, second.agesEnd);
    this.#compare(second);
    this.#spread(second);
    this.#expose(second);
    this.#ageExpired(second);
    this.#leaving.fill(0);
    this.#leavingTotal = 0;
  }

  /** Draws the class to `prior` where it has seen little. Call once a second before `close`, and before `describe`. */
  relearn(prior: PriorHazards): void {
    const [deathsKnown, exposureKnown] = [this.#knownDeaths, this.#knownExposure];
    const [deathsBefore, exposureBefore] = [this.#deaths, this.#exposure];
    const [hazards, survival] = [this.#hazards, this.#survival];
    survival[0] = 1;
    let survivors = 1;
    let priorExposure = POOL_EXPOSURE;
    for (let bin = 0; bin < AGE_BINS; bin++) {
      let exposure = exposureBefore[bin] ?? 0;
      let deaths = deathsBefore[bin] ?? 0;
      // What is only likely counts where nothing is known for sure: it is as biased as what it is made from.
      if (exposure < EXPOSURE_MIN && survivors > SURVIVORS_MIN) {
        exposure += (this.#likelyExposure[bin] ?? 0) - (this.#hiddenExposure[bin] ?? 0);
        deaths += this.#openDeaths[bin] ?? 0;
      }
      deathsKnown[bin] = deaths;
      exposureKnown[bin] = exposure;
      const priorHazard = prior[bin] ?? 0;
      let hazard = (deaths + priorExposure * priorHazard) / (exposure + priorExposure);
      if (hazard > 1) hazard = 1;
      priorExposure *= 1 - priorHazard;
      if (priorExposure < PRIOR_EXPOSURE_MIN) priorExposure = PRIOR_EXPOSURE_MIN;
      hazards[bin] = hazard;
      survivors *= 1 - hazard;
      survival[bin + 1] = survivors;
    }
  }

  /** The hazards with `relearn`'s prior in them. Read it before the next call of this class. */
  describe(): LearnedHazards {
    return {
      hazards: this.#hazards,
      frontierSeconds: firstUnknown(this.#knownExposure),
      confirmedSeconds: firstUnknown(this.#exposure),
    };
  }

  /** Probability that an entry that is in the table has not expired, by age bin, at the end of the last second. */
  get liveRatios(): Float64Array {
    return this.#liveRatios;
  }

  /** Entries in the table that have expired, at the end of the last second. */
  get expiredEntries(): number {
    return this.#expiredEntries;
  }

  /** Something was collected in this second, or has been learned before. */
  get isActive(): boolean {
    return this.#leavingTotal > 0 || this.#expiredEntries > 0;
  }

  /** Tells the ages of what was collected in the second that is being filled. */
  forEachCollected(tell: (ageSeconds: number, entries: number) => void): void {
    if (this.#leavingTotal === 0) return;
    for (let bin = 0; bin < AGE_BINS; bin++) if ((this.#leaving[bin] ?? 0) > 0) tell(bin, this.#leaving[bin] ?? 0);
  }

  /** Entries of each age bin that expired, and those that could have, both forgotten in time. */
  get deaths(): Float64Array {
    return this.#knownDeaths;
  }

  get exposure(): Float64Array {
    return this.#knownExposure;
  }

  /** How many have gone lately over how many the hazards say; 1 unless that is significant. */
  get hazardRatio(): number {
    const expected = this.#expectedGone;
    const gone = this.#gone;
    const ratio = (gone + RATIO_PRIOR) / (expected + RATIO_PRIOR);
    if (ratio < RATIO_FACTOR && ratio > 1 / RATIO_FACTOR) return 1;
    return Math.abs(gone - expected) > RATIO_SIGMAS * Math.sqrt(2 * Math.max(expected, gone) + RATIO_PRIOR) ? ratio : 1;
  }

  /** Forgets everything. */
  clear(): void {
    const columns = [this.#deaths, this.#exposure, this.#openDeaths, this.#openExposure, this.#likelyExposure];
    for (const column of [...columns, this.#hiddenExposure, this.#leaving, this.#expired]) column.fill(0);
    this.#leavingTotal = 0;
    this.#expiredEntries = 0;
    this.#liveRatios.fill(1);
    this.#sinceSweep.fill(0);
    this.#expectedGone = 0;
    this.#gone = 0;
    this.#agesEnd = 0;
  }

  /** At a sweep: how many of those there at the last one have gone, against what the hazards say. */
  #compare({ aliveByAge, windowSeconds, isSwept }: SecondOfCollection): void {
    const since = this.#sinceSweep;
    since[0] = (aliveByAge[0] ?? 0) + (this.#leaving[0] ?? 0);
    if (isSwept) {
      let expected = 0;
      let gone = 0;
      for (let bin = 0; bin < AGES_SECONDS; bin++) {
        const entries = since[bin] ?? 0;
        since[bin] = aliveByAge[bin] ?? 0;
        const from = Math.max(0, bin - windowSeconds + 1);
        // What rests on no sweep yet is too uncertain to hold anything against it.
        if (entries === 0 || (this.#exposure[from] ?? 0) < EXPOSURE_MIN) continue;
        const before = this.#survival[from] ?? 0;
        expected += before > 0 ? entries * (1 - (this.#survival[bin + 1] ?? 0) / before) : 0;
        gone += Math.max(0, entries - (aliveByAge[bin] ?? 0));
      }
      const kept = Math.min(RATIO_KEPT, RATIO_KEPT_FLOWS / this.#expectedGone);
      this.#expectedGone = this.#expectedGone * kept + expected;
      this.#gone = this.#gone * kept + gone;
    }
    since.copyWithin(1, 0, AGES_SECONDS - 1);
    since[0] = 0;
  }

  /** The E step: when those collected now had expired, and how long they were exposed since the last sweep. */
  #spread({ windowSeconds, lookupHazard }: SecondOfCollection): void {
    if (this.#leavingTotal === 0) return;
    const decay = Math.exp(-lookupHazard);
    for (let age = 0; age < AGES_SECONDS; age++) {
      const leaving = this.#leaving[age] ?? 0;
      if (leaving === 0) continue;
      const first = Math.max(0, age - windowSeconds - SLACK_SECONDS);
      let sum = 0;
      // Of those that expired in this very second half had not when the collector came by.
      for (let at = age, weight = 1; at >= first; at--, weight *= decay) {
        sum += (at === age ? SAME_SECOND : 1) * weight * this.#density(at);
      }
      let later = 0;
      for (let at = age, weight = leaving / sum; at >= first; at--, weight *= decay) {
        const part = (at === age ? SAME_SECOND : 1) * weight * this.#density(at);
        this.#openDeaths[at] = (this.#openDeaths[at] ?? 0) + part;
        later += part;
        // Before the last sweep it counted among those that outlasted it.
        if (at > age - windowSeconds) this.#openExposure[at] = (this.#openExposure[at] ?? 0) + later;
      }
    }
    const older = this.#leaving[AGES_SECONDS] ?? 0;
    this.#openDeaths[AGES_SECONDS] = (this.#openDeaths[AGES_SECONDS] ?? 0) + older;
    this.#openExposure[AGES_SECONDS] = (this.#openExposure[AGES_SECONDS] ?? 0) + older;
  }

  #density(bin: number): number {
    return (this.#survival[bin] ?? 0) * (this.#hazards[bin] ?? 0) + ANY_AGE;
  }

  /** Who is left after a sweep was live all the time since the last one. Until the next, the likely part of them counts. */
  #expose({ aliveByAge, newPerSecond, windowSeconds, lookupHazard, isSwept, sweepSeconds }: SecondOfCollection): void {
    const memorySeconds = Math.min(
      MEMORY_SECONDS_MAX,
      Math.max(MEMORY_SECONDS_MIN, MEMORY_FLOWS / Math.max(newPerSecond, 1e-3)),
    );
    const kept = 2 ** (-1 / memorySeconds);
    if (isSwept) this.#exposeSwept(aliveByAge, Math.max(1, windowSeconds - sweepSeconds), sweepSeconds, kept);
    else this.#exposeLikely(aliveByAge, Math.exp(-lookupHazard), kept);
  }

  #exposeSwept(aliveByAge: Float64Array, seconds: number, sweepSeconds: number, kept: number): void {
    let exposed = 0;
    for (let bin = AGES_SECONDS; bin >= 0; bin--) {
      let exposure = (this.#exposure[bin] ?? 0) * kept;
      // Entries now at most `seconds` older than when this sweep came were at this age since the last one.
      if (bin === AGES_SECONDS) exposure += (aliveByAge[bin] ?? 0) * seconds;
      else {
        const last = bin + sweepSeconds;
        if (last < AGES_SECONDS) exposed += aliveByAge[last] ?? 0;
        if (last + seconds < AGES_SECONDS) exposed -= aliveByAge[last + seconds] ?? 0;
        exposure += exposed;
      }
      this.#exposure[bin] = exposure + (this.#openExposure[bin] ?? 0);
      this.#deaths[bin] = (this.#deaths[bin] ?? 0) * kept + (this.#openDeaths[bin] ?? 0);
    }
    const open = [this.#openExposure, this.#openDeaths, this.#likelyExposure, this.#hiddenExposure];
    for (const column of open) column.fill(0);
  }

  #exposeLikely(aliveByAge: Float64Array, isHidden: number, kept: number): void {
    const [deaths, exposure, survival, expired] = [this.#deaths, this.#exposure, this.#survival, this.#expired];
    const [likely, hidden] = [this.#likelyExposure, this.#hiddenExposure];
    const end = this.#agesEnd;
    for (let bin = 0; bin < AGE_BINS; bin = nextBin(bin, end)) {
      deaths[bin] = (deaths[bin] ?? 0) * kept;
      exposure[bin] = (exposure[bin] ?? 0) * kept;
      const alive = aliveByAge[bin] ?? 0;
      const exposed = alive > 0 ? alive * liveRatio(survival[bin] ?? 0, expired[bin] ?? 0) : 0;
      likely[bin] = (likely[bin] ?? 0) + exposed;
      hidden[bin] = ((hidden[bin] ?? 0) + exposed) * isHidden;
    }
  }

  /** Part of those born that expires at an age. */
  #expiring(bin: number): number {
    return (this.#survival[bin] ?? 0) * (this.#hazards[bin] ?? 0);
  }

  /** Part of those born that expired up to an age while a sweep was on, where it had been already. */
  #expiredBehind(from: number, sweepSeconds: number): number {
    let sum = 0;
    for (let back = 0; back < sweepSeconds && from - back >= 0; back++) {
      sum += this.#expiring(from - back) * (1 - (back + 0.5) / sweepSeconds);
    }
    return sum;
  }

  /** The expired ones become a second older, and fewer; those of the oldest bin stay in it. */
  #ageExpired({ aliveByAge, lookupHazard, isSwept, sweepSeconds }: SecondOfCollection): void {
    const stays = Math.exp(-lookupHazard);
    const isLeft = lookupHazard > 1e-6 ? -Math.expm1(-lookupHazard) / lookupHazard : 1;
    const [survival, hazards, expired, liveRatios] = [this.#survival, this.#hazards, this.#expired, this.#liveRatios];
    // When far fewer end than used to, fewer are waiting, and the others live.
    const { hazardRatio } = this;
    const ending = hazardRatio < HANGING_RATIO ? hazardRatio : 1;
    let expiredEntries = 0;
    for (let bin = AGES_SECONDS; bin >= 0; bin--) {
      const from = bin === AGES_SECONDS ? bin : bin - 1;
      let still = 0;
      if (isSwept) still = this.#expiredBehind(from, sweepSeconds);
      else if (from >= 0) still = (expired[from] ?? 0) * stays + (survival[from] ?? 0) * (hazards[from] ?? 0) * isLeft;
      expired[bin] = still;
      const ratio = liveRatio(ending * (survival[bin] ?? 0) + 1 - ending, ending * still);
      liveRatios[bin] = ratio;
      if (bin > 0) expiredEntries += (aliveByAge[bin - 1] ?? 0) * (1 - ratio);
    }
    this.#expiredEntries = expiredEntries;
  }
}

/** What a second was like for one class. */
export interface SecondOfCollection {
  /** Entries in the table by age bin. */
  readonly aliveByAge: Float64Array;
  /** First age, 0..512 s, from which on there are none, but for the pool of the oldest. */
  readonly agesEnd: number;
  readonly newPerSecond: number;
  /** Whole seconds since the one in which everything was last collected. */
  readonly windowSeconds: number;
  /** Hazard that a lookup meets an expired entry, per second. */
  readonly lookupHazard: number;
  /** A sweep ended in this second. */
  readonly isSwept: boolean;
  /** Whole seconds from the one in which it began to this one, both included; 0 for what is over in a moment. */
  readonly sweepSeconds: number;
}

/** The age bin after `bin` where nobody is in [end, 512): beyond, straight to the pool of the oldest. */
export function nextBin(bin: number, end: number): number {
  return bin + 1 < end ? bin + 1 : bin < AGES_SECONDS ? AGES_SECONDS : AGE_BINS;
}

function liveRatio(live: number, expired: number): number {
  return live + expired > 1e-12 ? live / (live + expired) : 1;
}

function firstUnknown(exposure: Float64Array): number {
  const bin = exposure.findIndex((flows) => flows < EXPOSURE_MIN);
  return bin < 0 ? AGE_BINS : bin;
}
