/**
 * The bill of materials, CycloneDX as npm writes it, of what runs: the packages bundled into the program. Made the same for the
 * same commit: npm's time and random number are replaced.
 */
import { createHash } from 'node:crypto';
import { run } from './run.mjs';

/** JSON text. `node` is what the package with its own Node.js carries: `{ version, sha256 }`. */
export function makeSbom({ root, date, node }) {
  const bom = JSON.parse(
    run('npm', ['sbom', '--sbom-format=cyclonedx', '--omit=dev', '--package-lock-only'], { cwd: root }),
  );
  bom.metadata.timestamp = date.toISOString();
  // npm calls it by the name of the folder.
  Object.assign(bom.metadata.component, { type: 'application', name: 'ctwatch' });
  bom.components.push({
    ...{ type: 'platform', name: 'node', version: node.version, scope: 'optional' },
    ...{ 'bom-ref': `node@${node.version}`, purl: `pkg:generic/node@${node.version}` },
    description: 'Only in the Debian package that brings its own',
    hashes: [{ alg: 'SHA-256', content: node.sha256 }],
  });
  bom.components.sort((left, right) => left['bom-ref'].localeCompare(right['bom-ref']));
  bom.serialNumber = `urn:uuid:${uuidOf(JSON.stringify({ ...bom, serialNumber: undefined }))}`;
  return `${JSON.stringify(bom, null, 2)}\n`;
}

/** Version 8 of RFC 9562: bits of ours. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
