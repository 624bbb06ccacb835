/**
 * The fluid M/M/inf queue: dN/dt = lambda - mu N, so N(h) = P + (N - P) e^(-mu h) with the plateau P = lambda / mu. It knows that
 * a faster rate settles at a higher plateau, but has one exponential stay for all entries, where conntrack's timeouts are
 * exact and differ by class. Lambda follows a step within 10 s; DESTROY comes in sweeps, so mu is taken over a cycle.
 */
import type { Rival } from './rival.js';
import { Window } from './window.js';

const ARRIVAL_SECONDS = 10;
/** Longest interval of the kernel's collector. */
const DEPARTURE_SECONDS = 60;

export class Fluid implements Rival {
  readonly #arrivals = new Window(ARRIVAL_SECONDS);
  readonly #departures = new Window(DEPARTURE_SECONDS);
  readonly #counts = new Window(DEPARTURE_SECONDS);
  #now = 0;

  observe(_second: number, count: number, newEvents: number, destroyEvents: number): void {
    this.#arrivals.push(newEvents);
    this.#departures.push(destroyEvents);
    this.#counts.push(count);
    this.#now = count;
  }

  secondsToFull(max: number): number | undefined {
    if (!this.#departures.isFull || this.#counts.sum <= 0) return undefined;
    if (this.#now >= max) return 0;
    const lambda = this.#arrivals.mean;
    const mu = this.#departures.sum / this.#counts.sum;
    if (mu === 0) return lambda > 0 ? (max - this.#now) / lambda : undefined;
    const plateau = lambda / mu;
    return plateau > max ? Math.log((plateau - this.#now) / (plateau - max)) / mu : undefined;
  }
}
