import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemClock } from '../core/clock.ts';
import { createSettled, type Knowledge, learn } from './settled.ts';

const NOTHING: Knowledge = { settled: 0, waiting: undefined };

test('with no writer open, all that is seen is settled; with one, only what was before it', () => {
  const before = learn(NOTHING, { top: 5, writers: [] });
  expect(before.settled).toBe(5);
  const open = learn(before, { top: 9, writers: ['a'] });
  expect(open.settled).toBe(5);
  expect(learn(open, { top: 12, writers: ['a', 'b'] }).settled).toBe(5);
  expect(learn(open, { top: 12, writers: ['b'] }).settled).toBe(9);
});

test('whatever overlaps, no event ever appears at or below what was called settled', () => {
  // A story: transactions that begin, draw ids and end in any order, with looks in between.
  const steps = fc.array(
    fc.record({ writer: fc.constantFrom('a', 'b', 'c'), does: fc.constantFrom('draw', 'end', 'look') }),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(steps, (story) => {
      const open = new Map<string, number[]>();
      const visible: number[] = [];
      let drawn = 0;
      let turn = 0;
      let knowledge = NOTHING;
      const nameOf = new Map<string, string>();
      for (const { writer, does } of story) {
        if (does === 'draw') {
          if (!nameOf.has(writer)) nameOf.set(writer, `${writer}${(turn += 1)}`);
          open.set(writer, [...(open.get(writer) ?? []), (drawn += 1)]);
        } else if (does === 'end') {
          for (const id of open.get(writer) ?? []) expect(id).toBeGreaterThan(knowledge.settled);
          visible.push(...(open.get(writer) ?? []));
          open.delete(writer);
          nameOf.delete(writer);
        } else {
          knowledge = learn(knowledge, { top: Math.max(0, ...visible), writers: [...nameOf.values()] });
        }
      }
    }),
  );
});

test('those who ask at once share the looks', async () => {
  let looks = 0;
  const settled = createSettled(async () => {
    looks += 1;
    return { top: 7, writers: [] };
  }, systemClock);
  expect(await Promise.all(Array.from({ length: 20 }, () => settled.find()))).toEqual(Array(20).fill(7));
  expect(looks).toBe(1);
  expect(settled.known()).toBe(7);
});
