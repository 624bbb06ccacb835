/**
 * Where the pages about alerts are installed, so that an alert can refer to them without a network: in this package, or where a
 * package of the distribution has its documentation.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Beside `dist/`, and beside the `lib/` that the package is in. */
const PLACES = ['', 'share/doc/ctwatch', 'share/doc/ctwatch-with-node'];

/** Address of the page of an alert, with `{name}` for its name, as `runbook_url` has it; undefined when none are installed. */
export function findRunbook(): string | undefined {
  for (let dir = dirname(fileURLToPath(import.meta.url)); dir !== dirname(dir); dir = dirname(dir)) {
    const pages = PLACES.map((place) => join(dir, place, 'docs/runbook')).find((path) => existsSync(path));
    if (pages !== undefined) return `${pathToFileURL(pages).href}/{name}.md`;
  }
  return undefined;
}
