/** What a budget is about: a destination, an owner, or what one owner has at one destination. Texts of the configuration, parsed. */
import { parseAddress } from './address.js';
import type { Owner } from './owner.js';

/** A destination; without a port all of an address, without an address a port of any. */
export interface BudgetDestination {
  readonly family?: number;
  /** 16 bytes, IPv4 in the first four. */
  readonly address?: Uint8Array;
  readonly port?: number;
}

export const DESTINATION_FORMS = '10.0.0.5:6379, [2001:db8::1]:443, 10.0.0.5, 2001:db8::1 or :6379';
export const OWNER_FORMS = 'sidekiq.service, process:ruby, user:deploy, uid:1000 or container:0123456789ab';

/** A destination as `DESTINATION_FORMS` has it; a text says what is wrong. */
export function parseDestination(text: string): BudgetDestination | string {
  const [, inBrackets, bare, portText] =
    /^(?:\[([^\]]+)\]|([^:[\]]*|[0-9a-fA-F.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*))(?::(\d+))?$/.exec(text) ?? [];
  const addressText = inBrackets ?? bare;
  if (addressText === undefined || (addressText === '' && portText === undefined)) {
    return `a destination such as ${DESTINATION_FORMS} is expected`;
  }
  const port = portText === undefined ? undefined : Number(portText);
  if (port !== undefined && (port < 1 || port > 65_535)) return 'a port from 1 to 65535 is expected';
  if (addressText === '') return { ...(port !== undefined && { port }) };
  const address = parseAddress(addressText);
  if (address === undefined) return `an address, not a name, is expected: ${DESTINATION_FORMS}`;
  if (inBrackets !== undefined && address.family === 2) return 'brackets are for IPv6 addresses';
  if (address.bytes.every((byte) => byte === 0)) return 'no flow has this destination, so it cannot match';
  return { family: address.family, address: address.bytes, ...(port !== undefined && { port }) };
}

/** An owner by one of its parts. */
export type BudgetOwner =
  | { readonly part: 'unit' | 'name' | 'user' | 'container'; readonly value: string }
  | { readonly part: 'uid'; readonly value: number };

const UNIT = /^[\w:.\\@-]{1,240}\.(?:service|scope|slice|socket|mount|swap|timer)$/;
/** TASK_COMM_LEN without the end. */
const PROCESS_NAME_BYTES_MAX = 15;

/** An owner as `OWNER_FORMS` has it; a text says what is wrong. */
export function parseOwner(text: string): BudgetOwner | string {
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(0, colon));
  const value = text.slice(colon + 1);
  switch (kind) {
    case 'process':
      if (value === '') return 'the name of a program is expected';
      return new TextEncoder().encode(value).length > PROCESS_NAME_BYTES_MAX
        ? `the kernel keeps ${PROCESS_NAME_BYTES_MAX} bytes of a program's name, so it cannot match`
        : { part: 'name', value };
    case 'user':
      return /^[a-z_][\w.-]*\$?$/i.test(value) ? { part: 'user', value } : 'the name of a user is expected';
    case 'uid':
      return /^\d{1,10}$/.test(value) && Number(value) < 0xffff_ffff
        ? { part: 'uid', value: Number(value) }
        : 'the number of a user is expected';
    case 'container':
      return /^[\w.-]{3,128}$/.test(value) ? { part: 'container', value } : 'the id of a container is expected';
    default:
      return UNIT.test(text) ? { part: 'unit', value: text } : `an owner such as ${OWNER_FORMS} is expected`;
  }
}

/** What a budget is about, as one text: of two that differ in it the keys differ. It stays the same when the budget grows. */
export function budgetKey({
  destination,
  transport,
  owner,
}: {
  readonly destination?: string | undefined;
  readonly transport?: string | undefined;
  readonly owner?: string | undefined;
}): string {
  return ['budget', transport, destination, owner].filter((part) => part !== undefined).join(' ');
}

/** Whether what was told of an owner is of this one. */
export function isOwner(known: Owner, { part, value }: BudgetOwner): boolean {
  // The short form of a container's id is its beginning.
  return part === 'container' ? (known.container ?? '').startsWith(value) : known[part] === value;
}
