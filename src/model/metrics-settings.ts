/** Settings of metrics: where they are served to Prometheus, and where they are pushed with OTLP. Both are off by default. */
import * as v from 'valibot';
import { durationSeconds } from './duration.js';
import { describe } from './event-fields.js';
import { parseListenAddress } from './listen-address.js';

/** Metrics and alerts are pushed this often, and a push has this long, seconds. */
const PUSH_SECONDS = 10;
const PUSH_TIMEOUT_SECONDS = 10;

/** Token of RFC 9110: what the name of a header may be. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;

export const metricsSettings = v.strictObject({
  listen: v.optional(
    v.pipe(
      v.string('an address is expected'),
      v.rawCheck(({ dataset, addIssue }) => {
        const result = dataset.typed && dataset.value !== '' ? parseListenAddress(dataset.value) : {};
        if (typeof result === 'string') addIssue({ message: result });
      }),
      describe(
        'Serve metrics to Prometheus here: a loopback address such as `127.0.0.1:9751` or `[::1]:9751`, or `unix:/path`; absent or "": nowhere',
      ),
    ),
  ),
});

const ENDPOINT = 'an address such as http://127.0.0.1:4318 is expected, or "" for none';

export const otlpSettings = v.strictObject({
  endpoint: v.optional(
    v.pipe(
      v.string(ENDPOINT),
      v.check((text) => text === '' || isHttpUrl(text), ENDPOINT),
      describe(
        'Push metrics, and alerts as logs, to the OpenTelemetry collector at this address (OTLP/HTTP, JSON); `/v1/metrics` and `/v1/logs` are appended; absent or "": no push',
      ),
    ),
  ),
  interval: v.optional(
    v.pipe(
      durationSeconds,
      v.minValue(1, 'an interval of at least 1s is expected'),
      describe('Time between two pushes; an alert is pushed within a second'),
    ),
    PUSH_SECONDS,
  ),
  timeout: v.optional(
    v.pipe(
      durationSeconds,
      v.minValue(0.1, 'a timeout of at least 100ms is expected'),
      v.maxValue(60, 'a timeout of at most 60s is expected'),
      describe('How long a push may take before it counts as failed'),
    ),
    PUSH_TIMEOUT_SECONDS,
  ),
  headers: v.optional(
    v.pipe(
      v.record(
        v.pipe(v.string(), v.regex(HEADER_NAME, 'a name of a header is expected')),
        v.pipe(v.string('a text is expected'), v.regex(/^[\t\x20-\x7e]*$/, 'a header holds printable ASCII only')),
      ),
      describe('Headers of each push, such as one that authorises'),
    ),
  ),
  logs: v.optional(
    v.pipe(v.boolean(), describe('Push alerts as logs; false for an address that takes metrics only')),
    true,
  ),
  ca_file: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\/[^\0]*$/, 'an absolute path is expected'),
      describe('Certificates (PEM) that the collector is trusted by, instead of the well-known ones'),
    ),
  ),
});

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

export type OtlpSettings = v.InferOutput<typeof otlpSettings>;
