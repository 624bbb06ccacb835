/**
 * Listening on an address. A unix socket that a killed process left behind is in the way of the next one, which may not take what is
 * somebody else's.
 */
import { lstatSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';

/** A port, or a path with the permission bits of its socket. */
export type Endpoint =
  | { readonly host: string; readonly port: number }
  | { readonly path: string; readonly mode: number };

/** Resolves when the server listens. Rejects with the errno of the system call. */
export function listenOn(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    if ('port' in endpoint) {
      server.listen({ host: endpoint.host, port: endpoint.port });
      return;
    }
    // Bound before `listen` returns, so there is no moment at which others might connect.
    const umask = process.umask(0o777 & ~endpoint.mode);
    try {
      server.listen(endpoint.path);
    } finally {
      process.umask(umask);
    }
  });
}

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
