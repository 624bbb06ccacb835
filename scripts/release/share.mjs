/**
 * What a package has besides the program, made from the program: man pages, completions, the configuration file, licences.
 * Lies in `dist/`, so that `npm pack` takes it along.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { formatConfigFile } from './config-file.mjs';
import { formatLicences } from './licences.mjs';
import { formatManPages } from './man-pages.mjs';

const FOLDERS = ['man', 'completions'];

/** Reads the built program of `dist/`. */
export async function makeShare({ root, version, date }) {
  const load = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
  const [{ createProgram }, { formatCompletion, SHELLS }, { settingsSchema }] = await Promise.all(
    ['cli/main.js', 'cli/completion.js', 'model/settings.js'].map(load),
  );
  const program = createProgram();
  for (const folder of FOLDERS) rmSync(join(root, 'dist', folder), { recursive: true, force: true });
  const pages = formatManPages({ root, program, settingsSchema, version, date });
  const files = {
    ...Object.fromEntries(Object.entries(pages).map(([name, text]) => [`man/${name}`, text])),
    ...Object.fromEntries(SHELLS.map((shell) => [`completions/ctwatch.${shell}`, formatCompletion(program, shell)])),
    'ctwatch.toml': formatConfigFile(settingsSchema),
    'licences.txt': formatLicences(root),
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, 'dist', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}
