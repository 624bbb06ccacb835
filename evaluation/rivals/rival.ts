/**
 * What a rival is: a forecast as people really run it today, reduced to one number. It sees one sample a second, never less
 * than a deployment would (Prometheus scrapes every 15 s), and is asked as often as ctwatch.
 */

/** One method, following one table. */
export interface Rival {
  /**
   * One sample a second, in order: the count at the end of `second`, and the events in it. A method that looks at the
   * count alone ignores the rest.
   */
  observe(second: number, count: number, newEvents: number, destroyEvents: number): void;
  /** Seconds until the count reaches `max`, >= 0; undefined when the method says that it does not, or knows too little. */
  secondsToFull(max: number): number | undefined;
}

export interface RivalKind {
  /** As the tables show it. */
  readonly name: string;
  create(): Rival;
}

/** Every rival alarms at less than this. */
export const RIVAL_WARNING_SECONDS = 600;
