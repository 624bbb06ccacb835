import { afterEach, describe, expect, it } from 'vitest';
import { EVENT_SCHEMAS } from '../../src/model/events.js';
import { createNamespace, removeNamespaces } from '../kernel/namespace.js';
import { flushTable, tcpConnections, udpFlows } from '../kernel/traffic.js';
import { runCli } from './cli.js';

afterEach(removeNamespaces);

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  /** Of fields that `properties` does not name. */
  readonly additionalProperties?: JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
}

/** Keywords that hold no value back. */
const ANNOTATIONS = ['$schema', 'title', 'description', 'format'];
const ASSERTIONS = [
  'type',
  'properties',
  'additionalProperties',
  'propertyNames',
  'required',
  'items',
  'oneOf',
  'enum',
  'const',
  'minimum',
  'maximum',
  'minLength',
];

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
};

/** What is wrong with a value by the keywords of draft 2020-12 that the schema uses; an unknown keyword is an error. */
function problems(schema: JsonSchema, value: unknown, path = ''): string[] {
  const unknown = Object.keys(schema).filter((keyword) => ![...ANNOTATIONS, ...ASSERTIONS].includes(keyword));
  if (unknown.length > 0) throw new Error(`${path}: this test does not know ${unknown.join(', ')}`);
  const found: string[] = [];
  if (schema.type !== undefined && TYPES[schema.type]?.(value) !== true) found.push(`${path} is no ${schema.type}`);
  if (schema.const !== undefined && value !== schema.const) found.push(`${path} is not ${schema.const}`);
  if (schema.enum !== undefined && !schema.enum.includes(value)) found.push(`${path} is none of ${schema.enum}`);
  if (typeof value === 'number' && !(value >= (schema.minimum ?? value))) found.push(`${path} is too small`);
  if (typeof value === 'number' && !(value <= (schema.maximum ?? value))) found.push(`${path} is too large`);
  if (typeof value === 'string' && value.length < (schema.minLength ?? 0)) found.push(`${path} is too short`);
  if (found.length > 0) return found;
  if (schema.oneOf !== undefined) {
    const fitting = schema.oneOf.filter((one) => problems(one, value, path).length === 0);
    return fitting.length === 1 ? [] : [`${path} fits ${fitting.length} of the schemas`];
  }
  const fields = (value ?? {}) as Readonly<Record<string, unknown>>;
  return [
    ...(schema.required ?? []).filter((name) => !(name in fields)).map((name) => `${path}.${name} is missing`),
    ...Object.entries(schema.properties ?? {})
      .filter(([name]) => name in fields)
      .flatMap(([name, property]) => problems(property, fields[name], `${path}.${name}`)),
    ...Object.entries(fields).flatMap(([name, field]) =>
      schema.additionalProperties !== undefined && !(name in (schema.properties ?? {}))
        ? [
            ...problems(schema.propertyNames ?? {}, name, path),
            ...problems(schema.additionalProperties, field, `${path}.${name}`),
          ]
        : [],
    ),
    ...(schema.items && Array.isArray(value)
      ? value.flatMap((item, i) => problems(schema.items ?? {}, item, `${path}[${i}]`))
      : []),
  ];
}

async function readSchema(): Promise<JsonSchema> {
  const { status, stdout, stderr } = await runCli({ args: ['schema'] });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as JsonSchema;
}

describe('ctwatch schema', () => {
  it('prints draft 2020-12 with every type of line', async () => {
    const schema = await readSchema();
    expect(schema).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema' });
    const types = schema.oneOf?.map(({ properties }) => properties?.['type']?.const);
    expect(types).toEqual(Object.keys(EVENT_SCHEMAS));
  });

  it('describes every line of a real run, and would not let one pass that lacks a field or has a wrong one', async () => {
    const schema = await readSchema();
    const namespace = await createNamespace();
    for (const name of ['acct', 'timestamp']) await namespace.sysctl(`net.netfilter.nf_conntrack_${name}`, 1);
    let interrupted = false;
    const { stdout } = await runCli({
      args: ['stream', '--flows', '--interval', '1s', '--assume-max', '300', '--netns', namespace.name],
      onLine: (line, child) => {
        if (line.includes('"type":"start"')) {
          void udpFlows(namespace, { count: 400, rate: 2000 }).then(() =>
            tcpConnections(namespace, { count: 5, port: 7020 }),
          );
        }
        if (line.includes('"type":"alert"')) void flushTable(namespace);
        if (line.includes('"action":"destroy"') && !interrupted) interrupted = child.kill('SIGINT');
      },
    });
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const types = new Set(lines.map(({ type }) => type));
    expect([...types]).toEqual(expect.arrayContaining(['start', 'sample', 'flow', 'alert', 'stop']));
    for (const line of lines) {
      expect(problems(schema, line), JSON.stringify(line)).toEqual([]);
      for (const name of ['type', 'time', 'host', 'v', 'msg']) {
        const { [name]: _, ...without } = line;
        expect(problems(schema, without), `without ${name}`).not.toEqual([]);
      }
      expect(problems(schema, { ...line, v: 2 })).not.toEqual([]);
    }
  });
});
