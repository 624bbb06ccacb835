/**
 * What is said over the control socket: a line of JSON in, a line of JSON out, and the connection is closed. The answer is a contract
 * as the lines of `stream` are: fields may be added, `v` is raised when one changes its meaning or leaves, unknown is absent.
 */
import * as v from 'valibot';
import { ALERT_NAMES } from './alert-fields.js';
import { describe, nonNegative, timestamp } from './event-fields.js';
import { EVENT_SCHEMAS } from './events.js';

/** Version of the requests and answers. */
export const CONTROL_VERSION = 1;

/** What can be asked for. */
export const CONTROL_REQUESTS = ['status'] as const;
export type ControlRequest = (typeof CONTROL_REQUESTS)[number];

/** Why a request is not answered, by its code. */
export const CONTROL_ERRORS = {
  not_json: 'one line with a JSON object is expected, such as {"v":1,"get":"status"}',
  unknown_version: 'only version 1 is known here: {"v":1,"get":"status"}',
  unknown_request: 'what can be asked for is "status": {"v":1,"get":"status"}',
  too_long: 'the request is longer than 1024 bytes',
  too_slow: 'the request did not come within 2 s',
  too_many_connections: 'more than 64 connections are open: this one had waited longest',
  too_many_requests: 'more than 50 requests a second are not answered',
  not_ready: 'the table has not been read yet',
} as const;
export type ControlErrorCode = keyof typeof CONTROL_ERRORS;

/** What a line asks for, or what is wrong with it. */
export function parseControlRequest(
  line: string,
): { readonly get: ControlRequest } | { readonly error: ControlErrorCode } {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    return { error: 'not_json' };
  }
  if (typeof request !== 'object' || request === null || Array.isArray(request)) return { error: 'not_json' };
  const { v: version, get } = request as { v?: unknown; get?: unknown };
  if (version !== CONTROL_VERSION) return { error: 'unknown_version' };
  const known = CONTROL_REQUESTS.find((name) => name === get);
  return known === undefined ? { error: 'unknown_request' } : { get: known };
}

const { table, rate, forecast, totals } = EVENT_SCHEMAS.sample.entries;

const statusSchema = v.object({
  v: v.literal(CONTROL_VERSION),
  version: v.pipe(v.string(), describe('Version of ctwatch')),
  host: v.pipe(v.string(), describe('Name of the host')),
  netns: v.optional(v.pipe(v.string(), describe('Network namespace, when it is not the own one'))),
  time: timestamp,
  age_seconds: v.pipe(nonNegative, describe('How long ago that was')),
  uptime_seconds: v.pipe(nonNegative, describe('Since the start of the watch')),
  table,
  rate,
  forecast,
  totals,
  alerts: v.array(
    v.object({
      name: v.picklist(ALERT_NAMES),
      severity: v.picklist(['warning', 'critical']),
      key: v.string(),
      since: timestamp,
      msg: v.pipe(v.string(), describe('As it was told last')),
      advice: v.optional(v.pipe(v.array(v.string()), describe('What would help')), []),
      reference: v.optional(v.pipe(v.string(), describe('Address of its runbook page'))),
    }),
  ),
  finding: v.optional(v.pipe(v.string(), describe('Who fills the table and what it looks like, as sentences'))),
  thresholds: v.object({
    usage: v.object({ warning_ratio: v.number(), critical_ratio: v.number() }),
    time_to_full: v.object({ warning_seconds: v.number(), critical_seconds: v.number() }),
  }),
});

/** What the daemon answers to `status`. */
export type ControlStatus = v.InferOutput<typeof statusSchema>;

const refusalSchema = v.object({
  v: v.number(),
  error: v.object({ code: v.string(), text: v.string() }),
});

/** A line with an error. */
export type ControlRefusal = v.InferOutput<typeof refusalSchema>;

/** Any answer. */
export const controlAnswerSchema = v.union([statusSchema, refusalSchema]);

/** A line that refuses. */
export function formatRefusal(code: ControlErrorCode): string {
  const refusal: ControlRefusal = { v: CONTROL_VERSION, error: { code, text: CONTROL_ERRORS[code] } };
  return `${JSON.stringify(refusal)}\n`;
}
