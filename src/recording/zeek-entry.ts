/**
 * What the kernel would have kept of a connection that Zeek saw: with which timeout its entry waits after the last packet, and
 * in which state. docs/recording.md has the table and its reasons.
 *
 * Sources: Zeek's conn_state; linux nf_conntrack_proto_tcp.c (tcp_conntracks, tcp_packet), _udp.c, _icmp.c, _generic.c.
 */
import type { ProtocolTimeouts, TcpTimeoutName } from '../model/record.js';
import { TCP_TIMEOUT_NAMES } from '../model/record.js';
import type { ZeekRow } from './zeek-log.js';

/** All timeouts of the model, seconds: those of `ProtocolTimeouts`, and that of other protocols. */
export interface ModelTimeouts extends Required<ProtocolTimeouts> {
  readonly generic: number;
}

/** The kernel's defaults. */
export const KERNEL_TIMEOUTS: ModelTimeouts = {
  tcp: {
    syn_sent: 120,
    syn_recv: 60,
    established: 432_000,
    fin_wait: 120,
    close_wait: 60,
    last_ack: 30,
    time_wait: 120,
    close: 10,
    syn_sent2: 120,
    max_retrans: 300,
    unacknowledged: 300,
  },
  udp: { unreplied: 30, stream: 120 },
  icmp: 30,
  generic: 600,
};

/** How an entry waits for its end. */
export interface EntryEnding {
  /** IPPROTO_* number. */
  readonly protocol: number;
  /** What its NEW tells: the timeout after the first packet. */
  readonly firstTimeoutSeconds: number;
  /** After the last packet. */
  readonly timeoutSeconds: number;
  /** enum tcp_conntrack; 0 for other protocols. */
  readonly tcpState: number;
  /** Packets were seen both ways for long enough: it is not evicted when the table is full. */
  readonly assured: boolean;
  readonly replied: boolean;
}

/** Number of a state in enum tcp_conntrack: the timeouts stand in the same order, from 1. */
const stateOf = (name: TcpTimeoutName) => TCP_TIMEOUT_NAMES.indexOf(name) + 1;

/** By conn_state. Absent: no entry, as the first packet was none that begins one. */
const TCP_ENDINGS: Readonly<Record<string, { readonly last: TcpTimeoutName; readonly assured: boolean }>> = {
  S0: { last: 'syn_sent', assured: false },
  S1: { last: 'established', assured: true },
  S2: { last: 'fin_wait', assured: true },
  S3: { last: 'fin_wait', assured: true },
  SF: { last: 'time_wait', assured: true },
  REJ: { last: 'close', assured: false },
  RSTO: { last: 'close', assured: true },
  RSTR: { last: 'close', assured: true },
  RSTOS0: { last: 'close', assured: false },
  SH: { last: 'syn_sent', assured: false },
};

/** States in which Zeek saw the answer to a SYN but not the SYN: conntrack takes no entry from it. */
const UNTRACKED = new Set(['RSTRH', 'SHR']);

/** A UDP flow with replies is a stream from this age on. */
const STREAM_AGE_SECONDS = 2;

/** The ending of a row's entry; undefined when conntrack would have none. */
export function endingOf(row: ZeekRow, timeouts: ModelTimeouts): EntryEnding | undefined {
  const replied = (row.replyPackets ?? (row.connState === 'SF' ? 1 : 0)) > 0;
  switch (row.transport) {
    case 'tcp':
      return tcpEnding(row, timeouts, replied);
    case 'udp': {
      const assured = replied && row.durationSeconds > STREAM_AGE_SECONDS;
      const timeoutSeconds = assured ? timeouts.udp.stream : timeouts.udp.unreplied;
      return {
        protocol: 17,
        firstTimeoutSeconds: timeouts.udp.unreplied,
        timeoutSeconds,
        tcpState: 0,
        assured,
        replied,
      };
    }
    case 'icmp':
    case 'icmp6': {
      const protocol = row.isIpv6 ? 58 : 1;
      return waiting(protocol, timeouts.icmp, { assured: false, replied });
    }
    default: {
      const protocol = row.transport === 'sctp' ? 132 : 253;
      return waiting(protocol, timeouts.generic, { assured: replied, replied });
    }
  }
}

function tcpEnding(row: ZeekRow, timeouts: ModelTimeouts, replied: boolean): EntryEnding | undefined {
  if (UNTRACKED.has(row.connState)) return undefined;
  const syn = { protocol: 6, firstTimeoutSeconds: timeouts.tcp.syn_sent };
  const known = TCP_ENDINGS[row.connState];
  if (known !== undefined) {
    const { last, assured } = known;
    const timeoutSeconds = timeouts.tcp[last];
    return { ...syn, timeoutSeconds, tcpState: stateOf(last), assured, replied: replied || assured };
  }
  // OTH, picked up in its middle (nf_conntrack_tcp_loose): without a reply not for days.
  const timeoutSeconds = replied ? timeouts.tcp.established : timeouts.tcp.unacknowledged;
  return { ...syn, timeoutSeconds, tcpState: stateOf('established'), assured: replied, replied };
}

/** A protocol with one timeout. */
function waiting(protocol: number, seconds: number, seen: Pick<EntryEnding, 'assured' | 'replied'>): EntryEnding {
  return { protocol, firstTimeoutSeconds: seconds, timeoutSeconds: seconds, tcpState: 0, ...seen };
}
