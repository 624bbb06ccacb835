/**
 * What the host does not allow, and so what ctwatch cannot say: read off the facts a source has when it opens.
 * Each with the command that changes it; ctwatch itself never runs one. `docs/errors.md` is checked against the codes.
 */
import type { Degraded } from '../model/events.js';
import { EVENT_TRUESIZE_BYTES, RECV_BUFFER_BYTES } from '../model/limits.js';
import type { HostFacts } from '../model/record.js';
import { shellWord } from '../model/shell-word.js';

/** Every code with what it means for the numbers. */
export const DEGRADED_CODES = {
  events_disabled: 'no events at all (nf_conntrack_events=0): counts only, no rates, no destinations',
  events_on_demand:
    'entries born while nobody listens never send a DESTROY (nf_conntrack_events=2): after a restart they are blind',
  timestamps_off:
    'no event times and lifetimes from the kernel (nf_conntrack_timestamp=0): both are measured on arrival',
  accounting_off: 'no packets and bytes of flows (nf_conntrack_acct=0)',
  receive_buffer_small: 'the receive buffer could not be enlarged: a burst may lose details (totals stay exact)',
  table_empty: 'no entries: no traffic yet, or no firewall rule that uses conntrack',
  max_unknown: 'the kernel does not tell nf_conntrack_max over netlink (before Linux 4.18): no forecast',
  owners_limited: 'processes of other users may not be looked at: their flows are told by user and control group alone',
  sockets_refused:
    'the event sockets that the service manager kept do not fit: new ones were opened, entries born in between are blind',
  buckets_few: 'the hash table is small for its limit: lookups walk long chains when the table fills',
} as const;
export type DegradedCode = keyof typeof DEGRADED_CODES;

/** What a `notice` line tells while running, by its code. */
export const NOTICES = {
  table_stale: 'the kernel has not told the size of the table for 5 s: no usage, no forecast until it does',
  evidence_failed: 'evidence of a critical alert cannot be written: the watch goes on without',
  control_failed: 'the control socket cannot be opened or has failed: ctwatch check gets no answer, the watch goes on',
  recording_failed: 'the recording cannot be written: nothing more is recorded, the watch goes on',
  census_failed: 'the table could not be listed: no census, the watch goes on',
  reaped: 'the kernel was made to collect expired entries before the table is full (reap_at_ratio)',
  flows_left_out: 'flow lines are left out of the journal, which would lose others for them',
  notify_failed: 'the service manager cannot be told how this service is: it may restart it',
  metrics_unavailable: 'metrics cannot be served: the watch goes on without, and tries again',
  metrics_served: 'metrics are served now',
  otlp_failing:
    'the OpenTelemetry collector does not take all that is pushed: alerts wait, metrics may be missing there',
  otlp_restored: 'the OpenTelemetry collector takes what is pushed again',
  owners_failed: 'owners of flows cannot be asked for: they stay untold',
  owners_told: 'owners of flows are told again',
  budget_owner_unseen: 'nobody of the name that a budget has was seen: it is misspelt, or has not run',
  output_failed:
    'a file of lines cannot be written: they wait, those beyond 8 MiB are dropped and counted, and it is tried every second',
  output_restored: 'a file of lines is written again, with all that waited',
  table_fresh: 'the kernel tells the size of the table again',
} as const;

/** Entries per bucket at the limit above which lookups get slow; the kernel's own default is 1. */
const ENTRIES_PER_BUCKET_MAX = 4;

/** Everything that is degraded on this host, in the order of `DEGRADED_CODES`. */
export function listDegraded(host: HostFacts): Degraded[] {
  const { sysctls, table } = host;
  const inNetns = host.netns === undefined ? '' : `ip netns exec ${shellWord(host.netns)} `;
  const sysctl = (name: string, value: number) => `sudo ${inNetns}sysctl -w net.netfilter.${name}=${value}`;
  const found: Degraded[] = [];
  const add = (code: DegradedCode, remedy: string, detail = '') =>
    found.push({ code, text: `${DEGRADED_CODES[code]}${detail}`, remedy });

  if (sysctls.events === 0) add('events_disabled', sysctl('nf_conntrack_events', 1));
  if (sysctls.events === 2) add('events_on_demand', sysctl('nf_conntrack_events', 1));
  if (sysctls.timestamp === 0) add('timestamps_off', sysctl('nf_conntrack_timestamp', 1));
  if (sysctls.acct === 0) add('accounting_off', sysctl('nf_conntrack_acct', 1));
  if (!host.recvBufferForced && host.recvBufferBytes < RECV_BUFFER_BYTES) {
    const events = Math.floor(host.recvBufferBytes / EVENT_TRUESIZE_BYTES);
    add('receive_buffer_small', `sudo sysctl -w net.core.rmem_max=${RECV_BUFFER_BYTES}`, `; it holds ${events} events`);
  }
  if (table.count === 0 && host.isModelled === undefined) {
    add(
      'table_empty',
      `sudo ${inNetns}nft 'add table inet ctwatch; add chain inet ctwatch track { type filter hook prerouting priority 0; }; add rule inet ctwatch track ct state new'`,
    );
  }
  if (table.max === undefined) add('max_unknown', 'upgrade to Linux 4.18 or newer');
  if (host.ownersLimited === true) {
    const caps = '+net_admin,+sys_ptrace,+dac_read_search';
    add(
      'owners_limited',
      `sudo setpriv --reuid $(id -u) --clear-groups --inh-caps ${caps} --ambient-caps ${caps} ctwatch stream`,
    );
  }
  if (host.socketsRefused !== undefined) {
    add('sockets_refused', 'none: those that are kept from now on fit', ` (${host.socketsRefused})`);
  }
  if (
    table.max !== undefined &&
    sysctls.buckets !== undefined &&
    table.max > sysctls.buckets * ENTRIES_PER_BUCKET_MAX
  ) {
    add(
      'buckets_few',
      `sudo sysctl -w net.netfilter.nf_conntrack_buckets=${table.max}`,
      ` (${sysctls.buckets} buckets)`,
    );
  }
  return found;
}
