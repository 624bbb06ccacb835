/**
 * The settings as a list, read from their schema, for whatever documents them: `docs/events.md`, `ctwatch.toml(5)` and the
 * configuration file of the packages. A valibot schema is data and is read as such.
 */

/**
 * Every key with its type and meaning, in the order of the schema. `path` begins at the root, or at the table of the list that
 * `list` names; a key of a list, and a table of texts, have no variable. A `duration` is in
 * seconds, a `size` in bytes.
 */
export function listSettings(schema, path = []) {
  const inner = schema.type === 'optional' ? schema.wrapped : schema;
  const actions = flattenPipe(inner);
  const table = actions.find((action) => action.entries !== undefined);
  if (table !== undefined) {
    return Object.entries(table.entries).flatMap(([key, entry]) => listSettings(entry, [...path, key]));
  }
  const list = actions.find((action) => action.type === 'array');
  const item = list && flattenPipe(list.item).find((action) => action.entries !== undefined);
  if (item !== undefined) return listSettings(item).map(({ variable, ...setting }) => ({ ...setting, list: path }));
  const value = { path, ...describeValue(actions, schema.default, path) };
  // A table of texts fits in no variable.
  if (value.type === 'table') return [value];
  return [{ ...value, variable: `CTWATCH_${path.join('_').toUpperCase()}` }];
}

function describeValue(actions, fallback, path) {
  const of = (type) => actions.find((action) => action.type === type);
  const bounds = [of('min_value')?.requirement, of('max_value')?.requirement];
  const choices = of('picklist')?.options;
  const transformed = path.at(-1).endsWith('_bytes') ? 'size' : 'duration';
  return {
    type: of('raw_transform') ? transformed : of('integer') ? 'integer' : of('record') ? 'table' : actions[0].type,
    ...(bounds.some((bound) => bound !== undefined) && { range: bounds.map((bound) => bound ?? '').join('..') }),
    ...(choices !== undefined && { choices }),
    default: fallback,
    description: of('description')?.description ?? '',
  };
}

function flattenPipe(schema) {
  return schema.pipe === undefined
    ? [schema]
    : schema.pipe.flatMap((item) => (item === schema ? [item] : flattenPipe(item)));
}
