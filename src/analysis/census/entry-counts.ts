/** Counts by the numbers of a `WordTable`: an array that grows with them. */

/** Room at first. */
const FIRST_COUNTS = 1024;

/** Entries by number. */
export class EntryCounts {
  #values = new Uint32Array(FIRST_COUNTS);

  /** Adds to the count of a number. */
  add(number: number, entries = 1): void {
    if (number >= this.#values.length) {
      const grown = new Uint32Array(Math.max(number + 1, this.#values.length * 2));
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[number] = (this.#values[number] ?? 0) + entries;
  }

  /** Of a number; 0 when nothing was added. */
  of(number: number): number {
    return this.#values[number] ?? 0;
  }
}
