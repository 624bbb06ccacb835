/** The last `size` numbers of a stream and their sum. The numbers are counts, so the sum stays exact. */
export class Window {
  readonly #values: Float64Array;
  #pushed = 0;
  #sum = 0;

  constructor(size: number) {
    this.#values = new Float64Array(size);
  }

  /** Adds the newest; returns the one that left, undefined while there is room. */
  push(value: number): number | undefined {
    const at = this.#pushed % this.#values.length;
    const left = this.#pushed < this.#values.length ? undefined : (this.#values[at] ?? 0);
    this.#values[at] = value;
    this.#pushed += 1;
    this.#sum += value - (left ?? 0);
    return left;
  }

  get length(): number {
    return Math.min(this.#pushed, this.#values.length);
  }

  get isFull(): boolean {
    return this.#pushed >= this.#values.length;
  }

  get sum(): number {
    return this.#sum;
  }

  /** NaN while empty. */
  get mean(): number {
    return this.#sum / this.length;
  }
}
