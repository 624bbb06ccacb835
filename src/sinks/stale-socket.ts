/** Unix sockets that a killed process left behind: in the way of the next one, which may not take what is somebody else's. */
import { lstatSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';

/**
 * Makes room for a socket at `path`, if what is there is one that nobody listens on any more. Rejects with `EADDRINUSE` when somebody
 * does, with `EEXIST` when it is something else, and with the errno of a directory that is not there.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  // Said here, since for a directory that is not there libuv says EACCES.
  lstatSync(dirname(path));
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw Object.assign(new Error(`${path} is no socket`), { code: 'EEXIST' });
  if (await isAnswered(path))
    throw Object.assign(new Error(`another process answers at ${path}`), { code: 'EADDRINUSE' });
  rmSync(path, { force: true });
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      // Its queue is full: somebody has it.
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}
