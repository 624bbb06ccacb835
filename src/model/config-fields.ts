/** What the lines of a service tell of its life: a reload, a restart, a failure. */
import * as v from 'valibot';
import { ERROR_CODES } from './errors.js';
import { describe, nonNegative } from './event-fields.js';

export const failure = v.object({
  code: v.pipe(v.picklist(ERROR_CODES), describe('See docs/errors.md')),
  operation: v.pipe(v.string(), describe('What was being done')),
  errno: v.optional(v.pipe(v.string(), describe('Of the system call, by name'))),
  remedy: v.pipe(v.string(), describe('A command, or what to change')),
});

export const configFields = {
  type: v.literal('config'),
  outcome: v.pipe(
    v.picklist(['applied', 'unchanged', 'rejected']),
    describe('unchanged: it says what holds already. rejected: it is not valid, and what held before still does'),
  ),
  changed: v.pipe(v.array(v.string()), describe('Keys whose new value holds from now on, such as burst.ratio')),
  needs_restart: v.pipe(v.array(v.string()), describe('Keys whose new value waits for a restart')),
  error: v.optional(v.pipe(failure, describe('Why it was rejected'))),
};

/** In `start`. */
export const resumed = v.optional(
  v.pipe(
    v.object({
      after_seconds: v.optional(
        v.pipe(nonNegative, describe('Since that process had read everything; absent when it is not known')),
      ),
    }),
    describe(
      'The event sockets of the process before were taken over: nothing was missed, totals begin where it ended',
    ),
  ),
);
