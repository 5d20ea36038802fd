import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { findDue, sumDue } from '../src/retention/due.repository.ts';
import { type Candidate, expiring } from '../src/retention/rules.ts';
import { createStage, rulesOf, SIGNAL, type StagedVideo } from './retention-stage.ts';

/** Few different ones, so that there are videos of the same age. */
const days = fc.constantFrom(0, 1, 2, 4, 7, 12, 31, 36);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const rarely = fc.integer({ min: 0, max: 9 }).map((number) => number === 0);

const video: fc.Arbitrary<StagedVideo & { hasOpenChild: boolean }> = fc.record({
  ageDays: days,
  importedDays: maybe(days) as fc.Arbitrary<number>,
  trashedDays: maybe(days) as fc.Arbitrary<number>,
  bytes: fc.constantFrom(10, 20, 50),
  tags: fc.subarray(['temp', 'keep', 'long', 'other']),
  pinned: rarely,
  status: fc.constantFrom('completed', 'completed', 'completed', 'failed', 'cancelled', 'pending'),
  awaitsAnswer: fc.boolean(),
  hasOpenChild: rarely,
});

const rules = fc.record({
  days: fc.constantFrom(Infinity, Infinity, 3, 10, 30),
  maxBytes: fc.constantFrom(Infinity, 1, 30, 60, 100, 150, 200),
  trashDays: fc.constantFrom(0, 5, 30, 60),
  tags: fc.constantFrom('', 'temp=2', 'temp=5,keep=never', 'temp=5,long=35,keep=never', 'other=0'),
});

test('SQL and the plain rules agree, in what is found, in the sums, and in what is deleted', async () => {
  const stage = await createStage();
  await fc.assert(
    fc.asyncProperty(fc.array(video, { maxLength: 14 }), rules, async (videos, some) => {
      await stage.clear();
      const now = new Date(stage.clock.now());
      const candidates: Candidate[] = [];
      const children: string[] = [];
      for (const { hasOpenChild, ...one } of videos) {
        const staged = one.status === 'pending' ? withoutTrash(one) : one;
        const id = await stage.addVideo(staged);
        if (hasOpenChild) children.push(await stage.addVideo({ status: 'pending', parentId: id }));
        candidates.push(candidateOf(id, staged, hasOpenChild, stage.ago));
      }
      const chosen = rulesOf(some);
      const expected = expiring(candidates, chosen, now.getTime());

      const found = await findDue(stage.db, chosen, now, 1000);
      expect(new Map(found.map(({ id, rule }) => [id, rule]))).toEqual(expected);
      const sums = await sumDue(stage.db, chosen, now);
      expect(sums.reduce((sum, { videos }) => sum + Number(videos), 0)).toBe(expected.size);

      const process = stage.process(chosen);
      await process.retention.run(SIGNAL);
      await process.db.destroy();
      const left = [...candidates.map(({ id }) => id).filter((id) => !expected.has(id)), ...children];
      expect(await stage.ids()).toEqual(left.sort());
    }),
    { numRuns: 80 },
  );
}, 120_000);

/** What is open cannot be in the trash. */
function withoutTrash(video: StagedVideo): StagedVideo {
  const { trashedDays, ...rest } = video;
  return trashedDays === undefined ? video : rest;
}

function candidateOf(
  id: string,
  staged: StagedVideo,
  hasOpenChild: boolean,
  ago: (days: number) => Date,
): Candidate {
  const { importedDays, trashedDays, ageDays = 0, bytes = 0, tags = [], status } = staged;
  const open = status === 'pending';
  return {
    id,
    finishedAt: open ? null : ago(ageDays),
    importedAt: importedDays === undefined ? null : ago(importedDays),
    trashedAt: trashedDays === undefined ? null : ago(trashedDays),
    pinned: staged.pinned ?? false,
    needed: hasOpenChild || (status === 'cancelled' && staged.awaitsAnswer === true),
    tags,
    storedBytes: status === 'completed' ? bytes : 0,
  };
}
