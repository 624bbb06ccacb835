import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { CtwatchError } from '../../src/model/errors.js';
import { eventSchema } from '../../src/model/events.js';
import type { Reload } from '../../src/model/reload.js';
import { defaultSettings } from '../../src/model/settings.js';
import { configEvent } from '../../src/pipeline/config-event.js';

const head = { type: 'reload', at: { monotonicSeconds: 5, unixSeconds: 1_790_000_000 } } as const;

/** As a line of the contract. */
function lineOf(reload: Reload) {
  const event = configEvent(reload);
  expect(event.unixSeconds).toBe(1_790_000_000);
  return v.parse(eventSchema, { ...event, time: '2026-09-21T14:13:20.000Z', host: 'web-1', v: 1 });
}

const applied = (changed: string[], needsRestart: string[]) =>
  lineOf({ ...head, settings: defaultSettings, changed, needsRestart });

describe('the config line', () => {
  it('tells what holds from now on', () => {
    expect(applied(['burst.ratio', 'interval'], [])).toMatchObject({
      ...{ type: 'config', level: 'info', outcome: 'applied', changed: ['burst.ratio', 'interval'], needs_restart: [] },
      msg: 'the configuration was read again: new values of burst.ratio, interval hold now',
    });
  });

  it('warns of what waits for a restart', () => {
    expect(applied([], ['netns'])).toMatchObject({
      ...{ level: 'warn', outcome: 'unchanged', needs_restart: ['netns'] },
      msg: 'the configuration was read again: nothing that holds now changed; those of netns need a restart',
    });
  });

  it('tells why it was rejected, as an error', () => {
    const fields = { code: 'ERR_BAD_CONFIG', operation: 'burst.ratio in /etc/ctwatch/ctwatch.toml' } as const;
    const error = new CtwatchError({ ...fields, detail: 'at least 1.5 is expected' });
    expect(lineOf({ ...head, error })).toMatchObject({
      ...{ level: 'error', outcome: 'rejected', changed: [], error: { ...fields, remedy: error.remedy } },
      msg: 'the configuration is not valid and changes nothing: burst.ratio in /etc/ctwatch/ctwatch.toml: at least 1.5 is expected',
    });
  });
});
