import { describe, expect, it } from 'vitest';

interface Needs {
  readonly versions: Readonly<Record<string, string>>;
  readonly libraries: readonly string[];
}

const script = new URL('../../scripts/release/addon-needs.mjs', import.meta.url);
const { listTooNew, readNeeds } = (await import(script.href)) as {
  readNeeds(path: string): Needs;
  listTooNew(needs: Needs): string[];
};
const ADDON = new URL('../../build/Release/ctwatch.node', import.meta.url).pathname;

describe('what the addon needs of a host', () => {
  it('is read from the file', () => {
    const { versions, libraries } = readNeeds(ADDON);
    expect(versions).toMatchObject({ GLIBC: expect.stringMatching(/^2\.\d+$/), GLIBCXX: expect.any(String) });
    expect(libraries).toContain('libc.so.6');
  });

  it('is no more than Node.js 20 needs there: glibc 2.28', () => {
    expect(listTooNew(readNeeds(ADDON))).toEqual([]);
  });

  it.each([
    [{ GLIBC: '2.28', GLIBCXX: '3.4.9' }, ['libc.so.6', 'ld-linux-aarch64.so.1'], []],
    [{ GLIBC: '2.33' }, [], ['GLIBC_2.33']],
    [{ GLIBC: '2.4', GLIBCXX: '3.4.29' }, [], ['GLIBCXX_3.4.29']],
    [{ OPENSSL: '3.0.0' }, ['libssl.so.3'], ['OPENSSL_3.0.0', 'libssl.so.3']],
  ])('%j with %j lacks %j', (versions, libraries, lacking) => {
    expect(listTooNew({ versions: versions as Record<string, string>, libraries })).toEqual(lacking);
  });
});
