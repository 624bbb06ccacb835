import { describe, expect, it } from 'vitest';
import type { ConntrackSocket } from '../../src/kernel/addon.js';
import { type LookupAnswer, Lookups } from '../../src/kernel/lookups.js';
import { createBatch, type EventColumns } from '../../src/model/batch.js';
import { LOOKUP_AGES_SECONDS } from '../../src/model/limits.js';
import { batchOf } from '../support/records.js';

type Answer = (flows: number) => Promise<[number, number]>;

/** A kernel that remembers what it was asked. */
function kernel(answer: Answer) {
  const asked: { id: number | undefined; family: number | undefined; port: number | undefined; source: number[] }[][] =
    [];
  const lookup: ConntrackSocket['lookup'] = (buffer, rows, flows) => {
    const { columns } = viewBatch(buffer, rows);
    asked.push(
      Array.from({ length: flows }, (_, row) => ({
        id: columns.id[row],
        family: columns.family[row],
        port: columns.originalDestinationPort[row],
        source: [...columns.originalSource.bytes.subarray(row * 16, row * 16 + 4)],
      })),
    );
    return answer(flows);
  };
  return { asked, socket: { lookup } };
}

/** The same memory through the layout of the model. */
function viewBatch(buffer: ArrayBuffer, rows: number): { columns: EventColumns } {
  const copy = createBatch(rows);
  new Uint8Array(copy.buffer).set(new Uint8Array(buffer));
  return copy;
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

function start(answer: Answer) {
  const { asked, socket } = kernel(answer);
  const lookups = new Lookups(socket);
  const answers: { found: number; gone: number; ageSeconds: number }[] = [];
  const failures: unknown[] = [];
  const deliver = ({ batch, ageSeconds }: LookupAnswer) =>
    answers.push({ found: batch.newCount, gone: batch.destroyCount, ageSeconds });
  return {
    ...{ asked, lookups, answers, failures },
    ask: (at: number) => lookups.ask(at, deliver, (error) => failures.push(error)),
  };
}

describe('Lookups', () => {
  it('asks by tuple for flows that are old enough, and delivers what was found and what is gone', async () => {
    const { asked, lookups, answers, ask } = start((flows) => Promise.resolve([flows - 1, 1]));
    lookups.observe(
      batchOf([
        { id: 1, destinationPort: 80 },
        { id: 2, destinationPort: 53 },
      ]),
      100,
    );
    ask(101);
    expect(asked).toEqual([]);
    ask(100 + LOOKUP_AGES_SECONDS[0] + 0.25);
    await settle();
    const source = [10, 0, 0, 9];
    expect(asked).toEqual([
      [
        { id: 1, family: 2, port: 80, source },
        { id: 2, family: 2, port: 53, source },
      ],
    ]);
    expect(answers).toEqual([{ found: 1, gone: 1, ageSeconds: 2.3 }]);
  });

  it('has one request an age on its way, and goes on when the kernel answers or fails', async () => {
    const waiting: ((answer: [number, number]) => void)[] = [];
    const { asked, lookups, answers, failures, ask } = start((flows) =>
      asked.length === 3
        ? Promise.reject(new Error('busy'))
        : new Promise((resolve) => waiting.push(() => resolve([flows, 0]))),
    );
    for (let second = 0; second < 10; second++) lookups.observe(batchOf([{ id: second }]), 100 + second);
    for (let second = 2; second < 8; second++) ask(100 + second);
    expect(asked).toHaveLength(LOOKUP_AGES_SECONDS.length);
    for (const answer of waiting) answer([1, 0]);
    await settle();
    expect(answers).toHaveLength(LOOKUP_AGES_SECONDS.length);
    ask(108);
    await settle();
    expect(failures).toHaveLength(1);
    ask(109);
    for (const answer of waiting) answer([1, 0]);
    await settle();
    expect(answers).toHaveLength(LOOKUP_AGES_SECONDS.length + 1);
  });
});
