import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LineFile, type LineFileOptions } from '../../src/sinks/line-file.js';

/** What the disk takes: bytes at once, and in all before it is full. */
const disk = vi.hoisted(() => ({ atOnce: Number.POSITIVE_INFINITY, room: Number.POSITIVE_INFINITY }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const writeSync = (descriptor: number, data: string | Buffer, at = 0, length = Buffer.byteLength(data)) => {
    const taken = Math.min(length, disk.atOnce, disk.room);
    if (taken === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    disk.room -= taken;
    return fs.writeSync(descriptor, Buffer.from(data).subarray(at, at + taken));
  };
  return { ...fs, writeSync };
});

let directory: string;
let path: string;
const opened: LineFile[] = [];
beforeEach(() => {
  disk.atOnce = disk.room = Number.POSITIVE_INFINITY;
  directory = mkdtempSync(join(tmpdir(), 'ctwatch-lines-'));
  path = join(directory, 'flows.ndjson');
});
afterEach(() => {
  for (const file of opened.splice(0)) file.destroy();
  rmSync(directory, { recursive: true });
});

function openFile(options: Partial<LineFileOptions> = {}, patient = false): LineFile {
  const file = new LineFile({ path, rotateBytes: 0, filesKept: 10, ...options }, patient);
  opened.push(file);
  return file;
}
function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
/** Resolves when it is written. */
const write = (file: LineFile, text: string) => new Promise<void>((done) => file.write(text, () => done()));
const read = (name = 'flows.ndjson') => readFileSync(join(directory, name), 'utf8');
const names = () => readdirSync(directory).sort();
/** `{"n":0}` and so on, 9 bytes each up to 9, then 10. */
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `{"n":${from + i}}\n`).join('');
const numbersIn = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).n as number);

describe('a file', () => {
  it('is made readable for its group, and appended to when it exists', async () => {
    await write(openFile(), lines(0, 2));
    expect(statSync(path).mode & 0o777).toBe(0o640);
    await write(openFile(), lines(2, 3));
    expect(numbersIn(read())).toEqual([0, 1, 2]);
  });

  it('whose last line was cut short gets that line ended, and no other glued to it', async () => {
    writeFileSync(path, '{"n":0}\n{"n":');
    await write(openFile(), lines(1, 2));
    expect(read()).toBe('{"n":0}\n{"n":\n{"n":1}\n');
  });

  it.each([
    ['a directory', () => mkdirSync(path), 'EISDIR'],
    ['a pipe, which could hold the program up', () => execFileSync('mkfifo', [path]), undefined],
  ])('is refused when it is %s', (_, make, errno) => {
    make();
    for (const patient of [false, true]) {
      expect(errorOf(() => openFile({}, patient))).toMatchObject({ code: 'ERR_OUTPUT_FILE', exitStatus: 2, errno });
    }
  });

  it('that cannot be opened is an error, or waited for', async () => {
    path = join(directory, 'later', 'flows.ndjson');
    expect(errorOf(() => openFile())).toMatchObject({ code: 'ENOENT' });
    const told: string[] = [];
    const options = {
      onFailure: ({ code }: NodeJS.ErrnoException) => told.push(code ?? ''),
      onRecovery: () => told.push('recovered'),
    };
    const file = openFile(options, true);
    const written = write(file, lines(0, 1));
    expect(file.failure).toMatchObject({ code: 'ENOENT' });
    mkdirSync(join(directory, 'later'));
    file.reopen();
    await written;
    expect(readFileSync(path, 'utf8')).toBe(lines(0, 1));
    expect(told).toEqual(['ENOENT', 'recovered']);
    expect(file.failure).toBeUndefined();
  });
});

describe('rotation by size', () => {
  it('splits no line, keeps so many files, and no byte is in two of them', async () => {
    const file = openFile({ rotateBytes: 100, filesKept: 4 });
    // Chunks that are larger than a file, smaller, and one of a single line.
    await write(file, lines(0, 50));
    await write(file, lines(50, 52));
    await write(file, lines(52, 53));
    expect(names()).toEqual(['flows.ndjson', 'flows.ndjson.1', 'flows.ndjson.2', 'flows.ndjson.3']);
    const oldestFirst = ['flows.ndjson.3', 'flows.ndjson.2', 'flows.ndjson.1', 'flows.ndjson'];
    for (const name of oldestFirst.slice(0, 3)) expect(read(name).length).toBeGreaterThan(90);
    for (const name of oldestFirst) expect(read(name).length).toBeLessThanOrEqual(100);
    const kept = oldestFirst.flatMap((name) => numbersIn(read(name)));
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 53 - kept.length + i));
  });

  it('counts what was there before', async () => {
    writeFileSync(path, lines(0, 10));
    await write(openFile({ rotateBytes: 85 }), lines(10, 11));
    expect(numbersIn(read('flows.ndjson.1'))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(numbersIn(read())).toEqual([10]);
  });

  it('gives a line that is longer than a file one of its own', async () => {
    const long = `{"n":"${'x'.repeat(200)}"}\n`;
    const file = openFile({ rotateBytes: 50 });
    await write(file, `${lines(0, 1)}${long}${lines(1, 2)}`);
    expect([read('flows.ndjson.2'), read('flows.ndjson.1'), read()]).toEqual([lines(0, 1), long, lines(1, 2)]);
  });

  it('keeps one file alone, and removes those of a time when more were kept', async () => {
    for (const age of [1, 2, 3]) writeFileSync(`${path}.${age}`, 'old\n');
    writeFileSync(`${path}.gz`, 'not its own');
    const file = openFile({ rotateBytes: 20, filesKept: 1 });
    await write(file, lines(0, 7));
    expect(names()).toEqual(['flows.ndjson', 'flows.ndjson.gz']);
    expect(numbersIn(read())).toEqual([6]);
  });

  it('splits no line either where the disk takes a few bytes at once', async () => {
    disk.atOnce = 7;
    await write(openFile({ rotateBytes: 20 }), lines(0, 7));
    const parts = ['flows.ndjson.3', 'flows.ndjson.2', 'flows.ndjson.1', 'flows.ndjson'].map(read);
    expect(parts).toEqual([lines(0, 2), lines(2, 4), lines(4, 6), lines(6, 7)]);
    await write(openFile({ rotateBytes: 20 }), `{"n":${'1'.repeat(50)}}\n${lines(8, 9)}`);
    expect([read('flows.ndjson.1').length, read()]).toEqual([57, lines(8, 9)]);
  });

  it('leaves a device alone', async () => {
    symlinkSync('/dev/null', path);
    await write(openFile({ rotateBytes: 10 }), lines(0, 7));
    expect(names()).toEqual(['flows.ndjson']);
  });

  it('goes by what is in the file when somebody has truncated it', async () => {
    const file = openFile({ rotateBytes: 100 });
    await write(file, lines(0, 10));
    truncateSync(path);
    await write(file, lines(10, 15));
    expect(names()).toEqual(['flows.ndjson']);
    expect(read()).toBe(lines(10, 15));
  });
});

describe('reopening', () => {
  it('begins a new file behind the line before it when the old one was renamed, and loses none', async () => {
    const file = openFile();
    await write(file, lines(0, 3));
    renameSync(path, join(directory, 'moved'));
    // Until it is told it goes on where it was.
    await write(file, lines(3, 4));
    file.reopen();
    await write(file, lines(4, 5));
    expect([read('moved'), read()]).toEqual([lines(0, 4), lines(4, 5)]);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('makes the new file at once, also while nothing is written', async () => {
    const file = openFile();
    renameSync(path, join(directory, 'moved'));
    file.reopen();
    while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 5));
    await write(file, lines(0, 1));
    expect([read('moved'), read()]).toEqual(['', lines(0, 1)]);
  });

  it('changes nothing when the file is still there', async () => {
    const file = openFile();
    await write(file, lines(0, 1));
    file.reopen();
    await write(file, lines(1, 2));
    expect(read()).toBe(lines(0, 2));
  });

  it('is over when the stream is', async () => {
    const file = openFile();
    file.destroy();
    expect(() => file.reopen()).not.toThrow();
  });
});

describe('a full disk', () => {
  it('is told once, waited for, and over when there is room: each line is written once', async () => {
    // The device on which every write fails with ENOSPC, until the name leads elsewhere.
    symlinkSync('/dev/full', path);
    const told: string[] = [];
    const file = openFile({
      rotateBytes: 100,
      onFailure: ({ code }) => told.push(code ?? ''),
      onRecovery: () => told.push('recovered'),
    });
    const written = [write(file, lines(0, 5)), write(file, lines(5, 9))];
    file.reopen();
    expect(told).toEqual(['ENOSPC']);
    rmSync(path);
    appendFileSync(path, '');
    file.reopen();
    await Promise.all(written);
    expect(numbersIn(read())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(told).toEqual(['ENOSPC', 'recovered']);
  });

  it('completes a line that was cut short', async () => {
    const file = openFile();
    disk.room = 20;
    const written = write(file, lines(0, 5));
    expect(read()).toBe(lines(0, 5).slice(0, 20));
    disk.room = Number.POSITIVE_INFINITY;
    file.reopen();
    await written;
    expect(read()).toBe(lines(0, 5));
  });

  it('begins that line anew in another file', async () => {
    const file = openFile();
    disk.room = 20;
    const written = write(file, lines(0, 5));
    renameSync(path, join(directory, 'moved'));
    disk.room = Number.POSITIVE_INFINITY;
    file.reopen();
    await written;
    expect([read('moved'), read()]).toEqual([lines(0, 5).slice(0, 20), lines(2, 5)]);
  });

  it('is waited for at the start too', async () => {
    writeFileSync(path, '{"n":');
    disk.room = 0;
    const file = openFile();
    const written = write(file, lines(0, 1));
    expect(file.failure).toMatchObject({ code: 'ENOSPC' });
    disk.room = Number.POSITIVE_INFINITY;
    file.reopen();
    await written;
    expect(read()).toBe(`{"n":\n${lines(0, 1)}`);
  });

  it('ends with the stream, whatever still waits', async () => {
    symlinkSync('/dev/full', path);
    const file = openFile();
    file.write(lines(0, 1));
    const closed = new Promise((resolve) => file.once('close', resolve));
    file.destroy();
    await closed;
    expect(file.failure).toMatchObject({ code: 'ENOSPC' });
  });
});
