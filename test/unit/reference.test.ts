import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { DEGRADED_CODES, NOTICES } from '../../src/analysis/degraded.js';
import type { ForecastReason } from '../../src/analysis/forecast/forecast.js';
import { formatSchema } from '../../src/cli/schema.js';
import { ERROR_CODES, ERRORS } from '../../src/model/errors.js';
import { EVENT_SCHEMAS, eventSchema } from '../../src/model/events.js';
import { settingsSchema } from '../../src/model/settings.js';
import { METRIC_GROUPS } from '../../src/sinks/metrics/metric-catalogue.js';

interface Reference {
  readonly EVENTS_PAGE: string;
  readonly ERRORS_PAGE: string;
  readonly METRICS_PAGE: string;
  readExamples(page: string): unknown[];
  formatEventsPage(from: { schema: unknown; settingsSchema: unknown }, examples: readonly unknown[]): string;
  formatMetricsPage(page: string, groups: typeof METRIC_GROUPS): string;
  formatErrorsPage(from: {
    errors: typeof ERRORS;
    degradedCodes: typeof DEGRADED_CODES;
    notices: typeof NOTICES;
  }): string;
}
const script = new URL('../../scripts/reference.mjs', import.meta.url);
const reference = (await import(script.href)) as Reference;
const { EVENTS_PAGE, ERRORS_PAGE, METRICS_PAGE, readExamples, formatEventsPage, formatErrorsPage } = reference;

/** Complete by type: a reason that is new does not compile here until it is listed. */
const REASONS: Readonly<Record<ForecastReason, true>> = {
  ...{ learning: true, loss: true, no_events: true, no_max: true, no_table: true },
};

describe('docs/events.md', () => {
  const page = readFileSync(EVENTS_PAGE, 'utf8');
  const examples = readExamples(page);

  it('is what scripts/reference.mjs makes of the schemas', () => {
    const schema: unknown = JSON.parse(formatSchema());
    expect(page).toBe(formatEventsPage({ schema, settingsSchema }, examples));
  });

  it('has examples that keep the contract', () => {
    for (const example of examples) expect(v.parse(eventSchema, example)).toEqual(example);
    const shown = new Set(examples.map((example) => v.parse(eventSchema, example).type));
    // A notice needs a kernel whose table stays locked for seconds.
    expect([...shown, 'notice'].sort()).toEqual(Object.keys(EVENT_SCHEMAS).sort());
  });

  it('gives every field and setting a meaning', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows.length).toBeGreaterThan(100);
    const meaningless = rows.filter((line) => / \|\s*\|$/.test(line)).map((line) => line.split(' | ')[0]);
    expect(meaningless).toEqual([]);
  });
});

describe('docs/metrics.md', () => {
  it('lists what the catalogue has', () => {
    const page = readFileSync(METRICS_PAGE, 'utf8');
    expect(page).toBe(reference.formatMetricsPage(page, METRIC_GROUPS));
    expect(page).toContain('`ctwatch_conntrack_entries`');
  });
});

describe('docs/errors.md', () => {
  const page = readFileSync(ERRORS_PAGE, 'utf8');

  it('is what scripts/reference.mjs makes of the tables', () => {
    expect(page).toBe(formatErrorsPage({ errors: ERRORS, degradedCodes: DEGRADED_CODES, notices: NOTICES }));
  });

  it('lists every code and every reason, and no other', () => {
    const listed = [...page.matchAll(/^\| `(\w+)`/gm)].map(([, code]) => code);
    expect(listed).toEqual([
      ...ERROR_CODES,
      ...Object.keys(DEGRADED_CODES),
      ...Object.keys(NOTICES),
      ...Object.keys(REASONS),
    ]);
  });
});
