import { describe, expect, it } from 'vitest';
import type { CtEvent, EventOf } from '../../src/model/events.js';
import { formatNarration } from '../../src/views/narration.js';

const unixSeconds = Date.parse('2026-11-23T14:02:31.900Z') / 1000;
const notice: CtEvent = {
  type: 'notice',
  level: 'warn',
  unixSeconds,
  msg: 'a word',
  code: 'c',
  text: 't',
  remedy: 'r',
};
const alert = (fields: Partial<EventOf<'alert'>>) =>
  ({ type: 'alert', level: 'error', unixSeconds, msg: 'nearly full', phase: 'firing', ...fields }) as CtEvent;

describe('formatNarration', () => {
  it('gives the time in UTC, the kind and the sentence, in columns', () => {
    expect(formatNarration(notice, false)).toBe('14:02:31  notice          a word\n');
    expect(formatNarration(alert({ severity: 'critical' }), false)).toBe('14:02:31  ALERT critical  nearly full\n');
    expect(formatNarration(alert({ severity: 'warning' }), false)).toBe('14:02:31  ALERT warning   nearly full\n');
    expect(formatNarration(alert({ phase: 'resolved' }), false)).toBe('14:02:31  resolved        nearly full\n');
  });

  it('colours warnings and errors, ends the colour before the line feed, and leaves information plain', () => {
    expect(formatNarration(notice, true)).toBe('\u001b[33m14:02:31  notice          a word\u001b[0m\n');
    expect(formatNarration(alert({ severity: 'warning' }), true)).toBe(
      '\u001b[31m14:02:31  ALERT warning   nearly full\u001b[0m\n',
    );
    expect(formatNarration({ ...notice, level: 'info' }, true)).toBe('14:02:31  notice          a word\n');
  });
});
