/** What a simulated kernel knows of an entry of its table. */

/** A live entry. */
export interface EntryState {
  readonly remainingSeconds: number;
  /** The timeout that runs, or will when it is no longer renewed. */
  readonly timeoutSeconds: number;
  readonly isRenewed: boolean;
  /** It is or was renewed after its birth. */
  readonly wasRenewed: boolean;
}
