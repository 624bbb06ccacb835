/**
 * What an `alert` line is made of besides the numbers of a sample: its condition, who is to blame, what it looks like, what would help.
 * A `burst` line has the last two as well.
 */
import * as v from 'valibot';
import { count, describe, endpoint, network, nonNegative, ratio } from './event-fields.js';
import { ownerFields } from './owner-fields.js';

/** The conditions that can alert. */
export const ALERT_NAMES = ['time_to_full', 'usage', 'burst', 'dropping', 'loss', 'budget'] as const;

/** What a diagnosis may say; `analysis/diagnosis/diagnosis.ts` has the rules. */
export const DIAGNOSIS_CODES = [
  'connection_churn',
  'connection_leak',
  'traffic_spike',
  'syn_flood',
  'scan',
  'dead_backend',
  'dns_storm',
  'udp_storm',
  'timeout_artefact',
  'unclear',
] as const;

export const culprit = v.object({
  network,
  destination: v.optional(v.pipe(endpoint, describe('Where its flows go; absent when it is one source of many'))),
  source: v.optional(v.pipe(endpoint, describe('Only when the culprit is one source of flows to many destinations'))),
  new_per_second: v.optional(v.pipe(nonNegative, describe('New entries, recent ones weigh more (time constant 10 s)'))),
  share_ratio: v.pipe(
    ratio,
    describe('Share of the growth; of a table that does not grow, of its entries; of a source, of the new entries'),
  ),
  error_ratio: v.optional(v.pipe(ratio, describe('By how much new_per_second may be too high'))),
  ...ownerFields,
  entries: v.optional(v.pipe(count, describe('Its entries in the table, expired ones included'))),
  expected_entries: v.optional(v.pipe(count, describe('What its budget allows'))),
  expected_new_per_second: v.optional(v.pipe(nonNegative, describe('What its budget allows'))),
  usual_entries: v.optional(v.pipe(count, describe('What it usually has, learned while nothing was unusual'))),
  usual_new_per_second: v.optional(v.pipe(nonNegative, describe('The same'))),
  open_sockets: v.optional(
    v.pipe(
      count,
      describe(
        'Connections to it that are established, so sockets that its clients have open, beside process.threads: from a census; until there is one, estimated from sampled look-ups',
      ),
    ),
  ),
  states: v.optional(
    v.pipe(
      v.record(v.string(), v.pipe(ratio)),
      describe(
        'Share of its entries in each TCP state, by the name of the kernel, from a census; until there is one, of its young flows, from sampled look-ups',
      ),
    ),
  ),
});

export const budget = v.object({
  destination: v.optional(v.pipe(v.string(), describe('As the configuration has it'))),
  transport: v.optional(v.pipe(v.string(), describe('The same'))),
  owner: v.optional(v.pipe(v.string(), describe('The same'))),
  entries: v.optional(v.pipe(count, describe('Entries it has in the table, expired ones included'))),
  max_entries: v.optional(v.pipe(count, describe('What is allowed'))),
  new_per_second: v.optional(v.pipe(nonNegative, describe('New entries, recent ones weigh more (time constant 5 s)'))),
  max_new_per_second: v.optional(v.pipe(nonNegative, describe('What is allowed'))),
});

export const diagnosis = v.object({
  code: v.pipe(v.picklist(DIAGNOSIS_CODES), describe('What it looks like, see docs/diagnosis.md')),
  confidence_ratio: v.pipe(
    ratio,
    describe('Probability that the code is right by the rules; of unclear, that no other is'),
  ),
  evidence: v.pipe(v.array(v.string()), describe('What was seen, as sentences')),
});

export const advice = v.pipe(
  v.array(
    v.object({
      text: v.pipe(v.string(), describe('A command or a setting, and what it would change')),
      effect: v.optional(
        v.object({
          plateau_ratio: v.pipe(ratio, describe('Where the table would settle, over its limit or the advised one')),
        }),
      ),
    }),
  ),
  describe('What would help'),
);
