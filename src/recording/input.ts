/** What a file to replay is, by its first bytes: a recording of ours, or a conn.log of Zeek; either may be gzipped. */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CtwatchError } from '../model/errors.js';
import { MAGIC } from './frame.js';
import type { NamedChunks } from './recording.js';

export interface Input extends NamedChunks {
  readonly kind: 'recording' | 'zeek';
}

/** Looks at the beginning and gives all of it back. Throws `ERR_RECORDING_READ` or `ERR_NOT_A_RECORDING`. */
export async function openInput({ name, chunks }: NamedChunks): Promise<Input> {
  const raw = await peek(chunks, name);
  const isGzip = raw.first[0] === 0x1f && raw.first[1] === 0x8b;
  const { first, all } = isGzip ? await peek(Readable.from(raw.all).pipe(createGunzip()), name) : raw;
  if (MAGIC.every((byte, i) => first[i] === byte)) return { name, kind: 'recording', chunks: all };
  if (/^(#|\s*\{)/.test(new TextDecoder('latin1').decode(first.subarray(0, 64))))
    return { name, kind: 'zeek', chunks: all };
  throw new CtwatchError({ code: 'ERR_NOT_A_RECORDING', operation: `read ${name}` });
}

/** The first bytes, at least as many as tell the kind, and all of the bytes with them. */
async function peek(chunks: AsyncIterable<Uint8Array>, name: string) {
  const iterator = chunks[Symbol.asyncIterator]();
  const next = async () => {
    try {
      return await iterator.next();
    } catch (cause) {
      throw readError(name, cause);
    }
  };
  const begin: Uint8Array[] = [];
  let length = 0;
  while (length < MAGIC.length) {
    const { value, done } = await next();
    if (done === true) break;
    begin.push(value);
    length += value.length;
  }
  async function* all() {
    try {
      yield* begin;
      for (let step = await next(); step.done !== true; step = await next()) yield step.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { first: Buffer.concat(begin), all: all() };
}

/** A file that cannot be read, or a gzip stream that is damaged or cut short. */
function readError(name: string, cause: unknown): CtwatchError {
  if (cause instanceof CtwatchError) return cause;
  const { code: errno = '', message } = cause as NodeJS.ErrnoException;
  const operation = `read ${name}`;
  if (!errno.startsWith('Z_')) return new CtwatchError({ code: 'ERR_RECORDING_READ', operation, errno, cause });
  return new CtwatchError({ code: 'ERR_RECORDING_DAMAGED', operation, detail: `gzip: ${message}`, cause });
}
