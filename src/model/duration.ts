/** Durations of the configuration: a number of seconds, or a text such as `500ms`, `10s`, `5m`, `2h`. */
import * as v from 'valibot';

/** A duration in seconds, from 1 ms to 24 h. */
export const durationSeconds = v.pipe(
  v.union([v.number(), v.string()]),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const seconds = typeof dataset.value === 'number' ? dataset.value : parseDuration(dataset.value);
    if (seconds === undefined || !(seconds >= 0.001) || seconds > 86_400) {
      addIssue({ message: 'a duration between 1ms and 24h is expected, such as 500ms, 10s, 5m or 2h' });
      return NEVER;
    }
    return seconds;
  }),
);

const UNIT_SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600 } as const;

/** Seconds of `10s`, `500ms`, `5m`, `2h` or a bare number of seconds; undefined when it is none of them. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  if (!match) return undefined;
  return Number(match[1]) * UNIT_SECONDS[(match[2] ?? 's') as keyof typeof UNIT_SECONDS];
}
