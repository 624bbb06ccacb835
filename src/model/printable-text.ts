/**
 * Text that others have chosen, made safe to show: names of processes, units and hosts, which may hold anything. No control
 * characters, so no line is broken and no terminal is told what to do; and none that turn the direction of text.
 */
import { OWNER_TEXT_CHARS } from './limits.js';

/** Control characters, line and paragraph separators, and marks that turn the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** The text with U+FFFD for each character that must not be shown. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\ufffd');
}

const DECODER = new TextDecoder();

/** Bytes as text: what is not UTF-8 or not printable becomes U+FFFD; at most `charsMax` characters, then an ellipsis. */
export function boundText(bytes: Uint8Array, charsMax: number = OWNER_TEXT_CHARS): string {
  // Four bytes are the longest character: what lies behind can only be cut off.
  const text = printable(DECODER.decode(bytes.subarray(0, charsMax * 4 + 4)));
  const chars = [...text];
  return chars.length <= charsMax ? text : `${chars.slice(0, charsMax).join('')}…`;
}
