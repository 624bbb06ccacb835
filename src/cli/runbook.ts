/** Where the pages about alerts are installed: in this package, so that an alert can refer to them without a network. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Address of the page of an alert, with `{name}` for its name, as `runbook_url` has it; undefined when none are installed. */
export function findRunbook(): string | undefined {
  for (let dir = dirname(fileURLToPath(import.meta.url)); dir !== dirname(dir); dir = dirname(dir)) {
    const pages = join(dir, 'docs', 'runbook');
    if (existsSync(pages)) return `${pathToFileURL(pages).href}/{name}.md`;
  }
  return undefined;
}
