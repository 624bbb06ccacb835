/** The `config` line of a reload: what holds from now on, what waits for a restart, or why nothing changed. */
import type { CtwatchError } from '../model/errors.js';
import type { CtEvent, EventOf } from '../model/events.js';
import type { Reload, SettingsChange } from '../model/reload.js';

type Failure = NonNullable<EventOf<'config'>['error']>;

export function configEvent(reload: Reload): CtEvent {
  const { unixSeconds } = reload.at;
  if ('error' in reload) {
    const { operation, message } = reload.error;
    return {
      ...{ type: 'config', level: 'error', unixSeconds, outcome: 'rejected', changed: [], needs_restart: [] },
      msg: `the configuration is not valid and changes nothing: ${operation}: ${message}`,
      error: failureFields(reload.error),
    };
  }
  const { changed, needsRestart } = reload;
  return {
    ...{ type: 'config', level: needsRestart.length > 0 ? 'warn' : 'info', unixSeconds },
    msg: `the configuration was read again: ${describeChange(reload)}`,
    outcome: changed.length > 0 ? 'applied' : 'unchanged',
    changed: [...changed],
    needs_restart: [...needsRestart],
  };
}

function describeChange({ changed, needsRestart }: SettingsChange): string {
  const now = changed.length > 0 ? `new values of ${changed.join(', ')} hold now` : 'nothing that holds now changed';
  return needsRestart.length > 0 ? `${now}; those of ${needsRestart.join(', ')} need a restart` : now;
}

export function failureFields({ code, operation, errno, remedy }: CtwatchError): Failure {
  return { code, operation, ...(errno !== undefined && { errno }), remedy };
}
