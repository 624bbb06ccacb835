/**
 * Prints each alert of this host's conntrack table and, every interval, who opens the most connections.
 *
 *   sudo node examples/alerts.mjs [--seconds N] [--netns NAME] [--assume-max N]
 *
 * --seconds     ends after N seconds; else Ctrl-C does
 * --netns       watches that network namespace (see `ip netns list`)
 * --assume-max  what if nf_conntrack_max were N entries
 *
 * Rates are new entries per second, times are seconds, shares run from 0 to 1. Needs Linux, CAP_NET_ADMIN and `npm run build`.
 */
import { parseArgs } from 'node:util';
import { CtwatchError, watchConntrack } from 'ctwatch';

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, netns: { type: 'string' }, 'assume-max': { type: 'string' } },
});

/** Aborting it ends the watch: what still waits is delivered, then a `stop` event, then the stream completes. */
const controller = new AbortController();
process.once('SIGINT', () => controller.abort('SIGINT'));
if (values.seconds !== undefined) {
  setTimeout(() => controller.abort('time is over'), Number(values.seconds) * 1000).unref();
}

const { events } = watchConntrack({
  interval: '2s',
  signal: controller.signal,
  ...(values.netns !== undefined && { netns: values.netns }),
  ...(values['assume-max'] !== undefined && { assume_max: Number(values['assume-max']) }),
});

function print(event) {
  const time = new Date(event.unixSeconds * 1000).toISOString().slice(11, 19);
  if (event.type === 'start' || event.type === 'stop') console.log(`${time} ${event.msg}`);
  if (event.type === 'alert') console.log(`${time} ${event.phase} ${event.severity} ${event.name}: ${event.msg}`);
  if (event.type !== 'sample') return;
  for (const { network, destination, new_per_second, share_ratio } of event.top) {
    const share = Math.round(share_ratio * 100);
    console.log(
      `${time} ${network.transport} ${destination.ip} ${destination.port ?? '-'}: ${new_per_second}/s, ${share} % of the new entries`,
    );
  }
}

events.subscribe({
  next: print,
  error: (error) => {
    // What is missing here, and the command that gives it.
    console.error(error instanceof CtwatchError ? error.line : error);
    process.exitCode = 3;
  },
});
