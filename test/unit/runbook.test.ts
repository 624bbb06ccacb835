/** Every alert has a page that says what to do, and carries its address. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findRunbook } from '../../src/cli/runbook.js';
import { ALERT_NAMES, DIAGNOSIS_CODES } from '../../src/model/alert-fields.js';

const PARTS = [
  'What it says',
  'What it means',
  'First look',
  'What helps now',
  'What helps for good',
  'When it is false',
];

const address = findRunbook() ?? '';
const pathOf = (name: string) => fileURLToPath(address.replaceAll('{name}', name));

describe('the runbook', () => {
  it('has one page for each alert, and one that tells what it looks like', () => {
    const pages = readdirSync(new URL('.', address)).sort();
    expect(pages).toEqual([...ALERT_NAMES, 'diagnosis'].map((name) => `${name}.md`).sort());
  });

  it.each(ALERT_NAMES)('%s says what it means, where to look, what helps, and when it is false', (name) => {
    const lines = readFileSync(pathOf(name), 'utf8').split('\n');
    expect(lines[0]).toBe(`# ${name}`);
    expect(lines.filter((line) => line.startsWith('## ')).map((line) => line.slice(3))).toEqual(PARTS);
  });

  it('tells what to do about each diagnosis', () => {
    const titles = [...readFileSync(pathOf('diagnosis'), 'utf8').matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(titles).toEqual([...DIAGNOSIS_CODES]);
  });
});
