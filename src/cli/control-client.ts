/** Asks a running daemon over its control socket: one line out, one line back, within a time and a size. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { CONTROL_VERSION, type ControlStatus, controlAnswerSchema } from '../model/control.js';
import { CtwatchError } from '../model/errors.js';
import { CHECK_RETRY_MS, CONTROL_ANSWER_BYTES_MAX } from '../model/limits.js';

/**
 * What is true now by the daemon at `path`. Waits as long as the signal lets it.
 * Throws `ERR_CONTROL_UNREACHABLE`, `ERR_CONTROL_ANSWER`, and the reason of the signal.
 */
export async function askStatus(path: string, signal: AbortSignal): Promise<ControlStatus> {
  for (;;) {
    try {
      return parseAnswer(path, await ask(path, `{"v":${CONTROL_VERSION},"get":"status"}\n`, signal));
    } catch (error) {
      // The kernel's queue of connections is full: others ask as well.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw toFailure(path, error);
      await sleep(CHECK_RETRY_MS, undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
    }
  }
}

function ask(path: string, request: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(request));
    const onAbort = () => settle(() => reject(signal.reason));
    const settle = (done: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      done();
    };
    let text = '';
    signal.addEventListener('abort', onAbort, { once: true });
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.includes('\n') || text.length > CONTROL_ANSWER_BYTES_MAX) settle(() => resolve(text));
    });
    // Whoever is refused may be told so and cut off while it still writes.
    socket.on('error', (error) => settle(() => (text === '' ? reject(error) : resolve(text))));
    socket.on('close', () => settle(() => resolve(text)));
  });
}

function parseAnswer(path: string, text: string): ControlStatus {
  const bad = (detail: string) => new CtwatchError({ code: 'ERR_CONTROL_ANSWER', operation: path, detail });
  if (text.length > CONTROL_ANSWER_BYTES_MAX) throw bad('the answer has no end');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw bad(text === '' ? 'the connection was closed without an answer' : 'the answer is no line of JSON');
  }
  const answer = v.safeParse(controlAnswerSchema, json);
  if (!answer.success) throw bad('the answer is none of a ctwatch of this version');
  if ('error' in answer.output) throw bad(`refused: ${answer.output.error.text} (${answer.output.error.code})`);
  return answer.output;
}

function toFailure(path: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof CtwatchError || syscall === undefined) return error;
  if (syscall !== 'connect') {
    return new CtwatchError({ code: 'ERR_CONTROL_ANSWER', operation: path, errno: code, cause: error });
  }
  const remedy = code === 'EACCES' ? `ls -l ${path}` : undefined;
  const detail = code === 'EACCES' ? 'this user may not ask ctwatch' : undefined;
  return new CtwatchError({
    ...{ code: 'ERR_CONTROL_UNREACHABLE', operation: path, errno: code, cause: error },
    ...(detail !== undefined && { detail }),
    ...(remedy !== undefined && { remedy }),
  });
}
