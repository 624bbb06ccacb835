/**
 * How long entries stay in the table, by class, learned from NEW and DESTROY of a sample of the flows.
 *
 * For each class and age in seconds: how many sampled flows were alive at that age (exposure) and how many left (deaths), both
 * forgotten with a half-life of ten minutes. Deaths over exposure is the hazard; flows that still live count as survivors of
 * every age they reached, so nothing waits for a flow to end. The time is that in the table, so expired entries that wait for
 * collection are in it. Ages not reached yet are not guessed here: `frontierSeconds` says where knowledge ends.
 *
 *   alive[class][birth second % 512] -> ages 0..511 by the second, then one pool for all that are older
 *
 * Source: the occurrence/exposure estimator (Kaplan and Meier 1958; Andersen and Gill 1982).
 */
import { type EventColumns, PRESENT } from '../model/batch.js';
import { isIcmp } from '../model/protocol.js';
import type { ProtocolTimeouts } from '../model/record.js';
import { type ArrivalLevel, Arrivals } from './arrivals.js';
import { CLASS_COUNT, type FlowClass, FlowClasses } from './flow-classes.js';
import { TrackedFlows } from './tracked-flows.js';

/** Ages resolved to the second; everything older is one pool. */
export const AGES_SECONDS = 512;
/** One bin an age and one for the pool. */
export const AGE_BINS: number = AGES_SECONDS + 1;
/** Exposure below which an age is not known, sampled flows. */
const EXPOSURE_MIN = 20;
/** Exposure that the pooled hazard of the protocol is worth. */
const POOL_EXPOSURE = 20;
/** Kept of exposure and deaths after a second: half-life 10 min. */
const KEPT_PER_SECOND = 2 ** (-1 / 600);
/** A port may take over a class this often, seconds. */
const ROTATE_SECONDS = 60;
/** Remaining timeouts of initial entries are kept to the second up to here. */
const REMAINING_SECONDS = 1024;
const TCP = 6;
const TCP_ESTABLISHED = 3;
const IPS_ASSURED = 4;

/** Hazards and how far they are known. */
export interface LearnedHazards {
  /** Part of the entries of each age that leave within a second, 0..1, by age bin. Only meaningful below the frontier. */
  readonly hazards: Float64Array;
  /** First age not known yet, 0..513 s. */
  readonly frontierSeconds: number;
}

/** What is known of one class. */
export interface ClassLifetimes extends FlowClass, LearnedHazards {
  /** Index into `classNewPerSecond`. */
  readonly index: number;
  /** Sampled flows alive by age in seconds; multiply by `factor`. */
  readonly aliveByAge: Float64Array;
  /** Sampled flows alive that are older. */
  readonly aliveOlder: number;
}

/** Everything a forecast needs to know about residence times. */
export interface LifetimesView {
  /** Flows that a sampled flow stands for: 1, 2, 4, ... */
  readonly factor: number;
  readonly classes: readonly ClassLifetimes[];
  /** Pooled over the classes of a protocol, by IPPROTO number (0: unusual ones). */
  readonly pooled: ReadonlyMap<number, LearnedHazards>;
  readonly arrivals: ArrivalLevel;
  /** The kernel's timeouts, for the ages that are not known. */
  readonly timeouts: ProtocolTimeouts;
  /** Of the initial entries that should be here now, the part that should be in so many seconds; undefined without a dump. */
  readonly initialRemaining: ((aheadSeconds: number) => number) | undefined;
}

/** Learns residence times. Feed every event, then `advance` once a tick. */
export class Lifetimes {
  readonly #classes = new FlowClasses();
  readonly #tracked = new TrackedFlows();
  readonly #arrivals = new Arrivals();
  readonly #alive = new Float64Array(CLASS_COUNT * AGES_SECONDS);
  readonly #aliveOlder = new Float64Array(CLASS_COUNT);
  readonly #exposure = new Float64Array(CLASS_COUNT * AGE_BINS);
  readonly #deaths = new Float64Array(CLASS_COUNT * AGE_BINS);
  readonly #remaining = new Float64Array(REMAINING_SECONDS);
  #remainingLonger = 0;
  #entries = 0;
  #originSeconds = Number.NaN;
  #second = 0;
  #atSeconds = 0;
  readonly #timeouts: ProtocolTimeouts;

  /** `timeouts` as the kernel has them; what is absent has the kernel's defaults. */
  constructor(timeouts: ProtocolTimeouts = {}) {
    this.#timeouts = timeouts;
  }

  /** Counts the NEW event in `row`; follows it when it is in the sample. Allocates nothing, unless the sample is thinned. */
  observeNew(atSeconds: number, columns: EventColumns, row: number): void {
    this.#catchUp(atSeconds);
    const flowClass = this.#classes.observeNew(columns, row);
    this.#arrivals.observe(flowClass);
    const tracked = this.#tracked;
    if (!tracked.isSampled(columns, row)) return;
    const slot = tracked.find(columns, row);
    if (slot >= 0) {
      // The DESTROY in between was lost, or follows in this batch because a closed TCP entry was opened again.
      this.#leave(tracked.classAt(slot), tracked.bornAt(slot));
      tracked.reuse(slot, flowClass, this.#second);
    } else {
      if (!tracked.add(columns, row, flowClass, this.#second)) {
        tracked.thin(this.#withdraw);
        if (!tracked.isSampled(columns, row) || !tracked.add(columns, row, flowClass, this.#second)) return;
      }
    }
    const cell = flowClass * AGES_SECONDS + (this.#second % AGES_SECONDS);
    this.#alive[cell] = (this.#alive[cell] ?? 0) + 1;
  }

  /** Takes the DESTROY event in `row`. Flows that are not followed are ignored. */
  observeDestroy(atSeconds: number, columns: EventColumns, row: number): void {
    this.#catchUp(atSeconds);
    const tracked = this.#tracked;
    if (!tracked.isSampled(columns, row)) return;
    const slot = tracked.find(columns, row);
    if (slot < 0) return;
    const isOldOwner = tracked.takeReused(slot) && ((columns.present[row] ?? 0) & PRESENT.timeout) !== 0;
    if (isOldOwner && this.#second - tracked.bornAt(slot) <= 1) return;
    this.#leave(tracked.classAt(slot), tracked.bornAt(slot));
    tracked.remove(slot);
  }

  /** Takes an entry of the initial dump. Established and assured ones renew their timeout, so theirs says nothing. */
  observeEntry(atSeconds: number, columns: EventColumns, row: number): void {
    this.#catchUp(atSeconds);
    this.#entries += 1;
    const protocol = columns.protocol[row] ?? 0;
    const isRenewed =
      protocol === TCP
        ? columns.tcpState[row] === TCP_ESTABLISHED
        : !isIcmp(protocol) && ((columns.status[row] ?? 0) & IPS_ASSURED) !== 0;
    const leavesSecond = this.#second + (columns.timeoutSeconds[row] ?? 0);
    if (isRenewed || leavesSecond >= REMAINING_SECONDS) this.#remainingLonger += 1;
    else this.#remaining[leavesSecond] = (this.#remaining[leavesSecond] ?? 0) + 1;
  }

  /** Ends the tick of `seconds`. `newEvents` is received plus lost; by default what was seen. */
  advance(atSeconds: number, seconds: number, newEvents?: number): void {
    this.#catchUp(atSeconds);
    this.#atSeconds = atSeconds;
    this.#arrivals.advance(seconds, newEvents);
  }

  /** What is known now. Arrivals are those since the last change, or since `onsetSeconds` when a burst began then. */
  view(onsetSeconds?: number): LifetimesView {
    const pooled = new Map<number, LearnedHazards>();
    for (const protocol of [6, 17, 1, 0]) pooled.set(protocol, this.#pool(protocol));
    const classes: ClassLifetimes[] = [];
    for (let index = 0; index < CLASS_COUNT; index++) {
      const described = this.#classes.describe(index);
      if (described) classes.push(this.#describe(index, described, pooled.get(described.protocol)));
    }
    return {
      factor: this.#tracked.factor,
      classes,
      pooled,
      arrivals: this.#arrivals.level(onsetSeconds === undefined ? undefined : this.#atSeconds - onsetSeconds),
      timeouts: this.#timeouts,
      initialRemaining: this.#initialRemaining(),
    };
  }

  /** Flows that are followed now; the sum of all `aliveByAge` and `aliveOlder`. */
  get trackedCount(): number {
    return this.#tracked.size;
  }

  /** The hazards of a class, drawn to those of its protocol where it has seen little. */
  #describe(index: number, described: FlowClass, pool: LearnedHazards | undefined): ClassLifetimes {
    const hazards = new Float64Array(AGE_BINS);
    const aliveByAge = new Float64Array(AGES_SECONDS);
    let frontierSeconds = AGE_BINS;
    for (let bin = AGE_BINS - 1; bin >= 0; bin--) {
      const exposure = this.#exposure[index * AGE_BINS + bin] ?? 0;
      if (exposure < EXPOSURE_MIN) frontierSeconds = bin;
      const prior = pool && bin < pool.frontierSeconds ? POOL_EXPOSURE : 0;
      const deaths = (this.#deaths[index * AGE_BINS + bin] ?? 0) + prior * (pool?.hazards[bin] ?? 0);
      hazards[bin] = exposure + prior > 0 ? Math.min(1, deaths / (exposure + prior)) : 0;
    }
    for (let age = 0; age < AGES_SECONDS; age++) {
      const born = this.#second - age;
      aliveByAge[age] = born < 0 ? 0 : (this.#alive[index * AGES_SECONDS + (born % AGES_SECONDS)] ?? 0);
    }
    return { ...described, index, hazards, frontierSeconds, aliveByAge, aliveOlder: this.#aliveOlder[index] ?? 0 };
  }

  #pool(protocol: number): LearnedHazards {
    const members: number[] = [];
    for (let index = 0; index < CLASS_COUNT; index++) {
      if (this.#classes.describe(index)?.protocol === protocol) members.push(index * AGE_BINS);
    }
    const hazards = new Float64Array(AGE_BINS);
    let frontierSeconds = AGE_BINS;
    for (let bin = AGE_BINS - 1; bin >= 0; bin--) {
      let exposure = 0;
      let deaths = 0;
      for (const offset of members) {
        exposure += this.#exposure[offset + bin] ?? 0;
        deaths += this.#deaths[offset + bin] ?? 0;
      }
      if (exposure < EXPOSURE_MIN) frontierSeconds = bin;
      hazards[bin] = exposure > 0 ? Math.min(1, deaths / exposure) : 0;
    }
    return { hazards, frontierSeconds };
  }

  #initialRemaining(): ((aheadSeconds: number) => number) | undefined {
    if (this.#entries === 0) return undefined;
    const longer = this.#remainingLonger;
    const suffix = new Float64Array(REMAINING_SECONDS);
    for (let second = REMAINING_SECONDS - 1, sum = longer; second >= 0; second--) {
      sum += this.#remaining[second] ?? 0;
      suffix[second] = sum;
    }
    const left = (second: number) => suffix[second] ?? longer;
    const now = left(this.#second);
    return (aheadSeconds) => (now > 0 ? left(this.#second + Math.floor(aheadSeconds)) / now : 1);
  }

  #catchUp(atSeconds: number): void {
    if (Number.isNaN(this.#originSeconds)) this.#originSeconds = atSeconds;
    const second = Math.floor(atSeconds - this.#originSeconds);
    while (this.#second < second) this.#closeSecond();
  }

  #closeSecond(): void {
    const oldest = Math.min(this.#second, AGES_SECONDS - 1);
    for (let index = 0; index < CLASS_COUNT; index++) {
      const cohorts = index * AGES_SECONDS;
      const bins = index * AGE_BINS;
      for (let age = 0; age <= oldest; age++) {
        const alive = this.#alive[cohorts + ((this.#second - age) % AGES_SECONDS)] ?? 0;
        this.#exposure[bins + age] = (this.#exposure[bins + age] ?? 0) * KEPT_PER_SECOND + alive;
        this.#deaths[bins + age] = (this.#deaths[bins + age] ?? 0) * KEPT_PER_SECOND;
      }
      const pool = bins + AGES_SECONDS;
      this.#exposure[pool] = (this.#exposure[pool] ?? 0) * KEPT_PER_SECOND + (this.#aliveOlder[index] ?? 0);
      this.#deaths[pool] = (this.#deaths[pool] ?? 0) * KEPT_PER_SECOND;
      const leaving = cohorts + ((this.#second + 1) % AGES_SECONDS);
      this.#aliveOlder[index] = (this.#aliveOlder[index] ?? 0) + (this.#alive[leaving] ?? 0);
      this.#alive[leaving] = 0;
    }
    this.#second += 1;
    if (this.#second % ROTATE_SECONDS === 0) this.#rotate();
  }

  /** A death also was an exposure: it is not among those alive when the second closes. */
  #leave(flowClass: number, bornSecond: number): void {
    const bin = flowClass * AGE_BINS + Math.min(this.#second - bornSecond, AGES_SECONDS);
    this.#deaths[bin] = (this.#deaths[bin] ?? 0) + 1;
    this.#exposure[bin] = (this.#exposure[bin] ?? 0) + 1;
    this.#withdraw(flowClass, bornSecond);
  }

  readonly #withdraw = (flowClass: number, bornSecond: number): void => {
    if (this.#second - bornSecond >= AGES_SECONDS) {
      this.#aliveOlder[flowClass] = (this.#aliveOlder[flowClass] ?? 0) - 1;
      return;
    }
    const cell = flowClass * AGES_SECONDS + (bornSecond % AGES_SECONDS);
    this.#alive[cell] = (this.#alive[cell] ?? 0) - 1;
  };

  /** When a class gets another port, its flows join the rest and what it had learned is forgotten. */
  #rotate(): void {
    const rotated = this.#classes.rotate();
    if (!rotated) return;
    const { changed, rest } = rotated;
    this.#tracked.reassign(changed, rest);
    this.#arrivals.reassign(changed, rest);
    for (let cell = 0; cell < AGES_SECONDS; cell++) {
      const to = rest * AGES_SECONDS + cell;
      this.#alive[to] = (this.#alive[to] ?? 0) + (this.#alive[changed * AGES_SECONDS + cell] ?? 0);
    }
    this.#aliveOlder[rest] = (this.#aliveOlder[rest] ?? 0) + (this.#aliveOlder[changed] ?? 0);
    this.#aliveOlder[changed] = 0;
    this.#alive.fill(0, changed * AGES_SECONDS, (changed + 1) * AGES_SECONDS);
    this.#exposure.fill(0, changed * AGE_BINS, (changed + 1) * AGE_BINS);
    this.#deaths.fill(0, changed * AGE_BINS, (changed + 1) * AGE_BINS);
  }
}
