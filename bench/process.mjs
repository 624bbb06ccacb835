/**
 * What a process costs, read from /proc while it runs: user and system time of all its threads, and resident memory.
 * Softirq work that happens to interrupt a reader is charged to it, as to every other reader in the same run.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/**
 * CPU seconds used so far: nanoseconds per thread from schedstat, or the ticks (10 ms) of stat where the kernel counts
 * nothing better. Threads that have ended are missing from schedstat, so the larger of the two is right.
 */
export function readCpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the command's name, which may hold spaces: state is field 3, utime and stime are 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) => readThreadNanoseconds(pid, thread));
  const precise = nanoseconds.reduce((sum, ns) => sum + ns, 0) / 1e9;
  return Math.max(precise, ticks / TICKS_PER_SECOND);
}

function readThreadNanoseconds(pid, thread) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return 0; // The thread has ended, or the kernel has no schedstat.
  }
}

/** Resident memory now and at its highest, KiB. */
export function readMemoryKib(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const value = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  return { resident: value('VmRSS'), highest: value('VmHWM') };
}

/** Resolves when the process has used less than 2 % of a core for 0.4 s, or after 20 s. */
export async function untilQuiet(pid) {
  const deadline = performance.now() + 20_000;
  let before = readCpuSeconds(pid);
  for (let calm = 0; calm < 2 && performance.now() < deadline; ) {
    await sleep(200);
    const now = readCpuSeconds(pid);
    calm = now - before < 0.004 ? calm + 1 : 0;
    before = now;
  }
}
