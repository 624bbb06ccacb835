/** Names of users by their number: /etc/passwd, read when the first is asked for. No directory service is asked. */
import { readFileSync, statSync } from 'node:fs';
import { boundText } from '../model/printable-text.js';

const PASSWD = '/etc/passwd';

/** A hundred thousand users. A larger file is not read. */
const PASSWD_BYTES_MAX = 8 * 1024 * 1024;

let names: ReadonlyMap<number, string> | undefined;

/** The first name of that number; undefined when it has none. */
export function userName(uid: number): string | undefined {
  names ??= parsePasswd(readPasswd());
  return names.get(uid);
}

/** Parses `name:password:uid:...` lines; others are passed over. */
export function parsePasswd(text: string): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name = '', , uid = ''] = line.split(':', 3);
    if (name === '' || !/^\d{1,10}$/.test(uid) || found.has(Number(uid))) continue;
    found.set(Number(uid), boundText(Buffer.from(name)));
  }
  return found;
}

function readPasswd(): string {
  try {
    return statSync(PASSWD).size <= PASSWD_BYTES_MAX ? readFileSync(PASSWD, 'utf8') : '';
  } catch {
    return '';
  }
}
