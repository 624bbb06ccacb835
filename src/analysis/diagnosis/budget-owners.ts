/**
 * Owners of budgets that nobody was told to be: a unit that is misspelt or was renamed never goes over its budget.
 *
 * Told once for each, when flows of others had owners all the while. A program that runs once a day is told as well: it is a notice.
 */
import { type BudgetOwner, isOwner, parseOwner } from '../../model/budget.js';
import { OWNER_UNSEEN_FLOWS_MIN, OWNER_UNSEEN_SECONDS } from '../../model/limits.js';
import type { OwnerSighting } from '../../model/owner.js';
import type { BudgetSettings } from '../../model/settings.js';

export class BudgetOwners {
  /** By the text of the configuration: those that were not seen yet. */
  readonly #unseen = new Map<string, BudgetOwner>();
  /** Flows with an owner, and when the first was told. */
  #flows = 0;
  #sinceSeconds: number | undefined;

  constructor(budgets: readonly BudgetSettings[]) {
    for (const { owner } of budgets) {
      // The schema has refused what does not parse.
      if (owner !== undefined) this.#unseen.set(owner, parseOwner(owner) as BudgetOwner);
    }
  }

  observe(monotonicSeconds: number, sightings: readonly OwnerSighting[]): void {
    if (this.#unseen.size === 0) return;
    for (const { owner, count } of sightings) {
      if (owner === undefined) continue;
      this.#sinceSeconds ??= monotonicSeconds;
      this.#flows += count;
      for (const [text, wanted] of this.#unseen) if (isOwner(owner, wanted)) this.#unseen.delete(text);
    }
  }

  /** Owners to be told as missing now, as the configuration has them; mostly none. */
  takeUnseen(monotonicSeconds: number): readonly string[] {
    if (this.#unseen.size === 0 || this.#flows < OWNER_UNSEEN_FLOWS_MIN || this.#sinceSeconds === undefined) return [];
    if (monotonicSeconds - this.#sinceSeconds < OWNER_UNSEEN_SECONDS) return [];
    const unseen = [...this.#unseen.keys()];
    this.#unseen.clear();
    return unseen;
  }
}
