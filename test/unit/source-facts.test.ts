/** The sources' counters against space-saving as it is written in the paper: a list that is searched from its beginning. */
import { describe, expect, it } from 'vitest';
import { SourceFactsTable } from '../../src/analysis/diagnosis/source-facts.js';
import { createBatch } from '../../src/model/batch.js';
import { randomOf } from '../support/busy-records.js';

const batch = createBatch(8);

function observe(table: SourceFactsTable, source: number, family = 2): void {
  const { columns } = batch;
  columns.family[0] = family;
  columns.protocol[0] = 6;
  columns.originalSource.words.fill(0, 0, 4);
  columns.originalSource.words[0] = source;
  table.observeNew(columns, 0);
}

interface Counted {
  source: number;
  weight: number;
  error: number;
}

function observeListed(counters: Counted[], source: number): void {
  const known = counters.find((counter) => counter.source === source);
  if (known !== undefined) known.weight += 1;
  else if (counters.length < 64) counters.push({ source, weight: 1, error: 0 });
  else {
    const smallest = counters.reduce((least, counter) => (counter.weight < least.weight ? counter : least));
    Object.assign(smallest, { source, weight: smallest.weight + 1, error: smallest.weight });
  }
}

describe('SourceFactsTable', () => {
  it('counts as the plain list does while hundreds of sources take counters over', () => {
    const random = randomOf(7);
    const table = new SourceFactsTable();
    const counters: Counted[] = [];
    let total = 0;
    for (let round = 0; round < 2000; round++) {
      // Every flow of a tick of no length, so that nothing decays and nothing is left out.
      const source = Math.floor(400 * random() ** 3);
      observe(table, source);
      observeListed(counters, source);
      total += 1;
      table.advance(0);
      const best = counters.reduce((most, counter) =>
        counter.weight - counter.error > most.weight - most.error ? counter : most,
      );
      const found = table.busiest();
      expect(new Uint32Array(found?.address.buffer ?? new ArrayBuffer(16))[0]).toBe(best.source);
      expect(found?.shareRatio).toBe(best.weight / total);
      expect(found?.errorRatio).toBe(best.error / best.weight);
    }
    expect(counters.filter(({ error }) => error > 0).length).toBeGreaterThan(30);
  });

  it('tells an IPv4 source from an IPv6 one with the same first word', () => {
    const table = new SourceFactsTable();
    for (let i = 0; i < 3; i++) observe(table, 1, 10);
    for (let i = 0; i < 2; i++) observe(table, 1);
    expect(table.busiest()).toMatchObject({ family: 10, shareRatio: 3 / 5 });
  });
});
