/**
 * The configuration was read again while a stream runs: what of it holds from now on.
 *
 * Whatever the stream has learned stays. Settings that are built into what is open (sockets, files, addresses) wait for a restart;
 * they are told each time until then. A configuration that is not valid changes nothing.
 */
import type { CtwatchError } from './errors.js';
import type { Instant } from './record.js';
import type { Settings } from './settings.js';

/** Settings that a running stream takes over, by their first key. All others need a restart. */
const LIVE_SETTINGS: ReadonlySet<string> = new Set([
  'alert',
  'assume_max',
  'assume_timeout',
  'budget',
  'burst',
  'census',
  'interval',
  'reap_at_ratio',
  'runbook_url',
] satisfies (keyof Settings)[]);

/** What a reload makes of the settings. */
export interface SettingsChange {
  /** What holds from now on. */
  readonly settings: Settings;
  /** Keys that are other than they were, such as `burst.ratio`. A list counts as a whole. */
  readonly changed: readonly string[];
  /** Keys whose new value waits for a restart. */
  readonly needsRestart: readonly string[];
}

/** A record of the pipeline beside those of its source. With `error` everything stays as it was. */
export type Reload = { readonly type: 'reload'; readonly at: Instant } & (
  | SettingsChange
  | { readonly error: CtwatchError }
);

/** `running` is what holds, `read` what was read. */
export function changeSettings(running: Settings, read: Settings): SettingsChange {
  const isLive = (key: string) => LIVE_SETTINGS.has(key.split('.')[0] ?? '');
  const different = listDifferent(running, read).sort();
  const kept = Object.entries(running).filter(([key]) => !isLive(key));
  const taken = Object.entries(read).filter(([key]) => isLive(key));
  return {
    settings: Object.fromEntries([...kept, ...taken]) as Settings,
    changed: different.filter(isLive),
    needsRestart: different.filter((key) => !isLive(key)),
  };
}

type Layer = Readonly<Record<string, unknown>>;

/** Paths of the leaves in which two settings differ. */
function listDifferent(before: Layer, after: Layer): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => {
    const [old, young] = [before[key], after[key]];
    if (isLayer(old) || isLayer(young)) {
      return listDifferent(isLayer(old) ? old : {}, isLayer(young) ? young : {}).map((path) => `${key}.${path}`);
    }
    return JSON.stringify(old) === JSON.stringify(young) ? [] : [key];
  });
}

function isLayer(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
