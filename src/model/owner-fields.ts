/** The fields of a line that say whose the flows of a destination are. */
import * as v from 'valibot';
import { count, describe, ratio, timestamp } from './event-fields.js';

export const ownerFields = {
  owner: v.optional(
    v.pipe(
      v.string(),
      describe(
        'Who opens or accepts most of them: container, unit or user, and program; stays the same after a restart',
      ),
    ),
  ),
  process: v.optional(
    v.object({
      pid: v.optional(v.pipe(count, describe('Absent when several processes of that name take part'))),
      name: v.optional(v.pipe(v.string(), describe('Short name of the program'))),
      command_line: v.optional(v.pipe(v.string(), describe('Only with owners.command_line'))),
      threads: v.optional(v.pipe(count, describe('Threads it had when it was last looked at'))),
      sockets: v.optional(v.pipe(count, describe('Open sockets it had when they were last counted, to whomever'))),
      start: v.optional(v.pipe(timestamp, describe('When it was started, ISO 8601, UTC'))),
    }),
  ),
  service: v.optional(v.object({ name: v.pipe(v.string(), describe('systemd unit')) })),
  container: v.optional(
    v.object({
      id: v.optional(v.pipe(v.string(), describe('As its runtime knows it'))),
      pod: v.optional(v.pipe(v.string(), describe('UID of its Kubernetes pod'))),
    }),
  ),
  user: v.optional(
    v.object({
      id: v.pipe(v.string(), describe('uid, as text')),
      name: v.optional(v.pipe(v.string(), describe('In /etc/passwd'))),
    }),
  ),
  owner_ratio: v.optional(v.pipe(ratio, describe('Share of this owner among the flows whose owner could be told'))),
  attributed_ratio: v.optional(
    v.pipe(ratio, describe('Share of the looked-up flows, but for forwarded ones, whose owner could be told')),
  ),
  accepted_ratio: v.optional(
    v.pipe(
      ratio,
      describe('Share of the looked-up flows, but for forwarded ones, that this host accepted; it opened the others'),
    ),
  ),
  forwarded_ratio: v.optional(
    v.pipe(ratio, describe('Share of the looked-up flows that this host only forwards; they have no owner here')),
  ),
} as const;

const owned = v.object(ownerFields);
export type OwnerFields = v.InferOutput<typeof owned>;
