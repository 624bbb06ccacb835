/**
 * One schema for the configuration file, the environment and the flags, with every default in one place.
 * Precedence: flags over environment (`CTWATCH_*`) over file over defaults; `cli/config.ts` merges.
 */
import * as v from 'valibot';
import { parseDestination, parseOwner } from './budget.js';
import { controlSettings } from './control-settings.js';
import { durationSeconds } from './duration.js';
import {
  BUDGETS_MAX,
  ENTRIES_MAX,
  OWNER_LOOKUPS_PER_SECOND,
  OWNER_LOOKUPS_PER_SECOND_MAX,
  RECV_BUFFER_BYTES,
  RECV_BUFFER_BYTES_MAX,
  TICK_SECONDS,
} from './limits.js';
import { metricsSettings, otlpSettings } from './metrics-settings.js';
import { outputSettings, pathOf } from './output-settings.js';
import { TCP_TIMEOUT_NAMES, type TcpTimeoutName } from './record.js';

const positive = (text: string) =>
  v.pipe(
    v.number(),
    v.minValue(0, text),
    v.check((n) => n > 0, text),
  );
const RATIO = 'a share from 0 to 1 is expected';
const ratio = v.pipe(v.number(RATIO), v.minValue(0, RATIO), v.maxValue(1, RATIO));
const describe = v.description;

const entries = v.pipe(
  v.number('a number of entries is expected'),
  v.integer('a whole number of entries is expected'),
  v.minValue(1, 'at least 1 entry is expected'),
  v.maxValue(ENTRIES_MAX, `at most ${ENTRIES_MAX} entries are possible`),
);

/** A threshold to raise and a lower (or higher) one to clear, with how long each must hold. */
const usageLevels = v.strictObject({
  warning_ratio: v.optional(v.pipe(ratio, describe('count / max from which it is a warning')), 0.8),
  critical_ratio: v.optional(v.pipe(ratio, describe('count / max from which it is critical')), 0.9),
  clear_margin_ratio: v.optional(
    v.pipe(ratio, describe('Cleared this far below the threshold it was raised at')),
    0.05,
  ),
  hold_seconds: v.optional(v.pipe(durationSeconds, describe('How long it must hold to be raised')), 3),
  clear_hold_seconds: v.optional(v.pipe(durationSeconds, describe('How long it must be over to be cleared')), 30),
});

const timeToFullLevels = v.strictObject({
  warning_seconds: v.optional(v.pipe(durationSeconds, describe('Time to full from which it is a warning')), 600),
  critical_seconds: v.optional(v.pipe(durationSeconds, describe('Time to full from which it is critical')), 120),
  warning_probability: v.optional(
    v.pipe(ratio, describe('Probability of a full table within 10 min from which it is a warning')),
    0.5,
  ),
  critical_probability: v.optional(
    v.pipe(ratio, describe('The same for critical: a burst may still end by itself')),
    0.85,
  ),
  clear_factor: v.optional(
    v.pipe(
      v.number(),
      v.minValue(1),
      describe('Cleared at this many times the threshold it was raised at, or at no forecast of it'),
    ),
    1.5,
  ),
  hold_seconds: v.optional(v.pipe(durationSeconds, describe('How long it must hold to be raised')), 1),
  clear_hold_seconds: v.optional(v.pipe(durationSeconds, describe('How long it must be over to be cleared')), 10),
});

/** What is critical must be a warning as well. */
const usageThresholds = v.pipe(
  usageLevels,
  v.check((levels) => levels.warning_ratio <= levels.critical_ratio, 'warning_ratio is above critical_ratio'),
);
const timeToFullThresholds = v.pipe(
  timeToFullLevels,
  v.check((levels) => levels.warning_seconds >= levels.critical_seconds, 'warning_seconds is below critical_seconds'),
  v.check(
    (levels) => levels.warning_probability <= levels.critical_probability,
    'warning_probability is above critical_probability',
  ),
);

/** For a condition that is true or not. */
const clearHold = v.pipe(durationSeconds, describe('How long it must be over to be cleared'));

/** Names of the sysctls without `nf_conntrack_` and `timeout`. */
export type AssumedTimeoutName = `tcp_${TcpTimeoutName}` | 'udp' | 'udp_stream' | 'icmp' | 'generic';

const assumedTimeout = (sysctl: string) =>
  v.optional(
    v.pipe(
      durationSeconds,
      v.minValue(1, 'a timeout of at least 1s is expected'),
      describe(`What if nf_conntrack_${sysctl} were this`),
    ),
  );

const REAP_AT_RATIO = 'a share of the limit from 0.1 to 1 is expected';

/** Checks a text with a parser that tells what is wrong. */
const parsed = (parse: (text: string) => object | string) =>
  v.pipe(
    v.string('a text is expected'),
    v.rawCheck(({ dataset, addIssue }) => {
      const result = dataset.typed ? parse(dataset.value) : {};
      if (typeof result === 'string') addIssue({ message: result });
    }),
  );

const budget = v.pipe(
  v.strictObject({
    destination: v.optional(
      v.pipe(
        parsed(parseDestination),
        describe('Address and port, either alone: `10.0.0.5:6379`, `10.0.0.5`, `:6379`'),
      ),
    ),
    transport: v.optional(v.pipe(v.picklist(['tcp', 'udp']), describe('Only flows of this protocol'))),
    owner: v.optional(
      v.pipe(
        parsed(parseOwner),
        describe('Unit, or `process:`, `user:`, `uid:`, `container:` and a name: only its flows'),
      ),
    ),
    max_entries: v.optional(v.pipe(entries, describe('Entries in the table from which on it is an alert'))),
    max_new_per_second: v.optional(
      v.pipe(positive('a rate above 0 is expected'), describe('New entries per second from which on it is an alert')),
    ),
  }),
  v.check(
    ({ destination, owner }) => destination !== undefined || owner !== undefined,
    'a budget needs a destination or an owner',
  ),
  v.check(
    ({ max_entries, max_new_per_second }) => max_entries !== undefined || max_new_per_second !== undefined,
    'a budget needs max_entries or max_new_per_second',
  ),
);

export const settingsSchema = v.strictObject({
  interval: v.optional(
    v.pipe(
      durationSeconds,
      v.minValue(TICK_SECONDS, 'an interval of at least 250ms is expected'),
      describe('Time between two samples; 1 s while an alert fires'),
    ),
    10,
  ),
  assume_max: v.optional(v.pipe(entries, describe('What if nf_conntrack_max were this'))),
  assume_timeout: v.optional(
    v.pipe(
      v.strictObject({
        ...Object.fromEntries(TCP_TIMEOUT_NAMES.map((name) => [`tcp_${name}`, assumedTimeout(`tcp_timeout_${name}`)])),
        udp: assumedTimeout('udp_timeout'),
        udp_stream: assumedTimeout('udp_timeout_stream'),
        icmp: assumedTimeout('icmp_timeout'),
        generic: assumedTimeout('generic_timeout'),
      } as Record<AssumedTimeoutName, ReturnType<typeof assumedTimeout>>),
      describe(
        'What if these timeouts of nf_conntrack were others. The forecast takes tcp_time_wait, tcp_close, udp, udp_stream and icmp; the model of the table that a conn.log is replayed through takes all',
      ),
    ),
  ),
  netns: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[^/\0]{1,255}$/, 'a name as `ip netns list` shows it is expected'),
      describe('Name under /run/netns of the namespace to watch'),
    ),
  ),
  state_dir: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(?:\/[^\0]*)?$/, 'an absolute path is expected, or "" for none'),
      describe('Where evidence of critical alerts is kept; default `$STATE_DIRECTORY` of systemd, none without it'),
    ),
  ),
  runbook_url: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^(?:[a-z][a-z0-9+.-]*:[!-~]+)?$/i,
        'an address such as https://wiki.example/ctwatch/{name} is expected, or "" for none',
      ),
      describe('Page that an alert refers to, `{name}` standing for its name; default the installed `docs/runbook`'),
    ),
  ),
  flows: v.optional(v.pipe(v.boolean(), describe('One line per NEW and DESTROY')), false),
  output: v.optional(outputSettings, {}),
  census: v.optional(
    v.pipe(v.boolean(), describe('List the table while an alert on its size is near or firing, at most once a minute')),
    true,
  ),
  reap_at_ratio: v.optional(
    v.pipe(
      v.number(REAP_AT_RATIO),
      v.minValue(0.1, REAP_AT_RATIO),
      v.maxValue(1, REAP_AT_RATIO),
      describe(
        'count / max from which the kernel is made to collect expired entries, when there are enough; absent: never',
      ),
    ),
  ),
  receive_buffer_bytes: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(4096),
      v.maxValue(RECV_BUFFER_BYTES_MAX),
      describe('Receive buffer asked for each of the two event sockets; the kernel doubles it'),
    ),
    RECV_BUFFER_BYTES,
  ),
  owners: v.optional(
    v.strictObject({
      enabled: v.optional(
        v.pipe(v.boolean(), describe('Tell the process, unit, container and user of what this host opens and accepts')),
        true,
      ),
      command_line: v.optional(
        v.pipe(v.boolean(), describe('Tell command lines as well; they can hold secrets')),
        false,
      ),
      lookups_per_second: v.optional(
        v.pipe(
          v.number(),
          v.integer(),
          v.minValue(8),
          v.maxValue(OWNER_LOOKUPS_PER_SECOND_MAX),
          describe('Most new flows whose owners are asked for in a second'),
        ),
        OWNER_LOOKUPS_PER_SECOND,
      ),
    }),
    {},
  ),
  control: v.optional(controlSettings, {}),
  metrics: v.optional(metricsSettings, {}),
  otlp: v.optional(otlpSettings, {}),
  burst: v.optional(
    v.strictObject({
      ratio: v.optional(
        v.pipe(v.number(), v.minValue(1.5), v.maxValue(1000), describe('How many times the usual rate is a burst')),
        4,
      ),
      min_rate_per_second: v.optional(
        v.pipe(
          positive('a rate above 0 is expected'),
          describe('New entries per second below which nothing is a burst'),
        ),
        20,
      ),
      false_alarms_per_year: v.optional(
        v.pipe(positive('a rate above 0 is expected'), describe('Bursts a year that chance alone may seem to cause')),
        1,
      ),
    }),
    {},
  ),
  budget: v.optional(
    v.pipe(v.array(budget), v.maxLength(BUDGETS_MAX, `at most ${BUDGETS_MAX} budgets are possible`)),
    [],
  ),
  alert: v.optional(
    v.strictObject({
      budget: v.optional(
        v.strictObject({
          hold_seconds: v.optional(v.pipe(durationSeconds, describe('How long it must hold to be raised')), 3),
          clear_hold_seconds: v.optional(clearHold, 30),
          clear_margin_ratio: v.optional(v.pipe(ratio, describe('Cleared this part below the budget')), 0.1),
        }),
        {},
      ),
      time_to_full: v.optional(timeToFullThresholds, {}),
      usage: v.optional(usageThresholds, {}),
      dropping: v.optional(v.strictObject({ clear_hold_seconds: v.optional(clearHold, 60) }), {}),
      loss: v.optional(
        v.strictObject({
          critical_ratio: v.optional(
            v.pipe(ratio, describe('Lost share of the events from which it is critical')),
            0.1,
          ),
          clear_hold_seconds: v.optional(clearHold, 30),
        }),
        {},
      ),
      burst: v.optional(v.strictObject({ clear_hold_seconds: v.optional(clearHold, 5) }), {}),
    }),
    {},
  ),
});

export type SettingsInput = v.InferInput<typeof settingsSchema>;
export type Settings = v.InferOutput<typeof settingsSchema>;
export type BudgetSettings = v.InferOutput<typeof budget>;
export type AlertSettings = Settings['alert'];

/** Whether there is a line for each flow: somebody asks for them, or has a file for them. */
export function wantsFlows({ flows, output }: Pick<Settings, 'flows' | 'output'>): boolean {
  return flows || pathOf(output.flows_file) !== undefined;
}

/** The defaults. */
export const defaultSettings: Settings = v.parse(settingsSchema, {});
