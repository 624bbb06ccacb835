/** The entry of the command line: runs one command and ends with its exit status. */
import { createProgram, exitStatusOf } from './main.js';

try {
  await createProgram().parseAsync();
  // Whatever a stalled reader of a stream left unread has had its time; the others wait for what they have written.
  // An error of that write is told by whoever listens for it, a turn later.
  process.stdout.write('', (error) => (error ? setImmediate(() => process.exit()) : process.exit()));
} catch (error) {
  process.exit(exitStatusOf(error));
}
