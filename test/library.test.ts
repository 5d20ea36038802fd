import { access, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resultOf } from '../src/jobs/job.ts';
import { useTestApp } from './create-test-app.ts';
import { addVideo, call, data, eventsOf, failure } from './library-kit.ts';

const shared = useTestApp();

interface CollectionView {
  collectionId: string;
  name: string;
  videos: number;
  bytes: number;
}

async function names(query: string): Promise<(string | null)[]> {
  const response = await call(shared().admin, 'GET', `/videos?${query}`);
  expect(response.statusCode, response.body).toBe(200);
  return (response.json() as { data: { name: string | null }[] }).data.map(({ name }) => name);
}

describe('details of a video', () => {
  test('are changed one by one, null clears, and the event names what changed', async () => {
    const { admin } = shared();
    const { id } = await addVideo(shared(), { name: 'old', metadata: { a: '1', b: '2' } });
    const before = await data(admin, 'GET', `/videos/${id}`);
    const after = await data(admin, 'PATCH', `/videos/${id}`, {
      name: null,
      tags: ['x', 'y'],
      metadata: { a: null, c: '3' },
      starred: true,
      pinned: true,
    });
    expect(after).toEqual({
      ...before,
      name: null,
      tags: ['x', 'y'],
      metadata: { b: '2', c: '3' },
      starred: true,
      pinned: true,
    });
    expect(await data(admin, 'GET', `/videos/${id}`)).toEqual(after);
    await data(admin, 'PATCH', `/videos/${id}`, { tags: ['x', 'y'], metadata: { c: '3' }, starred: false });
    expect(await eventsOf(admin, id)).toEqual([
      'job.updated name,tags,metadata,starred,pinned',
      'job.updated starred',
    ]);
  });

  test('of an open job can be changed, and its status stays', async () => {
    const { admin } = shared();
    const { jobId } = await admin.create();
    const job = await data(admin, 'PATCH', `/videos/${jobId}`, { name: 'while it is made' });
    expect(job).toMatchObject({ status: 'pending', name: 'while it is made' });
  });

  test.each([
    [{}, 'invalid_request'],
    [{ prompt: 'another' }, 'unknown_field'],
    [{ name: '' }, 'invalid_request'],
    [{ name: 'a\u0000' }, 'invalid_request'],
    [{ starred: 'yes' }, 'invalid_request'],
    [{ tags: ['a', 'a'] }, 'invalid_request'],
    [{ metadata: { a: 1 } }, 'invalid_request'],
    [
      { metadata: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`k${n}`, 'v'])) },
      'invalid_request',
    ],
  ])('%j is refused and changes nothing', async (body, code) => {
    const { admin } = shared();
    const { id } = await addVideo(shared());
    expect(await failure(admin, 'PATCH', `/videos/${id}`, body)).toEqual([400, code]);
    expect(await eventsOf(admin, id)).toEqual([]);
  });

  test("another owner's collection cannot be moved into", async () => {
    const { admin, user } = shared();
    const stranger = await user('shelf');
    const { collectionId } = await data<CollectionView>(stranger, 'POST', '/collections', { name: 'Theirs' });
    const { id } = await addVideo(shared());
    expect(await failure(admin, 'PATCH', `/videos/${id}`, { collectionId })).toEqual([
      404,
      'collection_not_found',
    ]);
  });
});

describe('collections', () => {
  test('count videos and bytes, know names once whatever their case, and leave their videos when they go', async () => {
    const { admin } = shared();
    const { collectionId } = await data<CollectionView>(admin, 'POST', '/collections', { name: 'Boats' });
    expect(await failure(admin, 'POST', '/collections', { name: 'bOATS' })).toEqual([
      409,
      'collection_exists',
    ]);
    const other = await data<CollectionView>(admin, 'POST', '/collections', { name: 'Cats' });
    expect(await failure(admin, 'PATCH', `/collections/${other.collectionId}`, { name: 'boats' })).toEqual([
      409,
      'collection_exists',
    ]);
    const inside = await addVideo(shared(), { name: 'inside', collection_id: collectionId });
    const trashed = await addVideo(shared(), { collection_id: collectionId });
    await data(admin, 'DELETE', `/videos/${trashed.id}?trash=true`);
    const found = await data<CollectionView>(admin, 'PATCH', `/collections/${collectionId}`, {
      name: 'boats',
    });
    expect(found).toMatchObject({ name: 'boats', videos: 1, bytes: inside.stored_bytes });
    expect(await names(`collection=${collectionId}`)).toEqual(['inside']);
    expect(await names('collection=none&limit=100')).not.toContain('inside');
    await data(admin, 'DELETE', `/collections/${collectionId}`);
    expect(await data(admin, 'GET', `/videos/${inside.id}`)).toMatchObject({ collectionId: null });
    expect(await failure(admin, 'GET', `/collections/${collectionId}`)).toEqual([
      404,
      'collection_not_found',
    ]);
  });

  test("another owner's are not there", async () => {
    const { admin, user } = shared();
    const { collectionId } = await data<CollectionView>(admin, 'POST', '/collections', { name: 'Mine' });
    const stranger = await user('collector');
    const url = `/collections/${collectionId}`;
    for (const [method, body] of [
      ['GET', undefined],
      ['PATCH', { name: 'x' }],
      ['DELETE', undefined],
    ] as const)
      expect(await failure(stranger, method, url, body)).toEqual([404, 'collection_not_found']);
    expect(await data(stranger, 'GET', '/collections')).toEqual([]);
    expect(await data(stranger, 'POST', '/collections', { name: 'Mine' })).toMatchObject({ name: 'Mine' });
  });
});

test('filters: starred, pinned, several tags, children of a video', async () => {
  const app = shared();
  const mark = 'filters-mark';
  const parent = await addVideo(app, { name: 'plain', tags: [mark] });
  await addVideo(app, { name: 'star', tags: [mark], starred: true });
  await addVideo(app, { name: 'pin', tags: [mark, 'second'], pinned: true });
  await addVideo(app, {
    name: 'child',
    parent_id: parent.id,
    root_id: parent.id,
    depth: 1,
    derivation: 'remix',
    derived: { by: 'stand_in' },
  });
  expect(await names(`tag=${mark}&starred=true`)).toEqual(['star']);
  expect(await names(`tag=${mark}&starred=false&order=asc`)).toEqual(['plain', 'pin']);
  expect(await names(`tag=${mark}&pinned=true`)).toEqual(['pin']);
  expect(await names(`tag=${mark},second`)).toEqual(['pin']);
  expect(await names(`parent=${parent.id}`)).toEqual(['child']);
});

describe('the trash', () => {
  test('hides a video from lists and from the OpenAI API, but not from whoever knows its id', async () => {
    const { admin, clock } = shared();
    const first = await addVideo(shared(), { name: 'first out', tags: ['trash-test'] });
    const second = await addVideo(shared(), { name: 'second out', tags: ['trash-test'] });
    const trashed = await data(admin, 'DELETE', `/videos/${second.id}?trash=true`);
    expect(trashed.trashedAt).toBe(new Date(clock.now()).toISOString());
    await clock.advance(1000);
    await data(admin, 'DELETE', `/videos/${first.id}?trash=true`);
    expect(await data(admin, 'DELETE', `/videos/${second.id}?trash=true`)).toEqual(trashed);

    expect(await names('tag=trash-test')).toEqual([]);
    expect(await names('tag=trash-test&trashed=true')).toEqual(['first out', 'second out']);
    expect(await data(admin, 'GET', `/videos/${second.id}`)).toMatchObject({ trashedAt: trashed.trashedAt });
    expect((await call(admin, 'GET', `/videos/${second.id}/content`)).body).toBe(`the video ${second.id}`);
    for (const path of [second.id, `${second.id}/content`])
      expect((await admin.request('GET', `/v1/videos/${path}`)).statusCode).toBe(404);
    expect((await admin.request('DELETE', `/v1/videos/${second.id}`)).statusCode).toBe(404);
    expect(await failure(admin, 'PATCH', `/videos/${second.id}`, { name: 'x' })).toEqual([
      409,
      'job_in_trash',
    ]);
    expect(await failure(admin, 'DELETE', `/videos/${second.id}`)).toEqual([409, 'job_already_finished']);
  });

  test('gives a video back as it was, once', async () => {
    const { admin } = shared();
    const { id } = await addVideo(shared(), { name: 'there and back' });
    const before = await data(admin, 'GET', `/videos/${id}`);
    await data(admin, 'DELETE', `/videos/${id}?trash=true`);
    expect(await data(admin, 'POST', `/videos/${id}/restore`)).toEqual(before);
    expect(await failure(admin, 'POST', `/videos/${id}/restore`)).toEqual([409, 'not_in_trash']);
    expect(await names('q=%22there+and+back%22')).toEqual(['there and back']);
    expect(await eventsOf(admin, id)).toEqual(['job.trashed', 'job.restored']);
  });

  test('cancels an open job on its way', async () => {
    const { admin } = shared();
    const { jobId } = await admin.create();
    const job = await data(admin, 'DELETE', `/videos/${jobId}?trash=true`);
    expect(job).toMatchObject({ status: 'cancelled', cancellation: { outcome: 'not_started' } });
    expect(job.trashedAt).not.toBeNull();
  });

  test('purge deletes a trashed video with its files, for good', async () => {
    const { admin, dataDir } = shared();
    const job = await addVideo(shared());
    await data(admin, 'DELETE', `/videos/${job.id}?trash=true`);
    await data(admin, 'DELETE', `/videos/${job.id}?purge=true`);
    expect(await failure(admin, 'GET', `/videos/${job.id}`)).toEqual([404, 'job_not_found']);
    const key = resultOf(job)?.files.video.key ?? '';
    await expect(access(join(dataDir, 'storage', key))).rejects.toThrow('ENOENT');
  });

  test('what was deleted for good while the provider had not answered is never restored', async () => {
    const { admin, db } = shared();
    const { id } = await addVideo(shared(), { status: 'cancelled', cancel_outcome: 'unknown' });
    await data(admin, 'DELETE', `/videos/${id}?trash=true`);
    await data(admin, 'DELETE', `/videos/${id}?purge=true`);
    expect(await failure(admin, 'POST', `/videos/${id}/restore`)).toEqual([404, 'job_not_found']);
    const row = await db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ trashed_at: null, deleted_at: expect.any(Date) });
  });

  test('trash and purge at once, and another order than its own, are refused', async () => {
    const { admin } = shared();
    const { id } = await addVideo(shared());
    expect(await failure(admin, 'DELETE', `/videos/${id}?purge=true&trash=true`)).toEqual([
      400,
      'invalid_request',
    ]);
    expect(await failure(admin, 'GET', '/videos?trashed=true&sort=createdAt')).toEqual([
      400,
      'invalid_request',
    ]);
    expect(await failure(admin, 'GET', '/videos?sort=trashedAt')).toEqual([400, 'invalid_request']);
  });

  test("another owner's trash is not there", async () => {
    const { admin, user } = shared();
    const stranger = await user('snoop');
    const { id } = await addVideo(shared());
    await data(admin, 'DELETE', `/videos/${id}?trash=true`);
    expect(await failure(stranger, 'GET', `/videos/${id}`)).toEqual([404, 'job_not_found']);
    expect(await failure(stranger, 'POST', `/videos/${id}/restore`)).toEqual([404, 'job_not_found']);
    expect((await call(stranger, 'GET', '/videos?trashed=true')).json()).toMatchObject({ data: [] });
  });
});

test('a video is deleted for good even when its files cannot be removed just now: they are left to the sweep', async () => {
  const [one, two] = [await addVideo(shared()), await addVideo(shared())];
  for (const job of [one, two]) {
    // A folder stands where the file was: no store can remove it as a file.
    const path = join(shared().dataDir, 'storage', resultOf(job)?.files.video.key ?? '');
    await rm(path);
    await mkdir(path);
  }
  await data(shared().admin, 'DELETE', `/videos/${one.id}?purge=true`);
  const body = { action: 'purge', ids: [two.id] };
  expect(await data(shared().admin, 'POST', '/videos/bulk', body)).toMatchObject({ succeeded: 1 });
  for (const job of [one, two]) {
    expect((await call(shared().admin, 'GET', `/videos/${job.id}`)).statusCode).toBe(404);
    const thumbnail = join(shared().dataDir, 'storage', resultOf(job)?.files.thumbnail?.key ?? '');
    expect(await access(thumbnail).catch(() => 'gone')).toBe('gone');
  }
});
