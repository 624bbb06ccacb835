/**
 * The text of a `flow` line by template. A general serializer takes 5 us for one, half of what 100,000 events a second leave
 * on a core; this takes 0.5 us. A test holds it equal to what pino writes of the same event.
 * No escaping: every text in a flow is an address, a number or a name of ours.
 */
import type { EventOf } from '../model/events.js';

type Flow = EventOf<'flow'>;
type Endpoint = Flow['source'];

/** `head` is the serialized `"time":...` and the fields of the sink, each with a comma before it. */
export function formatFlowLine(flow: Flow, head: string): string {
  const { network, source, destination, reply, icmp, conntrack, bytes, packets } = flow;
  let line = `{"level":"${flow.level}"${head},"type":"flow","msg":"${flow.msg}","action":"${flow.action}"`;
  line += `,"network":{"transport":"${network.transport}"${network.type === undefined ? '' : `,"type":"${network.type}"`}}`;
  line += `,"source":${formatEndpoint(source)},"destination":${formatEndpoint(destination)}`;
  line += `,"conntrack":${formatConntrack(conntrack)}`;
  if (reply !== undefined) {
    line += `,"reply":{"source":${formatEndpoint(reply.source)},"destination":${formatEndpoint(reply.destination)}}`;
  }
  if (flow.nat !== undefined) line += `,"nat":"${flow.nat}"`;
  if (icmp !== undefined) line += `,"icmp":{"type":${icmp.type},"code":${icmp.code},"id":${icmp.id}}`;
  if (flow.started !== undefined) line += `,"started":"${flow.started}"`;
  if (flow.ended !== undefined) line += `,"ended":"${flow.ended}"`;
  if (flow.duration_seconds !== undefined) line += `,"duration_seconds":${flow.duration_seconds}`;
  if (bytes !== undefined) line += `,"bytes":{"original":${bytes.original},"reply":${bytes.reply}}`;
  if (packets !== undefined) line += `,"packets":{"original":${packets.original},"reply":${packets.reply}}`;
  return `${line}}\n`;
}

function formatEndpoint({ ip, port }: Endpoint): string {
  return port === undefined ? `{"ip":"${ip}"}` : `{"ip":"${ip}","port":${port}}`;
}

function formatConntrack(conntrack: Flow['conntrack']): string {
  const { id, status, timeout_seconds, tcp_state, portid, related } = conntrack;
  let text = `{"zone":${conntrack.zone},"mark":${conntrack.mark}`;
  if (id !== undefined) text += `,"id":${id}`;
  if (status !== undefined) text += `,"status":${status}`;
  if (timeout_seconds !== undefined) text += `,"timeout_seconds":${timeout_seconds}`;
  if (tcp_state !== undefined) text += `,"tcp_state":"${tcp_state}"`;
  if (portid !== undefined) text += `,"portid":${portid}`;
  if (related !== undefined) text += `,"related":${related}`;
  return `${text}}`;
}
