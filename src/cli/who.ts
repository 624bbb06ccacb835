/** `ctwatch who`: what is in the table now. One dump; a table for a person, a `census` line for a pipe. */
import { hostname } from 'node:os';
import { Owners } from '../analysis/owners/owners.js';
import { listTable, type TableListOptions } from '../kernel/table-list.js';
import { CENSUS_DIMENSIONS, type CensusDimension } from '../model/census-fields.js';
import { CtwatchError } from '../model/errors.js';
import { censusEvent } from '../pipeline/census-event.js';
import { type DumpObservation, DumpWatch } from '../pipeline/dump-watch.js';
import { ownersEvent } from '../pipeline/owner-events.js';
import { NdjsonSink } from '../sinks/ndjson.js';
import { formatCensus } from '../views/census-table.js';

export interface WhoOptions {
  /** Dimensions as they were typed: one or two, with a comma. */
  readonly by: string;
  /** Rows to list. */
  readonly top: number;
  readonly netns?: string | undefined;
  /** A `census` line on a terminal too. */
  readonly json: boolean;
}

/** Lists the table and prints it. Throws the `CtwatchError` that prevented it. */
export async function runWho({ by, top, netns, json }: WhoOptions): Promise<void> {
  const dimensions = parseDimensions(by);
  const { dump, ownersError } = await takeCensus(netns);
  const { census, table, collected, durationSeconds, at } = dump;
  const event = censusEvent({
    ...{ census, durationSeconds, collected, trigger: 'request', unixSeconds: at.unixSeconds },
    ...{ count: table?.count, max: table?.max },
    by: { dimensions, rowsMax: top },
  });
  const notice = ownersError && ownersEvent(at.unixSeconds, ownersError);
  if (!json && process.stdout.isTTY) {
    const where = netns === undefined ? hostname() : `${netns} on ${hostname()}`;
    const failed = notice === undefined ? '' : `\n${notice.msg}; remedy: ${notice.remedy}\n`;
    process.stdout.write(`${formatCensus(event, where)}${failed}`);
    return;
  }
  let failure: CtwatchError | undefined;
  const onClosed = (error?: CtwatchError) => {
    failure = error;
  };
  const sink = new NdjsonSink({ stream: process.stdout, hostname: hostname(), netns, onClosed });
  if (notice !== undefined) sink.write(notice);
  sink.write(event);
  await sink.end();
  if (failure !== undefined) throw failure;
}

type Whole = DumpObservation & Required<Pick<DumpObservation, 'census'>>;

/** The dump, and why owners could not be asked for. */
async function takeCensus(
  netns: string | undefined,
): Promise<{ readonly dump: Whole; readonly ownersError?: CtwatchError | undefined }> {
  const owners = new Owners();
  const watch = new DumpWatch(undefined, (columns, row) => owners.ownerOf(columns, row));
  let dump: DumpObservation | undefined;
  let ownersError: CtwatchError | undefined;
  try {
    const next: TableListOptions['next'] = (record) => {
      if (record.type === 'owners') {
        owners.observe(record.at.monotonicSeconds, record.sightings);
        ownersError ??= record.error;
      } else dump = watch.observe(record) ?? dump;
    };
    await listTable({ netns, next });
    if (dump?.error !== undefined) throw dump.error;
  } catch (error) {
    throw withDetail(error);
  }
  const { census } = dump as DumpObservation;
  return { dump: { ...(dump as DumpObservation), census: census as Whole['census'] }, ownersError };
}

/** Here it is not the events that are refused. */
function withDetail(error: unknown): unknown {
  if (!(error instanceof CtwatchError) || error.code !== 'ERR_CAP_NET_ADMIN') return error;
  const detail = 'CAP_NET_ADMIN is missing: the kernel lists its table to nobody without it';
  return new CtwatchError({ ...error, detail, cause: error });
}

/** Throws `ERR_BAD_OPTION`. */
function parseDimensions(text: string): CensusDimension[] {
  const names = text.split(',').map((name) => name.trim());
  const isDimension = (name: string): name is CensusDimension => CENSUS_DIMENSIONS.some((known) => known === name);
  const known = names.filter(isDimension);
  if (known.length === names.length && names.length <= 2 && new Set(names).size === names.length) return known;
  const detail = `one or two of ${CENSUS_DIMENSIONS.join(', ')} are expected, with a comma (got ${JSON.stringify(text)})`;
  throw new CtwatchError({ code: 'ERR_BAD_OPTION', operation: '--by', detail, remedy: 'ctwatch who --help' });
}
