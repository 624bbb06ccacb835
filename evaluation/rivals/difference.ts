/**
 * What is free, divided by how fast it went lately: Netdata's `out_of_disk_space_time`, which compares with an hour ago, at
 * the pace of a connection table: with ten minutes ago. Source: netdata/src/health/health.d/disks.conf.
 */
import type { Rival } from './rival.js';
import { Window } from './window.js';

const AGO_SECONDS = 600;

export class Difference implements Rival {
  readonly #counts = new Window(AGO_SECONDS);
  #now: number | undefined;
  #then: number | undefined;

  observe(_second: number, count: number): void {
    this.#now = count;
    this.#then = this.#counts.push(count);
  }

  secondsToFull(max: number): number | undefined {
    if (this.#now === undefined || this.#then === undefined) return undefined;
    const slope = (this.#now - this.#then) / AGO_SECONDS;
    return slope > 0 ? Math.max(0, (max - this.#now) / slope) : undefined;
  }
}
