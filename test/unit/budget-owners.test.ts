import { describe, expect, it } from 'vitest';
import { BudgetOwners } from '../../src/analysis/diagnosis/budget-owners.js';
import { OWNER_UNSEEN_FLOWS_MIN, OWNER_UNSEEN_SECONDS } from '../../src/model/limits.js';
import { type Owner, type OwnerSighting, ownerKey } from '../../src/model/owner.js';

const FLOW = { family: 2, protocol: 6, destination: '10.0.0.5', port: 6379, direction: 'originated' } as const;
const owner = (parts: Omit<Owner, 'key'>): Owner => ({ ...parts, key: ownerKey(parts) });
const RUBY = owner({ unit: 'sidekiq.service', name: 'ruby', uid: 1000, user: 'deploy', container: 'f00d4e5a9c21' });

const seen = (count: number, of: Owner | undefined): OwnerSighting => ({
  ...FLOW,
  count,
  ...(of !== undefined && { owner: of }),
});
const budgets = (...owners: string[]) => new BudgetOwners(owners.map((text) => ({ owner: text, max_entries: 1 })));
const END = OWNER_UNSEEN_SECONDS;

describe('an owner of a budget that nobody is', () => {
  it('is told once, after the time, when others were told', () => {
    const missing = budgets('sidekq.service', 'sidekiq.service');
    missing.observe(0, [seen(OWNER_UNSEEN_FLOWS_MIN, RUBY)]);
    expect(missing.takeUnseen(END - 1)).toEqual([]);
    expect(missing.takeUnseen(END)).toEqual(['sidekq.service']);
    expect(missing.takeUnseen(2 * END)).toEqual([]);
  });

  it.each(['sidekiq.service', 'process:ruby', 'user:deploy', 'uid:1000', 'container:f00d4e5a'])('is not %s', (text) => {
    const missing = budgets(text);
    missing.observe(0, [seen(OWNER_UNSEEN_FLOWS_MIN, RUBY)]);
    expect(missing.takeUnseen(END)).toEqual([]);
  });

  it('is not told while nothing, or too little, was told of owners', () => {
    const missing = budgets('web.service');
    missing.observe(0, [seen(10_000, undefined)]);
    expect(missing.takeUnseen(END)).toEqual([]);
    missing.observe(END, [seen(OWNER_UNSEEN_FLOWS_MIN - 1, RUBY)]);
    expect(missing.takeUnseen(10 * END)).toEqual([]);
    missing.observe(END, [seen(1, RUBY)]);
    expect(missing.takeUnseen(10 * END)).toEqual(['web.service']);
  });

  it('is nobody where budgets have none', () => {
    const missing = new BudgetOwners([{ destination: '10.0.0.5:6379', max_entries: 1 }]);
    missing.observe(0, [seen(10_000, RUBY)]);
    expect(missing.takeUnseen(10 * END)).toEqual([]);
  });
});
