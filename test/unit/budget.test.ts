import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readSettings } from '../../src/cli/config.js';
import { parseDestination, parseOwner } from '../../src/model/budget.js';

const directory = mkdtempSync(join(tmpdir(), 'ctwatch-budget-'));
afterAll(() => rmSync(directory, { recursive: true }));
const configPath = join(directory, 'ctwatch.toml');

function readBudgets(toml: string, environment: Record<string, string> = {}) {
  writeFileSync(configPath, toml);
  return readSettings({ flags: {}, environment, configPath }).budget;
}

describe('parseDestination', () => {
  it.each([
    ['10.0.0.5:6379', 2, [10, 0, 0, 5], 6379],
    ['10.0.0.5', 2, [10, 0, 0, 5], undefined],
    ['[2001:db8::1]:443', 10, [0x20, 0x01, 0x0d, 0xb8], 443],
    ['2001:db8::1', 10, [0x20, 0x01, 0x0d, 0xb8], undefined],
    ['[::ffff:10.0.0.5]:443', 10, [0, 0, 0, 0], 443],
    [':6379', undefined, undefined, 6379],
  ])('reads %s', (text, family, start, port) => {
    const parsed = parseDestination(text);
    expect(parsed).toMatchObject({ ...(family && { family }), ...(port && { port }) });
    if (typeof parsed === 'string') throw new Error(parsed);
    expect(parsed.address && [...parsed.address.slice(0, 4)]).toEqual(start);
    expect(parsed.port).toBe(port);
  });

  it.each([
    ['', 'a destination such as'],
    [':', 'a destination such as'],
    ['10.0.0.5:', 'a destination such as'],
    ['redis:6379', 'an address, not a name'],
    ['10.0.0.5:0', 'a port from 1'],
    ['10.0.0.5:65536', 'a port from 1'],
    ['10.0.0.256:80', 'an address'],
    ['2001:db8::1::2', 'an address'],
    ['[10.0.0.5]:80', 'brackets'],
    ['0.0.0.0:80', 'cannot match'],
    ['[::]:80', 'cannot match'],
    ['10.0.0.0/8', 'an address'],
  ])('refuses %j: %s', (text, message) => expect(parseDestination(text)).toContain(message));
});

describe('parseOwner', () => {
  it.each([
    ['sidekiq.service', { part: 'unit', value: 'sidekiq.service' }],
    ['user@1000.service', { part: 'unit', value: 'user@1000.service' }],
    ['process:ruby', { part: 'name', value: 'ruby' }],
    ['user:deploy', { part: 'user', value: 'deploy' }],
    ['uid:1000', { part: 'uid', value: 1000 }],
    ['container:0123456789ab', { part: 'container', value: '0123456789ab' }],
  ])('reads %s', (text, owner) => expect(parseOwner(text)).toEqual(owner));

  it.each([
    ['sidekiq', 'an owner such as'],
    ['', 'an owner such as'],
    ['a b.service', 'an owner such as'],
    ['process:sixteen-letters-', 'cannot match'],
    ['uid:root', 'the number of a user'],
    ['uid:4294967295', 'the number of a user'],
    ['user:no body', 'the name of a user'],
    ['container:/', 'the id of a container'],
  ])('refuses %j: %s', (text, message) => expect(parseOwner(text)).toContain(message));
});

describe('[[budget]] in the configuration', () => {
  it('is a list of what is allowed', () => {
    const toml = `
      [[budget]]
      destination = "10.0.0.5:6379"
      owner = "sidekiq.service"
      max_entries = 50
      max_new_per_second = 5
      [[budget]]
      destination = ":53"
      transport = "udp"
      max_new_per_second = 200`;
    expect(readBudgets(toml)).toEqual([
      { destination: '10.0.0.5:6379', owner: 'sidekiq.service', max_entries: 50, max_new_per_second: 5 },
      { destination: ':53', transport: 'udp', max_new_per_second: 200 },
    ]);
    expect(readBudgets('')).toEqual([]);
  });

  it.each([
    ['destination = "10.0.0.5"', 'budget.0', 'needs max_entries'],
    ['max_entries = 5', 'budget.0', 'needs a destination or an owner'],
    ['destination = "redis:6379"\nmax_entries = 5', 'budget.0.destination', 'an address'],
    ['destination = 6379\nmax_entries = 5', 'budget.0.destination', 'a text is expected'],
    ['owner = "sidekiq"\nmax_entries = 5', 'budget.0.owner', 'an owner such as'],
    ['owner = "a.service"\nmax_entries = 0', 'budget.0.max_entries', 'at least 1'],
    ['owner = "a.service"\nmax_new_per_second = 0', 'budget.0.max_new_per_second', 'above 0'],
    ['owner = "a.service"\nmax = 5', 'budget.0.max', 'no such key'],
    ['owner = "a.service"\ntransport = "icmp"\nmax_entries = 5', 'budget.0.transport', 'tcp'],
  ])('names the key: %j', (lines, key, detail) => {
    expect(() => readBudgets(`[[budget]]\n${lines}`)).toThrow(
      expect.objectContaining({
        code: 'ERR_BAD_CONFIG',
        operation: `${key} in ${configPath}`,
        message: expect.stringContaining(detail),
      }),
    );
  });

  it('is nothing for the environment', () => {
    expect(() => readBudgets('', { CTWATCH_BUDGET: '[]' })).toThrow(
      expect.objectContaining({ code: 'ERR_BAD_CONFIG', operation: 'CTWATCH_BUDGET' }),
    );
  });
});
