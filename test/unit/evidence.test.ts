import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openEvidence } from '../../src/cli/sinks.js';
import type { CtEvent } from '../../src/model/events.js';
import { EvidenceKeeper, type EvidenceOptions } from '../../src/sinks/evidence.js';

const root = mkdtempSync(join(tmpdir(), 'ctwatch-evidence-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

const AT = 1_790_000_000;
/** Only what the keeper looks at. */
const event = (type: CtEvent['type'], seconds: number, more: object = {}) =>
  ({ type, unixSeconds: AT + seconds, msg: `${type} ${seconds}`, ...more }) as unknown as CtEvent;
const critical = (seconds: number, more: object = {}) =>
  event('alert', seconds, { name: 'time_to_full', phase: 'firing', severity: 'critical', ...more });

function keeperIn(options: Partial<EvidenceOptions> = {}) {
  const directory = options.directory ?? join(root, String(++folders));
  const failures: string[] = [];
  const keeper = new EvidenceKeeper({ onFailure: ({ code }) => failures.push(code ?? ''), ...options, directory });
  const files = () => (existsSync(directory) ? readdirSync(directory).sort() : []);
  const read = (name = files().at(-1) ?? '') => JSON.parse(readFileSync(join(directory, name), 'utf8'));
  const keep = (event: CtEvent) => {
    keeper.write(event);
    return keeper.end();
  };
  return { keeper, keep, directory, failures, files, read };
}

describe('EvidenceKeeper', () => {
  it('keeps what led to a critical alert, in one whole file that others cannot read', async () => {
    const { keeper, keep, directory, files, read } = keeperIn();
    keeper.write(event('start', 0, { sysctls: { nf_conntrack_buckets: 65_536 } }));
    for (let second = 1; second <= 900; second++) keeper.write(event('sample', second));
    await keep(critical(900));
    expect(files()).toEqual(['ctwatch-20260921T142820Z-time_to_full.json']);
    expect(statSync(join(directory, files()[0] ?? '')).mode & 0o777).toBe(0o600);
    const { alert, start, samples, census } = read();
    expect(alert).toEqual({
      type: 'alert',
      msg: 'alert 900',
      name: 'time_to_full',
      phase: 'firing',
      severity: 'critical',
    });
    expect(start.sysctls).toEqual({ nf_conntrack_buckets: 65_536 });
    expect(samples.map(({ msg }: { msg: string }) => msg)).toEqual(
      Array.from({ length: 600 }, (_, i) => `sample ${301 + i}`),
    );
    expect(census).toBeUndefined();
  });

  it('adds the census that the alert asked for, but not one of much later', async () => {
    const { keep, files, read } = keeperIn();
    await keep(event('census', 1, { by: 'before' }));
    await keep(critical(10));
    expect(read().census.by).toBe('before');
    await keep(event('census', 12, { by: 'with it' }));
    expect(read().census.by).toBe('with it');
    await keep(event('census', 200, { by: 'later' }));
    expect(read().census.by).toBe('with it');
    expect(files()).toHaveLength(1);
  });

  it('keeps nothing of what is no critical alert', async () => {
    const { keep, files } = keeperIn();
    await keep(critical(1, { severity: 'warning' }));
    await keep(critical(2, { phase: 'resolved' }));
    expect(files()).toEqual([]);
  });

  it('removes the oldest beyond so many files or bytes, and nothing that is not its own', async () => {
    const byNumber = keeperIn({ filesMax: 3 });
    for (let i = 0; i < 6; i++) await byNumber.keep(critical(i));
    writeFileSync(join(byNumber.directory, 'notes.json'), '{}');
    await byNumber.keep(critical(9));
    expect(byNumber.files().map((name) => name.slice(21, 24))).toEqual(['24Z', '25Z', '29Z', '']);
    const bySize = keeperIn({ bytesMax: 250 });
    for (let i = 0; i < 6; i++) await bySize.keep(critical(i));
    expect(bySize.files().length).toBeLessThan(3);
    expect(bySize.read().alert.msg).toBe('alert 5');
  });

  it('tells once that it cannot write, and goes on', async () => {
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    const { keep, failures } = keeperIn({ directory: join(file, 'below') });
    await keep(critical(1));
    await keep(critical(2));
    expect(failures).toEqual(['ENOTDIR']);
  });

  it('leaves nothing half written behind when the disk is full, and writes again when it is not', async () => {
    const { keep, directory, failures, files } = keeperIn();
    mkdirSync(directory);
    // Where it writes before it renames lies the device on which every write fails with ENOSPC.
    symlinkSync('/dev/full', join(directory, 'ctwatch-20260921T141321Z-time_to_full.json.tmp'));
    await keep(critical(1));
    expect(failures).toEqual(['ENOSPC']);
    expect(files()).toEqual([]);
    await keep(critical(2));
    expect(files()).toEqual(['ctwatch-20260921T141322Z-time_to_full.json']);
  });

  it('writes while the stream goes on, the last of each file, and tells when the disk does not keep up', async () => {
    const { keeper, failures, files, read } = keeperIn();
    keeper.write(critical(1));
    keeper.write(event('census', 2, { by: 'with it' }));
    expect(files()).toEqual([]);
    await keeper.end();
    expect(read().census.by).toBe('with it');
    // One is being written, four wait.
    for (let second = 11; second <= 16; second++) keeper.write(critical(second));
    await keeper.end();
    expect(failures).toEqual(['EBUSY']);
    expect(files()).toHaveLength(6);
  });
});

describe('openEvidence', () => {
  it('tells a notice, to whom all is told, where none can be written', async () => {
    const seen: CtEvent[] = [];
    const file = join(root, 'another-file');
    writeFileSync(file, '');
    chmodSync(file, 0o600);
    const evidence = openEvidence(file, { write: (each) => void seen.push(each) });
    evidence.write(critical(1));
    await evidence.end();
    expect(seen).toMatchObject([
      { type: 'notice', code: 'evidence_failed', level: 'warn', remedy: expect.stringContaining(file) },
    ]);
  });
});
