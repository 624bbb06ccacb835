/** The `[control]` section of the configuration: the unix socket that `ctwatch check` asks. */
import * as v from 'valibot';
import { describe } from './event-fields.js';
import { SOCKET_PATH_BYTES_MAX } from './limits.js';

const SOCKET_FORM = `an absolute path of at most ${SOCKET_PATH_BYTES_MAX} bytes is expected, or "" for none`;
const MODE_FORM = 'an octal mode is expected, such as "0660"';

export const controlSettings = v.strictObject({
  socket: v.optional(
    v.pipe(
      v.string(SOCKET_FORM),
      v.regex(/^(?:\/[^\0]*)?$/, SOCKET_FORM),
      v.check((path) => new TextEncoder().encode(path).length <= SOCKET_PATH_BYTES_MAX, SOCKET_FORM),
      describe(
        'Socket that `ctwatch check` asks; default `ctwatch.sock` in `$RUNTIME_DIRECTORY` of systemd, none without it',
      ),
    ),
  ),
  mode: v.optional(
    v.pipe(
      v.string(MODE_FORM),
      v.regex(/^0?[0-7]{3}$/, MODE_FORM),
      describe(
        'Who may ask: the mode of the socket, octal; its group is that of the process, or of a setgid directory',
      ),
    ),
    '0660',
  ),
});
