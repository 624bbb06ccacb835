/** Where metrics are served: a loopback address with a port, or a unix socket. Nothing that another host could reach. */
import { AF_INET6, parseAddress } from './address.js';

export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

const FORMS = '127.0.0.1:9751, [::1]:9751 or unix:/run/ctwatch/metrics.sock';

/** What remains of sun_path, 108 bytes, with its final zero. */
const PATH_BYTES_MAX = 107;

/** `127.0.0.1:9751`, `[::1]:9751`, `unix:/path`; else a text that says what is expected. */
export function parseListenAddress(text: string): ListenAddress | string {
  if (text.startsWith('unix:')) return parsePath(text.slice('unix:'.length));
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port >= 1 && port <= 65_535)) return `an address such as ${FORMS} is expected`;
  const address = parseAddress(host);
  if (address === undefined || (address.family === AF_INET6) !== (bracketed !== undefined)) {
    return `an address such as ${FORMS} is expected, no name`;
  }
  if (isLoopback(address)) return { kind: 'tcp', host, port };
  return `${host} is no loopback address, and metrics tell who talks to whom: ${FORMS} is expected, behind a proxy that asks who is there`;
}

function parsePath(path: string): ListenAddress | string {
  if (!path.startsWith('/') || path.endsWith('/') || path.includes('\0'))
    return 'an absolute path is expected after unix:';
  if (new TextEncoder().encode(path).length > PATH_BYTES_MAX)
    return `at most ${PATH_BYTES_MAX} bytes are possible after unix:`;
  return { kind: 'unix', path };
}

/** 127.0.0.0/8 or ::1. */
function isLoopback({ family, bytes }: NonNullable<ReturnType<typeof parseAddress>>): boolean {
  if (family !== AF_INET6) return bytes[0] === 127;
  return bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}
