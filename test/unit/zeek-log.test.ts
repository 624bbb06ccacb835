import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ZeekParser } from '../../src/recording/zeek-log.js';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures', name), 'utf8').split('\n');

function parseAll(lines: readonly string[]) {
  const parser = new ZeekParser();
  const parsed = lines.map((line) => parser.parse(line)).filter((row) => row !== 'header');
  return {
    rows: parsed.filter((row) => row !== 'unusable'),
    unusable: parsed.filter((row) => row === 'unusable').length,
  };
}

describe('a conn.log', () => {
  it('is the same in TSV and in JSON', () => {
    const tsv = parseAll(fixture('conn.log'));
    expect(tsv.rows).toHaveLength(12);
    expect(tsv.unusable).toBe(2);
    expect(parseAll(fixture('conn.json.log'))).toEqual(tsv);
  });

  it('is read by the names of its fields', () => {
    const { rows } = parseAll(fixture('conn.log'));
    expect(rows[0]).toEqual({
      startSeconds: 1_790_000_000.1,
      durationSeconds: 1.5,
      transport: 'tcp',
      tuple: 'tcp 10.0.0.9 40001 192.0.2.1 443',
      connState: 'SF',
      source: Uint8Array.of(10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      destination: Uint8Array.of(192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      isIpv6: false,
      sourcePort: 40_001,
      destinationPort: 443,
      originalPackets: 8,
      replyPackets: 9,
      originalBytes: 480,
      replyBytes: 540,
    });
    expect(rows[1]).toMatchObject({ connState: 'S0', durationSeconds: 0 });
    expect(rows.filter(({ isIpv6 }) => isIpv6)).toHaveLength(2);
  });

  it('takes another separator, order and mark of what is unset from its header', () => {
    const lines = [
      '#separator \\x7c',
      '#unset_field|nil',
      '#fields|proto|id.resp_p|id.resp_h|id.orig_p|id.orig_h|duration|ts',
      'udp|53|192.0.2.53|5353|10.0.0.1|nil|17.5',
    ];
    expect(parseAll(lines).rows).toEqual([
      expect.objectContaining({
        transport: 'udp',
        startSeconds: 17.5,
        durationSeconds: 0,
        connState: '',
        destinationPort: 53,
      }),
    ]);
  });

  it('takes a new header in the middle, as of logs joined together', () => {
    const lines = fixture('conn.log');
    expect(parseAll([...lines, ...lines]).rows).toHaveLength(24);
  });

  it('takes times in ISO 8601', () => {
    const line =
      '{"ts":"2026-09-21T14:13:20.5Z","id.orig_h":"::1","id.orig_p":1,"id.resp_h":"::1","id.resp_p":2,"proto":"tcp"}';
    expect(parseAll([line]).rows[0]?.startSeconds).toBe(1_790_000_000.5);
  });

  const good = {
    ts: 1,
    'id.orig_h': '10.0.0.1',
    'id.orig_p': 1,
    'id.resp_h': '10.0.0.2',
    'id.resp_p': 2,
    proto: 'tcp',
  };
  it.each<[string, object]>([
    ['a time that is none', { ts: 'soon' }],
    ['a time before 1970', { ts: -1 }],
    ['no address', { 'id.orig_h': undefined }],
    ['a port too high', { 'id.resp_p': 65_536 }],
    ['a negative duration', { duration: -1 }],
    ['a duration that is none', { duration: 'long' }],
    ['a duration of centuries', { duration: 1e11 }],
    ['addresses of two families', { 'id.resp_h': '::1' }],
  ])('%s makes a line unusable', (_, change) => {
    expect(parseAll([JSON.stringify(good)]).unusable).toBe(0);
    expect(parseAll([JSON.stringify({ ...good, ...change })])).toEqual({ rows: [], unusable: 1 });
  });

  it.each(['no header before', '{"ts":', '[]', '\u0000\u0001'])('%j is unusable', (line) => {
    expect(parseAll([line]).unusable).toBe(1);
  });
});
