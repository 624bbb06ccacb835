/**
 * The frames of a recording file: what it is, then blocks, each with its lengths and a checksum over all of it. Whoever reads
 * knows at every byte whether the file is whole so far.
 *
 *   magic 8 | version u32 | frame ...          frame: kind u32 | stored u32 | deflated u32 | inflated u32 | crc u32 | bytes
 *
 * docs/recording.md has it byte by byte.
 */
import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import { CtwatchError } from '../model/errors.js';
import { RECORDED_BLOCK_BYTES_MAX } from '../model/limits.js';
import { crc32 } from './crc32.js';
import type { Layout } from './layout.js';
import type { Block } from './record-encoder.js';

/** Like that of PNG: a transfer as text, or one that cuts the eighth bit, breaks it. */
export const MAGIC = Uint8Array.of(0x89, 0x43, 0x54, 0x57, 0x0d, 0x0a, 0x1a, 0x0a);

/** Of the file format: 2 has further kinds of record, a file of format 1 is read as well. */
export const FORMAT_VERSION = 2;

export const FILE_HEAD_BYTES = MAGIC.length + 4;
const FRAME_HEAD_BYTES = 20;
const KIND = { header: 1, block: 2 } as const;

/** What a file tells about itself, in its first frame. */
export interface FileHeader {
  /** Version of the program that wrote it. */
  readonly program: string;
  /** The same in all files of a recording. */
  readonly recording: string;
  /** Place of the file in it, from 0. */
  readonly sequence: number;
  readonly layout: Layout;
}

/** What deflate hands over at once: a whole block, mostly. */
const CHUNK_BYTES = 128 * 1024;

const deflate = promisify(deflateRaw) as (bytes: Uint8Array, options: object) => Promise<Uint8Array>;
const inflate = promisify(inflateRaw) as (bytes: Uint8Array, options: object) => Promise<Uint8Array>;

/** The first bytes of a file. */
export function formatFileHead(header: FileHeader): Uint8Array {
  const version = new Uint8Array(4);
  new DataView(version.buffer).setUint32(0, FORMAT_VERSION, true);
  return Buffer.concat([
    MAGIC,
    version,
    formatFrame(KIND.header, Buffer.from(JSON.stringify(header)), new Uint8Array(0), 0),
  ]);
}

/**
 * Runs of a byte are all that repeats in columns: looking for nothing else takes two thirds of the time that level 1 takes, half of it
 * with accounting and timestamps, and makes a smaller file.
 */
const DEFLATION = { level: constants.Z_BEST_SPEED, strategy: constants.Z_RLE, chunkSize: CHUNK_BYTES };

/** A block as a frame, compressed on a worker thread. */
export async function compressBlock({ deflatable, stored }: Block): Promise<Uint8Array> {
  const deflated = await deflate(deflatable, DEFLATION);
  return formatFrame(KIND.block, stored, deflated, deflatable.length);
}

function formatFrame(kind: number, stored: Uint8Array, deflated: Uint8Array, inflatedBytes: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + stored.length + deflated.length);
  const view = new DataView(frame.buffer);
  for (const [i, value] of [kind, stored.length, deflated.length, inflatedBytes].entries())
    view.setUint32(i * 4, value, true);
  frame.set(stored, FRAME_HEAD_BYTES);
  frame.set(deflated, FRAME_HEAD_BYTES + stored.length);
  view.setUint32(16, checksum(frame), true);
  return frame;
}

/** Over everything but itself. */
function checksum(frame: Uint8Array): number {
  return crc32(frame.subarray(FRAME_HEAD_BYTES), crc32(frame.subarray(0, 16)));
}

/** A file as its header and its blocks, which are still to be inflated. */
export class FrameReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #name: string;
  #buffer: Uint8Array = new Uint8Array(0);
  #at = 0;
  #offset = 0;
  /** The frame before: they are read in order, and inflated side by side. */
  #reading: Promise<unknown> = Promise.resolve();

  /** `name` is told in errors. */
  constructor(chunks: AsyncIterable<Uint8Array>, name: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#name = name;
  }

  /** First. Throws `ERR_NOT_A_RECORDING`, `ERR_RECORDING_VERSION` or `ERR_RECORDING_DAMAGED`. */
  async readHeader(): Promise<FileHeader> {
    const head = await this.#read(FILE_HEAD_BYTES, 'shorter');
    if (head === undefined || MAGIC.some((byte, i) => head[i] !== byte)) {
      throw new CtwatchError({ code: 'ERR_NOT_A_RECORDING', operation: `read ${this.#name}` });
    }
    const version = new DataView(head.buffer, head.byteOffset).getUint32(8, true);
    if (version < 1 || version > FORMAT_VERSION) {
      const detail = `the recording has format ${version}, this program reads formats 1 to ${FORMAT_VERSION}`;
      throw new CtwatchError({ code: 'ERR_RECORDING_VERSION', operation: `read ${this.#name}`, detail });
    }
    const frame = await this.#readFrame();
    if (frame?.kind !== KIND.header) throw this.#damaged('it has no header');
    return JSON.parse(Buffer.from(frame.stored).toString()) as FileHeader;
  }

  /** The next block; undefined at the end of the file. Can be called ahead. Throws `ERR_RECORDING_DAMAGED`. */
  async readBlock(): Promise<Block | undefined> {
    const reading = this.#reading.then(() => this.#readFrame());
    this.#reading = reading;
    const frame = await reading;
    if (frame === undefined) return undefined;
    if (frame.kind !== KIND.block) throw this.#damaged('a frame of an unknown kind');
    try {
      const deflatable = await inflate(frame.deflated, {
        maxOutputLength: Math.max(1, frame.inflatedBytes),
        // In one piece: 16 KiB at a time, the default, costs this thread a tenth of a replay. One byte more shows what is too long.
        chunkSize: Math.max(64, frame.inflatedBytes + 1),
      });
      if (deflatable.length === frame.inflatedBytes) return { deflatable, stored: frame.stored };
    } catch {}
    throw this.#damaged('a block cannot be inflated');
  }

  /** Gives the file back. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #readFrame() {
    const head = await this.#read(FRAME_HEAD_BYTES);
    if (head === undefined) return undefined;
    const view = new DataView(head.buffer, head.byteOffset);
    const [kind = 0, storedBytes = 0, deflatedBytes = 0, inflatedBytes = 0, crc] = [0, 4, 8, 12, 16].map((at) =>
      view.getUint32(at, true),
    );
    const length = storedBytes + deflatedBytes;
    if (Math.max(length, inflatedBytes) > RECORDED_BLOCK_BYTES_MAX) throw this.#damaged('a frame is too long');
    const before = crc32(head.subarray(0, 16));
    const bytes = await this.#read(length);
    if (bytes === undefined && length > 0) throw this.#damaged('it ends within a frame');
    if (bytes !== undefined && crc32(bytes, before) !== crc) throw this.#damaged('a checksum is wrong');
    const payload = bytes ?? new Uint8Array(0);
    return { kind, inflatedBytes, stored: payload.subarray(0, storedBytes), deflated: payload.subarray(storedBytes) };
  }

  /** The next `count` bytes; undefined when the file is over, or `shorter` than that where it may be. */
  async #read(count: number, allowed?: 'shorter'): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    for (let missing = count; missing > 0; ) {
      if (this.#at === this.#buffer.length) {
        const { value, done } = await this.#nextChunk();
        if (done === true) {
          if (missing === count || allowed === 'shorter') return undefined;
          throw this.#damaged('it ends within a frame');
        }
        this.#buffer = value;
        this.#at = 0;
      }
      const part = this.#buffer.subarray(this.#at, this.#at + missing);
      parts.push(part);
      this.#at += part.length;
      this.#offset += part.length;
      missing -= part.length;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  async #nextChunk(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#chunks.next();
    } catch (cause) {
      const { code: errno } = cause as NodeJS.ErrnoException;
      throw new CtwatchError({ code: 'ERR_RECORDING_READ', operation: `read ${this.#name}`, errno, cause });
    }
  }

  #damaged(detail: string): CtwatchError {
    const operation = `read ${this.#name} at byte ${this.#offset}`;
    return new CtwatchError({
      code: 'ERR_RECORDING_DAMAGED',
      operation,
      detail: `the recording is damaged or cut short: ${detail}`,
    });
  }
}
