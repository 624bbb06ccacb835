import { closeSync, fstatSync, openSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { CtEvent } from '../../src/model/events.js';
import { isJournal, journalPrefix } from '../../src/sinks/journal.js';

const descriptor = openSync('/dev/null', 'r');
afterAll(() => closeSync(descriptor));
const { dev, ino } = fstatSync(descriptor);

describe('isJournal', () => {
  it.each([
    ['the journal', `${dev}:${ino}`, true],
    ['a service whose output was redirected', `${dev}:${ino + 1}`, false],
    ['no service', undefined, false],
    ['nonsense', 'journal', false],
  ])('%s', (_, stream, expected) => {
    expect(isJournal(descriptor, stream)).toBe(expected);
  });

  it('is false for a closed descriptor', () => {
    expect(isJournal(9999, '1:2')).toBe(false);
  });
});

describe('journalPrefix', () => {
  it.each([
    [{ type: 'sample', level: 'info' }, '<6>'],
    [{ type: 'burst', level: 'warn' }, '<4>'],
    [{ type: 'stop', level: 'error' }, '<3>'],
    [{ type: 'alert', level: 'error', severity: 'critical' }, '<2>'],
    [{ type: 'alert', level: 'warn', severity: 'warning' }, '<4>'],
    // A critical one that is over is no emergency.
    [{ type: 'alert', level: 'info', severity: 'critical' }, '<6>'],
  ])('%j is %s', (event, prefix) => {
    expect(journalPrefix(event as CtEvent)).toBe(prefix);
  });
});
