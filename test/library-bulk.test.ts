import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { createTestApp, useTestApp } from './create-test-app.ts';
import { addVideo, call, data, eventsOf, failure } from './library-kit.ts';

const shared = useTestApp();

interface BulkAnswer {
  action: string;
  total: number;
  succeeded: number;
  failed: number;
  remaining: number;
  nextCursor: string | null;
  items: { jobId: string; ok: boolean; code?: string; message?: string; newJobId?: string }[];
}

const bulk = (body: object) => data<BulkAnswer>(shared().admin, 'POST', '/videos/bulk', body);
const summary = ({ items }: BulkAnswer) => items.map(({ ok, code }) => (ok ? 'ok' : code));

describe('labels', () => {
  test('each video has its own result, in the order given, and a stranger’s is like none at all', async () => {
    const { user } = shared();
    const stranger = await user('bulk-stranger');
    const theirs = await stranger.create();
    const plain = await addVideo(shared(), { tags: ['old'] });
    const full = await addVideo(shared(), { tags: Array.from({ length: 32 }, (_, n) => `t${n}`) });
    const trashed = await addVideo(shared(), { trashed_at: new Date(), deleted_at: new Date() });
    const ids = [theirs.jobId, full.id, plain.id, 'video_none', trashed.id];
    const answer = await bulk({ action: 'tag', ids, tags: ['new', 'old'] });
    expect(answer.items.map(({ jobId }) => jobId)).toEqual(ids);
    expect(summary(answer)).toEqual([
      'job_not_found',
      'invalid_request',
      'ok',
      'job_not_found',
      'job_in_trash',
    ]);
    expect(answer).toMatchObject({ action: 'tag', total: 5, succeeded: 1, failed: 4, remaining: 0 });
    expect((await shared().admin.get(plain.id)).tags).toEqual(['old', 'new']);
    expect((await stranger.get(theirs.jobId)).tags).toEqual([]);
  });

  test('tag, untag, star, pin and move say what they changed, and nothing where nothing changed', async () => {
    const { admin } = shared();
    const { collectionId } = await data<{ collectionId: string }>(admin, 'POST', '/collections', {
      name: 'B',
    });
    const jobs = [await addVideo(shared(), { tags: ['a', 'b'] }), await addVideo(shared(), { tags: ['b'] })];
    const ids = jobs.map(({ id }) => id);
    await bulk({ action: 'untag', ids, tags: ['a'] });
    for (const action of ['star', 'pin', 'unstar', 'pin']) await bulk({ action, ids });
    await bulk({ action: 'move', ids, collectionId });
    expect(await data(admin, 'GET', `/videos/${ids[0]}`)).toMatchObject({
      tags: ['b'],
      starred: false,
      pinned: true,
      collectionId,
    });
    const flags = ['starred', 'pinned', 'starred', 'collectionId'].map((field) => `job.updated ${field}`);
    expect(await eventsOf(admin, ids[0] ?? '')).toEqual(['job.updated tags', ...flags]);
    expect(await eventsOf(admin, ids[1] ?? '')).toEqual(flags);
    await bulk({ action: 'move', ids, collectionId: null });
    expect((await admin.get(ids[1] ?? '')).collectionId).toBeNull();
  });
});

test('a dry run says what would be done and does nothing', async () => {
  const { admin, db } = shared();
  const open = await admin.create();
  const done = await addVideo(shared());
  const before = await db.selectFrom('events').select('id').execute();
  const ids = [open.jobId, done.id];
  const cases: Record<string, (string | undefined)[]> = {
    delete: ['ok', 'ok'],
    purge: ['job_not_finished', 'ok'],
    restore: ['not_in_trash', 'not_in_trash'],
    cancel: ['ok', 'job_already_finished'],
    retry: ['job_not_retryable', 'job_not_retryable'],
    star: ['ok', 'ok'],
  };
  for (const [action, expected] of Object.entries(cases))
    expect(summary(await bulk({ action, ids, dryRun: true })), action).toEqual(expected);
  expect(await db.selectFrom('events').select('id').execute()).toEqual(before);
});

test('delete cancels what is open and moves all to the trash; restore and purge do what they say', async () => {
  const { admin } = shared();
  const open = await admin.create();
  const done = await addVideo(shared());
  const ids = [open.jobId, done.id];
  const deleted = await bulk({ action: 'delete', ids });
  expect(deleted.items).toEqual([
    { jobId: open.jobId, ok: true, message: expect.stringMatching(/had not started/) },
    { jobId: done.id, ok: true },
  ]);
  for (const id of ids) expect((await admin.get(id)).trashedAt).not.toBeNull();
  expect(summary(await bulk({ action: 'delete', ids }))).toEqual(['ok', 'ok']);
  expect(summary(await bulk({ action: 'restore', ids }))).toEqual(['ok', 'ok']);
  expect(summary(await bulk({ action: 'restore', ids }))).toEqual(['not_in_trash', 'not_in_trash']);
  expect(summary(await bulk({ action: 'purge', ids }))).toEqual(['ok', 'ok']);
  expect(summary(await bulk({ action: 'purge', ids }))).toEqual(['job_not_found', 'job_not_found']);
});

test('a filter takes what it finds, oldest first, and nothing else', async () => {
  const app = await createTestApp();
  const ids: string[] = [];
  for (let index = 0; index < 3; index += 1) ids.push((await addVideo(app, { tags: ['mine'] })).id);
  await addVideo(app);
  const answer = await data<BulkAnswer>(app.admin, 'POST', '/videos/bulk', {
    action: 'star',
    filter: { tag: 'mine' },
  });
  expect(answer.items.map(({ jobId }) => jobId)).toEqual(ids);
  expect(answer).toMatchObject({ total: 3, succeeded: 3, remaining: 0, nextCursor: null });
});

test('more than 1,000 are done in several calls, each going on where the former ended', async () => {
  const app = await createTestApp();
  const { id } = await addVideo(app, { status: 'failed' });
  const columns = [
    'owner_id',
    'status',
    'stage',
    'model',
    'connection',
    'prompt',
    'seconds',
    'width',
    'height',
  ];
  const rest = ['plan', 'due_at', 'updated_at', 'finished_at', 'started_at', 'error_code', 'error_message'];
  const same = [...columns, ...rest].join(', ');
  await sql`insert into jobs (id, created_at, ${sql.raw(same)})
    select 'video_copy' || lpad(n::text, 5, '0'), created_at + n * interval '1 second', ${sql.raw(same)}
    from jobs, generate_series(1, 1004) as n where id = ${id}`.execute(app.db);
  const run = (body: object) =>
    data<BulkAnswer>(app.admin, 'POST', '/videos/bulk', {
      action: 'tag',
      tags: ['seen'],
      filter: {},
      ...body,
    });
  const first = await run({});
  expect(first).toMatchObject({ total: 1000, succeeded: 1000, remaining: 5 });
  const second = await run({ cursor: first.nextCursor });
  expect(second).toMatchObject({ total: 5, succeeded: 5, remaining: 0, nextCursor: null });
  const list = (await call(app.admin, 'GET', '/videos?tag=seen&limit=1')).json() as {
    pagination: { total: number };
  };
  expect(list.pagination.total).toBe(1005);
});

describe('retry', () => {
  test('makes a new job of each failed or cancelled one, once for each Idempotency-Key', async () => {
    const { admin, db } = shared();
    const failed = await addVideo(shared(), { status: 'failed', tags: ['kept'], prompt: 'again please' });
    const cancelled = await addVideo(shared(), { status: 'cancelled' });
    const gone = await addVideo(shared(), { status: 'failed', model: 'a-model-that-is-gone' });
    const done = await addVideo(shared());
    const edit = await addVideo(shared(), {
      status: 'failed',
      parent_id: done.id,
      root_id: done.id,
      depth: 1,
      derivation: 'edit',
      derived: { by: 'provider' },
    });
    const ids = [failed.id, done.id, gone.id, cancelled.id, edit.id];
    const run = () =>
      admin.inject({
        method: 'POST',
        url: '/api/v1/videos/bulk',
        headers: { 'idempotency-key': 'bulk-retry-1' },
        payload: { action: 'retry', ids },
      });
    const first = await run();
    const answer = (first.json() as { data: BulkAnswer }).data;
    expect(summary(answer)).toEqual(['ok', 'job_not_retryable', 'model_not_found', 'ok', expect.any(String)]);
    const job = await admin.get(answer.items[0]?.newJobId ?? '');
    expect(job).toMatchObject({
      retryOf: failed.id,
      prompt: 'again please',
      tags: ['kept'],
      status: 'pending',
    });
    const count = async () => (await db.selectFrom('jobs').select('id').execute()).length;
    const before = await count();
    const second = await run();
    expect(second.body).toBe(first.body);
    expect(second.headers['idempotent-replayed']).toBe('true');
    expect(await count()).toBe(before);
  });

  test('a lineage that is as deep as it may be goes no deeper; the others are tried again', async () => {
    const place = { parent_id: 'video_former', root_id: 'video_first', derivation: 'retry' } as const;
    const deepest = await addVideo(shared(), { ...place, status: 'failed', depth: 50 });
    // What was imported from a server that allows more.
    const deeper = await addVideo(shared(), { ...place, status: 'failed', depth: 32_767 });
    const other = await addVideo(shared(), { ...place, status: 'failed', depth: 49 });
    const ids = [deepest.id, deeper.id, other.id];
    const answer = await bulk({ action: 'retry', ids });
    expect(summary(answer)).toEqual(['lineage_too_deep', 'lineage_too_deep', 'ok']);
  });
});

test.each([
  [{ action: 'star' }, 'invalid_request'],
  [{ action: 'star', ids: [], filter: {} }, 'invalid_request'],
  [{ action: 'star', ids: ['a'], filter: {} }, 'invalid_request'],
  [{ action: 'star', ids: ['a', 'a'] }, 'invalid_request'],
  [{ action: 'star', ids: Array.from({ length: 1001 }, (_, n) => `v${n}`) }, 'invalid_request'],
  [{ action: 'tag', ids: ['a'] }, 'invalid_request'],
  [{ action: 'star', ids: ['a'], tags: ['x'] }, 'invalid_request'],
  [{ action: 'move', ids: ['a'] }, 'invalid_request'],
  [{ action: 'star', ids: ['a'], collectionId: null }, 'invalid_request'],
  [{ action: 'star', filter: { nope: 1 } }, 'unknown_field'],
  [{ action: 'star', filter: { status: 'nope' } }, 'invalid_request'],
  [{ action: 'star', filter: {}, cursor: 'nope' }, 'invalid_cursor'],
  [{ action: 'explode', ids: ['a'] }, 'invalid_request'],
])('%j is refused', async (body, code) => {
  expect(await failure(shared().admin, 'POST', '/videos/bulk', body)).toEqual([400, code]);
});

test('moving to a collection that is not there moves nothing', async () => {
  const { id } = await addVideo(shared());
  const body = { action: 'move', ids: [id], collectionId: 'col_none' };
  expect(await failure(shared().admin, 'POST', '/videos/bulk', body)).toEqual([404, 'collection_not_found']);
});
