/**
 * Rows of a conn.log of Zeek: TSV with its own header, or JSON lines. Fields are found by name, so order, added and missing ones
 * do not matter; only the six that identify a connection must be there. A row that cannot be read is counted, never an error.
 *
 * Sources: Zeek documentation, "Log Formats" and "conn.log"; base/protocols/conn/main.zeek.
 */
import { parseAddress } from '../model/address.js';
import { ADDRESSES_REMEMBERED } from '../model/limits.js';

/** One connection as Zeek saw it. */
export interface ZeekRow {
  /** First packet, seconds since 1970. */
  readonly startSeconds: number;
  /** From the first to the last packet; 0 when Zeek saw one packet only. */
  readonly durationSeconds: number;
  readonly transport: string;
  /** Protocol, addresses and ports as the log has them: the same for each row of a flow. */
  readonly tuple: string;
  /** S0, S1, SF, REJ, ...; empty when not logged. */
  readonly connState: string;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly isIpv6: boolean;
  /** ICMP: the type. */
  readonly sourcePort: number;
  /** ICMP: the code. */
  readonly destinationPort: number;
  /** Absent when not logged. */
  readonly originalPackets?: number;
  readonly replyPackets?: number;
  readonly originalBytes?: number;
  readonly replyBytes?: number;
}

const TUPLE = ['proto', 'id.orig_h', 'id.orig_p', 'id.resp_h', 'id.resp_p'] as const;
const REQUIRED = ['ts', ...TUPLE] as const;

type Address = NonNullable<ReturnType<typeof parseAddress>>;

/** A value of a row by the name of its field; undefined when unset. */
type Fields = (name: string) => unknown;

/** Reads lines one by one; the header lines of TSV change how the next ones are read. */
export class ZeekParser {
  #separator = '\t';
  #unset = '-';
  #columns: ReadonlyMap<string, number> | undefined;
  readonly #addresses = new Map<string, Address>();

  /** The row of a line; 'header' for a line that is none, 'unusable' for one that cannot be read. */
  parse(line: string): ZeekRow | 'header' | 'unusable' {
    if (line.startsWith('#')) {
      this.#readHeader(line);
      return 'header';
    }
    if (line.trim() === '') return 'header';
    const fields = line.startsWith('{') ? readJson(line) : this.#readTsv(line);
    return parseRow(fields, (text) => this.#readAddress(text)) ?? 'unusable';
  }

  /** The same few addresses come again and again: one copy of each saves half of the memory of the rows that wait. */
  #readAddress(text: string): Address | undefined {
    const known = this.#addresses.get(text);
    if (known !== undefined) return known;
    const address = parseAddress(text);
    if (this.#addresses.size >= ADDRESSES_REMEMBERED) this.#addresses.clear();
    // A copy: V8 cuts 13 characters and more out as a view, which would keep the whole chunk of the log in memory.
    if (address !== undefined) this.#addresses.set(Buffer.from(text).toString(), address);
    return address;
  }

  #readHeader(line: string): void {
    // The first line has a blank before its value whatever the separator is, which it writes as \x09.
    const separator = /^#separator (.+)$/.exec(line)?.[1];
    if (separator !== undefined) {
      this.#separator = separator.replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
        String.fromCharCode(parseInt(hex, 16)),
      );
    }
    const [name, ...values] = line.split(this.#separator);
    if (name === '#unset_field') this.#unset = values[0] ?? '-';
    if (name === '#fields') this.#columns = new Map(values.map((field, i) => [field, i]));
  }

  #readTsv(line: string): Fields | undefined {
    const columns = this.#columns;
    if (columns === undefined) return undefined;
    const values = line.split(this.#separator);
    if (values.length < columns.size) return undefined;
    return (name) => {
      const value = values[columns.get(name) ?? -1];
      return value === this.#unset ? undefined : value;
    };
  }
}

function readJson(line: string): Fields | undefined {
  try {
    const object = JSON.parse(line) as Record<string, unknown>;
    return (name) => object[name] ?? undefined;
  } catch {
    return undefined;
  }
}

function parseRow(fields: Fields | undefined, readAddress: (text: string) => Address | undefined): ZeekRow | undefined {
  if (fields === undefined || REQUIRED.some((name) => fields(name) === undefined)) return undefined;
  const startSeconds = parseTime(fields('ts'));
  const source = readAddress(String(fields('id.orig_h')));
  const destination = readAddress(String(fields('id.resp_h')));
  const sourcePort = parseCount(fields('id.orig_p'));
  const destinationPort = parseCount(fields('id.resp_p'));
  const durationSeconds = Number(fields('duration') ?? 0);
  if (startSeconds === undefined || source === undefined || destination === undefined) return undefined;
  if (sourcePort === undefined || destinationPort === undefined || Math.max(sourcePort, destinationPort) > 65_535)
    return undefined;
  if (!(durationSeconds >= 0) || durationSeconds > DURATION_MAX || source.family !== destination.family)
    return undefined;
  return {
    startSeconds,
    durationSeconds,
    transport: String(fields('proto')).toLowerCase(),
    tuple: TUPLE.map(fields).join(' '),
    connState: String(fields('conn_state') ?? ''),
    source: source.bytes,
    destination: destination.bytes,
    isIpv6: source.family === 10,
    sourcePort,
    destinationPort,
    ...counts(fields),
  };
}

function counts(fields: Fields) {
  const originalPackets = parseCount(fields('orig_pkts'));
  const replyPackets = parseCount(fields('resp_pkts'));
  const originalBytes = parseCount(fields('orig_ip_bytes'));
  const replyBytes = parseCount(fields('resp_ip_bytes'));
  return {
    ...(originalPackets !== undefined && { originalPackets }),
    ...(replyPackets !== undefined && { replyPackets }),
    ...(originalBytes !== undefined && { originalBytes }),
    ...(replyBytes !== undefined && { replyBytes }),
  };
}

/** Seconds since 1970 as a number or its text, or ISO 8601 (`json_timestamps=JSON::TS_ISO8601`). */
function parseTime(value: unknown): number | undefined {
  const text = String(value);
  const isDate = /^\d{4}-\d\d-\d\dT/.test(text);
  const seconds = isDate ? Date.parse(text) / 1000 : Number(text);
  return seconds > 0 && seconds < TIME_MAX ? seconds : undefined;
}

function parseCount(value: unknown): number | undefined {
  const count = value === undefined ? Number.NaN : Number(value);
  return Number.isSafeInteger(count) && count >= 0 ? count : undefined;
}

/** A year: no connection is longer, a damaged number may be. */
const DURATION_MAX = 366 * 86_400;

/** The end of 32 bits of seconds, 2106. */
const TIME_MAX = 2 ** 32;
