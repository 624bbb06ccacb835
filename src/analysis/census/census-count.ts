/**
 * Sums of the groups of a census over the dimensions that are asked for.
 *
 * Each dimension gives a group a number; equal numbers are added up. Source and destination have counts of their own, which stay exact
 * when groups had to be folded. Destination ports of the ephemeral range with few entries each are told as their address alone:
 * the data connections of a protocol, or a scan, would else be a list of ports.
 */
import { formatAddress } from '../../model/address.js';
import type { CensusDimension } from '../../model/census-fields.js';
import { hasPorts, tcpStateName } from '../../model/protocol.js';
import type { Nat } from '../nat.js';
import {
  type CensusTables,
  DIRECTIONS,
  FOLDED,
  GROUP,
  NATS,
  NO_DIRECTION,
  NO_TIMEOUT,
  REMAINING_FROM_SECONDS,
  STATE,
  TRAIT,
} from './census-groups.js';
import { EntryCounts } from './entry-counts.js';
import type { Direction } from './own-addresses.js';
import { WordTable } from './word-table.js';

/** Entries that have the same values in all dimensions that were asked for; others are absent. */
export interface CensusRow {
  readonly entries: number;
  /** Part of all entries, 0..1. */
  readonly shareRatio: number;
  /** IPPROTO_* number; with the dimensions protocol, destination, port. */
  readonly protocol?: number;
  /** With destination and address. */
  readonly destination?: string;
  /** With destination and port; absent without ports, and where ephemeral ones are added up. */
  readonly port?: number;
  readonly source?: string;
  /** The kernel's name; for other protocols than TCP UNREPLIED, REPLIED or ASSURED; UNKNOWN when TCP has none. */
  readonly state?: string;
  readonly direction?: Direction;
  readonly nat?: Nat | 'none';
  readonly zone?: number;
  readonly assured?: boolean;
  /** `unknown` when it is not known. */
  readonly owner?: string;
  /** Empty for entries without a timeout. */
  readonly remaining?: { readonly fromSeconds?: number; readonly toSeconds?: number };
}

export interface CensusCount {
  readonly rows: readonly CensusRow[];
  /** What has no row: at least so many further values. Absent when all have one. */
  readonly other?: { readonly values: number; readonly entries: number; readonly shareRatio: number };
}

/** The kernel's default of net.ipv4.ip_local_port_range begins here. */
const EPHEMERAL_PORT_MIN = 32_768;
/** A destination with an ephemeral port needs this share, and so many entries, to be told apart. */
const EPHEMERAL_SHARE_RATIO = 0.001;
const EPHEMERAL_ENTRIES_MIN = 3;

type Describable = Omit<CensusRow, 'entries' | 'shareRatio'>;

/** What has a count: all groups, or one of their parts. */
type Part = 'group' | 'source' | 'destination' | 'traits';

/** A dimension: the number that a part has in it, and what that number says. */
interface Axis {
  readonly of: Part;
  /** Of a group or the like by its number. */
  readonly numberOf: (item: number) => number;
  readonly describe: (number: number) => Describable;
}

/** See `Census.count`. */
export function countEntries(tables: CensusTables, by: readonly CensusDimension[], rowsMax: number): CensusCount {
  const axes = by.map((dimension) => axisOf(tables, dimension));
  const [first] = axes;
  // One part alone has exact counts of its own, and far fewer.
  const part = first !== undefined && axes.every((axis) => axis.of === first.of) ? first.of : 'group';
  return toCount(tables, axes, sumPart(tables, axes, part), rowsMax);
}

interface Sums {
  /** Keys: the numbers of the axes. */
  readonly keys: WordTable;
  readonly entries: EntryCounts;
  /** Entries with a value that is not kept. */
  readonly other: number;
}

function sumPart(tables: CensusTables, axes: readonly Axis[], part: Part): Sums {
  const counted = tables[part];
  const { size } = counted.keys;
  const keys = new WordTable(Math.max(1, axes.length));
  const entries = new EntryCounts();
  let sum = 0;
  for (let item = 0; item < size; item++) {
    let isKept = true;
    for (let i = 0; i < axes.length; i++) {
      const number = numberIn(tables, axes[i], part, item);
      keys.key[i] = number;
      if (number === FOLDED) isKept = false;
    }
    if (!isKept) continue;
    const count = counted.entries.of(item);
    entries.add(keys.place(Number.POSITIVE_INFINITY), count);
    sum += count;
  }
  return { keys, entries, other: tables.entries - sum };
}

/** What an item of a part has on an axis; a group refers to its parts. */
function numberIn({ group, traits }: CensusTables, axis: Axis | undefined, part: Part, item: number): number {
  if (axis === undefined) return 0;
  if (axis.of === 'traits') {
    return axis.numberOf(part === 'traits' ? traits.keys.word(item, 0) : group.keys.word(item, GROUP.traits));
  }
  if (axis.of === part) return axis.numberOf(item);
  const number = group.keys.word(item, axis.of === 'source' ? GROUP.source : GROUP.destination);
  return number === FOLDED ? FOLDED : axis.numberOf(number);
}

function toCount(tables: CensusTables, axes: readonly Axis[], sums: Sums, rowsMax: number): CensusCount {
  const { keys, entries } = sums;
  const share = (count: number) => (tables.entries > 0 ? count / tables.entries : 0);
  const rows = largest(sums, rowsMax).map((sum): CensusRow => {
    const described = axes.map((axis, i) => axis.describe(keys.word(sum, i)));
    return Object.assign({ entries: entries.of(sum), shareRatio: share(entries.of(sum)) }, ...described);
  });
  const left = tables.entries - rows.reduce((sum, row) => sum + row.entries, 0);
  if (left === 0) return { rows };
  const values = keys.size - rows.length + (sums.other > 0 ? 1 : 0);
  return { rows, other: { values, entries: left, shareRatio: share(left) } };
}

/** The sums with most entries, most first; equal ones in the order of the dump, so that the same records give the same rows. */
function largest({ keys, entries }: Sums, rowsMax: number): number[] {
  const before = (a: number, b: number) => entries.of(b) - entries.of(a) || a - b;
  let chosen: number[] = [];
  // Sorting a short list now and then is a tenth of the work of sorting all.
  const roomMax = rowsMax * 2 + 1024;
  let least = 0;
  for (let sum = 0; sum < keys.size; sum++) {
    if (entries.of(sum) <= least) continue;
    chosen.push(sum);
    if (chosen.length < roomMax) continue;
    chosen = chosen.sort(before).slice(0, rowsMax);
    least = entries.of(chosen.at(-1) ?? 0);
  }
  return chosen.sort(before).slice(0, rowsMax);
}

function axisOf(tables: CensusTables, dimension: CensusDimension): Axis {
  const {
    group: { keys: groups },
    owners,
    source: { keys: sources },
  } = tables;
  switch (dimension) {
    case 'protocol':
      return traitAxis('protocol', (protocol) => ({ protocol }));
    case 'state':
      return traitAxis('state', (state) => ({ state: stateName(state) }));
    case 'direction':
      return traitAxis('direction', describeDirection, NO_DIRECTION);
    case 'nat':
      return traitAxis('nat', (nat) => ({ nat: NATS[nat] ?? 'none' }));
    case 'assured':
      return traitAxis('assured', (assured) => ({ assured: assured === 1 }));
    case 'remaining':
      return traitAxis('remaining', (bin) => ({ remaining: describeBin(bin) }));
    case 'zone':
      return { of: 'group', numberOf: (group) => groups.word(group, GROUP.zone), describe: (zone) => ({ zone }) };
    case 'owner':
      return {
        of: 'group',
        numberOf: (group) => groups.word(group, GROUP.owner),
        describe: (number) => ({ owner: owners[number - 1] ?? 'unknown' }),
      };
    case 'source':
      return {
        of: 'source',
        numberOf: (source) => source,
        describe: (number) => ({ source: addressText(sources, number) }),
      };
    case 'destination':
      return destinationAxis(tables);
    case 'address':
      return addressAxis(tables);
    case 'port':
      return portAxis(tables);
  }
}

/** Its argument is a word of traits. */
function traitAxis(trait: keyof typeof TRAIT, describe: (number: number) => Describable, unknown = -1): Axis {
  const { shift, mask } = TRAIT[trait];
  const numberOf = (traits: number) => {
    const number = (traits >>> shift) & mask;
    return number === unknown ? FOLDED : number;
  };
  return { of: 'traits', numberOf, describe };
}

/** Numbers of destinations, then those of addresses whose ephemeral ports are added up. */
function destinationAxis({ entries, destination }: CensusTables): Axis {
  const { keys: destinations, entries: destinationEntries } = destination;
  const few = Math.max(EPHEMERAL_ENTRIES_MIN, entries * EPHEMERAL_SHARE_RATIO);
  const hosts = new WordTable(6);
  const hostPorts: number[] = [];
  const first = destinations.size;
  const hostOf = new Int32Array(first).fill(-1);
  for (let number = 0; number < first; number++) {
    const { protocol, port } = splitPort(destinations.word(number, 5));
    if (!hasPorts(protocol) || port < EPHEMERAL_PORT_MIN || destinationEntries.of(number) >= few) continue;
    for (let word = 0; word < 5; word++) hosts.key[word] = destinations.word(number, word);
    hosts.key[5] = protocol;
    const host = hosts.place(Number.POSITIVE_INFINITY);
    hostPorts[host] = (hostPorts[host] ?? 0) + 1;
    hostOf[number] = host;
  }
  return {
    of: 'destination',
    numberOf: (number) => {
      const host = hostOf[number] ?? -1;
      // One port alone is told.
      return host >= 0 && (hostPorts[host] ?? 0) > 1 ? first + host : number;
    },
    describe: (number) => {
      if (number < first) {
        return { destination: addressText(destinations, number), ...describePort(destinations.word(number, 5)) };
      }
      const host = number - first;
      return { destination: addressText(hosts, host), protocol: hosts.word(host, 5) };
    },
  };
}

function addressAxis({ destination: { keys: destinations } }: CensusTables): Axis {
  const addresses = new WordTable(5);
  const numbers = new Uint32Array(destinations.size);
  for (let number = 0; number < destinations.size; number++) {
    for (let word = 0; word < 5; word++) addresses.key[word] = destinations.word(number, word);
    numbers[number] = addresses.place(Number.POSITIVE_INFINITY);
  }
  return {
    of: 'destination',
    numberOf: (number) => numbers[number] ?? FOLDED,
    describe: (number) => ({ destination: addressText(addresses, number) }),
  };
}

function portAxis({ destination: { keys: destinations } }: CensusTables): Axis {
  return { of: 'destination', numberOf: (number) => destinations.word(number, 5), describe: describePort };
}

function splitPort(word: number): { readonly protocol: number; readonly port: number } {
  return { protocol: word >>> 16, port: word & 0xffff };
}

function describePort(word: number): Describable {
  const { protocol, port } = splitPort(word);
  return hasPorts(protocol) ? { protocol, port } : { protocol };
}

function addressText(table: WordTable, number: number): string {
  const words = Uint32Array.from({ length: 4 }, (_, word) => table.word(number, word));
  return formatAddress(table.word(number, 4), new Uint8Array(words.buffer));
}

function stateName(state: number): string {
  switch (state) {
    case STATE.unreplied:
      return 'UNREPLIED';
    case STATE.replied:
      return 'REPLIED';
    case STATE.assured:
      return 'ASSURED';
    default:
      return tcpStateName(state) ?? 'UNKNOWN';
  }
}

function describeDirection(number: number): Describable {
  const direction = DIRECTIONS[number];
  return direction === undefined ? {} : { direction };
}

function describeBin(bin: number): NonNullable<CensusRow['remaining']> {
  const fromSeconds = REMAINING_FROM_SECONDS[bin];
  const toSeconds = REMAINING_FROM_SECONDS[bin + 1];
  if (bin === NO_TIMEOUT || fromSeconds === undefined) return {};
  return toSeconds === undefined ? { fromSeconds } : { fromSeconds, toSeconds };
}
