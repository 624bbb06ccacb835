/** Child processes of the release: quiet when they succeed, loud when they fail. */
import { spawnSync } from 'node:child_process';

/** Standard output of a command that must succeed. Throws with everything it said when it does not. */
export function run(command, args, options = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    ...options,
  });
  if (status === 0) return stdout;
  const ending = error?.message ?? (signal === null ? `status ${status}` : signal);
  throw new Error(`${command} ${args.join(' ')}: ${ending}\n${stdout ?? ''}${stderr ?? ''}`);
}
