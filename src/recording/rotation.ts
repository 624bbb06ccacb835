/**
 * Files of ours that are rotated by size: FILE is the current one, FILE.1 the one before, FILE.9 the oldest of ten. A reader that
 * follows a file by its inode meets each byte once. Files of other names are not touched, whoever wrote them.
 */
import { renameSync, rmSync, statSync } from 'node:fs';

/**
 * Makes room for a new FILE: it becomes FILE.1, that FILE.2, and so on; beyond `filesKept`, the new one included, the oldest go.
 * Does nothing when there is no such regular file. Throws what the file system says.
 */
export function shiftFiles(path: string, filesKept: number): void {
  if (!isFile(path)) return;
  const name = (age: number) => (age === 0 ? path : `${path}.${age}`);
  // More than one is too old when fewer are to be kept than before.
  for (let age = filesKept - 1; isFile(name(age)); age++) rmSync(name(age), { force: true });
  for (let age = filesKept - 2; age >= 0; age--) {
    if (isFile(name(age))) renameSync(name(age), name(age + 1));
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
