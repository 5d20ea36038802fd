import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { newId } from '../src/core/ids.ts';
import { expire } from '../src/retention/expire.ts';
import { sweep as lookThrough } from '../src/retention/sweep.ts';
import { createStage, rulesOf, SIGNAL, type Stage } from './retention-stage.ts';

const sweep = (stage: Stage, dryRun = false) => stage.retention({}).sweep({ dryRun, signal: SIGNAL });

const videoKey = (id: string, name: string) => `videos/${id.slice(-2)}/${id}/${name}`;

test('files that no row names are removed after a day; a dry run only counts them', async () => {
  const stage = await createStage();
  const named = await stage.addVideo({ ageDays: 9 });
  const failed = await stage.addVideo({ status: 'failed' });
  const open = await stage.addVideo({ status: 'pending' });
  const bare = await stage.addVideo({ previews: 0 });
  const orphans = [
    await stage.put(videoKey(newId('video'), 'run/video.mp4')),
    await stage.put(videoKey(named, 'other/video.mp4')),
    await stage.put(videoKey(failed, 'run/thumbnail.webp')),
    await stage.put('references/nobody.png'),
  ];
  await stage.put(videoKey(newId('video'), 'run/video.mp4'), { ageDays: 0.99 });
  await stage.put('references/fresh.png', { ageDays: 0.5 });
  // An archive may be about to name it, and so may a process that is making previews.
  await stage.put(videoKey(open, 'run/video.mp4'), { ageDays: 99 });
  await stage.put(videoKey(bare, 'other/preview.webp'), { ageDays: 99 });
  await stage.put('videos/somebody-elses.txt');
  await stage.put('exports/archive.zip');
  const before = await stage.keys();

  const dry = await sweep(stage, true);
  expect(dry).toMatchObject({ files: { orphans: 4, removed: 0, bytes: 40, unknown: 1 } });
  expect(dry.orphans.sort()).toEqual(orphans.sort());
  expect(await stage.keys()).toEqual(before);
  expect(await stage.retention({}).last('sweep')).toBeUndefined();

  expect((await sweep(stage)).files).toMatchObject({ orphans: 4, removed: 4 });
  expect(await stage.keys()).toEqual(before.filter((key) => !orphans.includes(key)));
  expect(await stage.retention({}).last('sweep')).toMatchObject({ report: { files: { removed: 4 } } });
});

test('killed between the row and its files: what is left is an orphan, and the sweep removes it', async () => {
  const stage = await createStage();
  const id = await stage.addVideo({ ageDays: 9 });
  const process = stage.process(rulesOf({ days: 1 }));
  const storage = { ...stage.storage, remove: () => Promise.reject(new Error('killed')) };
  await expire({ ...process, storage }, new Date(stage.clock.now()), SIGNAL);
  expect(await stage.ids()).toEqual([]);
  expect(await stage.keys()).toEqual([videoKey(id, 'run/video.mp4')]);
  await sweep(stage);
  expect(await stage.keys()).toEqual([]);
});

test('a row that comes to name a file while the sweep is at work keeps it', async () => {
  const stage = await createStage();
  const keys = [await stage.put('references/a.png'), await stage.put('references/b.png')];
  const process = stage.process(rulesOf({}));
  const removed: string[] = [];
  const storage = {
    ...stage.storage,
    async remove(key: string) {
      removed.push(key);
      // Both were found unnamed; right after the first is gone, a job names the other one.
      for (const other of keys.filter((each) => each !== key)) await stage.addVideo({ referenceKey: other });
      await stage.storage.remove(key);
    },
  };
  await lookThrough({ ...process, storage }, { now: stage.clock.now(), dryRun: false, signal: SIGNAL });
  expect(removed.length).toBe(1);
  expect(await stage.keys()).toEqual(expect.arrayContaining(keys.filter((key) => !removed.includes(key))));
});

test('an image that is stored anew while the sweep is at work is left alone', async () => {
  const stage = await createStage();
  const keys = [await stage.put('references/a.png'), await stage.put('references/b.png')];
  const process = stage.process(rulesOf({}));
  const storage = {
    ...stage.storage,
    async remove(key: string) {
      for (const other of keys.filter((each) => each !== key)) await stage.put(other, { ageDays: 0 });
      await stage.storage.remove(key);
    },
  };
  await lookThrough({ ...process, storage }, { now: stage.clock.now(), dryRun: false, signal: SIGNAL });
  expect((await stage.keys()).length).toBe(1);
});

test('a completed video without its file is told once, and never deleted', async () => {
  const stage = await createStage();
  const [lost, there] = [await stage.addVideo({ previews: 0 }), await stage.addVideo()];
  const file = join(stage.storageDir, videoKey(lost, 'run/video.mp4'));
  await rm(file);
  expect((await sweep(stage, true)).missing).toEqual([lost]);
  expect(await stage.events('job.file_missing')).toEqual([]);
  for (let round = 0; round < 3; round += 1) {
    expect(await sweep(stage)).toMatchObject({ rows: { seen: 2, missing: 1 }, missing: [lost] });
  }
  expect(await stage.events('job.file_missing')).toMatchObject([{ job_id: lost }]);
  expect(await stage.ids()).toEqual([lost, there].sort());

  const previews = async () =>
    (await stage.db.selectFrom('jobs').select('previews').where('id', '=', lost).executeTakeFirstOrThrow())
      .previews;
  expect(await previews()).toBe(-1);
  await stage.put(videoKey(lost, 'run/video.mp4'));
  expect((await sweep(stage)).rows.missing).toBe(0);
  expect(await previews()).toBe(0);
});

test('a store that does not answer is no reason to call files missing', async () => {
  const stage = await createStage();
  await stage.addVideo();
  await rm(stage.storageDir, { recursive: true });
  await expect(sweep(stage)).rejects.toThrow(/./);
  expect(await stage.events('job.file_missing')).toEqual([]);
});

test('whatever rows and files there are, every file that a row names is still there', async () => {
  const stage = await createStage();
  const name = fc.constantFrom(
    'run/video.mp4',
    'run/thumbnail.webp',
    'other/video.mp4',
    'other/preview.webp',
  );
  const job = fc.record({
    status: fc.constantFrom('completed', 'completed', 'failed', 'pending'),
    exists: fc.boolean(),
    previews: fc.constantFrom(-1, 0, 1),
    names: fc.uniqueArray(name),
    ages: fc.array(fc.constantFrom(0, 0.5, 2, 90), { minLength: 4, maxLength: 4 }),
    reference: fc.constantFrom(undefined, 'references/a.png', 'references/b.png'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(job, { maxLength: 8 }), async (jobs) => {
      await rm(stage.storageDir, { recursive: true });
      await stage.clear();
      for (const key of ['references/a.png', 'references/b.png']) await stage.put(key);
      for (const { status, exists, names, ages, previews, reference } of jobs) {
        const rest = { previews, ...(reference ? { referenceKey: reference } : {}) };
        const id = exists ? await stage.addVideo({ status, ...rest }) : newId('video');
        for (const [index, each] of names.entries())
          await stage.put(videoKey(id, each), { ageDays: ages[index] ?? 0 });
      }
      const rows = await stage.db.selectFrom('jobs').select(['result', 'reference_key']).execute();
      const named = rows.flatMap(({ result, reference_key: reference }) => {
        const files = Object.values(
          (result as { files?: Record<string, { key: string }> } | null)?.files ?? {},
        );
        return files.map(({ key }) => key).concat(reference ?? []);
      });
      const before = await stage.keys();
      const process = stage.process(rulesOf({}));
      const { files } = await process.retention.sweep({ dryRun: false, signal: SIGNAL });
      await process.db.destroy();
      const after = await stage.keys();
      expect(after).toEqual(expect.arrayContaining([...new Set(named)]));
      expect(before.length - after.length).toBe(files.removed);
    }),
    { numRuns: 40 },
  );
}, 120_000);
