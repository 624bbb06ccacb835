/** Texts as words of a command that somebody may copy into a shell: a name must not become part of the command. */

/** As it is when the shell means nothing by it, else in single quotes. */
export function shellWord(text: string): string {
  return /^[\w./:=@%,+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
