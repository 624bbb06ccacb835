/** What NAT changed, read off the two tuples of a flow. */
import { type AddressColumn, type EventColumns, PRESENT } from '../model/batch.js';
import { isIcmp } from '../model/protocol.js';

export type Nat = 'source' | 'destination' | 'both';

/** Without NAT the reply tuple is the original one turned round. Undefined without NAT, and when there is no reply tuple. */
export function natOf(columns: EventColumns, row: number): Nat | undefined {
  const present = columns.present[row] ?? 0;
  if ((present & PRESENT.replyTuple) === 0) return undefined;
  const ports = PRESENT.originalPorts | PRESENT.replyPorts;
  const hasPorts = (present & ports) === ports && !isIcmp(columns.protocol[row] ?? 0);
  const { originalSource, originalDestination, replySource, replyDestination } = columns;
  const source =
    !sameAddress(originalSource, replyDestination, row) ||
    (hasPorts && columns.originalSourcePort[row] !== columns.replyDestinationPort[row]);
  const destination =
    !sameAddress(originalDestination, replySource, row) ||
    (hasPorts && columns.originalDestinationPort[row] !== columns.replySourcePort[row]);
  return source ? (destination ? 'both' : 'source') : destination ? 'destination' : undefined;
}

function sameAddress(a: AddressColumn, b: AddressColumn, row: number): boolean {
  for (let word = row * 4; word < row * 4 + 4; word++) if (a.words[word] !== b.words[word]) return false;
  return true;
}
