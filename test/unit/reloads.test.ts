import { describe, expect, it } from 'vitest';
import { Reloads } from '../../src/cli/reloads.js';
import { CtwatchError } from '../../src/model/errors.js';
import type { Reload } from '../../src/model/reload.js';
import { defaultSettings, type Settings } from '../../src/model/settings.js';

/** Reloads of these settings, one after the other; an error is thrown. */
function reloadsOf(...reads: readonly (Settings | Error)[]) {
  const seen: (string | Reload)[] = [];
  const left = [...reads];
  const read = () => {
    const next = left.shift();
    if (next === undefined || next instanceof Error) throw next;
    return next;
  };
  const reloads = new Reloads({ settings: defaultSettings, read, reopen: () => void seen.push('reopen') });
  reloads.records.subscribe((record) => seen.push(record));
  return { reloads, seen };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('Reloads', () => {
  it('opens files anew, then reads the settings again', async () => {
    const { reloads, seen } = reloadsOf({ ...defaultSettings, interval: 3 }, { ...defaultSettings, interval: 3 });
    reloads.start();
    reloads.reload();
    reloads.reload();
    expect(seen).toMatchObject(['reopen', { type: 'reload', changed: ['interval'] }, 'reopen', { changed: [] }]);
  });

  it('keeps what holds when the configuration is not valid, and takes the next one', async () => {
    const error = new CtwatchError({ code: 'ERR_BAD_CONFIG', operation: 'burst.ratio' });
    const { reloads, seen } = reloadsOf(error, { ...defaultSettings, interval: 3 });
    reloads.start();
    reloads.reload();
    reloads.reload();
    expect(seen).toMatchObject(['reopen', { error }, 'reopen', { changed: ['interval'], settings: { interval: 3 } }]);
  });

  it('waits for the first line', async () => {
    const { reloads, seen } = reloadsOf(defaultSettings);
    reloads.reload();
    reloads.reload();
    expect(seen).toEqual([]);
    reloads.start();
    await turn();
    expect(seen).toMatchObject(['reopen', { type: 'reload' }]);
  });

  it('does not swallow a fault of the program', () => {
    const { reloads } = reloadsOf(new TypeError('a fault'));
    reloads.start();
    expect(() => reloads.reload()).toThrow('a fault');
  });
});
