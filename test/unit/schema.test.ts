import { describe, expect, it } from 'vitest';
import { formatSchema } from '../../src/cli/schema.js';
import { EVENT_SCHEMAS } from '../../src/model/events.js';

interface ObjectSchema {
  readonly properties: Readonly<Record<string, { readonly const?: unknown }>>;
  readonly required: readonly string[];
}

const schema = JSON.parse(formatSchema()) as { $schema: string; oneOf: readonly ObjectSchema[] };

describe('formatSchema', () => {
  it('is draft 2020-12 and one object for each type', () => {
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema.oneOf.map(({ properties }) => properties['type']?.const)).toEqual(Object.keys(EVENT_SCHEMAS));
  });

  it.each(Object.entries(EVENT_SCHEMAS))('requires of %s what the validator requires', (type, { entries }) => {
    const object = schema.oneOf.find(({ properties }) => properties['type']?.const === type);
    expect(Object.keys(object?.properties ?? {})).toEqual(Object.keys(entries));
    const required = Object.entries(entries).filter(([, entry]) => entry.type !== 'optional');
    expect(object?.required).toEqual(required.map(([name]) => name));
  });

  it('ends with a line feed', () => {
    expect(formatSchema()).toMatch(/\}\n$/);
  });
});
