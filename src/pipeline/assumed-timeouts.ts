/** Timeouts that the settings take to be others, as the forecast wants them. */
import type { AssumedTimeout } from '../analysis/forecast/survival.js';
import type { ProtocolTimeouts } from '../model/record.js';
import type { Settings } from '../model/settings.js';

/** Each timeout of the settings beside the one that the kernel has, or its default. */
export function assumedTimeouts(
  { tcp, udp, icmp }: ProtocolTimeouts,
  assumed: Settings['assume_timeout'] = {},
): AssumedTimeout[] {
  const all = [
    [6, tcp?.time_wait ?? 120, assumed.tcp_time_wait],
    [6, tcp?.close ?? 10, assumed.tcp_close],
    [17, udp?.stream ?? 120, assumed.udp_stream],
    [17, udp?.unreplied ?? 30, assumed.udp],
    [1, icmp ?? 30, assumed.icmp],
  ] as const;
  return all.flatMap(([protocol, fromSeconds, toSeconds]) =>
    toSeconds === undefined ? [] : [{ protocol, fromSeconds, toSeconds }],
  );
}
