/** What a live source tells of its host when it opens. */
import { hostname, release } from 'node:os';
import { type HostFacts, type ProtocolTimeouts, TCP_TIMEOUT_NAMES } from '../model/record.js';
import { type ConntrackSocket, effectiveCapabilities } from './addon.js';
import { readAddresses } from './dumps.js';
import { seesProcesses } from './owner-lookups.js';

export interface HostOptions {
  /** Name of the namespace; absent for the own one. */
  readonly netns?: string | undefined;
  /** Owners are asked for. */
  readonly owners: boolean;
}

/** Asks the kernel for all of it at once. */
export async function readHost(socket: ConntrackSocket, { netns, owners }: HostOptions): Promise<HostFacts> {
  const requests = [socket.stats(), readTimeouts(socket), readAddresses(socket)] as const;
  const [{ table, counters }, timeouts, addresses] = await Promise.all(requests);
  const capabilities = effectiveCapabilities();
  const { sysctls, recvBufferBytes, recvBufferForced, resumed, refusal } = socket.info;
  return {
    hostname: hostname(),
    kernelRelease: release(),
    ...(netns !== undefined && { netns }),
    capabilities,
    ...(owners && !seesProcesses(capabilities) && { ownersLimited: true }),
    ...{ sysctls, timeouts, table, counters },
    ...addresses,
    ...{ recvBufferBytes, recvBufferForced },
    ...(resumed !== undefined && { resumed }),
    ...(refusal !== undefined && { socketsRefused: refusal }),
  };
}

async function readTimeouts(socket: ConntrackSocket): Promise<ProtocolTimeouts> {
  const { tcp, udp, icmp } = await socket.protocolTimeouts();
  return {
    ...(tcp?.length === TCP_TIMEOUT_NAMES.length && {
      tcp: Object.fromEntries(TCP_TIMEOUT_NAMES.map((name, i) => [name, tcp[i]])) as Required<ProtocolTimeouts>['tcp'],
    }),
    ...(udp?.[0] !== undefined && udp[1] !== undefined && { udp: { unreplied: udp[0], stream: udp[1] } }),
    ...(icmp !== undefined && { icmp }),
  };
}
