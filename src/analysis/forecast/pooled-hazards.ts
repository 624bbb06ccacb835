/**
 * What classes of one protocol have in common, and below that what the kernel's timeouts say.
 *
 * A class that has seen little is drawn to the pool of its protocol, a pool that has seen little to the timeouts: most tcp entries
 * end in TIME_WAIT, or are reset early; a udp flow lasts for one of two timeouts.
 */
import type { ProtocolTimeouts } from '../../model/record.js';
import { AGE_BINS, type Hazards, type LearnedHazards, type PriorHazards } from './hazards.js';

/** Exposure that the kernel's timeouts are worth. */
const TIMEOUT_EXPOSURE = 5;
/** Exposure below which an age is not known, flows. */
const EXPOSURE_MIN = 20;
/** A flow ends a little after its last packet: seconds after a timeout in which those that end in it do. */
const ENDING_SECONDS = 4;
/** Part a second of what reaches a timeout that ends in it: most do in the usual one, some in the others. */
const USUAL_HAZARD = 0.97;
const OTHER_HAZARD = 0.02;
/** Nothing is impossible at any age. */
const BASE_HAZARD = 1e-4;

/** Ends against those of other classes that are surely fewer. */
const LONGER_RATIO = 0.3;
const LONGER_SIGMAS = 4;

const NO_POOL: PriorHazards = new Float64Array(AGE_BINS).fill(BASE_HAZARD);

const PROTOCOLS = [6, 17, 1, 0] as const;

interface Pool {
  readonly timeouts: Float64Array;
  readonly hazards: Float64Array;
  readonly deaths: Float64Array;
  readonly exposure: Float64Array;
  frontierSeconds: number;
}

/** The pools of all protocols. */
export class PooledHazards {
  readonly #pools = new Map<number, Pool>();

  constructor(timeouts: ProtocolTimeouts) {
    for (const protocol of PROTOCOLS) {
      const fromTimeouts = timeoutHazards(protocol, timeouts);
      const hazards = fromTimeouts.slice();
      const [deaths, exposure] = [new Float64Array(AGE_BINS), new Float64Array(AGE_BINS)];
      this.#pools.set(protocol, { timeouts: fromTimeouts, hazards, deaths, exposure, frontierSeconds: 0 });
    }
  }

  /** Hazards that a class of the protocol (IPPROTO number, 0 unusual ones) is drawn to. */
  prior(protocol: number): PriorHazards {
    return this.#pools.get(protocol)?.hazards ?? NO_POOL;
  }

  /** Pools what the classes have learned. */
  relearn(members: readonly { readonly protocol: number; readonly hazards: Hazards }[]): void {
    for (const [protocol, pool] of this.#pools) {
      const { deaths, exposure, hazards, timeouts } = pool;
      for (let bin = 0; bin < AGE_BINS; bin++) deaths[bin] = TIMEOUT_EXPOSURE * (timeouts[bin] ?? 0);
      exposure.fill(TIMEOUT_EXPOSURE);
      for (const member of members) {
        if (member.protocol !== protocol) continue;
        const { deaths: ended, exposure: exposed } = member.hazards;
        for (let bin = 0; bin < AGE_BINS; bin++) {
          deaths[bin] = (deaths[bin] ?? 0) + (ended[bin] ?? 0);
          exposure[bin] = (exposure[bin] ?? 0) + (exposed[bin] ?? 0);
        }
      }
      pool.frontierSeconds = AGE_BINS;
      for (let bin = AGE_BINS - 1; bin >= 0; bin--) {
        if ((exposure[bin] ?? 0) < EXPOSURE_MIN + TIMEOUT_EXPOSURE) pool.frontierSeconds = bin;
        hazards[bin] = Math.min(1, (deaths[bin] ?? 0) / (exposure[bin] ?? 1));
      }
    }
  }

  /**
   * Ends of a class over those that the other classes of its protocol let expect at the ages it reached, where these are surely
   * far more, and 1 where they are not: when nothing that ends early ends, it may stay for long.
   */
  endsRatio(protocol: number, hazards: Hazards, frontierSeconds: number): number {
    const pool = this.#pools.get(protocol);
    const { deaths: ended, exposure: exposed } = hazards;
    let expected = 0;
    let ends = 0;
    for (let bin = 0; pool !== undefined && bin < frontierSeconds; bin++) {
      const exposure = exposed[bin] ?? 0;
      const deaths = ended[bin] ?? 0;
      const others = (pool.exposure[bin] ?? 0) - exposure;
      if (others > EXPOSURE_MIN) expected += (exposure * Math.max(0, (pool.deaths[bin] ?? 0) - deaths)) / others;
      ends += deaths;
    }
    const isSure = ends < LONGER_RATIO * expected && expected - ends > LONGER_SIGMAS * Math.sqrt(expected + 1);
    return isSure ? (ends + 1) / (expected + 1) : 1;
  }

  /** The pools by protocol. */
  view(): ReadonlyMap<number, LearnedHazards> {
    return new Map(
      [...this.#pools].map(([protocol, { hazards, frontierSeconds }]) => [
        protocol,
        { hazards, frontierSeconds, confirmedSeconds: frontierSeconds },
      ]),
    );
  }
}

function timeoutHazards(protocol: number, { tcp, udp, icmp }: ProtocolTimeouts): Float64Array {
  const hazards = new Float64Array(AGE_BINS).fill(BASE_HAZARD);
  const end = (timeoutSeconds: number, hazard: number) => {
    const from = Math.round(timeoutSeconds);
    hazards.fill(hazard, Math.min(from, AGE_BINS), Math.min(from + ENDING_SECONDS, AGE_BINS));
  };
  if (protocol === 6) {
    for (const timeout of [tcp?.close ?? 10, tcp?.syn_recv ?? 60]) end(timeout, OTHER_HAZARD);
    end(tcp?.time_wait ?? 120, USUAL_HAZARD);
  } else if (protocol === 17) {
    end(udp?.stream ?? 120, USUAL_HAZARD);
    end(udp?.unreplied ?? 30, USUAL_HAZARD);
  } else end(protocol === 1 ? (icmp ?? 30) : 600, USUAL_HAZARD);
  return hazards;
}
