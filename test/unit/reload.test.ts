import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { changeSettings } from '../../src/model/reload.js';
import { type SettingsInput, settingsSchema } from '../../src/model/settings.js';

const settingsOf = (input: SettingsInput) => v.parse(settingsSchema, input);
const change = (running: SettingsInput, read: SettingsInput) => changeSettings(settingsOf(running), settingsOf(read));

describe('changeSettings', () => {
  it('takes over what a running stream can, leaf by leaf, a list as a whole', () => {
    const read: SettingsInput = {
      ...{ interval: '2s', burst: { ratio: 8 }, alert: { usage: { warning_ratio: 0.5 } } },
      budget: [{ destination: ':53', max_entries: 9 }],
    };
    const { settings, changed, needsRestart } = change({ assume_max: 5000 }, read);
    expect(settings).toEqual(settingsOf(read));
    expect(changed).toEqual(['alert.usage.warning_ratio', 'assume_max', 'budget', 'burst.ratio', 'interval']);
    expect(needsRestart).toEqual([]);
  });

  it('keeps what is built into open sockets and files, and says so each time', () => {
    const running = { netns: 'blue', receive_buffer_bytes: 8192, owners: { enabled: true }, state_dir: '/a' };
    const read = {
      receive_buffer_bytes: 9000,
      owners: { enabled: false },
      state_dir: '/b',
      flows: true,
      census: false,
    };
    const first = change(running, read);
    expect(first.settings).toEqual(settingsOf({ ...running, census: false }));
    expect(first.changed).toEqual(['census']);
    const waiting = ['flows', 'netns', 'owners.enabled', 'receive_buffer_bytes', 'state_dir'];
    expect(first.needsRestart).toEqual(waiting);
    expect(changeSettings(first.settings, settingsOf(read))).toMatchObject({ changed: [], needsRestart: waiting });
  });

  it('finds nothing where nothing is other', () => {
    expect(change({ interval: 10 }, { interval: '10s' })).toMatchObject({ changed: [], needsRestart: [] });
  });
});
