import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { type JobResult, bytesOf } from '../src/jobs/job.ts';
import { createMedia } from '../src/media/media.ts';
import { makePreviews } from '../src/retention/make-previews.ts';
import { createUpkeep } from '../src/retention/upkeep.ts';
import { createTestApp } from './create-test-app.ts';
import { createStage, rulesOf, SIGNAL } from './retention-stage.ts';

const clip = fileURLToPath(new URL('../src/media/fixtures/clip.mp4', import.meta.url));
const hasWebcodecs = await import('node-webcodecs')
  .then((library) => library.isNativeAvailable())
  .catch(() => false);

/** A stage with what makes previews, and rows that have none. */
async function createPreviewStage() {
  const stage = await createStage();
  const media = createMedia({ path: process.env['PATH'] ?? '' });
  onTestFinished(() => media.close());
  const tempDir = join(stage.folder, 'tmp');
  await mkdir(tempDir);
  const worker = () => ({ ...stage.process(rulesOf({})), media, tempDir });

  async function row(id: string) {
    const job = await stage.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    return { ...job, files: (job.result as unknown as JobResult).files };
  }
  /** A completed video without previews, as an import leaves it. */
  async function addBare(content?: string): Promise<string> {
    const id = await stage.addVideo({ previews: 0 });
    const file = join(stage.storageDir, (await row(id)).files.video.key);
    await mkdir(dirname(file), { recursive: true });
    await (content === undefined ? copyFile(clip, file) : writeFile(file, content));
    return id;
  }
  /** Keys in storage that no row names. */
  async function strays(): Promise<string[]> {
    const rows = await stage.db.selectFrom('jobs').select('result').execute();
    const named = new Set(
      rows.flatMap(({ result }) =>
        Object.values((result as unknown as JobResult).files).map(({ key }) => key),
      ),
    );
    return (await stage.keys()).filter((key) => !named.has(key));
  }
  return { ...stage, media, tempDir, worker, row, addBare, strays };
}

test('a completed video has all its previews, served to its owner and counted in its bytes', async () => {
  const { admin, db, finish } = await createTestApp();
  const job = await finish((await admin.create()).jobId);
  const row = await db.selectFrom('jobs').selectAll().where('id', '=', job.jobId).executeTakeFirstOrThrow();
  const { files } = row.result as unknown as JobResult;
  expect(row.previews).toBe(1);
  expect(row.stored_bytes).toBe(bytesOf(files));
  if (!hasWebcodecs) return;
  expect(job.result?.previewUrl).toBe(`/api/v1/videos/${job.jobId}/content?variant=preview`);
  const response = await admin.request('GET', job.result?.previewUrl ?? '');
  expect(response.statusCode).toBe(200);
  expect(response.headers['content-type']).toBe('image/webp');
  expect(response.rawPayload.subarray(0, 30).toString('latin1')).toMatch(/^RIFF.{4}WEBPVP8X/s);
  expect(response.rawPayload.includes('ANIM')).toBe(true);
  // OpenAI's API knows three variants.
  const openai = await admin.request('GET', `/v1/videos/${job.jobId}/content?variant=preview`);
  expect(openai.statusCode).toBe(400);
});

test('videos without previews get them afterwards, one after the other', async () => {
  const stage = await createPreviewStage();
  const ids = [await stage.addBare(), await stage.addBare()];
  const before = await stage.row(ids[0]!);
  const upkeep = createUpkeep(stage.worker());
  expect(await upkeep.step('previews')).toBe(true);
  expect(await upkeep.step('previews')).toBe(false);
  for (const id of ids) {
    const { previews, status, stored_bytes: bytes, files } = await stage.row(id);
    expect({ previews, status }).toEqual({ previews: 1, status: 'completed' });
    expect(bytes).toBe(bytesOf(files));
    const made = hasWebcodecs ? ['preview', 'spritesheet', 'thumbnail', 'video'] : ['thumbnail', 'video'];
    expect(Object.keys(files).sort()).toEqual(made);
    for (const file of Object.values(files).filter(({ key }) => key !== files.video.key)) {
      expect(await stage.storage.size(file.key)).toBe(file.sizeBytes);
    }
  }
  const { result: _, stored_bytes: __, previews: ___, updated_at: ____, files: _____, ...rest } = before;
  expect(await stage.row(ids[0]!)).toMatchObject(rest);
  expect(await readdir(stage.tempDir)).toEqual([]);
});

test('a video that cannot be decoded gets a placeholder once and is not tried again', async () => {
  const stage = await createPreviewStage();
  const id = await stage.addBare('<html>no video</html>');
  const worker = stage.worker();
  expect(await makePreviews(worker, id, SIGNAL)).toBe('placeholder');
  const { previews, files } = await stage.row(id);
  expect(previews).toBe(1);
  expect(Object.keys(files).sort()).toEqual(['thumbnail', 'video']);
  expect(await createUpkeep(worker).step('previews')).toBe(false);
});

test('previews it has are kept: a placeholder never takes the place of a picture', async () => {
  const stage = await createPreviewStage();
  const id = await stage.addBare('no video');
  const thumbnail = { key: 'k', sizeBytes: 1, sha256: '00', contentType: 'image/webp' };
  await stage.db
    .updateTable('jobs')
    .set({ result: sql<string>`jsonb_set(result, '{files,thumbnail}', ${JSON.stringify(thumbnail)}::jsonb)` })
    .execute();
  await makePreviews(stage.worker(), id, SIGNAL);
  const { previews, files } = await stage.row(id);
  expect({ previews, thumbnail: files.thumbnail }).toEqual({ previews: 1, thumbnail });
});

test('two processes make them at once: one row, and nothing is left over', async () => {
  const stage = await createPreviewStage();
  const id = await stage.addBare();
  const made = await Promise.all([1, 2].map(() => makePreviews(stage.worker(), id, SIGNAL)));
  expect(made.filter((each) => each === 'left').length).toBe(1);
  expect((await stage.row(id)).previews).toBe(1);
  expect(await stage.strays()).toEqual([]);
});

test('killed between storing the files and writing the row: done again, and the sweep removes the rest', async () => {
  const stage = await createPreviewStage();
  const id = await stage.addBare();
  const worker = stage.worker();
  const killed = { ...worker, write: () => Promise.reject(new Error('killed')) };
  await expect(makePreviews(killed, id, SIGNAL)).rejects.toThrow('killed');
  expect((await stage.row(id)).previews).toBe(0);
  expect((await stage.strays()).length).toBeGreaterThan(0);
  await stage.clock.advance(48 * 60 * 60_000);
  // While previews are still to be made, nobody knows whether these are about to be named.
  expect((await worker.retention.sweep({ dryRun: false, signal: SIGNAL })).files.removed).toBe(0);
  expect(['made', 'placeholder']).toContain(await makePreviews(worker, id, SIGNAL));
  await worker.retention.sweep({ dryRun: false, signal: SIGNAL });
  expect(await stage.strays()).toEqual([]);
  expect(await stage.storage.size((await stage.row(id)).files.thumbnail?.key ?? '')).toBeGreaterThan(0);
});

test('a missing file is noted and not tried again; a store that is away is tried later', async () => {
  const stage = await createPreviewStage();
  const missing = await stage.addBare();
  await rm(join(stage.storageDir, (await stage.row(missing)).files.video.key));
  const worker = stage.worker();
  expect(await createUpkeep(worker).step('previews')).toBe(true);
  expect(await stage.events('job.file_missing')).toMatchObject([{ job_id: missing }]);
  expect(await createUpkeep(worker).step('previews')).toBe(false);

  const id = await stage.addBare();
  let opened = 0;
  const open = () => {
    opened += 1;
    return Promise.reject(new Error('the store is away'));
  };
  const upkeep = createUpkeep({ ...worker, storage: { ...worker.storage, open } });
  expect([await upkeep.step('previews'), await upkeep.step('previews')]).toEqual([false, false]);
  expect(opened).toBe(1);
  await stage.clock.advance(60 * 60_000);
  await upkeep.step('previews');
  expect(opened).toBe(2);
  expect((await stage.row(id)).previews).toBe(0);
});
