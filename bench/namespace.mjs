/**
 * The namespaces and the traffic of the kernel tests, for the benchmarks: test/kernel/*.ts are their only home, bundled
 * here at the start because Node.js 20 runs no TypeScript.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const ROOT = fileURLToPath(new URL('../', import.meta.url));
const BUNDLES = join(ROOT, 'build', 'bench');

await build({
  absWorkingDir: ROOT,
  entryPoints: ['test/kernel/namespace.ts', 'test/kernel/traffic.ts'],
  outdir: BUNDLES,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  logLevel: 'warning',
});

const namespace = await import(join(BUNDLES, 'namespace.mjs'));
const traffic = await import(join(BUNDLES, 'traffic.mjs'));

export const { createNamespace, namespaceObstacle, removeNamespaces, untilSubscribed } = namespace;
export const { buildTool, burstFlows, createEntries, flushTable, tcpConnections, udpFlows } = traffic;

/** Runs `body` in a fresh namespace and removes it, whatever happens. */
export async function withNamespace(body) {
  const fresh = await createNamespace();
  try {
    return await body(fresh);
  } finally {
    await fresh.remove();
  }
}
