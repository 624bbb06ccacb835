/** Watches a namespace while something goes on in it. */
import { type WatchOptions, watchConntrack } from '../../src/cli/watch.js';
import type { CtEvent, EventOf, EventType } from '../../src/model/events.js';
import type { Namespace } from './namespace.js';

/** The events of a watch while `during` runs; it begins when the watch is open. */
export async function eventsWhile(
  namespace: Namespace,
  during: (stop: (reason: string) => void) => Promise<unknown>,
  options: WatchOptions = {},
): Promise<CtEvent[]> {
  const controller = new AbortController();
  const stop = (reason: string) => controller.abort(reason);
  const { events } = watchConntrack({ netns: namespace.name, interval: 1, signal: controller.signal, ...options });
  const collected: CtEvent[] = [];
  return new Promise((resolve, reject) => {
    events.subscribe({
      next: (event) => {
        collected.push(event);
        if (event.type === 'start') {
          during(stop)
            .then(() => stop('test over'))
            .catch(reject);
        }
      },
      error: reject,
      complete: () => resolve(collected),
    });
  });
}

export function ofType<T extends EventType>(events: readonly CtEvent[], type: T): EventOf<T>[] {
  return events.filter((event): event is EventOf<T> => event.type === type);
}
