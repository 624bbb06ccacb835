/** The version of the package. */
import { readFileSync } from 'node:fs';

declare const CTWATCH_VERSION: string | undefined;

/** Set when the command line is bundled; read from package.json when this is a module of the library. */
export const VERSION: string =
  typeof CTWATCH_VERSION === 'string'
    ? CTWATCH_VERSION
    : (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
