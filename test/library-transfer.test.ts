import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { fromBufferPromise } from 'yauzl';
import { ZipFile } from 'yazl';
import { newId, sha256 } from '../src/core/ids.ts';
import { resultOf } from '../src/jobs/job.ts';
import type { JobView } from '../src/jobs/job-view.ts';
import { type Caller, createTestApp, type TestApp, useTestApp } from './create-test-app.ts';
import { addVideo, ADMIN, call, data, userId } from './library-kit.ts';

interface Answer {
  imported: number;
  skipped: number;
  failed: { jobId: string; code: string; message: string }[];
  collections: number;
  assets: number;
  batches: number;
}

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

async function exportOf(caller: Caller): Promise<Buffer> {
  const response = await call(caller, 'GET', '/export');
  expect(response.statusCode).toBe(200);
  return response.rawPayload;
}

async function upload(caller: Caller, archive: Buffer, type = 'application/zip') {
  const headers = { 'content-type': type };
  return caller.inject({ method: 'POST', url: '/api/v1/import', headers, payload: archive });
}

async function importInto(caller: Caller, archive: Buffer): Promise<Answer> {
  const response = await upload(caller, archive);
  expect(response.statusCode, response.body).toBe(200);
  return (response.json() as { data: Answer }).data;
}

/** The same zip with entries changed, left out (null) or added. */
async function rezip(archive: Buffer, change: (name: string, data: Buffer) => Buffer | null, more = {}) {
  const source = await fromBufferPromise(archive, { lazyEntries: true });
  const target = new ZipFile();
  for await (const entry of source.eachEntry()) {
    const chunks: Buffer[] = [];
    for await (const chunk of await source.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
    const changed = change(entry.fileName, Buffer.concat(chunks));
    if (changed) target.addBuffer(changed, entry.fileName);
  }
  for (const [name, text] of Object.entries(more))
    target.addBuffer(Buffer.isBuffer(text) ? text : Buffer.from(String(text)), name);
  target.end();
  const chunks: Buffer[] = [];
  for await (const chunk of target.outputStream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const row = (text: Buffer, edit: (row: Record<string, unknown>) => void) =>
  Buffer.from(
    String(text)
      .trim()
      .split('\n')
      .map((line) => {
        const value = JSON.parse(line) as Record<string, unknown>;
        edit(value);
        return `${JSON.stringify(value)}\n`;
      })
      .join(''),
  );

/** A library with one of everything; the ids by what they are. */
async function fillLibrary(app: TestApp) {
  const { admin, db } = app;
  const { collectionId } = await data<{ collectionId: string }>(admin, 'POST', '/collections', {
    name: 'Kept',
  });
  const batchId = newId('batch');
  const at = new Date('2026-01-02T03:04:05.678Z');
  await db
    .insertInto('batches')
    .values({ id: batchId, owner_id: ADMIN, name: 'A batch', created_at: at, finished_at: at })
    .execute();
  const assetId = newId('asset');
  const key = `references/${sha256(PIXEL)}.png`;
  await mkdir(join(app.dataDir, 'storage/references'), { recursive: true });
  await writeFile(join(app.dataDir, 'storage', key), PIXEL);
  await db
    .insertInto('assets')
    .values({
      id: assetId,
      owner_id: ADMIN,
      source: 'upload',
      storage_key: key,
      content_type: 'image/png',
      width: 1,
      height: 1,
      size_bytes: PIXEL.length,
      sha256: sha256(PIXEL),
      created_at: at,
      used_at: at,
    })
    .execute();
  const parent = await addVideo(app, {
    name: 'parent',
    collection_id: collectionId,
    starred: true,
    pinned: true,
    tags: ['a', 'b'],
    metadata: { k: 'v' },
    reference_key: key,
    reference_type: 'image/png',
    asset_id: assetId,
  });
  const child = await addVideo(app, {
    name: 'child',
    batch_id: batchId,
    batch_index: 0,
    parent_id: parent.id,
    root_id: parent.id,
    depth: 1,
    derivation: 'remix',
    derived: { by: 'stand_in', reference: 'first_frame' },
  });
  const failed = await addVideo(app, { status: 'failed', webhook_url: 'https://example.com/hook' });
  const trashed = await addVideo(app, { name: 'in the trash' });
  await data(admin, 'DELETE', `/videos/${trashed.id}?trash=true`);
  const cancelled = await addVideo(app, { status: 'cancelled' });
  const open = await admin.create();
  const ids = [parent, child, failed, trashed, cancelled].map(({ id }) => id);
  return { ids, parent, child, collectionId, batchId, assetId, openId: open.jobId };
}

const views = (caller: Caller, ids: readonly string[]) =>
  Promise.all(ids.map((id) => data<JobView>(caller, 'GET', `/videos/${id}`)));

test('what was exported comes back the same elsewhere: views, lineage, files; a second time changes nothing', async () => {
  const app = await createTestApp();
  const { ids, parent, child, collectionId, openId } = await fillLibrary(app);
  const archive = await exportOf(app.admin);

  const other = await createTestApp();
  expect(await importInto(other.admin, archive)).toEqual({
    imported: 5,
    skipped: 0,
    failed: [{ jobId: openId, code: 'job_not_finished', message: expect.any(String) }],
    failedTotal: 1,
    collections: 1,
    assets: 1,
    batches: 1,
  });
  expect(await views(other.admin, ids)).toEqual(await views(app.admin, ids));
  expect(await data(other.admin, 'GET', `/collections/${collectionId}`)).toEqual(
    await data(app.admin, 'GET', `/collections/${collectionId}`),
  );
  for (const id of [parent.id, child.id]) {
    const content = (await call(other.admin, 'GET', `/videos/${id}/content`)).rawPayload;
    expect(sha256(content)).toBe((await other.admin.get(id)).result?.sha256);
  }
  const jobs = await other.db.selectFrom('jobs').selectAll().where('id', '=', parent.id).execute();
  expect(jobs[0]).toMatchObject({ imported_at: expect.any(Date), stored_bytes: parent.stored_bytes });
  const picture = join(other.dataDir, 'storage', jobs[0]?.reference_key ?? '');
  expect((await readFile(picture)).equals(PIXEL)).toBe(true);

  const before = await other.db.selectFrom('events').select('id').execute();
  const again = await importInto(other.admin, archive);
  expect(again).toMatchObject({ imported: 0, skipped: 5, collections: 0, assets: 0, batches: 0 });
  expect(await other.db.selectFrom('events').select('id').execute()).toEqual(before);
});

test("ids that are somebody else's here get new ones, with all that refers to them; theirs stays as it is", async () => {
  const app = await createTestApp();
  const { ids, parent, child, collectionId, batchId } = await fillLibrary(app);
  const archive = await exportOf(app.admin);
  const before = await views(app.admin, ids);
  const caller = await app.user('newcomer');
  const me = await userId(app, 'newcomer');

  expect(await importInto(caller, archive)).toMatchObject({
    imported: 5,
    collections: 1,
    batches: 1,
    assets: 1,
  });
  expect(await views(app.admin, ids)).toEqual(before);
  const mine = await app.db.selectFrom('jobs').selectAll().where('owner_id', '=', me).execute();
  const newParent = mine.find(({ name }) => name === 'parent');
  const newChild = mine.find(({ name }) => name === 'child');
  expect(newParent?.id).not.toBe(parent.id);
  expect(newChild).toMatchObject({ parent_id: newParent?.id, root_id: newParent?.id, depth: 1 });
  expect(newChild?.batch_id).not.toBe(batchId);
  expect(newParent?.collection_id).not.toBe(collectionId);
  const files = [child, newChild].map((job) => job && resultOf(job)?.files.video.key);
  expect(files[0]).not.toBe(files[1]);

  expect(await importInto(caller, archive)).toMatchObject({
    imported: 0,
    skipped: 5,
    collections: 0,
    batches: 0,
  });
  const count = await app.db.selectFrom('jobs').select('id').where('owner_id', '=', me).execute();
  expect(count).toHaveLength(5);
});

test('a collection of the same name is the one that is there', async () => {
  const app = await createTestApp();
  const { parent } = await fillLibrary(app);
  const archive = await exportOf(app.admin);
  const other = await createTestApp();
  const mine = await data<{ collectionId: string }>(other.admin, 'POST', '/collections', { name: 'KEPT' });
  expect(await importInto(other.admin, archive)).toMatchObject({ collections: 0, imported: 5 });
  expect((await other.admin.get(parent.id)).collectionId).toBe(mine.collectionId);
});

test('a picture that is there already counts as new, so that no sweep takes it away before its row is there', async () => {
  const app = await createTestApp();
  await fillLibrary(app);
  const archive = await exportOf(app.admin);
  const other = await createTestApp();
  const path = join(other.dataDir, `storage/references/${sha256(PIXEL)}.png`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, PIXEL);
  await utimes(path, 0, 0);
  await importInto(other.admin, archive);
  expect((await stat(path)).mtimeMs).toBeGreaterThan(Date.parse('2026-01-01'));
});

describe('archives that are not what they should be', () => {
  const source = useTestApp();
  const target = useTestApp();
  let whole: Buffer = Buffer.alloc(0);
  beforeAll(async () => {
    await addVideo(source());
    whole = await exportOf(source().admin);
  });

  const tampered = (edit: (name: string, data: Buffer) => Buffer | null, more = {}) => ({ edit, more });
  const onlyFiles = (edit: (data: Buffer) => Buffer | null) =>
    tampered((name, data) => (name.endsWith('video.mp4') ? edit(data) : data));
  const onlyRows = (edit: (row: Record<string, unknown>) => void) =>
    tampered((name, data) => (name === 'videos.jsonl' ? row(data, edit) : data));

  test.each([
    ['a file with other bytes', onlyFiles((data) => Buffer.from(data).fill('x')), 'file_mismatch'],
    ['a file of another length', onlyFiles((data) => data.subarray(1)), 'file_mismatch'],
    ['no file', onlyFiles(() => null), 'file_missing'],
    ['a row with another hash', onlyRows((row) => replaceHash(row)), 'file_mismatch'],
    ['a row that says it failed', onlyRows((row) => (row['status'] = 'failed')), 'invalid_row'],
    ['a row with an id that is none', onlyRows((row) => (row['id'] = '../../etc')), 'invalid_row'],
    ['a row with a NUL', onlyRows((row) => (row['prompt'] = 'a\u0000')), 'invalid_row'],
    [
      'a row from a day that is none',
      onlyRows((row) => (row['createdAt'] = '2026-99-99T00:00:00Z')),
      'invalid_row',
    ],
    ['a row nested a hundred thousand deep', tampered(nested), 'invalid_row'],
    ['a derivation by nobody', onlyRows((row) => derive(row, { by: { toString: 1 } })), 'invalid_row'],
    ['a picture to start from that is too large', withLargeReference(), 'invalid_row'],
    ['a key that is a path', onlyRows((row) => replaceKey(row)), 'file_missing'],
  ])('%s: that video is not imported, and nothing of it stays', async (_what, { edit, more }, code) => {
    const answer = await importInto(target().admin, await rezip(whole, edit, more));
    expect(answer).toMatchObject({ imported: 0, failed: [{ code }] });
    expect(await target().db.selectFrom('jobs').select('id').execute()).toEqual([]);
    expect(await filesIn(target())).toEqual([]);
  });

  test.each([
    ['no zip', () => Buffer.from('hello'.repeat(100))],
    ['nothing', () => Buffer.from(' ')],
    ['a part of one', (archive: Buffer) => archive.subarray(0, archive.length - 40)],
    ['a zip of something else', (archive: Buffer) => rezip(archive, () => null, { 'a.txt': 'a' })],
    ['a manifest of another version', (archive: Buffer) => about(archive, (it) => (it['version'] = 2))],
    [
      'a manifest that counts otherwise',
      (archive: Buffer) => about(archive, (it) => ((it['counts'] as { videos: number }).videos = 7)),
    ],
    ['no rows', (archive: Buffer) => rezip(archive, (name, data) => (name === 'videos.jsonl' ? null : data))],
    ['a name that climbs', (archive: Buffer) => climb(archive)],
    ['a collection with a NUL', (archive: Buffer) => withCollection(archive, { name: 'a\u0000' })],
    [
      'a collection from a day that is none',
      (archive: Buffer) => withCollection(archive, { createdAt: '2026-02-99T00:00:00Z' }),
    ],
  ])('%s is refused and changes nothing', async (_what, make) => {
    const response = await upload(target().admin, await make(whole));
    expect([response.statusCode, response.json()]).toMatchObject([
      400,
      { error: { code: 'invalid_import' } },
    ]);
    expect(await target().db.selectFrom('events').select('id').execute()).toEqual([]);
    expect(await filesIn(target())).toEqual([]);
  });

  test('more than the limit is refused, packed or unpacked, and another type too', async () => {
    const small = await createTestApp({ IMPORT_LIMIT: '10000' });
    expect((await upload(small.admin, Buffer.concat([whole, Buffer.alloc(10_000)]))).statusCode).toBe(413);
    const packed = new ZipFile();
    packed.addBuffer(Buffer.alloc(5_000_000, '\n'), 'videos.jsonl');
    packed.addBuffer(
      Buffer.from(
        JSON.stringify({
          format: 'sora-studio-export',
          version: 1,
          exportedAt: '2026-01-01T00:00:00Z',
          counts: { videos: 0, collections: 0, batches: 0, assets: 0 },
          missing: [],
        }),
      ),
      'export.json',
    );
    packed.end();
    const chunks: Buffer[] = [];
    for await (const chunk of packed.outputStream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).length).toBeLessThan(10_000);
    expect((await upload(small.admin, Buffer.concat(chunks))).statusCode).toBe(413);
    expect((await upload(small.admin, Buffer.from('{}'), 'application/json')).statusCode).toBe(415);
    expect(await filesIn(small)).toEqual([]);
  });
});

function replaceHash(row: Record<string, unknown>): void {
  const { files } = row['result'] as { files: { video: { sha256: string } } };
  files.video.sha256 = '0'.repeat(64);
}

function replaceKey(row: Record<string, unknown>): void {
  const { files } = row['result'] as { files: { video: { key: string } } };
  files.video.key = '../../../../etc/hostname';
}

function about(archive: Buffer, edit: (about: Record<string, unknown>) => void): Promise<Buffer> {
  return rezip(archive, (name, data) =>
    name === 'export.json' ? row(Buffer.from(JSON.stringify(JSON.parse(String(data)))), edit) : data,
  );
}

function derive(row: Record<string, unknown>, derived: object): void {
  Object.assign(row, {
    parentId: newId('video'),
    rootId: newId('video'),
    depth: 1,
    derivation: 'remix',
    derived,
  });
}

/** No parser minds it; whatever walks through it by calling itself does. */
function nested(name: string, data: Buffer): Buffer {
  if (name !== 'videos.jsonl') return data;
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  return Buffer.from(String(data).replaceAll('"result":{', `"result":{"more":${deep},`));
}

/** Its name and hash are right, and it begins like a picture; it would be read into memory to be sent. */
function withLargeReference() {
  const picture = Buffer.concat([PIXEL, Buffer.alloc(21 * 1024 ** 2)]);
  const key = 'references/large.png';
  const reference = { key, sizeBytes: picture.length, sha256: sha256(picture), contentType: 'image/png' };
  const edit = (name: string, data: Buffer) =>
    name === 'videos.jsonl' ? row(data, (video) => (video['reference'] = reference)) : data;
  return { edit, more: { [`files/${key}`]: picture } };
}

/** The archive with a collection in it. */
async function withCollection(archive: Buffer, fields: object): Promise<Buffer> {
  const line = { id: newId('col'), name: 'a', createdAt: '2026-01-01T00:00:00Z', ...fields };
  const counted = await about(archive, (it) => ((it['counts'] as { collections: number }).collections = 1));
  return rezip(counted, (name, data) =>
    name === 'collections.jsonl' ? Buffer.from(`${JSON.stringify(line)}\n`) : data,
  );
}

/** yazl refuses such names: one of the same length is put into the finished zip. */
async function climb(archive: Buffer): Promise<Buffer> {
  const zip = await rezip(archive, (_name, data) => data, { 'aa/aa/evil': 'x' });
  return Buffer.from(zip.toString('latin1').replaceAll('aa/aa/evil', '../../evil'), 'latin1');
}

/** Files in storage, and what was left of temporary ones. */
async function filesIn({ dataDir }: TestApp): Promise<string[]> {
  const { readdir } = await import('node:fs/promises');
  const entries = await Promise.all(
    ['storage', 'tmp'].map((folder) =>
      readdir(join(dataDir, folder), { recursive: true, withFileTypes: true }),
    ),
  );
  return entries
    .flat()
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
}
