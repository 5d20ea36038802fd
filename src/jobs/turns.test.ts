import {
  type Arbitrary,
  array,
  assert,
  constantFrom,
  dictionary,
  integer,
  property,
  record,
} from 'fast-check';
import { expect, test } from 'vitest';
import { chooseTurns, type Lane } from './turns.ts';
import { limitsOf, type ModelJob, type ModelState, modelTurns } from './turns-model.ts';

const PEOPLE = ['ann', 'ben', 'cem'];
const few = constantFrom(0, 1, 2);
const jobs = array(
  record({
    person: constantFrom(...PEOPLE),
    owner: constantFrom('studio', 'alone'),
    key: constantFrom('one', 'two', null),
    priority: constantFrom(-1, 0, 1),
    createdAt: integer({ min: 0, max: 5 }),
  }),
  { maxLength: 25 },
).map((all) => all.map((job, index): ModelJob => ({ id: `job_${String(index).padStart(2, '0')}`, ...job })));
const counts = (names: readonly string[]) =>
  dictionary(constantFrom(...names), few).map((of) => new Map(Object.entries(of)));
const state: Arbitrary<ModelState> = record({
  inWork: counts(PEOPLE),
  servedAt: counts(PEOPLE),
  room: counts(['key/one', 'key/two', 'team/studio', 'team/alone', 'user/ann', 'user/ben']),
});

/** What the database shows of the same, to a depth. */
function lanesOf(all: readonly ModelJob[], { inWork, servedAt, room }: ModelState, depth: number): Lane[] {
  const lanes = Map.groupBy(all, ({ person, owner, key }) => JSON.stringify([person, owner, key]));
  return [...lanes.values()].flatMap((waiting) => {
    const [first] = waiting;
    if (!first) return [];
    const { person } = first;
    const sorted = waiting.toSorted(
      (a, b) => b.priority - a.priority || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1),
    );
    return {
      person,
      inWork: inWork.get(person) ?? 0,
      servedAt: servedAt.get(person) ?? 0,
      waiting: sorted.slice(0, depth),
      isCut: sorted.length >= depth,
      limits: limitsOf(first).filter((limit) => room.has(limit)),
    };
  });
}

test('turns are as the rule says, however little of each queue is seen', () => {
  assert(
    property(jobs, state, integer({ min: 1, max: 12 }), (all, now, count) => {
      const expected = modelTurns(all, count, now);
      for (let depth = 1; depth <= count; depth += 1) {
        const chosen = chooseTurns(lanesOf(all, now, depth), count, now.room);
        if (chosen || depth === count) expect(chosen).toEqual(expected);
      }
    }),
    { numRuns: 500 },
  );
});

test("a priority changes nothing about any other person's turns", () => {
  assert(
    property(jobs, counts(PEOPLE), integer({ min: 1, max: 12 }), (all, inWork, count) => {
      // Each was served at another time, so that no two are in turn together and age decides nothing between them.
      const servedAt = new Map(PEOPLE.map((person, index) => [person, index]));
      const turns = (list: readonly ModelJob[]) =>
        chooseTurns(lanesOf(list, { inWork, servedAt, room: new Map() }, count), count)?.map(
          (id) => list.find((job) => job.id === id)?.person,
        );
      const pushed = all.map((job) => (job.person === 'ann' ? { ...job, priority: 1 } : job));
      expect(turns(pushed)).toEqual(turns(all));
    }),
  );
});
