/** `docs/security.md` stands beside tests: those that it names must exist. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
const named = [...page.matchAll(/`((?:test|scripts)\/[^`]+)` "([^"]+)"/g)].map(([, path = '', title = '']) => ({
  path,
  title,
}));

describe('docs/security.md', () => {
  it.each(named)('$path shows that it $title', ({ path, title }) => {
    expect(readFileSync(join(ROOT, path), 'utf8')).toContain(title);
  });

  it('has a test for each claim of its tables', () => {
    const claims = page
      .split('\n## ')
      .flatMap((part) =>
        [...part.matchAll(/^\| .*\| Shown by \|\n\|[-|]+\|\n((?:\|.*\n)+)/gm)].flatMap(([, rows = '']) =>
          rows.trim().split('\n'),
        ),
      );
    expect(claims.length).toBeGreaterThan(15);
    expect(claims.filter((claim) => !/`(?:test|scripts)\/[^`]+` "/.test(claim))).toEqual([]);
  });
});
