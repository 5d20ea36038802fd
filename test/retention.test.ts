import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exclusively } from '../src/database/exclusive.ts';
import { newId } from '../src/core/ids.ts';
import { createUpkeep } from '../src/retention/upkeep.ts';
import { createMedia } from '../src/media/media.ts';
import { createTestApp, SMALL } from './create-test-app.ts';
import { createStage, rulesOf, SIGNAL, type Stage, type StagedVideo } from './retention-stage.ts';

const HOUR_MS = 60 * 60_000;

/** Puts videos on the stage, by name. */
async function add<Name extends string>(
  stage: Stage,
  videos: Record<Name, StagedVideo>,
): Promise<Record<Name, string>> {
  const ids = {} as Record<Name, string>;
  for (const [name, video] of Object.entries(videos) as [Name, StagedVideo][]) {
    ids[name] = await stage.addVideo(video);
  }
  return ids;
}

test('what has expired goes with row and files, with an event that says why; the rest stays whole', async () => {
  const stage = await createStage();
  const ids = await add(stage, {
    old: { ageDays: 31, bytes: 100 },
    failed: { ageDays: 31, status: 'failed' },
    young: { ageDays: 29 },
    pinned: { ageDays: 99, pinned: true },
    open: { ageDays: 99, status: 'pending' },
    temp: { ageDays: 8, tags: ['temp'] },
    kept: { ageDays: 99, tags: ['temp', 'keep'] },
    trashed: { ageDays: 9, trashedDays: 8 },
  });
  const sums = await stage.retention({ days: 30, trashDays: 7, tags: 'temp=7,keep=never' }).run(SIGNAL);

  expect(sums).toMatchObject({
    age: { count: 2, bytes: 100 },
    tag: { count: 1, bytes: 10 },
    trash: { count: 1, bytes: 10 },
    bytes: { count: 0, bytes: 0 },
  });
  const left = [ids.young, ids.pinned, ids.open, ids.kept].sort();
  expect(await stage.ids()).toEqual(left);
  const files = (await stage.keys()).map((key) => key.split('/')[2]);
  expect(files.sort()).toEqual([ids.young, ids.pinned, ids.kept].sort());
  const events = await stage.events('job.deleted');
  expect(Object.fromEntries(events.map(({ job_id: id, data }) => [id, data]))).toEqual({
    [ids.old]: { reason: 'retention', rule: 'age' },
    [ids.failed]: { reason: 'retention', rule: 'age' },
    [ids.temp]: { reason: 'retention', rule: 'tag' },
    [ids.trashed]: { reason: 'retention', rule: 'trash' },
  });
});

test('too many bytes: the oldest go until the rest fits, the trash before them, the pinned never', async () => {
  const stage = await createStage();
  const ids = await add(stage, {
    pinned: { ageDays: 50, bytes: 40, pinned: true },
    oldest: { ageDays: 40, bytes: 40 },
    older: { ageDays: 30, bytes: 40 },
    newer: { ageDays: 20, bytes: 40 },
    trashed: { ageDays: 2, trashedDays: 1, bytes: 40 },
  });
  // 80 too many: exactly two of them.
  await stage.retention({ maxBytes: 120 }).run(SIGNAL);
  expect(await stage.ids()).toEqual([ids.pinned, ids.older, ids.newer].sort());
});

test('more than one transaction can hold', async () => {
  const stage = await createStage();
  const ids = await Promise.all(Array.from({ length: 250 }, () => stage.addVideo({ ageDays: 2 })));
  const kept = await stage.addVideo({ ageDays: 0 });
  expect((await stage.retention({ days: 1 }).run(SIGNAL)).age.count).toBe(ids.length);
  expect(await stage.ids()).toEqual([kept]);
});

test('a dry run says what would go, and deletes nothing', async () => {
  const stage = await createStage();
  const ids = await add(stage, {
    older: { ageDays: 9, bytes: 5 },
    old: { ageDays: 8, bytes: 7 },
    trashed: { ageDays: 7, trashedDays: 7, bytes: 3 },
    young: { ageDays: 0 },
  });
  const before = await stage.keys();
  const plan = await stage.retention({ days: 8, trashDays: 7 }).plan();
  expect(plan.sums).toEqual(
    expect.arrayContaining([
      { rule: 'age', videos: 2, bytes: 12, oldest: stage.ago(9), newest: stage.ago(8) },
      { rule: 'trash', videos: 1, bytes: 3, oldest: stage.ago(7), newest: stage.ago(7) },
    ]),
  );
  expect(plan.videos.map(({ id, rule }) => [id, rule])).toEqual([
    [ids.older, 'age'],
    [ids.old, 'age'],
    [ids.trashed, 'trash'],
  ]);
  expect(await stage.keys()).toEqual(before);
  expect((await stage.ids()).length).toBe(4);
  expect(await stage.events('job.deleted')).toEqual([]);
});

test('two processes at once: one works, the other is told so, and each video is deleted once', async () => {
  const stage = await createStage();
  for (let count = 0; count < 30; count += 1) await stage.addVideo({ ageDays: 2 });
  const [a, b] = [stage.process(rulesOf({ days: 1 })), stage.process(rulesOf({ days: 1 }))];
  const rounds = await Promise.allSettled([a, b].map(({ retention }) => retention.run(SIGNAL)));
  const failed = rounds.filter((round) => round.status === 'rejected');
  for (const { reason } of failed) expect(reason).toMatchObject({ code: 'retention_running' });
  expect(failed.length).toBeLessThan(2);
  expect((await stage.events('job.deleted')).length).toBe(30);

  await exclusively(a.db, 'retention', () =>
    expect(b.retention.run(SIGNAL)).rejects.toMatchObject({ code: 'retention_running' }),
  );
  await expect(b.retention.run(SIGNAL)).resolves.toBeDefined();
});

test('a video that was pinned or restored in the last moment stays', async () => {
  const stage = await createStage();
  const [pinned, restored, third] = await Promise.all([
    stage.addVideo({ ageDays: 9 }),
    stage.addVideo({ ageDays: 1, trashedDays: 9 }),
    stage.addVideo({ ageDays: 9 }),
  ]);
  const process = stage.process(rulesOf({ days: 8, trashDays: 7 }));
  let changed = false;
  const write: typeof process.write = async (work) => {
    // Between the look and the transaction that deletes.
    if (!changed) {
      await stage.db.updateTable('jobs').set({ pinned: true }).where('id', '=', pinned).execute();
      await stage.db
        .updateTable('jobs')
        .set({ trashed_at: null, deleted_at: null })
        .where('id', '=', restored)
        .execute();
    }
    changed = true;
    return process.write(work);
  };
  const { expire } = await import('../src/retention/expire.ts');
  await expire({ ...process, write }, new Date(stage.clock.now()), SIGNAL);
  expect(await stage.ids()).toEqual([pinned, restored].sort());
  expect((await stage.events('job.deleted')).map(({ job_id: id }) => id)).toEqual([third]);
});

test('reference images go when nothing names them, and their files with the last of them', async () => {
  const stage = await createStage();
  const other = newId('usr');
  const created = { created_at: stage.ago(99), role: 'user' } as const;
  await stage.db
    .insertInto('users')
    .values({ id: other, name: 'other', ...created })
    .execute();
  const asset = async (name: string, usedDays: number, ownerId = stage.ownerId) => {
    const id = newId('asset');
    const key = await stage.put(`references/${name}.png`);
    const image = {
      source: 'upload',
      content_type: 'image/png',
      width: 1,
      height: 1,
      size_bytes: 10,
    } as const;
    const times = { created_at: stage.ago(99), used_at: stage.ago(usedDays) };
    await stage.db
      .insertInto('assets')
      .values({ id, owner_id: ownerId, storage_key: key, sha256: name, ...image, ...times })
      .execute();
    return id;
  };
  await asset('idle', 31);
  await asset('shared', 31);
  const theirs = await asset('shared', 2, other);
  const used = await asset('used', 31);
  const recent = await asset('recent', 29);
  await stage.addVideo({ status: 'pending', referenceKey: 'references/used.png' });
  const retention = stage.retention({});
  expect((await retention.plan()).assets).toMatchObject({ count: 2, bytes: 20 });
  expect((await retention.run(SIGNAL)).assets).toEqual({ count: 2, bytes: 20 });
  const left = await stage.db.selectFrom('assets').select('id').execute();
  expect(left.map(({ id }) => id).sort()).toEqual([theirs, used, recent].sort());
  // The files go with the next sweep, the shared one stays.
  await retention.sweep({ dryRun: false, signal: SIGNAL });
  expect(await stage.keys()).toEqual(['recent', 'shared', 'used'].map((name) => `references/${name}.png`));
});

test('rounds: not right after the start, then every hour over all processes, the sweep once a day', async () => {
  const stage = await createStage();
  const media = createMedia({ path: '' });
  const upkeeps = [1, 2].map(() => {
    const parts = stage.process(rulesOf({ days: 1 }));
    return createUpkeep({ ...parts, media, tempDir: join(stage.folder, 'tmp') });
  });
  const rounds = async () => {
    const done = [];
    for (const upkeep of upkeeps) done.push(await upkeep.step('rounds'));
    return done;
  };
  const times = async () => {
    const rows = await stage.db.selectFrom('upkeep').select(['kind', 'started_at']).execute();
    return Object.fromEntries(rows.map((row) => [row.kind, row.started_at.getTime() - start]));
  };
  const start = stage.clock.now();
  await stage.addVideo({ ageDays: 2 });
  expect(await rounds()).toEqual([false, false]);
  expect((await stage.ids()).length).toBe(1);
  await stage.clock.advance(HOUR_MS);
  expect(await rounds()).toEqual([true, false]);
  expect(await stage.ids()).toEqual([]);
  await stage.clock.advance(HOUR_MS - 1);
  expect(await rounds()).toEqual([false, false]);
  await stage.clock.advance(1);
  expect(await rounds()).toEqual([true, false]);
  expect(await times()).toEqual({ retention: 2 * HOUR_MS, sweep: HOUR_MS });
  await stage.clock.advance(23 * HOUR_MS);
  await rounds();
  expect(await times()).toEqual({ retention: 25 * HOUR_MS, sweep: 25 * HOUR_MS });
});

test('the whole app: the plan and a run, for administrators only', async () => {
  const { admin, app, clock, dataDir, finish, user } = await createTestApp({ RETENTION_DAYS: '30' });
  const { jobId } = await admin.create();
  await finish(jobId);
  const files = async () =>
    (await readdir(join(dataDir, 'storage'), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  const before = await files();
  expect(before).toContain('video.mp4');
  await clock.advance(31 * 24 * HOUR_MS);

  const someone = await user();
  expect((await someone.request('GET', '/api/v1/admin/retention')).statusCode).toBe(403);
  expect((await someone.request('POST', '/api/v1/admin/retention/run', {})).statusCode).toBe(403);
  expect((await admin.request('POST', '/api/v1/admin/retention/run', { dry: true })).json()).toMatchObject({
    error: { code: 'unknown_field' },
  });

  const dry = await admin.request('POST', '/api/v1/admin/retention/run', { dryRun: true });
  expect(dry.json()).toMatchObject({ data: { plan: { videos: [{ jobId, rule: 'age' }] }, deleted: null } });
  const status = await admin.request('GET', '/api/v1/admin/retention');
  expect(status.json()).toMatchObject({
    data: { rules: { days: 30, maxBytes: null }, videos: [{ jobId }], lastRun: null, lastSweep: null },
  });
  expect(await files()).toEqual(before);

  const run = await admin.request('POST', '/api/v1/admin/retention/run', {});
  expect(run.json()).toMatchObject({ data: { plan: null, deleted: { age: { count: 1 } } } });
  expect((await admin.request('GET', `/api/v1/videos/${jobId}`)).statusCode).toBe(404);
  expect(await files()).toEqual([]);
  expect((await app.retention.last('retention'))?.report).toMatchObject({ age: { count: 1 } });

  const open = await admin.create(SMALL);
  await clock.advance(99 * 24 * HOUR_MS);
  await admin.request('POST', '/api/v1/admin/retention/run', {});
  expect((await admin.get(open.jobId)).status).toBe('pending');
});
