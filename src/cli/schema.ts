/** `ctwatch schema`: the output contract as JSON Schema, from the same schemas as the types. */
import { toJsonSchema } from '@valibot/to-json-schema';
import { eventSchema } from '../model/events.js';

/** JSON Schema, draft 2020-12, of any line; indented, with a line feed at the end. */
export function formatSchema(): string {
  const schema = toJsonSchema(eventSchema, { target: 'draft-2020-12', errorMode: 'ignore' });
  return `${JSON.stringify({ title: 'A line of ctwatch stream', ...schema }, null, 2)}\n`;
}
