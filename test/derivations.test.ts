import sharp from 'sharp';
import { describe, expect, test, vi } from 'vitest';
import type { JobView } from '../src/jobs/job-view.ts';
import { writeFile } from 'node:fs/promises';
import { collect } from '../src/storage/storage.ts';
import { openLocalStorage } from '../src/storage/local-storage.ts';
import { type Caller, createTestApp, SMALL, type TestApp, useTestApp } from './create-test-app.ts';

// Frames are decoded and encoded in children: a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

const shared = useTestApp({ LINEAGE_MAX_DEPTH: '2' });

async function post(caller: Caller, jobId: string, what: string, body?: object, headers = {}) {
  const url = `/api/v1/videos/${jobId}/${what}`;
  return caller.inject({ method: 'POST', url, headers, ...(body ? { payload: body } : {}) });
}

async function derived(caller: Caller, jobId: string, what: string, body?: object): Promise<JobView> {
  const response = await post(caller, jobId, what, body);
  if (response.statusCode !== 201) throw new Error(response.body);
  const { data } = response.json() as { data: JobView };
  expect(response.headers.location).toBe(`/api/v1/videos/${data.jobId}`);
  return data;
}

async function parentOf({ admin, finish }: TestApp, body: object = SMALL): Promise<JobView> {
  return finish((await admin.create(body)).jobId);
}

const rowOf = ({ db }: TestApp, jobId: string) =>
  db.selectFrom('jobs').selectAll().where('id', '=', jobId).executeTakeFirstOrThrow();

/** The picture a job starts from. */
async function pictureOf(app: TestApp, jobId: string): Promise<Buffer> {
  const { reference_key: key } = await rowOf(app, jobId);
  const storage = await openLocalStorage(`${app.dataDir}/storage`);
  return collect(await storage.open(key ?? ''));
}

/** One finished video for all who only need a parent: each one takes its time. */
let common: Promise<JobView> | undefined;
const commonParent = () => (common ??= parentOf(shared()));

const countJobs = async ({ db }: TestApp) => (await db.selectFrom('jobs').select('id').execute()).length;

describe('a stand-in, where the provider cannot do it itself', () => {
  test('a remix keeps the settings, starts from the first frame, and says what it is', async () => {
    const app = shared();
    const parent = await parentOf(app, {
      ...SMALL,
      name: 'boat',
      tags: ['a'],
      metadata: { k: 'v' },
      priority: 'high',
    });
    const remix = await derived(app.admin, parent.jobId, 'remix', { prompt: 'at night' });
    expect(remix).toMatchObject({
      status: 'pending',
      prompt: 'at night',
      model: parent.model,
      duration: 1,
      resolution: '64x64',
      name: 'boat',
      tags: ['a'],
      metadata: { k: 'v' },
      priority: 'high',
      remixedFrom: parent.jobId,
      retryOf: null,
      derivation: {
        kind: 'remix',
        parentId: parent.jobId,
        rootId: parent.jobId,
        depth: 1,
        by: 'stand_in',
        note: "Not the provider's own remix: a new video with the new prompt, starting from the parent's first frame.",
      },
    });
    expect(remix.inputReference).toMatch(/^asset_/);
    const { width, height } = await sharp(await pictureOf(app, remix.jobId)).metadata();
    expect([width, height]).toEqual([64, 64]);
    expect((await app.finish(remix.jobId)).status).toBe('completed');
  });

  test('an extension starts from the last frame and is the continuation alone', async () => {
    const app = shared();
    const parent = await commonParent();
    const extension = await derived(app.admin, parent.jobId, 'extend', { prompt: 'on it goes' });
    expect(extension).toMatchObject({ remixedFrom: parent.jobId });
    expect(extension.derivation).toMatchObject({ kind: 'extend', by: 'stand_in' });
    expect(extension.derivation?.note).toMatch(/last frame\. It is the continuation alone/);
    const remix = await derived(app.admin, parent.jobId, 'remix', { prompt: 'on it goes' });
    expect(await pictureOf(app, extension.jobId)).not.toEqual(await pictureOf(app, remix.jobId));
    // Without a word about it, what the model usually makes.
    expect(extension.duration).toBe(4);
  });

  test("the parent's own reference image is taken for remix and edit, not for an extension", async () => {
    const app = shared();
    const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const inputReference = `data:image/png;base64,${png.toString('base64')}`;
    const parent = await parentOf(app, { ...SMALL, inputReference });
    for (const kind of ['remix', 'edit']) {
      const job = await derived(app.admin, parent.jobId, kind, { prompt: 'x' });
      expect(job.inputReference).toBe(parent.inputReference);
      expect(job.derivation?.note).toMatch(/own reference image/);
    }
    const extension = await derived(app.admin, parent.jobId, 'extend', { prompt: 'x' });
    expect(extension.inputReference).not.toBe(parent.inputReference);
  });

  test('what is changed is changed, and the frame is brought to the new size', async () => {
    const app = shared();
    const parent = await commonParent();
    const body = { prompt: 'x', duration: 2, resolution: '128x64', name: 'wide', tags: ['b'] };
    const remix = await derived(app.admin, parent.jobId, 'remix', body);
    expect(remix).toMatchObject({ duration: 2, resolution: '128x64', name: 'wide', tags: ['b'] });
    const { width, height } = await sharp(await pictureOf(app, remix.jobId)).metadata();
    expect([width, height]).toEqual([128, 64]);
  });

  test('a video that cannot be decoded is remixed without a picture, and not extended', async () => {
    const app = await createTestApp();
    const parent = await parentOf(app);
    const { result } = await rowOf(app, parent.jobId);
    const { files } = result as { files: { video: { key: string } } };
    await writeFile(`${app.dataDir}/storage/${files.video.key}`, 'no video any more');
    const remix = await derived(app.admin, parent.jobId, 'remix', { prompt: 'x' });
    expect(remix.inputReference).toBeNull();
    expect(remix.derivation?.note).toMatch(/without a picture of the parent/);
    const refused = await post(app.admin, parent.jobId, 'extend', { prompt: 'x' });
    expect(refused.json()).toMatchObject({ error: { code: 'operation_unsupported' } });
  });

  test('is what `via: provider` refuses, saying what is possible', async () => {
    const app = shared();
    const parent = await commonParent();
    const before = await countJobs(app);
    for (const kind of ['remix', 'edit', 'extend']) {
      const response = await post(app.admin, parent.jobId, kind, { prompt: 'x', via: 'provider' });
      expect(response.statusCode).toBe(400);
      expect(response.json()).toMatchObject({
        error: {
          code: 'operation_unsupported',
          details: {
            operation: kind,
            possible: ['remix', 'edit', 'extend'].map((operation) => ({ operation, via: 'stand_in' })),
          },
        },
      });
    }
    expect(await countJobs(app)).toBe(before);
  });
});

describe('bad input', () => {
  test.each([
    ['no prompt', 'remix', {}, 'invalid_request'],
    ['an empty prompt', 'remix', { prompt: ' ' }, 'invalid_prompt'],
    ['an unknown field', 'edit', { prompt: 'x', size: '64x64' }, 'unknown_field'],
    ['an unknown way', 'remix', { prompt: 'x', via: 'magic' }, 'invalid_request'],
    ['no time at all', 'extend', { prompt: 'x', duration: 0 }, 'invalid_request'],
    ['too much to add', 'extend', { prompt: 'x', duration: 61 }, 'unsupported_duration'],
    ['another size for an extension', 'extend', { prompt: 'x', resolution: '128x64' }, 'unknown_field'],
    ['an odd size', 'remix', { prompt: 'x', resolution: '101x101' }, 'unsupported_size'],
    ['an unknown model', 'remix', { prompt: 'x', model: 'nope' }, 'model_not_found'],
    ['something to change in a retry', 'retry', { prompt: 'x' }, 'unknown_field'],
    ['a NUL in the name', 'remix', { prompt: 'x', name: 'a\u0000' }, 'invalid_request'],
  ])('%s is refused, and nothing is created', async (_what, kind, body, code) => {
    const app = shared();
    const parent = await commonParent();
    const before = await countJobs(app);
    const response = await post(app.admin, parent.jobId, kind, body);
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ success: false, error: { code } });
    expect(await countJobs(app)).toBe(before);
  });

  test('only a completed video of your own can be a parent', async () => {
    const app = await createTestApp({ SIMULATOR_SPEED: '1' });
    const { jobId } = await app.admin.create();
    const ask = async (id: string) => {
      const answers = await Promise.all(
        ['remix', 'edit', 'extend'].map((kind) => post(app.admin, id, kind, { prompt: 'x' })),
      );
      const codes = answers.map((answer) => (answer.json() as { error: { code: string } }).error.code);
      expect(new Set(codes).size).toBe(1);
      return [answers[0]?.statusCode, codes[0]];
    };
    expect(await ask(jobId)).toEqual([400, 'video_not_completed']);
    await app.settle();
    expect((await app.admin.get(jobId)).status).toBe('processing');
    expect(await ask(jobId)).toEqual([400, 'video_not_completed']);
    await app.admin.request('DELETE', `/api/v1/videos/${jobId}`);
    expect(await ask(jobId)).toEqual([400, 'video_not_completed']);
    const failed = await app.admin.create({ ...SMALL, prompt: '[sim:moderation] x' });
    await app.finish(failed.jobId);
    expect(await ask(failed.jobId)).toEqual([400, 'video_not_completed']);
    expect(await ask('video_x')).toEqual([404, 'job_not_found']);
    const stranger = await app.user();
    const theirs = await stranger.create();
    await app.finish(theirs.jobId);
    expect(await ask(theirs.jobId)).toEqual([404, 'job_not_found']);
    const at = new Date(app.clock.now());
    const done = await parentOf(app);
    await app.db
      .updateTable('jobs')
      .set({ deleted_at: at, trashed_at: at })
      .where('id', '=', done.jobId)
      .execute();
    await expect.poll(() => ask(done.jobId)).toEqual([404, 'job_not_found']);
  });

  test('a lineage goes no deeper than it may', async () => {
    const app = shared();
    const parent = await commonParent();
    const child = await app.finish((await derived(app.admin, parent.jobId, 'remix', { prompt: 'b' })).jobId);
    const grandchild = await app.finish(
      (await derived(app.admin, child.jobId, 'edit', { prompt: 'c' })).jobId,
    );
    expect(grandchild.derivation).toMatchObject({ depth: 2, rootId: parent.jobId });
    const response = await post(app.admin, grandchild.jobId, 'remix', { prompt: 'd' });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({
      error: { code: 'lineage_too_deep', details: { depth: 2, maxDepth: 2 } },
    });
  });
});

describe('retry', () => {
  test('asks for the same again, as a new job that names the old one', async () => {
    const app = shared();
    const body = { ...SMALL, prompt: '[sim:fail] x', name: 'n', tags: ['t'], metadata: { k: 'v' } };
    const failed = await app.finish((await app.admin.create(body)).jobId);
    expect(failed.status).toBe('failed');
    const again = await derived(app.admin, failed.jobId, 'retry');
    expect(again).toMatchObject({
      ...body,
      status: 'pending',
      resolution: '64x64',
      retryOf: failed.jobId,
      remixedFrom: null,
      derivation: { kind: 'retry', parentId: failed.jobId, by: null, note: null },
    });
    expect(await derived(app.admin, failed.jobId, 'retry', {})).toMatchObject({ retryOf: failed.jobId });
  });

  test('keeps the picture of a stand-in', async () => {
    const app = shared();
    const parent = await commonParent();
    const remix = await derived(app.admin, parent.jobId, 'remix', { prompt: 'x' });
    await app.admin.request('DELETE', `/api/v1/videos/${remix.jobId}`);
    const again = await derived(app.admin, remix.jobId, 'retry');
    expect(again.inputReference).toBe(remix.inputReference);
    expect(await pictureOf(app, again.jobId)).toEqual(await pictureOf(app, remix.jobId));
  });

  test('is for what failed or was cancelled: all else is 409', async () => {
    const app = shared();
    const open = await app.admin.create();
    const ask = async (id: string) => (await post(app.admin, id, 'retry')).json() as object;
    expect(await ask(open.jobId)).toMatchObject({ error: { code: 'job_not_failed' } });
    await app.finish(open.jobId);
    expect((await post(app.admin, open.jobId, 'retry')).statusCode).toBe(409);
    expect(await ask('video_x')).toMatchObject({ error: { code: 'job_not_found' } });
  });
});

describe('a repeated request', () => {
  test('with the same key makes one video', async () => {
    const app = shared();
    const parent = await commonParent();
    const before = await countJobs(app);
    const key = { 'idempotency-key': 'remix-1' };
    const answers = await Promise.all(
      [1, 2].map(() => post(app.admin, parent.jobId, 'remix', { prompt: 'x' }, key)),
    );
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
    expect(await countJobs(app)).toBe(before + 1);
    const other = await post(app.admin, parent.jobId, 'edit', { prompt: 'y' }, key);
    expect(other.json()).toMatchObject({ error: { code: 'idempotency_key_reused' } });
  });

  test('by an official client, which sends no key but counts its tries, makes one', async () => {
    const app = shared();
    const parent = await commonParent();
    const before = await countJobs(app);
    const first = await post(app.admin, parent.jobId, 'remix', { prompt: 'tried twice' });
    const again = await post(
      app.admin,
      parent.jobId,
      'remix',
      { prompt: 'tried twice' },
      { 'x-stainless-retry-count': '1' },
    );
    expect(again.json()).toMatchObject({ data: { jobId: (first.json() as { data: JobView }).data.jobId } });
    expect(await countJobs(app)).toBe(before + 1);
  });
});
