/**
 * Rows in the order in which they began. A log is written as connections end, so a row waits here until enough later ones
 * have come: a binary heap, smallest start on top.
 */
export class StartOrder<T extends { readonly startSeconds: number }> {
  readonly #heap: T[] = [];

  get size(): number {
    return this.#heap.length;
  }

  push(item: T): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.startSeconds <= item.startSeconds) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = item;
  }

  /** The one that began first. */
  pop(): T | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && right.startSeconds < left.startSeconds) child++;
      const below = heap[child];
      if (below === undefined || below.startSeconds >= last.startSeconds) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
