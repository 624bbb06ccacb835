/** A disk that can be full: a small tmpfs in a mount namespace of its own, which ends with the process that holds it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  /** Where it is for programs run through `through`. */
  readonly path: string;
  /** Where this process sees it. */
  readonly seen: string;
  /** Command that runs another inside. */
  readonly through: readonly string[];
  resize(size: string): void;
}

const disks: { readonly holder: ChildProcess; readonly path: string }[] = [];

/** `size` as `mount` takes it, such as `64k`. */
export async function createSmallDisk(size: string): Promise<SmallDisk> {
  const path = mkdtempSync(join(tmpdir(), 'ctwatch-disk-'));
  const script = `mount -t tmpfs -o size=${size} ctwatch "$0" && echo mounted && exec sleep 300`;
  const holder = spawn('unshare', ['--mount', 'sh', '-c', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  disks.push({ holder, path });
  if (holder.stdout === null) throw new Error('the disk has no output');
  await once(holder.stdout, 'data');
  const through = ['nsenter', '--target', String(holder.pid), '--mount'];
  return {
    path,
    seen: `/proc/${holder.pid}/root${path}`,
    through,
    resize: (to) => {
      const [command = '', ...args] = [...through, 'mount', '-o', `remount,size=${to}`, path];
      execFileSync(command, args);
    },
  };
}

/** Removes every disk of this process. */
export async function removeSmallDisks(): Promise<void> {
  for (const { holder, path } of disks.splice(0)) {
    const ended = once(holder, 'exit');
    holder.kill('SIGKILL');
    await ended;
    rmdirSync(path);
  }
}
